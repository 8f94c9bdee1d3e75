"""The words around a run: sentences on the first screen, lines on the terminal, the manifest."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from nbutils import code_fingerprints
from nbutils.code_fingerprints import library_fingerprint
from nbutils.console import PlainConsole, describe_progress, describe_seconds
from nbutils.home import without_home
from nbutils.manifest import describe_commit, describe_environment
from nbutils.params.study import Study
from nbutils.progress import Progress
from nbutils.publishing import fingerprint_predictions
from nbutils.runs import StageRun
from nbutils.screens import list_steps
from nbutils.stage_screens import SCREENS, Results, describe_gain, headline_findings

TRAINING = {"step": 3, "steps": 9, "epoch": 0.33, "loss": 0.5, "accuracy": None, "seconds_left": 75}


@pytest.mark.parametrize(
    ("value", "low", "high", "says"),
    [
        (0.03, 0.01, 0.05, "It beats the TF-IDF baseline by 3.0 points"),
        (-0.03, -0.05, -0.01, "It loses to the TF-IDF baseline by 3.0 points"),
        (0.01, -0.01, 0.03, "It does not beat the TF-IDF baseline beyond chance: +1.0 points"),
    ],
)
def test_gain_over_the_baseline_is_said_with_its_certainty(
    value: float, low: float, high: float, says: str
) -> None:
    assert describe_gain({"value": value, "low": low, "high": high}).startswith(says)


def test_gain_is_read_beside_the_validation_texts_and_what_each_side_reads() -> None:
    score = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 100}
    metrics = {
        "test": {"accuracy": score, "macro_f1": score},
        "validation": {"accuracy": score | {"value": 0.91}},
        "baseline": {"accuracy": score},
        "against_baseline": {"value": 0.01, "low": -0.01, "high": 0.03},
        "training": {"seconds": 1, "epochs": 2.0, "tokens_per_second": 9, "diagnosis": "Fine."}
        | {"device": "cpu", "precision": "fp32"},
    }
    classes = {name: {"train": 500, "test": 50} for name in "ab"}
    plain = {"classes": classes, "splits": {"train": 1000, "test": 100}, "baseline": None}
    better = {"validation": {"accuracy": {"value": 0.935}}}
    card = plain | {"baseline": better, "tokens": {"lost_share": 0.74}}
    study = Study.of({"name": "x"})
    verdict = SCREENS["fine_tune"](study, Results(card, metrics, {}))[1][0]
    assert verdict.endswith(
        " On the validation texts the difference is -2.5 points. The baseline reads whole texts, "
        "the model 26.0 % of their tokens."
    )
    verdict = SCREENS["fine_tune"](study, Results(plain, metrics, {}))[1][0]
    assert verdict.endswith("(95 % interval -1.0 to +3.0).")


PAIRS = [
    {"label": label, "predicted": "c", "count": count, "share": 0.1}
    for label, count in (("a", 2), ("b", 2), ("d", 1))
]
NO_KIND, TECH = "No kind of mistake stands out:", "Texts labelled tech"
WEAK = {"slice": "labelled tech", "n": 69, "rate": 5 / 69, "rest_rate": 4 / 356}


@pytest.mark.parametrize(
    ("pairs", "classes", "says"),
    [
        (
            PAIRS,
            [],
            ["No kind of mistake stands out: the most frequent ones were made 2 times each."],
        ),
        (PAIRS[1:], [], ["Most frequent mistake: b taken for c, 2 times (10.0 % of the class)."]),
        (PAIRS[2:], [], ["Most frequent mistake: d taken for c, once (10.0 % of the class)."]),
        (
            [],
            [WEAK],
            ["Texts labelled tech fail more than the others: 7.2 % of 69, against 1.1 %."],
        ),
        ([], [], []),
    ],
)
def test_first_screen_says_what_fails_more_than_the_rest(
    pairs: list[dict[str, object]], classes: list[dict[str, object]], says: list[str]
) -> None:
    findings = {"mistakes": {"test": 9}, "top_confusions": pairs}
    findings["sections"] = {"slices": {"classes": classes}}
    results = Results({}, {"test": {"accuracy": {"n": 425}}}, findings)
    assert list(SCREENS["error_analysis"](Study.of({"name": "x"}), results)[1]) == says


def test_first_screen_has_the_three_steps_that_are_worth_most() -> None:
    advice = [
        {"action": f"Do {k}.", "evidence": "e", "gain": gain, "at_most": k == 1}
        | {"section": "slices"}
        for k, gain in enumerate([0.2, 0.1, None, None])
    ]
    steps = list_steps({"task": "multi_label", "advice": advice}, page="03.html")
    assert [step.action for step in steps] == ["Do 0.", "Do 1.", "Do 2."]
    assert steps[0].detail == "Worth about 20.0 points of micro F1."
    assert steps[1].detail == "Worth at most 10.0 points of micro F1."
    assert steps[0].href == "03.html#cell-id=slices-intro"
    assert list_steps({}, page="") == ()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_duration_is_said_as_a_reader_would(seconds: float, text: str) -> None:
    assert describe_seconds(seconds) == text


def test_training_line_has_step_loss_and_time_left() -> None:
    line = describe_progress(Progress(8, 17, "Training", TRAINING))
    assert line == "cell 8 of 17, step 3 of 9, epoch 0.33, loss 0.500, 1 min 15 s left"
    fold = describe_progress(Progress(8, 17, "Training", TRAINING | {"title": "fold 1 of 3"}))
    assert fold.startswith("cell 8 of 17, fold 1 of 3, step 3 of 9")


def test_line_of_several_trainings_says_which_and_how_many_are_done() -> None:
    pieces = {"done": 1, "of": 8, "doing": "training on a"}
    line = describe_progress(Progress(8, 17, "The same result", pieces))
    assert line == "cell 8 of 17, training on a, 1 of 8 done"


def test_plain_console_writes_a_line_per_section_and_spares_training_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = PlainConsole()
    console.stage_started("fine_tune")
    for cell in (1, 2, 3):
        console.stage_progress("fine_tune", Progress(cell, 9, "A" if cell < 3 else "B"))
    for _ in range(50):
        console.stage_progress("fine_tune", Progress(4, 9, "B", TRAINING))
    console.stage_done(StageRun("fine_tune", "k", Path("runs/fine_tune/k"), reused=True))
    assert capsys.readouterr().out.splitlines() == [
        "[2/3] fine_tune: started",
        "[2/3] fine_tune: cell 1 of 9, A",
        "[2/3] fine_tune: cell 3 of 9, B",
        "[2/3] fine_tune: nothing changed, used what was there (runs/fine_tune/k)",
    ]


def test_home_folder_is_not_published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "ann"))
    home = str(tmp_path / "ann")
    values = {"a": f"{home}/data.csv", "b": [f"{home}/x", 1], "c": {"d": f"{home}ette/x"}}
    assert without_home(values) == {"a": "~/data.csv", "b": ["~/x", 1], "c": {"d": f"{home}ette/x"}}


def test_environment_names_versions_and_processor(tmp_path: Path) -> None:
    found = describe_environment()
    assert {"nbutils", "torch", "transformers", "papermill"} <= set(found["packages"])
    assert found["cpu"]
    assert describe_commit(tmp_path) == {"commit": None, "dirty": False}


def test_fingerprint_of_predictions_follows_their_content_and_not_their_order(
    tmp_path: Path,
) -> None:
    table = pd.DataFrame(
        {"example_id": [2, 1], "split": "test", "predicted": [0, 1], "prob_a": [0.9, 0.2]}
    )

    def fingerprint(frame: pd.DataFrame) -> str:
        frame.to_parquet(tmp_path / "p.parquet")
        return fingerprint_predictions(tmp_path / "p.parquet")

    same = fingerprint(table)
    assert fingerprint(table.iloc[::-1]) == same
    assert fingerprint(table.assign(prob_a=[0.9, 0.2000001])) != same
    assert fingerprint(table.rename(columns={"prob_a": "prob_b"})) != same


@pytest.mark.parametrize(
    ("calibration", "ece"),
    [
        ({"status": "done", "ece": {"value": 0.03, "low": 0.0, "high": 0.05, "n": 90}}, 0.03),
        ({"status": "skipped", "why": "Switched off."}, None),
    ],
)
def test_manifest_has_the_calibration_error_where_it_was_measured(
    calibration: dict[str, object], ece: float | None
) -> None:
    mistakes = {"test": 3, "validation": 1}
    found = headline_findings({"mistakes": mistakes, "sections": {"calibration": calibration}})
    assert found["mistakes"] == mistakes
    assert found.get("ece") == ece
    assert headline_findings({}) == {}


@pytest.mark.parametrize(
    "module", ["stage_screens", "views.advice", "published", "measured", "training.pitfalls"]
)
def test_other_words_on_the_first_screens_ask_for_pages_anew(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, place = library_fingerprint("nbutils.publishing"), code_fingerprints._module_path
    edited = tmp_path / "edited.py"
    original = place(f"nbutils.{module}")
    assert original is not None
    edited.write_text(original.read_text(encoding="utf-8") + "\nWORDS = 'others'\n")
    changed = {f"nbutils.{module}": edited}
    monkeypatch.setattr(
        code_fingerprints, "_module_path", lambda name: changed.get(name) or place(name)
    )
    assert library_fingerprint("nbutils.publishing") != before
