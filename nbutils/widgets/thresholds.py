"""From which probability on to give a class: a threshold each, on its precision-recall curve."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from nbutils.analysis.errors import Errors
from nbutils.analysis.multi_label import MultiLabelErrors
from nbutils.analysis.operating_points import ClassOutcomes, Given, list_thresholds
from nbutils.errors import DataError, suggest
from nbutils.plots.names import shorten_all
from nbutils.tables import Note
from nbutils.views.line_chart import LineChart
from nbutils.views.operating_points import chart_class, point_class, say_class, tabulate_class
from nbutils.widgets.moved_threshold import MovedThreshold

NAME_WIDTH = 60  # columns of a name among those to choose from
ALONE = (
    "Each class is decided by itself here, so that a text may be given several or none; the "
    "report's thresholds share out the texts by the ratio of probability to threshold."
)


class ClassThresholdSlider(MovedThreshold):
    """The threshold of a class to be moved, with its precision, recall and F1.

    Parameters
    ----------
    errors
        Of validation and test texts.
    """

    heading = "From which probability on is a class given?"

    def __init__(self, errors: Errors) -> None:
        super().__init__(errors)
        self._outcomes = ClassOutcomes(errors)
        self._several = isinstance(errors, MultiLabelErrors)
        self._k, self._quiet = 0, False
        self._seen: dict[int, tuple[dict[str, Given], LineChart]] = {}
        self._moved: dict[int, float] = {}

    @property
    def twin(self) -> Note:
        """Where thresholds are found."""
        return Note(
            "What is above holds at the thresholds that were chosen on the validation texts. In "
            "JupyterLab a slider moves that of each class along its precision-recall curve."
        )

    @property
    def label(self) -> str:
        """The class whose threshold is moved."""
        return self._errors.label_names[self._k]

    @property
    def chosen(self) -> float:
        """The threshold with the best F1 on the validation texts, as the report chooses it."""
        return self._outcomes.start(self._k)

    @property
    def thresholds(self) -> dict[str, float]:
        """The thresholds of the classes that were looked at, by name."""
        return {self._errors.label_names[k]: value for k, value in sorted(self._moved.items())}

    def choose(self, label: str) -> None:
        """Move the threshold of another class from here on.

        Raises
        ------
        DataError
            There is no such class.
        """
        names = self._errors.label_names
        if label not in names:
            raise DataError(f"class: there is no {label!r} here{suggest(label, names)}")
        with self._turn:
            self._open(names.index(label))

    @cached_property
    def _classes(self) -> Any:
        import ipywidgets

        names = shorten_all(self._errors.label_names, width=NAME_WIDTH)
        options = list(zip(names, range(len(names)), strict=True))
        classes = ipywidgets.Dropdown(description="class", options=options)
        classes.observe(self.answering(self._class_turned), "value")
        return classes

    def _class_turned(self, change: Any) -> None:
        if not self._quiet:
            self._open(change.new)

    def _open(self, k: int) -> None:
        self._k, self._quiet = k, True
        try:
            self._classes.value = k
        finally:
            self._quiet = False
        self._move(self._moved.get(k, self.chosen))

    def _more(self) -> list[Any]:
        return [self._classes]

    def _curves(self) -> tuple[dict[str, Given], LineChart]:
        if self._k not in self._seen:
            found = self._outcomes.of_class(self._k)
            self._seen[self._k] = found, chart_class(found)
        return self._seen[self._k]

    def _move(self, threshold: float) -> None:
        values = [own.of_positives for own in self._curves()[0].values()]
        offered = list_thresholds(values, kept=(self.chosen, threshold))
        self._panel.offer(offered, chosen=threshold)
        self._slid(threshold)

    def _slid(self, threshold: float) -> None:
        self._moved[self._k] = threshold
        self._show()

    def _show(self) -> None:
        (found, chart), threshold = self._curves(), self._moved[self._k]
        ordered = {self.split: found[self.split], **found}
        self._panel.show(
            chart.render(
                point_class(found, threshold=threshold), alt=say_class(found, threshold=threshold)
            ),
            tabulate_class(ordered, name=self.label, threshold=threshold),
            note=self._honest if self._several else f"{self._honest} {ALONE}",
        )
