"""Texts with several labels from a file to a report, and from lists to a saved model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import make_topics
from datasets import Dataset

import nbutils
from nbutils import plots
from nbutils.analysis.calibration import calibrate
from nbutils.analysis.errors import find_errors
from nbutils.artifacts import read_json
from nbutils.errors import DataError, ParameterError
from nbutils.label_sets import set_column
from nbutils.params.fine_tune import FineTuneParams
from nbutils.prediction_files import read_predictions, write_predictions
from nbutils.publishing import fingerprint_predictions
from nbutils.report.carried import carry_predictions, read_test_rows, unpack_predictions
from nbutils.report.page import read_manifest
from nbutils.reproduce import check_report
from nbutils.training.api import FineTuned
from nbutils.training.results import predict_splits

LABELS = ["cast", "music", "praise", "scorn"]


def quick(checkpoint: Path, **changes: Any) -> dict[str, Any]:
    return {
        "model": str(checkpoint),
        "max_length": 24,
        "epochs": 2,
        "batch_size": 16,
        "learning_rate": 1e-4,
        "precision": "fp32",
        **changes,
    }


@pytest.fixture(scope="module")
def learnt(tiny_bert: Path) -> FineTuned:
    """Return a classifier that has learnt the topics, from lists of strings."""
    train, held_out = make_topics(800), make_topics(150, seed=1)
    recipe = quick(tiny_bert, learning_rate=2e-3, epochs=16, selection_metric="macro_f1")
    return nbutils.fine_tune(
        train["text"].tolist(),
        train["labels"].tolist(),
        validation=(held_out["text"].tolist(), held_out["labels"].tolist()),
        params=FineTuneParams.of(recipe),  # chosen for speed: its cautions are known
    )


def test_labels_are_learnt_from_lists(learnt: FineTuned) -> None:
    unseen = make_topics(150, seed=2)
    found = learnt.predict(unseen["text"].tolist())
    assert found.label_names == tuple(LABELS)
    right = [
        (name in own) == (name in given)
        for own, given in zip(unseen["labels"], found, strict=True)
        for name in LABELS
    ]
    assert np.mean(right) > 0.8  # to say no always is right two times in three
    assert all(isinstance(labels, tuple) for labels in found)
    assert ((found.pred_probs > 0) & (found.pred_probs < 1)).all()
    assert found.pred_probs.sum(axis=1).std() > 0.1  # each label for itself
    assert list(learnt.history.validation.columns) == [
        "step",
        "epoch",
        "loss",
        "accuracy",
        "macro_f1",
    ]


def test_saved_model_gives_the_same_probabilities_in_a_plain_pipeline(
    learnt: FineTuned, tmp_path: Path
) -> None:
    from transformers import pipeline

    folder = learnt.save(tmp_path / "model")
    assert read_json(folder / "config.json")["problem_type"] == "multi_label_classification"
    saved = read_json(folder / "nbutils.json")
    assert learnt.thresholds is not None
    assert saved["thresholds"] == learnt.thresholds.as_dict(LABELS)
    texts = make_topics(20, seed=3)["text"].tolist()
    answers = pipeline("text-classification", str(folder), top_k=None)(texts)
    ours = learnt.predict(texts)
    for answer, pred_probs, labels in zip(answers, ours.pred_probs, ours, strict=True):
        by_name = {one["label"]: one["score"] for one in answer}
        assert [by_name[name] for name in LABELS] == pytest.approx(pred_probs, abs=1e-5)
        given = {name for name, score in by_name.items() if score >= saved["thresholds"][name]}
        assert given == set(labels)


def test_epoch_that_was_kept_is_marked_on_the_score_that_chose_it(learnt: FineTuned) -> None:
    history = learnt.history
    ax = plots.plot_validation_scores(
        history.validation, baseline=None, selected_by="macro_f1", best_step=history.best_step
    )
    best = history.validation["macro_f1"].max()
    assert f"Kept, selected by macro F1 ({best:.1%}" in plots.alt_text(ax.figure).replace(
        "\N{NO-BREAK SPACE}%", "%"
    )


def test_no_text_at_all_is_predicted(learnt: FineTuned) -> None:
    assert list(learnt.predict([])) == []


@pytest.mark.parametrize("class_weights", ["none", "balanced", {"cast": 3.0}])
def test_accumulation_changes_memory_and_not_the_result(
    tiny_bert: Path, tmp_path: Path, class_weights: Any
) -> None:
    from test_training_api import weights_of, without_dropout

    data = make_topics(77)  # the last batch is smaller, and so is its last part
    checkpoint = without_dropout(tiny_bert, tmp_path)
    runs = [
        nbutils.fine_tune(
            data["text"].tolist(),
            data["labels"].tolist(),
            **quick(
                checkpoint,
                epochs=1,
                batch_size=16 // parts,
                gradient_accumulation=parts,
                class_weights=class_weights,
                label_smoothing=0.1,
            ),
        )
        for parts in (1, 4)
    ]
    whole, parts = (run.history.losses for run in runs)
    assert parts == pytest.approx(whole, rel=1e-4)
    first, second = map(weights_of, runs)
    assert all(
        np.allclose(tensor, second[name], atol=1e-4, rtol=1e-3) for name, tensor in first.items()
    )


def test_without_validation_every_threshold_is_one_half(tiny_bert: Path) -> None:
    data = make_topics(40)
    numbered = [[LABELS.index(name) for name in own] for own in data["labels"]]
    found = nbutils.fine_tune(data["text"].tolist(), numbered, **quick(tiny_bert, epochs=1))
    assert found.thresholds is not None
    assert found.thresholds.values.tolist() == [0.5] * 4
    assert found.classes.values == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["a"], "b", ["a", "b"]], r"a list for each, found both: \['a'\] at row 0, 'b' at row 1"),
        ([["a"], ["a"], ["a"]], r"at least two different ones in the lists, found 1"),
        ([["a", "b"]] * 3, r"expected texts with different labels, found the same for every text"),
        ([[0, 1, 1], [1, 0, 0], [0, 0, 1]], r"found a 0 or a 1 for each of 3; give names or num"),
        ([["a"], [1], []], r"expected all strings or all whole numbers, found both"),
        ([["a"], [None], ["b"]], r"expected strings or whole numbers, found None"),
        ([["a"], ["b"]], r"expected 3, one per text, found 2"),
    ],
)
def test_lists_that_teach_nothing_are_refused(
    tiny_bert: Path, labels: list[Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        nbutils.fine_tune(["one", "two", "three"], labels, **quick(tiny_bert))


def test_validation_of_the_other_kind_is_refused(tiny_bert: Path) -> None:
    data = make_topics(20)
    with pytest.raises(DataError, match="expected a list of labels per text, as in training"):
        nbutils.fine_tune(
            data["text"].tolist(),
            data["labels"].tolist(),
            validation=(["one"], ["cast"]),
            **quick(tiny_bert),
        )


def test_weight_of_an_unknown_label_stops_the_training(tiny_bert: Path) -> None:
    data = make_topics(20)
    with pytest.raises(ParameterError, match=r"no label 'prase'; did you mean 'praise'"):
        nbutils.fine_tune(
            data["text"].tolist(),
            data["labels"].tolist(),
            **quick(tiny_bert, class_weights={"prase": 2.0}),
        )


def made_up_predictions() -> pd.DataFrame:
    labels = [(0,), (0, 1), (), (1, 2), (2,), ()]
    predicted = [(0,), (0,), (2,), (0, 1), (2,), ()]
    pred_probs = np.full((6, 3), 0.1)
    for row, ids in enumerate(predicted):
        pred_probs[row, list(ids)] = 0.9
    pred_probs[2, 2] = 0.6
    return pd.DataFrame(
        {
            "example_id": [10, 11, 12, 13, 14, 15],
            "split": ["test"] * 5 + ["validation"],
            "label": set_column(labels),
            "predicted": set_column(predicted),
            **{f"prob_{name}": pred_probs[:, k] for k, name in enumerate("abc")},
        }
    )


def test_predictions_come_back_from_their_file(tmp_path: Path) -> None:
    import pyarrow.parquet

    predictions = made_up_predictions()
    write_predictions(tmp_path / "p.parquet", predictions)
    pd.testing.assert_frame_equal(read_predictions(tmp_path / "p.parquet"), predictions)
    empty = predictions.assign(label=set_column([()] * 6), predicted=set_column([()] * 6))
    write_predictions(tmp_path / "empty.parquet", empty)
    kinds = {
        str(pyarrow.parquet.read_schema(tmp_path / name).field("label").type.value_type)
        for name in ("p.parquet", "empty.parquet")
    }
    assert kinds == {"int64"}


def test_fingerprint_of_predictions_sees_every_label(tmp_path: Path) -> None:
    predictions = made_up_predictions()
    write_predictions(tmp_path / "p.parquet", predictions)
    changed = predictions.copy()
    changed.at[1, "predicted"] = (0, 1)
    write_predictions(tmp_path / "q.parquet", changed)
    first, again, other = (
        fingerprint_predictions(tmp_path / name) for name in ("p.parquet", "p.parquet", "q.parquet")
    )
    assert first == again
    assert first != other


def test_page_carries_label_sets(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.parquet", made_up_predictions())
    carried = carry_predictions(tmp_path / "p.parquet")
    found = unpack_predictions({"predictions": json.loads(json.dumps(carried))})
    assert found is not None
    pd.testing.assert_frame_equal(found, read_test_rows(tmp_path / "p.parquet"))
    assert found["predicted"].tolist()[3] == (0, 1)
    assert found["confidence"].tolist() == pytest.approx([0.9, 0.9, 0.8, 0.9, 0.9])


def test_errors_are_missed_and_spurious_labels() -> None:
    texts = pd.DataFrame({"example_id": range(10, 16), "text": list("uvwxyz")})
    errors = find_errors(made_up_predictions(), texts, label_names=list("abc"))
    found = errors.mistakes()
    assert found[["text", "label", "predicted", "missed", "spurious"]].to_numpy().tolist() == [
        ["v", "a; b", "a", "b", "(none)"],
        ["x", "b; c", "a; b", "c", "a"],
        ["w", "(none)", "c", "(none)", "c"],
    ]
    assert found["confidence"].tolist() == pytest.approx([0.9, 0.9, 0.6])
    assert found["prob_label"].tolist() == pytest.approx([0.1, 0.1, 0.4])
    pairs = errors.pairs()[["label", "predicted", "count", "share"]].to_numpy().tolist()
    assert pairs == [["b", "(nothing)", 1, 0.5], ["c", "a", 1, 0.5]]
    outcomes = errors.findings()["outcomes"]
    assert [list(row.values()) for row in outcomes] == [
        ["a", 2, 0, 1],
        ["b", 1, 1, 0],
        ["c", 1, 1, 1],
    ]
    assert errors.findings()["mistakes"] == {"test": 3, "validation": 0}
    found = calibrate(errors)
    assert (len(found.confidences), int((~found.correct).sum())) == (15, 4)


def test_predictions_of_a_dataset_carry_ids(learnt: FineTuned) -> None:
    data = make_topics(12, seed=4)
    ids = [[LABELS.index(name) for name in own] for own in data["labels"]]
    rows = Dataset.from_dict(
        {"example_id": list(range(12)), "text": data["text"].tolist(), "label": ids}
    )
    found = predict_splits(learnt, {"test": rows}, splits=["test"])  # type: ignore[arg-type]
    assert found["label"].tolist() == [tuple(own) for own in ids]
    named = [tuple(LABELS[k] for k in own) for own in found["predicted"]]
    assert named == list(learnt.predict(data["text"].tolist()))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Path:
    """Return the folder of a finished study on a CSV file with several labels a cell."""
    folder = tmp_path_factory.mktemp("topics")
    data = make_topics(160)
    data.assign(labels=data["labels"].map("|".join)).to_csv(folder / "topics.csv", index=False)
    sections = {
        "name": "topics",
        "data_prep": {
            "dataset": str(folder / "topics.csv"),
            "label_separator": "|",
            "test_size": 0.3,
            "validation_size": 0.2,
        },
        "fine_tune": {
            **quick(tiny_bert, precision="auto", batch_size=8),
            "class_weights": {"music": 2.0},
        },
    }
    (folder / "study.yaml").write_text(json.dumps(sections), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "nbutils.cli", "run", "study.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "test micro F1" in done.stdout
    return folder


def test_study_ends_with_scores_of_label_sets(study: Path) -> None:
    metrics = read_json(study / "reports" / "topics" / "metrics.json")
    assert metrics["task"] == "multi_label"
    assert set(metrics["thresholds"]) == set(LABELS)
    for split in ("test", "validation", "baseline"):
        assert set(metrics[split]) == {
            "accuracy",
            "micro_f1",
            "macro_f1",
            "hamming_loss",
            "label_ranking_average_precision",
            "mean_average_precision",
        }
    assert metrics["against_baseline"]["score"] == "micro_f1"
    (file,) = (study / "runs" / "fine_tune").glob("*/predictions.parquet")
    predictions = read_predictions(file)
    test = predictions[predictions["split"] == "test"]
    share = (test["label"] == test["predicted"]).mean()
    assert metrics["test"]["accuracy"]["value"] == pytest.approx(share)


def test_study_notes_the_labels_in_its_data_card(study: Path) -> None:
    (file,) = (study / "runs" / "data_prep").glob("*/data_card.json")
    card, data = read_json(file), make_topics(160)
    sizes = data["labels"].map(len)
    assert card["task"] == "multi_label"
    assert sum(card["splits"].values()) == 160
    sets = card["label_sets"]
    assert (sets["mean"], sets["most"]) == (pytest.approx(sizes.mean()), sizes.max())
    assert (sets["without"], sets["several"]) == ((sizes == 0).sum(), (sizes > 1).sum())
    first = sets["pairs"][0]
    both = data["labels"].map(lambda own: {first["first"], first["second"]} <= set(own))
    assert first["texts"] == both.sum()
    counts = {name: sum(by_split.values()) for name, by_split in card["classes"].items()}
    assert counts == {
        name: data["labels"].map(lambda own, n=name: n in own).sum() for name in LABELS
    }


def test_report_of_label_sets_can_be_checked(study: Path) -> None:
    page = study / "reports" / "topics" / "index.html"
    found = check_report(page)
    assert found.good
    outcome = {check.name: check for check in found.checks}
    for name in ("page", "manifest", "numbers shown", "predictions"):
        assert outcome[name].outcome == "good", outcome[name]
    for shown in ("Micro F1", "Macro F1", "Subset accuracy", "Mean average precision"):
        assert shown in outcome["numbers shown"].detail
    assert "Calibration error" in outcome["numbers shown"].detail
    found_by = read_manifest(page)["findings"]
    assert found_by["mistakes"]["test"] > 0
    (file,) = (study / "runs" / "error_analysis").glob("*/findings.json")
    sections = read_json(file)["sections"]
    for name in ("scores", "calibration", "abstention"):
        assert sections[name]["status"] == "done", sections[name]
    assert found_by["ece"] == sections["calibration"]["ece"]["value"]


def test_edited_score_of_label_sets_is_found(study: Path, tmp_path: Path) -> None:
    page = study / "reports" / "topics" / "index.html"
    shown = f"{100 * read_json(page.parent / 'metrics.json')['test']['micro_f1']['value']:.1f} %"
    text = page.read_text(encoding="utf-8")
    (tmp_path / "index.html").write_text(text.replace(shown, "99.9 %", 1), encoding="utf-8")
    outcome = {check.name: check for check in check_report(tmp_path / "index.html").checks}
    assert outcome["numbers shown"].outcome == "bad"
