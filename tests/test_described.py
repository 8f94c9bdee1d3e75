"""Objects show themselves: useful, escaped, legible in any theme, and never whole tables."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from finished import Finished
from made_up import make_errors, make_label_errors

import nbutils
from nbutils.data.baseline import fit_baseline
from nbutils.data.columns import Columns
from nbutils.data.labelled_texts import LabelledTexts
from nbutils.described import Described, name_some, summarise
from nbutils.finished_runs.listing import RunList
from nbutils.finished_runs.run import FinishedRun
from nbutils.metrics import proportion
from nbutils.paired import PairedDifference, compare_paired
from nbutils.params.data_prep import DataPrepParams
from nbutils.params.fine_tune import FineTuneParams
from nbutils.params.study import Study
from nbutils.params.target import Target
from nbutils.runs import StageRun, StudyRun
from nbutils.thresholds import default_thresholds
from nbutils.training.classifier import Predictions
from nbutils.training.history import History, StepRecord, ValidationRecord
from nbutils.training.rate_range import RangeTest

EVIL = '<script>alert("1")</script>\u202e\x1b[31m'
LARGE = re.compile(r"DataFrame|Series|list\[NDArray|Encoded|PreTrainedModel")
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)


def make_study() -> Study:
    return Study(
        name="mine",
        description=EVIL,
        target={"metric": "accuracy", "value": 0.9, "source": "somebody, 2020"},
        data_prep={"dataset": EVIL, "metadata_columns": ["a", "b"]},
        fine_tune={"model": EVIL, "epochs": 7},
    )


def make_run() -> StudyRun:
    stage = StageRun("data_prep", "0" * 16, Path("runs"), reused=True, seconds=2.5)
    return StudyRun(make_study(), f"nbutils run {EVIL}", stages=[stage], problem=EVIL)


def make_texts() -> LabelledTexts:
    frame = pd.DataFrame(
        {"example_id": range(40), "text": "words", "label": [0, 1] * 20, "split": ""}
    )
    frame.loc[:29, "split"] = "train"
    return LabelledTexts(frame, (EVIL, "b"), EVIL, Columns("text", None, "label"))


def make_history() -> History:
    steps = [StepRecord(k, k / 9, 0.5, 1e-4, 1.0, 90, 0.1) for k in range(1, 101)]
    looks = [ValidationRecord(100, 1.0, 0.3, 0.925, 0.9)]
    return History(steps, looks, total_steps=200, notes=[EVIL])


def make_finished() -> FinishedRun:
    told = {
        "parameters": {"fine_tune": {"model": EVIL}, "data_prep": {"dataset": "x"}},
        "metrics": {"test": {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}}},
        "command": f"nbutils run {EVIL}",
    }
    return FinishedRun(EVIL, NOW, {"fine_tune": Path("nowhere")}, Path("reports"), told)


def make_baseline() -> Any:
    rows = [("good day", 0), ("bad night", 1)] * 20
    frame = pd.DataFrame(rows, columns=["text", "label"]).assign(example_id=range(40))
    frame["split"] = ["train"] * 20 + ["validation"] * 10 + ["test"] * 10
    return fit_baseline(frame, label_names=(EVIL, "b"))


MADE = {
    "parameters": lambda: FineTuneParams.of({"model": EVIL, "epochs": 7, "max_steps": 9}),
    "data parameters": lambda: DataPrepParams.of({"dataset": EVIL}),
    "target": lambda: Target.of({"metric": "accuracy", "value": 0.9, "source": EVIL}),
    "study": make_study,
    "study's run": make_run,
    "labelled texts": make_texts,
    "history": make_history,
    "finished run": make_finished,
    "list of runs": lambda: RunList([make_finished()]),
    "no runs": lambda: RunList([]),
    "baseline": make_baseline,
    "score": lambda: proportion(9, 10),
    "difference": lambda: compare_paired([1, 0, 1], [1, 0, 0], [1, 1, 1]),
    "errors": lambda: make_errors(500, 5),
    "label errors": lambda: make_label_errors(500, 5),
    "no errors": lambda: make_errors(0, 2),
    "thresholds": lambda: default_thresholds(30),
    "no thresholds": lambda: default_thresholds(0),
    "predictions": lambda: Predictions([EVIL] * 900, np.zeros((900, 2)), (EVIL, "b")),
    "label predictions": lambda: Predictions([("a", "b"), ()], np.zeros((2, 2)), ("a", "b")),
    "rate range": lambda: RangeTest(
        pd.DataFrame({"learning_rate": [1e-5, 1e-4], "loss": 1.0, "smoothed": [1.0, 0.5]}), 1e-5
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_object_shows_itself_whole_and_harmless(name: str) -> None:
    shown = MADE[name]()
    check(shown._repr_html_(), repr(shown))


def check(page: str, line: str) -> None:
    """Hold what is shown to what everything that is shown must keep."""
    assert len(page) < 20_000
    assert "<script" not in page
    assert "\u202e" not in page + line
    assert "\x1b" not in page + line
    assert len(line) < 2000
    assert line.count("\n") < 25
    for style in re.findall('style="([^"]*)"', page):
        assert has_ground(style), style


def has_ground(style: str) -> bool:
    """Return whether a style names no fixed colour of text, or its ground too, and the reverse."""
    fixed = {
        name.strip()
        for name, _, value in (part.partition(":") for part in style.split(";"))
        if not re.match(r"\s*(inherit|currentColor|transparent|var\()", value)
    }
    return ("color" in fixed) == bool(fixed & {"background", "background-color"})


@pytest.mark.parametrize(
    ("style", "legible"),
    [
        ("color:#000", False),
        ("margin:0;background:white", False),
        ("color:#000;background:#fff", True),
        ("color:inherit", True),
        ("color:var(--jp-ui-font-color1,currentColor)", True),
        ("border-left:4px solid #0072b2", True),
    ],
)
def test_check_of_colours_sees_ink_without_ground(style: str, legible: bool) -> None:
    assert has_ground(style) is legible


def test_models_show_themselves(finished_reviews: Finished) -> None:
    saved = finished_reviews.model
    for shown in (saved, saved.classifier, saved.classifier.predict(["good film"])):
        check(shown._repr_html_(), repr(shown))
    assert "million weights; classes: 2: neg, pos" in repr(saved.classifier)
    assert "wrong: 6" in repr(saved)


def test_trained_model_says_how_its_training_went(tiny_bert: Path) -> None:
    trained = nbutils.fine_tune(
        ["good film", "bad film"] * 4,
        ["pos", "neg"] * 4,
        model=str(tiny_bert),
        epochs=1,
        max_length=16,
    )
    check(trained._repr_html_(), repr(trained))
    assert repr(trained).startswith("FineTuned(pretrained: ")
    assert "steps: 1 of 1, epoch 1" in repr(trained)


def test_parameters_show_what_is_not_the_default_and_can_be_made_from_it() -> None:
    params = FineTuneParams.of({"epochs": 7, "learning_rate": 1e-4})
    assert repr(params) == "FineTuneParams(epochs=7, learning_rate=0.0001)"
    assert eval(repr(params), {"FineTuneParams": FineTuneParams}) == params
    assert repr(FineTuneParams.of({})) == "FineTuneParams()"
    page = params._repr_html_()
    assert "0.0001 (default 5e-05)" in page
    assert "batch_size" in page


def test_study_says_what_each_section_changes() -> None:
    facts = make_study()._facts()
    assert facts["fine_tune"].endswith("; epochs 7")
    assert facts["error_analysis"] == "all defaults"
    assert "benchmark" not in facts


@pytest.mark.parametrize(
    ("low", "high", "reading"),
    [(0.01, 0.1, "the first is better"), (-0.1, -0.01, "the second is"), (-0.1, 0.1, "no diff")],
)
def test_comparison_is_read_by_its_interval(low: float, high: float, reading: str) -> None:
    assert PairedDifference(0.0, low, high, 0.04, 90)._facts()["reading"].startswith(reading)


def test_errors_name_the_most_frequent_mistakes() -> None:
    errors = make_errors(500, 5)
    first = errors.pairs(most=1).to_dict("records")[0]
    said = f"{first['label']} as {first['predicted']} ({first['count']})"
    assert said in repr(errors)


@dataclass(frozen=True, repr=False)
class Big(Described):
    """Holds some of everything."""

    table: pd.DataFrame
    numbers: Any
    records: list[Any]
    names: tuple[str, ...]
    by_name: dict[str, int]


def test_tables_and_arrays_are_summed_up() -> None:
    frame = pd.DataFrame(0, index=range(5000), columns=[f"c{k}" for k in range(30)])
    records = [SimpleNamespace(x=1)] * 4000
    big = Big(frame, np.zeros((4000, 30)), records, ("a",) * 99, {"x": 1})
    facts = big._facts()
    assert facts["table"] == "5,000 rows: c0, c1, c2, c3, c4, c5, c6, c7, 22 more"
    assert facts["numbers"] == "4,000 x 30, float64"
    assert facts["records"] == "4,000 SimpleNamespace"
    assert facts["names"].endswith("a, 91 more")
    assert facts["by_name"] == "x"
    assert len(repr(big)) < 400


def test_values_are_said_in_one_short_line() -> None:
    assert summarise("a\nb" * 500).count("\n") == 0
    assert len(summarise("a" * 5000)) <= 120
    assert summarise(None) == "\N{EN DASH}"
    assert summarise(np.float64(0.5)) == "0.500"
    assert name_some([]) == "none"


def read_dataclasses() -> dict[str, tuple[str, str]]:
    """Return, by name, the decorator and the body of dataclasses that hold tables or batches."""
    found = {}
    for path in Path(nbutils.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            made = " ".join(map(ast.unparse, node.decorator_list))
            types = " ".join(
                ast.unparse(line.annotation)
                for line in node.body
                if isinstance(line, ast.AnnAssign)
            )
            if "dataclass" in made and LARGE.search(types):
                found[node.name] = (made, ast.unparse(node))
    return found


def test_no_dataclass_prints_a_whole_table() -> None:
    found = read_dataclasses()
    assert len(found) > 25
    generated = [
        name
        for name, (made, body) in found.items()
        if "repr=False" not in made and "def __repr__" not in body
    ]
    shown = [
        name
        for name, (_, body) in found.items()
        if "Described" not in body and "def _repr_html_" not in body
    ]
    assert (generated, shown) == ([], [])
