"""From which confidence on to answer: a threshold to be moved along the coverage-risk curve."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from nbutils.analysis.abstention import choose_threshold, say_why_not
from nbutils.analysis.errors import Errors
from nbutils.analysis.operating_points import Answering, list_thresholds, read_answering
from nbutils.tables import Note
from nbutils.views.line_chart import LineChart
from nbutils.views.operating_points import (
    chart_answering,
    point_answering,
    say_answering,
    tabulate_answering,
)
from nbutils.widgets.moved_threshold import MovedThreshold


class AbstentionSlider(MovedThreshold):
    """A confidence to be moved, and what the model gets wrong when it answers from there on.

    Parameters
    ----------
    errors
        Of validation and test texts.
    target_error
        Share of the answers that may be wrong: it begins where the report chose for that.
    """

    heading = "What may it answer alone?"

    def __init__(self, errors: Errors, *, target_error: float = 0.02) -> None:
        super().__init__(errors)
        self._target = target_error
        self.threshold = 0.0

    @property
    def twin(self) -> Note:
        """Where other thresholds are found."""
        return Note(
            "What other thresholds bring is on the coverage-risk curve. In JupyterLab a slider "
            "goes along it, on the validation and on the test texts."
        )

    @property
    def chosen(self) -> float:
        """The threshold that the report has, chosen on the validation texts; 0 where it has none.

        It has none where these show of no confidence that it meets the target.
        """
        return self._met or 0.0

    @cached_property
    def _met(self) -> float | None:
        own = self._answering.get("validation")
        if own is None:
            return None
        return choose_threshold(own.confidences, own.correct, target_error=self._target)

    @cached_property
    def _answering(self) -> dict[str, Answering]:
        return read_answering(self._errors)

    @cached_property
    def _chart(self) -> LineChart:
        return chart_answering(self._answering)

    def _move(self, threshold: float) -> None:
        values = [own.confidences for own in self._answering.values()]
        offered = list_thresholds(values, kept=(self.chosen, threshold))
        self._panel.offer(offered, chosen=threshold)
        self._slid(threshold)

    def _slid(self, threshold: float) -> None:
        self.threshold = threshold
        self._show()

    def _show(self) -> None:
        self._panel.show(
            self._chart.render(
                point_answering(self._answering, threshold=self.threshold),
                alt=say_answering(self._answering, threshold=self.threshold),
            ),
            tabulate_answering(self._in_order(), threshold=self.threshold),
            note=" ".join(filter(None, (self._honest, self._unmet))),
        )

    def _in_order(self) -> Mapping[str, Answering]:
        return {self.split: self._answering[self.split], **self._answering}

    @property
    def _unmet(self) -> str:
        if "validation" not in self.splits or self._met is not None:
            return ""
        return say_why_not(len(self._answering["validation"]), target_error=self._target)
