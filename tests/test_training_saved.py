"""A saved classifier comes back whole: same probabilities, same labels, in another process too."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_reviews, make_topics
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

import nbutils
from nbutils.artifacts import read_json
from nbutils.errors import CheckpointError
from nbutils.prediction_files import read_predictions
from nbutils.training.results import build_metrics, predict_splits, save_results

pytestmark = pytest.mark.filterwarnings("ignore:learning_rate", "ignore:epochs")
RECIPE = {"max_length": 16, "epochs": 3, "batch_size": 8, "learning_rate": 5e-3}


def make_data(kind: str) -> DatasetDict:
    """Return splits of long and short texts, of one label or several, or of pairs."""
    several = kind == "multi_label"
    names = ["cast", "music", "praise", "scorn"] if several else ["neg", "pos"]
    label = ClassLabel(names=names)
    features = {"example_id": Value("int64"), "text": Value("string")}
    features["label"] = Sequence(label) if several else label
    splits = {}
    for seed, (split, n) in enumerate({"train": 80, "validation": 40, "test": 40}.items()):
        made = make_topics(n, seed=seed) if several else make_reviews(n, seed=seed)
        texts = made["text"].tolist()
        rows = {
            "example_id": list(range(n)),
            "text": [f"{text} {texts[k - 1]}" if k % 3 else text for k, text in enumerate(texts)],
            "label": made["labels" if several else "label"].tolist(),
        }
        if kind == "pairs":
            rows["text_pair"] = texts[::-1]
            features["text_pair"] = Value("string")
        splits[split] = Dataset.from_dict(rows, features=Features(features))
    return DatasetDict(splits)


def make_stage(folder: Path, checkpoint: Path, data: DatasetDict, **changes: Any) -> Any:
    """Leave what the fine-tuning notebook leaves, and return the classifier."""
    classifier = nbutils.fine_tune(data, **{**RECIPE, "model": str(checkpoint), **changes})
    folder.mkdir()
    save_results(
        folder,
        classifier,
        predictions=predict_splits(classifier, data),
        metrics=build_metrics(classifier, {}),
        data_dir=folder,
    )
    return classifier


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("kind", "truncation"),
    [
        ("single_label", "head"),
        ("single_label", "head_tail"),
        ("single_label", "chunks"),
        ("multi_label", "head"),
        ("multi_label", "chunks"),
        ("pairs", "head"),
        ("pairs", "head_tail"),
    ],
)
def test_loaded_model_gives_the_predictions_of_the_study(
    tiny_bert: Path, tmp_path: Path, kind: str, truncation: str, precision: str
) -> None:
    data = make_data(kind)
    changes = {"truncation": truncation, "max_chunks": 2, "precision": precision}
    trained = make_stage(tmp_path / "stage", tiny_bert, data, **changes)
    loaded = nbutils.load_fine_tuned(tmp_path / "stage" / "model")
    saved = read_predictions(tmp_path / "stage" / "predictions.parquet")
    for split in ("validation", "test"):
        rows = saved[saved["split"] == split]
        pairs = list(data[split]["text_pair"]) if kind == "pairs" else None
        found = loaded.predict(list(data[split]["text"]), pairs)
        columns = [f"prob_{name}" for name in found.label_names]
        assert columns == [name for name in saved.columns if name.startswith("prob_")]
        assert np.array_equal(found.pred_probs, rows[columns].to_numpy())
        names = found.label_names
        if kind == "multi_label":
            expected = [tuple(names[k] for k in own) for own in rows["predicted"]]
        else:
            expected = [names[k] for k in rows["predicted"]]
        assert list(found) == expected
    assert (loaded.cutting, loaded.precision) == (trained.params.cutting, precision)
    assert not loaded.model.training


def test_thresholds_come_back_with_what_they_rest_on(tiny_bert: Path, tmp_path: Path) -> None:
    trained = make_stage(tmp_path / "stage", tiny_bert, make_data("multi_label"))
    loaded = nbutils.load_fine_tuned(tmp_path / "stage")  # the stage's own folder will do
    assert trained.thresholds is not None
    assert loaded.thresholds is not None
    names = trained.classes.names
    assert loaded.thresholds.table(names).equals(trained.thresholds.table(names))
    assert trained.thresholds.chosen.any()
    pred_probs = np.linspace(0, 1, 40).reshape(10, 4)
    assert np.array_equal(loaded.decide(pred_probs), trained.decide(pred_probs))


@pytest.mark.parametrize(
    "labels", [[7, -3], ["7", "-3"], ["no", "yes"], [[10, 2], [2]], [["b", "a"], []]]
)
def test_labels_come_back_as_training_was_given_them(
    tiny_bert: Path, tmp_path: Path, labels: list[Any]
) -> None:
    texts = ["good film", "bad story"] * 8
    recipe = {**RECIPE, "model": str(tiny_bert), "epochs": 1}
    trained = nbutils.fine_tune(texts, labels * 8, **recipe)
    loaded = nbutils.load_fine_tuned(trained.save(tmp_path / "model"))
    assert loaded.classes == trained.classes
    assert list(loaded.predict(texts)) == list(trained.predict(texts))
    again = nbutils.load_fine_tuned(loaded.save(tmp_path / "again"))
    assert again.classes == trained.classes
    assert np.array_equal(again.predict(texts).pred_probs, trained.predict(texts).pred_probs)
    assert read_json(tmp_path / "again" / "nbutils.json") == read_json(
        tmp_path / "model" / "nbutils.json"
    )


def test_another_process_gives_the_same_probabilities(tiny_bert: Path, tmp_path: Path) -> None:
    data = make_data("single_label")
    make_stage(tmp_path / "stage", tiny_bert, data, truncation="chunks", precision="fp32")
    texts = list(data["test"]["text"])
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    script = (
        "import json, nbutils; texts = json.load(open('texts.json')); "
        "found = nbutils.load_fine_tuned('stage').predict(texts); "
        "print(json.dumps([list(found), found.pred_probs.tolist()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    labels, pred_probs = json.loads(done.stdout)
    rows = read_predictions(tmp_path / "stage" / "predictions.parquet").query("split == 'test'")
    assert pred_probs == pytest.approx(rows[["prob_neg", "prob_pos"]].to_numpy(), abs=1e-5)
    assert labels == [("neg", "pos")[k] for k in rows["predicted"]]


def change(file: str, **values: Any) -> Callable[[Path], None]:
    """Return an edit of a JSON file of a model; None takes a key away."""

    def edit(folder: Path) -> None:
        found = read_json(folder / file) | values
        kept = {key: value for key, value in found.items() if value is not None}
        (folder / file).write_text(json.dumps(kept), encoding="utf-8")

    return edit


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "not there": (shutil.rmtree, r"model: expected a model that nbutils has fine-tuned.*found non"),
    "saved by somebody else": (
        lambda folder: (folder / "nbutils.json").unlink(),
        r"expected a model that nbutils has fine-tuned, a folder with config\.json and nbutils",
    ),
    "no weights": (
        lambda folder: (folder / "model.safetensors").unlink(),
        r"expected \*\.safetensors in it, found none",
    ),
    "torn weights": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 99),
        r"model '.*': its safetensors file is broken",
    ),
    "no tokenizer": (
        lambda folder: [path.unlink() for path in folder.glob("tokenizer*")],
        r"expected its tokenizer beside the weights",
    ),
    "fewer positions than it reads": (
        change("nbutils.json", max_length=99),
        r"max_length: expected at most 64, the positions .*found 99",
    ),
    "no cutting": (change("nbutils.json", truncation=None), r"expected max_length, .*no 'trunc"),
    "no precision": (change("nbutils.json", precision=None), r"expected a precision, .*found None"),
    "no threshold": (
        change("nbutils.json", thresholds={"cast": 0.5}),
        r"expected a threshold for each label, found none for 'music'",
    ),
    "labels of another model": (
        change("nbutils.json", labels=[1, 2]),
        r"expected the labels cast, music, praise, scorn, .*found 1, 2",
    ),
    "no label names": (change("config.json", id2label=None), r"expected a classifier with its lab"),
    "no task": (change("config.json", problem_type=None), r"expected a classifier with its labels"),
    "no head": (change("config.json", architectures=["BertModel"]), r"expected a classifier with"),
}


@pytest.fixture(scope="module")
def whole(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "stage"
    make_stage(folder, tiny_bert, make_data("multi_label"), epochs=1)
    return folder / "model"


@pytest.mark.parametrize("kind", BROKEN)
def test_folder_that_is_not_whole_is_refused_in_one_line(
    whole: Path, tmp_path: Path, kind: str
) -> None:
    edit, message = BROKEN[kind]
    folder = Path(shutil.copytree(whole, tmp_path / "model"))
    edit(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        nbutils.load_fine_tuned(folder)
    assert "\n" not in str(caught.value)
