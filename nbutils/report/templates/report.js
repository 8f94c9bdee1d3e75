(() => {
  "use strict";
  const root = document.documentElement;
  const remembered = "nbutils-theme";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  try {
    const theme = localStorage.getItem(remembered);
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch { /* a page opened from a file may have no storage */ }
  root.classList.add("js");

  function switchTheme() {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    try { localStorage.setItem(remembered, root.dataset.theme); } catch { /* as above */ }
  }

  async function copy(button) {
    const source = button.closest(".command").querySelector("[data-copy-source]");
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  function unfold(button) {
    const open = button.getAttribute("aria-pressed") !== "true";
    document.querySelectorAll("details.code").forEach((fold) => { fold.open = open; });
    button.setAttribute("aria-pressed", String(open));
    button.textContent = open ? "Hide all code" : "Show all code";
  }

  function followHeadings(contents) {
    const wide = matchMedia("(min-width: 68rem)");
    const fold = () => { contents.open = wide.matches; };
    fold();
    wide.addEventListener("change", fold);
    const links = [...contents.querySelectorAll("a")];
    const targets = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
    const mark = () => {
      let current = 0;
      targets.forEach((target, at) => {
        if (target && target.getBoundingClientRect().top < 120) current = at;
      });
      links.forEach((link, at) => link.classList.toggle("here", at === current));
    };
    let waiting = false;
    addEventListener("scroll", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; mark(); });
    }, { passive: true });
    mark();
  }

  function markScrolling() {
    document.querySelectorAll(".nb-wide").forEach((region) => {
      region.classList.toggle("scrolls", region.scrollWidth > region.clientWidth);
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    markScrolling();
    addEventListener("resize", markScrolling);
    document.querySelectorAll("[data-theme-toggle]").forEach((b) => b.addEventListener("click", switchTheme));
    document.querySelectorAll("[data-copy]").forEach((b) => b.addEventListener("click", () => copy(b)));
    document.querySelectorAll("[data-unfold]").forEach((b) => b.addEventListener("click", () => unfold(b)));
    document.querySelectorAll("[data-contents]").forEach(followHeadings);
  });
})();
