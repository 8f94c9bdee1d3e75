// Tables of examples: searched, sorted, and narrowed to the kind that a link leads to.
(() => {
  "use strict";

  function make(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  class Examples {
    constructor(region, number) {
      this.region = region;
      this.body = region.querySelector("tbody");
      this.rows = [...this.body.rows].map((row) => ({
        row, words: row.textContent.toLowerCase(), groups: (row.dataset.in || "").split(" "),
      }));
      this.group = "";
      this.addTools(`examples-search-${number}`);
      region.querySelectorAll("th[data-sort]").forEach((head) => this.makeSortable(head));
      this.narrow();
    }

    addTools(name) {
      this.query = make("input", { type: "search", id: name, autocomplete: "off", spellcheck: false });
      this.query.addEventListener("input", () => this.narrow());
      this.told = make("span", { className: "nb-told" });
      this.told.setAttribute("role", "status");
      this.all = make("button", { type: "button", textContent: "Show all" });
      this.all.addEventListener("click", () => this.showAll());
      const label = make("label", { htmlFor: name, textContent: "Search" });
      const tools = make("div", { className: "nb-tools" }, label, this.query, this.told, this.all);
      this.region.querySelector(".nb-scroll").before(tools);
    }

    makeSortable(head) {
      const button = make("button", { type: "button", textContent: head.textContent });
      button.addEventListener("click", () => this.sort(head));
      head.replaceChildren(button);
    }

    sort(head) {
      const numeric = head.dataset.sort === "number";
      const before = head.getAttribute("aria-sort");
      const falling = before ? before === "ascending" : numeric;
      this.region.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const key = ({ row }) => {
        const cell = row.cells[head.cellIndex];
        return numeric ? Number(cell.dataset.value) : cell.textContent;
      };
      const compare = numeric ? (a, b) => a - b : (a, b) => a.localeCompare(b);
      const sign = falling ? -1 : 1;
      const sorted = [...this.rows].sort((a, b) => sign * compare(key(a), key(b)));
      this.body.append(...sorted.map(({ row }) => row));
    }

    narrow() {
      const wanted = this.query.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      this.rows.forEach(({ row, words, groups }) => {
        const fits = (!this.group || groups.includes(this.group)) && wanted.every((word) => words.includes(word));
        row.hidden = !fits;
        shown += fits;
      });
      const kind = this.title ? `: ${this.title}` : "";
      this.told.textContent = `${shown.toLocaleString("en")} of ${this.rows.length.toLocaleString("en")}${kind}`;
      this.all.hidden = !this.group && !wanted.length;
    }

    choose(group, title) {
      [this.group, this.title, this.query.value] = [group, title, ""];
      this.narrow();
    }

    showAll() {
      // without its anchor, so that the same link works again
      if (this.group) history.replaceState(null, "", location.pathname + location.search);
      this.choose("", "");
      this.query.focus();
    }

    lead() {
      const region = this.region.querySelector(".nb-scroll");
      this.region.scrollIntoView();
      region.focus({ preventScroll: true });
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const regions = [...document.querySelectorAll("[data-examples]:has(.nb-scroll tbody)")];
    const tables = regions.map((region, at) => new Examples(region, at + 1));
    const follow = () => {
      const target = document.querySelector(":target");
      const found = target && target.closest("tr[data-in]") && tables.find(({ region }) => region.contains(target));
      if (!found) return;
      found.choose(target.id.replace(/^examples-/, ""), target.dataset.group || "");
      found.lead();
    };
    addEventListener("hashchange", follow);
    addEventListener("load", follow);
  });
})();
