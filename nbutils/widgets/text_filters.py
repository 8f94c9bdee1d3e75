"""The controls that say which texts are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nbutils.data.browsing import ORDERS, Browsing, Wanted
from nbutils.escaping import visible_text
from nbutils.label_sets import NO_LABEL

ANY = ""
COPIES = {
    "any": ANY,
    "with copies": "with",
    "without copies": "without",
    "a copy has another label": "other label",
    "a copy is in another split": "other split",
}
CORRECTED = {"any": ANY, "corrected": "yes", "not corrected": "no"}
ORDER_NAMES = ("by example, first", "by example, last", "by length, shortest", "by length, longest")


class TextFilters:
    """A control for each part of `Wanted`; `like` has none, and is kept.

    Parameters
    ----------
    browsing
        The texts.
    changed
        Called when something was chosen.
    typed
        Called at each letter that is typed.
    """

    def __init__(
        self, browsing: Browsing, *, changed: Callable[[Any], None], typed: Callable[[Any], None]
    ) -> None:
        import ipywidgets as w

        self._browsing = browsing
        self._like: int | None = None
        self._longest = int(browsing.lengths.max(initial=0))
        self._style = {"description_width": "initial"}
        self._layout = w.Layout(width="auto", max_width="24em")
        self._number = w.Layout(width="12em")
        self._typing = {"words": self._make_search()}
        self._choices = self._make_choices() | self._make_lengths()
        if browsing.metadata:
            self._choices["column"] = self._choose("Metadata", _named(("none", *browsing.metadata)))
            self._typing["value"] = w.Text(
                description="holds", placeholder="words, or 2..5", style=self._style
            )
        self.clear = w.Button(description="Clear", tooltip="Take all filters away")
        for name, control in self.controls.items():
            control.observe(typed if name in self._typing else changed, names="value")
        layout = w.Layout(flex_flow="row wrap", width="100%")
        self.box = w.HBox([*self.controls.values(), self.clear], layout=layout)

    @property
    def controls(self) -> dict[str, Any]:
        """The controls by name."""
        return self._typing | self._choices

    def read(self) -> Wanted:
        """Return what the controls say."""
        said = {name: control.value for name, control in self.controls.items()}
        column = said.get("column", ANY)
        return Wanted(
            words=said["words"],
            split=said["split"] or None,
            label=None if said["label"] < 0 else self._labels[said["label"]],
            copies=said["copies"] or None,
            shortest=said["shortest"],
            longest=None if said["longest"] >= self._longest else said["longest"],
            corrected={"yes": True, "no": False}.get(said["corrected"]),
            metadata=(column, said["value"]) if column else None,
            like=self._like,
            order=said["order"],
        )

    @property
    def typed(self) -> dict[str, str]:
        """What the boxes say that are typed into, by name."""
        return {name: control.value for name, control in self._typing.items()}

    def write(self, wanted: Wanted, *, since: Mapping[str, str]) -> None:
        """Let the controls say what is wanted.

        Parameters
        ----------
        wanted
            What that is.
        since
            What `typed` was before: a box that says something else now is being typed into, and
            keeps it.
        """
        column, value = wanted.metadata or (ANY, "")
        said = {
            "words": wanted.words,
            "split": wanted.split or ANY,
            "label": -1 if wanted.label is None else self._labels.index(wanted.label),
            "copies": wanted.copies or ANY,
            "shortest": wanted.shortest,
            "longest": self._longest if wanted.longest is None else wanted.longest,
            "corrected": {True: "yes", False: "no", None: ANY}[wanted.corrected],
            "column": column,
            "value": value,
            "order": wanted.order,
        }
        self._like = wanted.like
        for name, control in self.controls.items():
            if name not in since or control.value == since[name]:
                control.value = said[name]

    def _make_search(self) -> Any:
        import ipywidgets as w

        return w.Text(
            description="Search",
            placeholder='all words, "a phrase"',
            style=self._style,
            layout=w.Layout(width="24em"),
        )

    def _make_choices(self) -> dict[str, Any]:
        splits = {"any": ANY} | {split: split for split in self._browsing.splits}
        labels = [("any", -1), *((visible_text(n), k) for k, n in enumerate(self._labels))]
        orders = list(zip(ORDER_NAMES, ORDERS, strict=True))
        return {
            "split": self._choose("Split", splits.items()),
            "label": self._choose("Label", labels),
            "copies": self._choose("Copies", COPIES.items()),
            "corrected": self._choose("Correction", CORRECTED.items()),
            "order": self._choose("Order", orders),
        }

    def _make_lengths(self) -> dict[str, Any]:
        import ipywidgets as w

        shared = {"min": 0, "max": self._longest, "style": self._style, "layout": self._number}
        unit = self._browsing.unit.capitalize()
        return {
            "shortest": w.BoundedIntText(description=f"{unit} from", value=0, **shared),
            "longest": w.BoundedIntText(description="to", value=self._longest, **shared),
        }

    def _choose(self, name: str, options: Iterable[tuple[str, Any]]) -> Any:
        import ipywidgets as w

        return w.Dropdown(
            description=name, options=list(options), style=self._style, layout=self._layout
        )

    @property
    def _labels(self) -> list[str]:
        texts = self._browsing.texts
        none = texts.task == "multi_label" and NO_LABEL not in texts.label_names
        return [*texts.label_names, *([NO_LABEL] if none else [])]


def _named(names: Iterable[str]) -> list[tuple[str, str]]:
    first, *others = names
    return [(first, ANY), *((visible_text(name), name) for name in others)]
