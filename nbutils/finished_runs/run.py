"""A finished run: what its report says of it, and what its stage folders hold."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbutils.artifacts import LAST_ARTIFACT, NOTEBOOKS, STAGE_FILE, project_dir, read_json
from nbutils.described import Described
from nbutils.errors import DataError, ParameterError
from nbutils.finished_runs.scores import HeadScore, read_score
from nbutils.params.base import say_value
from nbutils.params.study import Study
from nbutils.report_folders import PARAMETERS, SUMMARY, TITLES
from nbutils.training.limits import BY_HAND

if TYPE_CHECKING:
    import pandas as pd
    from datasets import DatasetDict

    from nbutils.analysis.errors import Errors
    from nbutils.analysis.saved_model import SavedModel
    from nbutils.training.classifier import Classifier


@dataclass(frozen=True, repr=False, eq=False)
class FinishedRun(Described):
    """A finished run; nothing is read before it is asked for.

    Attributes
    ----------
    name
        Of the report folder; ``"interactive"`` for what notebooks wrote in JupyterLab; of a stage
        folder that is in no report, its own.
    when
        It ended.
    folders
        Of its stages, by stage, in their order; one that was pruned is not there any more.
    report_dir
        The folder of its HTML pages; None: it has none.
    told
        The report's manifest; empty: there is none, and the stage folders are asked.
    """

    name: str
    when: datetime
    folders: Mapping[str, Path]
    report_dir: Path | None = None
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def report(self) -> Path | None:
        """The first page of its report; None: it has none."""
        page = None if self.report_dir is None else self.report_dir / SUMMARY
        return page if page is not None and page.is_file() else None

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """What `metrics.json` holds: scores by split, and the training."""
        told = self.told.get("metrics")
        if isinstance(told, Mapping):
            return told
        stage = "benchmark" if "benchmark" in self.folders else "fine_tune"
        return read_json(self._open(stage) / LAST_ARTIFACT[stage])

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """The sections of its study as they were written, also where this version knows others.

        Of a run without a report they are those of the data and of the training.
        """
        told = self.told.get("parameters")
        if isinstance(told, Mapping):
            return told
        found: dict[str, Any] = {}
        if self.has("data_prep"):
            card = read_json(self.data_dir / LAST_ARTIFACT["data_prep"])
            found["data_prep"] = card.get("parameters", {"dataset": card.get("source")})
        if self.has("fine_tune"):
            found["fine_tune"] = read_json(self.model_dir / "history.json").get("recipe", {})
        return found

    @cached_property
    def flat_parameters(self) -> Mapping[str, str]:
        """Its parameters in words, by ``section.key``; what cannot be read is left out."""
        try:
            return _flatten(self.parameters)
        except DataError:
            return {}

    @property
    def subject(self) -> str:
        """What was trained on what, as far as it is known."""
        flat = self.flat_parameters
        model = flat.get("fine_tune.model") or flat.get("benchmark.model")
        data = flat.get("data_prep.dataset") or flat.get("benchmark.dataset")
        return " on ".join(filter(None, [model, data])) or "unknown"

    @cached_property
    def score(self) -> HeadScore | None:
        """The test score that comes first; None: it has none."""
        return read_score(self._known_metrics)

    @property
    def _known_metrics(self) -> Mapping[str, Any]:
        try:
            return self.metrics
        except DataError:
            return {}

    @cached_property
    def params(self) -> Study:
        """The parameters of its study.

        Raises
        ------
        ParameterError
            This version of nbutils does not know one of them.
        """
        try:
            return Study.of({"name": self.name, **self.parameters})
        except ParameterError as error:
            raise ParameterError(f"{self.name}: parameters of another version; {error}") from None

    @property
    def data_dir(self) -> Path:
        """The folder of its prepared data."""
        return self._open("data_prep")

    @property
    def model_dir(self) -> Path:
        """The folder of its fine-tuning, with `model/` in it."""
        return self._open("fine_tune")

    @cached_property
    def data(self) -> DatasetDict:
        """The splits `train`, `validation` and `test`."""
        from datasets import DatasetDict

        return DatasetDict.load_from_disk(self.data_dir / "dataset")

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Of the held-out texts: `example_id, split, label, predicted, prob_<label>...`."""
        from nbutils.prediction_files import read_predictions

        return read_predictions(self.model_dir / "predictions.parquet")

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The names of the K classes, index = id."""
        from nbutils.analysis.mistakes import label_names_of

        if self.has("fine_tune"):
            return label_names_of(self.predictions)
        return tuple(read_json(self.data_dir / LAST_ARTIFACT["data_prep"])["label_names"])

    @cached_property
    def errors(self) -> Errors:
        """What is wrong with its predictions."""
        from nbutils.analysis.errors import find_errors
        from nbutils.analysis.mistakes import texts_of

        splits = [str(split) for split in self.predictions["split"].unique()]
        texts = texts_of(self.data, splits=splits)
        return find_errors(self.predictions, texts, label_names=self.label_names)

    @cached_property
    def model(self) -> Classifier:
        """Its classifier, loaded: `.model.predict(texts)`."""
        from nbutils.training.saved import load_fine_tuned

        return load_fine_tuned(self.model_dir)

    @cached_property
    def saved_model(self) -> SavedModel:
        """Its model as the sections of the error analysis ask it."""
        from nbutils.analysis.saved_model import SavedModel

        return SavedModel(self.model_dir, self.errors)

    @cached_property
    def findings(self) -> Mapping[str, Any]:
        """What `findings.json` holds.

        Raises
        ------
        DataError
            The error analysis was not made, or of another model.
        """
        folder = self._open("error_analysis")
        found = read_json(folder / LAST_ARTIFACT["error_analysis"])
        if not (folder / STAGE_FILE).is_file() and not self._are_own(found):
            raise DataError(
                f"{folder}: expected findings on the model in {self.model_dir}, found those on "
                f"another; {self._mend('error_analysis')}"
            )
        return found

    def _are_own(self, findings: Mapping[str, Any]) -> bool:
        """Return whether findings that do not say of which model they are can be of this one."""
        made, trained = (
            (self.folders[stage] / LAST_ARTIFACT[stage]).stat().st_mtime
            for stage in ("error_analysis", "fine_tune")
        )
        rows, names = self.predictions, list(self.label_names)
        wrong = rows.loc[rows["label"] != rows["predicted"], "split"].value_counts()
        counts = {str(split): int(wrong.get(split, 0)) for split in rows["split"].unique()}
        told = (findings.get("label_names"), findings.get("mistakes"))
        return made >= trained and told == (names, counts)

    def has(self, stage: str) -> bool:
        """Return whether what a stage made is still there."""
        folder = self.folders.get(stage)
        return folder is not None and (folder / LAST_ARTIFACT[stage]).is_file()

    def _open(self, stage: str) -> Path:
        folder = self.folders.get(stage)
        if folder is None:
            made = ", ".join(self.folders) or "no stage"
            raise DataError(f"{self.name}: expected a run with {stage}, found one with {made}")
        if not self.has(stage):
            raise DataError(f"{self.name}: {folder} is not there (any more); {self._mend(stage)}")
        return folder

    def _mend(self, stage: str) -> str:
        command = self.told.get("command")
        if isinstance(command, str) and command:
            return f"run it again: {command}"
        if self.report_dir is not None:
            return f"run it again: nbutils run {shlex.quote(str(self.report_dir / PARAMETERS))}"
        return f"run {NOTEBOOKS[stage]}"

    _title = "Finished run"

    def _facts(self) -> dict[str, Any]:
        baseline = read_score(self._known_metrics, part="baseline")
        return {
            "name": self.name,
            "score": self.score or "none",
            **({} if baseline is None else {"TF-IDF baseline": baseline}),
            "ended": say_when(self.when),
            "trained": self.subject,
            **self._say_stopped(),
            "report": "none" if self.report is None else say_place(self.report),
            **{TITLES[stage].lower(): self._say_folder(stage) for stage in self.folders},
        }

    def _say_stopped(self) -> dict[str, Any]:
        stopped = self._known_metrics.get("training", {}).get("stopped", "")
        return {"training stopped": stopped} if str(stopped).startswith(BY_HAND) else {}

    def _say_folder(self, stage: str) -> str:
        if self.has(stage):
            return say_place(self.folders[stage])
        return f"not there (any more); {self._mend(stage)}"


def say_when(when: datetime) -> str:
    """Return a time as date and minute where the reader is."""
    return f"{when.astimezone():%Y-%m-%d %H:%M}"


def say_place(path: Path) -> str:
    """Return a path as one would type it in the project's folder."""
    project = project_dir()
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path)


def _flatten(sections: Mapping[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, section in sections.items():
        if isinstance(section, Mapping):
            flat |= {f"{name}.{key}": say_value(value) for key, value in section.items()}
    return flat
