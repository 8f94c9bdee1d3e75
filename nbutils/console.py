"""Progress of a study on a terminal, and as plain lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nbutils.artifacts import read_json, stages_with

if TYPE_CHECKING:
    from rich.status import Status

    from nbutils.progress import Progress
    from nbutils.runs import StageRun, StudyRun

WAITS = "another run is at this stage; waiting for its result"
LINE_SECONDS = 5.0  # between two plain lines of one training


def describe_progress(progress: Progress) -> str:
    """Return where a notebook is, as text: cell and section, or step, loss and time left."""
    place = f"cell {progress.cell} of {progress.cells}"
    if not progress.training:
        return f"{place}, {progress.heading}" if progress.heading else place
    values = progress.training
    if "doing" in values:
        doing = f"{values['doing']}, " if values["doing"] else ""
        return f"{place}, {doing}{values['done']} of {values['of']} done"
    if values.get("title"):
        place += f", {values['title']}"
    text = (
        f"{place}, step {values['step']} of {values['steps']}, epoch {values['epoch']:.2f}, "
        f"loss {values['loss']:.3f}"
    )
    if values.get("accuracy") is not None:
        text += f", validation accuracy {values['accuracy']:.1%}"
    return f"{text}, {describe_seconds(values['seconds_left'])} left"


def describe_place(stage: str) -> str:
    """Return where a stage stands in its study, as text: ``[2/3] fine_tune``."""
    stages = stages_with(stage)
    return f"[{stages.index(stage) + 1}/{len(stages)}] {stage}"


def describe_result(done: StudyRun) -> list[str]:
    """Return what a completed study comes to, as lines of text."""
    (scored,) = (run.folder for run in done.stages if run.stage == done.study.scored)
    metrics = read_json(scored / "metrics.json")  # its own, whoever publishes now
    return [metrics["finding"]] if done.study.benchmark else [*_score_lines(done, metrics)]


def _score_lines(done: StudyRun, metrics: Mapping[str, Any]) -> Iterator[str]:
    from nbutils.published import describe_target

    several = metrics.get("task") == "multi_label"
    name, said = ("micro_f1", "micro F1") if several else ("accuracy", "accuracy")
    score = metrics["test"][name]
    line = (
        f"test {said} {score['value']:.1%} (95 % interval {score['low']:.1%} to "
        f"{score['high']:.1%}, n = {score['n']})"
    )
    if metrics.get("baseline"):
        line += f", TF-IDF baseline {metrics['baseline'][name]['value']:.1%}"
    yield line
    if done.study.target is not None:
        yield describe_target(done.study.target, metrics)


def describe_seconds(seconds: float) -> str:
    """Return a duration as a reader would say it: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class PlainConsole:
    """Writes one line per event, and of a training one line every few seconds."""

    def __init__(self) -> None:
        self.written_at = 0.0
        self.heading = ""

    def stage_waits(self, stage: str) -> None:
        """Write that another run is at this stage."""
        self.write(stage, WAITS)

    def stage_started(self, stage: str) -> None:
        """Write that a stage begins."""
        self.heading = ""
        self.write(stage, "started")

    def stage_progress(self, stage: str, progress: Progress) -> None:
        """Write a new section, or a step of a training if the last line is old enough."""
        if progress.training:
            if time.monotonic() - self.written_at >= LINE_SECONDS:
                self.write(stage, describe_progress(progress))
        elif progress.heading != self.heading:
            self.heading = progress.heading
            self.write(stage, describe_progress(progress))

    def stage_done(self, run: StageRun) -> None:
        """Write that a stage is finished, or was there already."""
        self.write(run.stage, describe_end(run))

    def close(self) -> None:
        """Leave the terminal as it was found."""

    def write(self, stage: str, text: str) -> None:
        """Write a line and send it off at once."""
        self.written_at = time.monotonic()
        print(f"{describe_place(stage)}: {text}", flush=True)


def describe_end(run: StageRun) -> str:
    """Return how a stage ended, as text."""
    if run.reused:
        return f"nothing changed, used what was there ({run.folder})"
    return f"done in {describe_seconds(run.seconds)}"


class LiveConsole(PlainConsole):
    """Shows one line that changes in place, and keeps a line per finished stage."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console

        self.console = Console(highlight=False)
        self.status: Status | None = None

    def stage_waits(self, stage: str) -> None:
        """Show that another run is at this stage."""
        self._show(stage, WAITS)

    def stage_started(self, stage: str) -> None:
        """Show that a stage begins."""
        self._show(stage, "starting")

    def _show(self, stage: str, text: str) -> None:
        self.close()
        self.status = self.console.status(self._line(stage, text))
        self.status.start()

    def stage_progress(self, stage: str, progress: Progress) -> None:
        """Show the cell, or the step of a training."""
        if self.status is not None:
            self.status.update(self._line(stage, describe_progress(progress)))

    def stage_done(self, run: StageRun) -> None:
        """Keep a line that the stage is finished, or was there already."""
        self.close()
        self.console.print(self._line(run.stage, describe_end(run)))

    def close(self) -> None:
        """Take the changing line away."""
        if self.status is not None:
            self.status.stop()
            self.status = None

    def _line(self, stage: str, text: str) -> Any:
        from rich.text import Text

        return Text(f"{describe_place(stage)}: {text}")
