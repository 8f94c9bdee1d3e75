"""A study file: name, seed, and one section per notebook."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from nbutils.artifacts import STAGES, stages_with
from nbutils.errors import ParameterError, suggest
from nbutils.params.base import Parameters, StageParameters, is_plumbing, say_value
from nbutils.params.benchmark import BenchmarkParams
from nbutils.params.cutting import CUTTING
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.error_analysis import ErrorAnalysisParams
from nbutils.params.fields import read_none
from nbutils.params.fine_tune import FineTuneParams
from nbutils.params.strict_yaml import dump_yaml, read_yaml
from nbutils.params.target import Target
from nbutils.tables import Facts

SECTIONS: dict[str, type[StageParameters]] = {
    "data_prep": DataPrepParams,
    "fine_tune": FineTuneParams,
    "error_analysis": ErrorAnalysisParams,
    "benchmark": BenchmarkParams,
}
# What a study file and -p reach by section.key; the target belongs to no notebook.
KEYED: dict[str, type[Parameters]] = {**SECTIONS, "target": Target}
TOKENIZER = {"tokenizer": "model", "tokenizer_revision": "revision"}  # data_prep: fine_tune
SHARED = {**TOKENIZER, **dict(zip(CUTTING, CUTTING, strict=True))}
SEEDED = ("fine_tune", "error_analysis", "benchmark")


class Study(Parameters):
    """All parameters of one study: what `nbutils run` runs."""

    name: str = Field(
        min_length=1, max_length=100, description="name of the study and of its report folder"
    )
    description: str = Field("", description="a sentence for the report's first screen")
    seed: int = Field(42, ge=0, lt=2**32, description="seed of the notebooks that name none")
    target: Target | None = Field(None, description="published score to set beside this one's")
    data_prep: DataPrepParams = Field(default_factory=lambda: DataPrepParams.of({}))
    fine_tune: FineTuneParams = Field(default_factory=lambda: FineTuneParams.of({}))
    error_analysis: ErrorAnalysisParams = Field(default_factory=lambda: ErrorAnalysisParams.of({}))
    benchmark: BenchmarkParams | None = Field(
        None, description="measure speed; such a study has no other section"
    )

    def _repr_html_(self) -> str:
        return Facts(self._facts(), caption=f"Study {self.name}")._repr_html_()

    def _facts(self) -> dict[str, Any]:
        sections = {name: getattr(self, name) for name in self.stages}
        return {
            "description": self.description or "none",
            "seed": self.seed,
            **({} if self.target is None else {"target": self.target}),
            **{name: _say_changes(section) for name, section in sections.items()},
        }

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the study's notebooks, in their order."""
        return stages_with(STAGES[0] if self.benchmark is None else BenchmarkParams.section)

    @property
    def scored(self) -> str:
        """The name of the notebook whose `metrics.json` is the study's."""
        return "fine_tune" if self.benchmark is None else BenchmarkParams.section

    @property
    def sources(self) -> tuple[DataPrepParams, ...]:
        """What the study reads: one dataset, or those of a benchmark."""
        return (self.data_prep,) if self.benchmark is None else self.benchmark.sources()

    @model_validator(mode="after")
    def _let_a_benchmark_stand_alone(self) -> Self:
        if self.benchmark is None:
            return self
        others = [name for name in KEYED if name in self.model_fields_set and name != "benchmark"]
        if others:
            raise ValueError(
                f"benchmark: stands alone in a study, found {', '.join(others)} too; take them out"
            )
        # The same checks and fingerprints then hold for what is measured.
        return self.model_copy(update=self.benchmark.as_sections())

    @model_validator(mode="before")
    @classmethod
    def _measure_as_the_model_cuts(cls, values: Any) -> Any:
        """Let data prep count tokens with the model's own tokenizer, where it names none."""
        sections = values if isinstance(values, dict) else {}
        if sections.get("benchmark") is not None:
            return values
        prep, tune = sections.get("data_prep", {}), sections.get("fine_tune")
        if not isinstance(prep, dict) or not isinstance(tune, dict):
            return values
        own = TOKENIZER if "tokenizer" in prep else {}  # the model's revision is of the model
        shared = {name: tune[s] for name, s in SHARED.items() if s in tune and name not in own}
        return {**values, "data_prep": {**shared, **prep}}

    @field_validator("name")
    @classmethod
    def _be_a_folder_name(cls, name: str) -> str:
        unusable = [sign for sign in name if sign in '/\\:*?"<>|' or not sign.isprintable()]
        if unusable or name.strip(". ") != name or name.endswith(".html"):
            raise ValueError(f"expected a name that can be a folder, found {name!r}")
        return name

    def to_yaml(self) -> str:
        """Return the study as the text of a study file, defaults included."""
        plumbing = {
            name: {field for field in section.model_fields if is_plumbing(section, field)}
            for name, section in SECTIONS.items()
        }
        values = self.model_dump(mode="json", exclude=plumbing)
        for name in set(SECTIONS) - set(self.stages):
            del values[name]
        if self.target is None:
            del values["target"]
        if self.benchmark is None:
            _unshare_the_tokenizer(values)
        return dump_yaml(values)


def _say_changes(section: StageParameters) -> str:
    changes = section.changes().items()
    said = [f"{name} {say_value(value)}" for name, value in changes]
    return "; ".join(said) or "all defaults"


def load_study(path: Path, *, overrides: Sequence[str] = (), name: str | None = None) -> Study:
    """Read and validate a study file.

    Parameters
    ----------
    path
        A YAML file.
    overrides
        ``section.key=value`` each; the value is read by the type that the schema gives the key.
    name
        Replaces the file's `name`.

    Raises
    ------
    ParameterError
        The file is not a study, or a value does not fit; the message starts with the file's name.
    """
    values = read_yaml(path)
    for override in overrides:
        _apply(override, values)
    if name is not None:
        values["name"] = name
    values.setdefault("name", path.stem)
    try:
        return read_study(values)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None


def read_study(content: Mapping[str, Any]) -> Study:
    """Validate what a study file holds: sections left out have their defaults, seeds are shared.

    Raises
    ------
    ParameterError
        A value does not fit.
    """
    values = copy.deepcopy(dict(content))
    if values.get("target") is not None:
        _section(values, "target")
    if "benchmark" not in values:
        for section in STAGES:
            _section(values, section)
    for section in _sections(values):
        if section in SEEDED:
            _section(values, section).setdefault("seed", values.get("seed", 42))
        _refuse_plumbing(values, section)
    return Study.of(values)


def _section(values: dict[str, Any], name: str) -> dict[str, Any]:
    if values.get(name) is None:  # absent, or a heading with nothing below it
        values[name] = {}
    section = values[name]
    if not isinstance(section, dict):
        raise ParameterError(f"{name}: expected a section with keys, found {section!r}")
    return section


def _apply(override: str, values: dict[str, Any]) -> None:
    place, equals, text = override.partition("=")
    section_name, dot, key = place.strip().partition(".")
    if not equals or not place.strip():
        raise ParameterError(f"-p {override}: expected section.key=value")
    if not dot:
        if section_name in KEYED or section_name not in Study.model_fields:
            keys = [f"{name}.{key}" for name, model in KEYED.items() for key in model.model_fields]
            raise ParameterError(f"-p {override}: unknown parameter{_suggest_place(place, keys)}")
        values[section_name] = text
        return
    if section_name not in KEYED:
        raise ParameterError(f"-p {override}: unknown section{suggest(section_name, KEYED)}")
    model = KEYED[section_name]
    if key not in model.model_fields:
        known = suggest(key, model.model_fields)
        raise ParameterError(f"-p {override}: unknown parameter{known}")
    _section(values, section_name)[key] = read_none(text, model.model_fields[key])


def _suggest_place(place: str, places: list[str]) -> str:
    same_key = [known for known in places if known.partition(".")[2] == place]
    return suggest(place, same_key or places)


def _sections(values: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the sections, of those alone that a file with a benchmark has."""
    return tuple(name for name in SECTIONS if name in values)


def _unshare_the_tokenizer(values: dict[str, Any]) -> None:
    """Leave out what is the model's anyway, so that changing the model's moves both."""
    prep, tune = values["data_prep"], values["fine_tune"]
    same = {name: prep[name] == tune[source] for name, source in SHARED.items()}
    same["tokenizer_revision"] &= same["tokenizer"]
    for name in same:
        if same[name]:
            del prep[name]


def _refuse_plumbing(values: dict[str, Any], name: str) -> None:
    section = SECTIONS[name]
    for key in _section(values, name):
        if key in section.model_fields and is_plumbing(section, key):
            raise ParameterError(
                f"{name}.{key}: set by the runner; use --runs-dir to choose the folder"
            )
