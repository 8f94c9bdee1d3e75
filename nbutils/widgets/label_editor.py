"""Controls that say what the label of one text should be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nbutils.data.correction_fields import DELETE, Label
from nbutils.data.labelled_texts import LabelledTexts
from nbutils.escaping import visible_text

KEEP, SET, LEAVE_OUT = -1, -2, -3  # what may be chosen beside a label's id
KEPT = "keep"  # what `LabelEditor.label` is where the label stays
MOST_LINES = 8


class LabelEditor:
    """Keep a text's label, give it another one, or leave the text out.

    Parameters
    ----------
    texts
        Their labels are offered; of several labels of a text, any number can be chosen.
    saved
        Called when it is to be saved.
    taken_back
        Called when a saved correction is to be taken back.
    """

    def __init__(
        self,
        texts: LabelledTexts,
        *,
        saved: Callable[[Any], None],
        taken_back: Callable[[Any], None],
    ) -> None:
        import ipywidgets as w

        self._several = texts.task == "multi_label"
        self._names = [visible_text(name) for name in texts.label_names]
        self._can_leave_out = DELETE not in texts.label_names  # a label of that name comes first
        self.choice = w.Dropdown(
            description="New label", options=self._options("the label"), disabled=True
        )
        self.labels = w.SelectMultiple(
            description="New labels",
            options=[(name, label) for label, name in enumerate(self._names)],
            rows=min(MOST_LINES, len(self._names)),
            disabled=True,
        )
        if self._several:
            self.labels.observe(self._chose_labels, names="value")
        self.save = w.Button(description="Save", tooltip="Save this correction")
        self.take_back = w.Button(description="Take back", tooltip="Take the saved correction back")
        for button, answer in ((self.save, saved), (self.take_back, taken_back)):
            button.disabled = True
            button.on_click(answer)
        several = [self.labels] if self._several else []
        parts = [self.choice, *several, self.save, self.take_back]
        self.box = w.HBox(parts, layout=w.Layout(flex_flow="row wrap"))

    @property
    def label(self) -> Label | str:
        """The label that is chosen: an id, or a tuple of ids; None: leave it out; or `KEPT`."""
        if self.choice.value == LEAVE_OUT:
            return None
        if self.choice.value == SET:
            return tuple(sorted(self.labels.value))
        return KEPT if self.choice.value == KEEP else int(self.choice.value)

    def show(self, given: Label, name: str, *, corrected: Label | str) -> None:
        """Show what a text has.

        Parameters
        ----------
        given
            Its label, as it was read.
        name
            That label by name.
        corrected
            The correction on file; `KEPT`: there is none.
        """
        wanted = given if corrected in (KEPT, None) else corrected
        self.choice.options = self._options(visible_text(name))
        if isinstance(wanted, tuple):
            self.labels.value = wanted
        self.choice.value = self._value_of(corrected)
        for control in (self.choice, self.labels, self.save):
            control.disabled = False
        self.take_back.disabled = corrected == KEPT

    def _value_of(self, corrected: Label | str) -> int:
        if corrected is None:
            return LEAVE_OUT
        if isinstance(corrected, tuple):
            return SET
        return KEEP if isinstance(corrected, str) else corrected

    def _options(self, name: str) -> list[tuple[str, int]]:
        labels = [(own, label) for label, own in enumerate(self._names)]
        given = [("the labels chosen beside", SET)] if self._several else labels
        out = [("delete: leave the text out", LEAVE_OUT)] if self._can_leave_out else []
        return [(f"keep {name}", KEEP), *given, *out]

    def _chose_labels(self, _: Any) -> None:
        self.choice.value = SET
