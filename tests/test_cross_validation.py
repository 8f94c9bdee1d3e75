"""Cross-validation: each training text is predicted by a model that has not seen it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

from nbutils.analysis.cross_validation import CrossValidation, assign_folds, load_recipe
from nbutils.errors import NotApplicableError
from nbutils.label_sets import set_column
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training import api
from nbutils.training.history import History
from nbutils.training.results import predict_splits, save_results
from nbutils.training.watcher import Watcher


def splits_of(frame: pd.DataFrame, label: Any) -> DatasetDict:
    """Return the first texts as training split, twenty as validation."""
    frame = frame.assign(example_id=np.arange(len(frame)) + 500)
    features = Features({"example_id": Value("int64"), "text": Value("string"), "label": label})
    parts = {"train": frame.iloc[:-20], "validation": frame.iloc[-20:]}
    return DatasetDict(
        {
            name: Dataset.from_pandas(
                part[list(features)].reset_index(drop=True), features=features, preserve_index=False
            )
            for name, part in parts.items()
        }
    )


@pytest.fixture
def data(reviews: pd.DataFrame) -> DatasetDict:
    names = ["neg", "pos"]
    frame = reviews.assign(label=reviews["label"].map(names.index))
    return splits_of(frame, ClassLabel(names=names))


@pytest.fixture
def model_dir(tmp_path: Path, tiny_bert: Path) -> Path:
    """Return a fine_tune folder as far as the recipe goes."""
    return write_recipe(tmp_path / "model", tiny_bert)


def write_recipe(folder: Path, model: Path, **changes: Any) -> Path:
    recipe = {"model": str(model), "max_length": 16, "epochs": 1, "batch_size": 8, **changes}
    folder.mkdir(exist_ok=True)
    values = FineTuneParams.of(recipe).model_dump(mode="json")
    (folder / "history.json").write_text(json.dumps({"recipe": values}), encoding="utf-8")
    return folder


class Trainings(Watcher):
    """Notes each training: its title, and the texts that it was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.titles: list[str] = []
        self.texts: list[set[str]] = []
        self.steps = 0
        self._fine_tune = api.fine_tune
        monkeypatch.setattr(api, "fine_tune", self._noted)

    def _noted(self, data: DatasetDict, **named: Any) -> Any:
        self.texts.append(set(data["train"]["text"]))
        return self._fine_tune(data, **named)

    def watch(self, title: str) -> Trainings:
        self.titles.append(title)
        return self

    def on_step(self, history: History) -> None:
        self.steps += 1

    def on_validation(self, history: History) -> None:
        pass


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    return Trainings(monkeypatch)


def test_no_text_is_predicted_by_a_model_that_was_trained_on_it(
    data: DatasetDict, model_dir: Path, trainings: Trainings
) -> None:
    folds = CrossValidation(data, model_dir, n_folds=3, watch=trainings.watch)
    predictions = folds.predict()
    assert sorted(predictions["example_id"]) == sorted(data["train"]["example_id"])
    assert trainings.titles == ["fold 1 of 3", "fold 2 of 3", "fold 3 of 3"]
    assert trainings.steps >= 3
    text_of = dict(zip(data["train"]["example_id"], data["train"]["text"], strict=True))
    start = 0
    for seen in trainings.texts:
        held_out = set(data["train"]["text"]) - seen
        rows = predictions["example_id"].iloc[start : start + len(held_out)]
        assert {text_of[example] for example in rows} == held_out
        assert len(held_out) == 20
        start += len(held_out)
    assert set(predictions["split"]) == {"train"}
    assert predictions[["prob_neg", "prob_pos"]].sum(axis=1).to_numpy() == pytest.approx(1)
    assert folds.texts()["text"].tolist() == list(data["train"]["text"])


def test_killed_cross_validation_goes_on_with_the_fold_that_is_missing(
    data: DatasetDict, model_dir: Path, trainings: Trainings, tmp_path: Path
) -> None:
    folds = CrossValidation(data, model_dir, states=tmp_path / "states")
    whole = folds.predict()
    files = sorted((tmp_path / "states").iterdir())
    assert [path.name[:6] for path in files] == ["fold-1", "fold-2", "fold-3"]
    files[1].unlink()
    pd.testing.assert_frame_equal(folds.predict(), whole)
    assert len(trainings.texts) == 4
    pd.testing.assert_frame_equal(folds.predict(), whole)
    assert len(trainings.texts) == 4


class StopsSecondFold(Watcher):
    """Presses the stop button in the second training."""

    def __init__(self, title: str) -> None:
        self.title = title

    def on_step(self, history: History) -> bool:
        return self.title.startswith("fold 2")


def test_cross_validation_stopped_by_hand_says_so_and_goes_on_later(
    data: DatasetDict, model_dir: Path, trainings: Trainings, tmp_path: Path
) -> None:
    states = tmp_path / "states"
    stopped = CrossValidation(data, model_dir, states=states, watch=StopsSecondFold)
    with pytest.raises(NotApplicableError, match=r"stopped by hand in fold 2 of 3.*run it again"):
        stopped.predict()
    assert [path.name[:6] for path in states.iterdir()] == ["fold-1"]
    again = CrossValidation(data, model_dir, states=states).predict()
    assert len(trainings.texts) == 4  # two, and the two that were missing
    pd.testing.assert_frame_equal(again, CrossValidation(data, model_dir).predict())


@pytest.mark.parametrize("what", ["recipe", "labels", "folds", "validation"])
def test_kept_fold_is_of_the_same_data_and_recipe(
    data: DatasetDict,
    model_dir: Path,
    trainings: Trainings,
    tmp_path: Path,
    tiny_bert: Path,
    what: str,
) -> None:
    CrossValidation(data, model_dir, n_folds=2, states=tmp_path / "s").predict()
    other, n_folds = data, 2
    if what == "recipe":
        write_recipe(model_dir, tiny_bert, learning_rate=1e-4)
    elif what == "folds":
        n_folds = 3
    else:
        split = "train" if what == "labels" else "validation"
        labels = [1 - data[split][0]["label"], *data[split]["label"][1:]]
        changed = data[split].remove_columns("label").add_column("label", labels)
        other = DatasetDict({**data, split: changed.cast(data[split].features)})
    CrossValidation(other, model_dir, n_folds=n_folds, states=tmp_path / "s").predict()
    assert len(trainings.texts) == 2 + n_folds


def test_texts_with_several_labels_are_predicted_too(
    topics: pd.DataFrame, tmp_path: Path, tiny_bert: Path
) -> None:
    names = sorted({name for own in topics["labels"] for name in own})
    frame = topics.iloc[:80].assign(
        label=[[names.index(x) for x in own] for own in topics["labels"][:80]]
    )
    data = splits_of(frame, Sequence(ClassLabel(names=names)))
    folds = CrossValidation(
        data, write_recipe(tmp_path / "m", tiny_bert), n_folds=2, states=tmp_path / "s"
    )
    first = folds.predict()
    assert sorted(first["example_id"]) == sorted(data["train"]["example_id"])
    given = dict(zip(data["train"]["example_id"], map(tuple, data["train"]["label"]), strict=True))
    assert first["label"].tolist() == [tuple(sorted(given[e])) for e in first["example_id"]]
    pd.testing.assert_frame_equal(folds.predict(), first)


def test_each_fold_has_its_share_of_every_class() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 4])
    frame = pd.DataFrame(
        {"example_id": range(94), "text": [f"text {n} of x{n} y{n}" for n in range(94)]}
    ).assign(label=labels)
    fold_of = assign_folds(frame, n_folds=3, seed=0)
    counts = pd.crosstab(labels, fold_of).to_numpy()
    assert counts[:2].tolist() == [[20, 20, 20], [10, 10, 10]]
    assert sorted(counts[2]) == [1, 1, 2]
    assert fold_of.tolist() == assign_folds(frame, n_folds=3, seed=0).tolist()
    assert fold_of.tolist() != assign_folds(frame, n_folds=3, seed=1).tolist()


@pytest.mark.parametrize("several", [False, True])
def test_near_copies_share_a_fold(several: bool) -> None:
    words = [f"w{n}" for n in range(400)]
    texts = [" ".join(words[20 * n : 20 * n + 20]) for n in range(20)]
    texts += [f"{text} more" for text in texts[:10]]
    labels = [n % 2 for n in range(30)]
    frame = pd.DataFrame({"example_id": range(30), "text": texts})
    frame["label"] = set_column([(k,) for k in labels]) if several else labels
    fold_of = assign_folds(frame, n_folds=3, seed=0)
    assert fold_of[:10].tolist() == fold_of[20:].tolist()
    assert set(fold_of) == {0, 1, 2}


def test_too_few_texts_for_the_folds_are_said() -> None:
    frame = pd.DataFrame({"example_id": [0, 1], "text": ["a", "b"], "label": [0, 1]})
    with pytest.raises(NotApplicableError, match="at least 6 training texts for 3 folds, found 2"):
        assign_folds(frame, n_folds=3, seed=0)


def test_recipe_is_that_of_the_training_without_its_places(
    data: DatasetDict, tiny_bert: Path, tmp_path: Path
) -> None:
    given = {"model": str(tiny_bert), "max_length": 16, "epochs": 1, "batch_size": 8}
    recipe = FineTuneParams.of({**given, "output_dir": "out", "data_dir": "in"})
    classifier = api.fine_tune(data, params=recipe)
    predictions = predict_splits(classifier, data, splits=["validation"])
    saved = {"predictions": predictions, "metrics": {}, "data_dir": tmp_path}
    save_results(tmp_path, classifier, **saved)
    assert load_recipe(tmp_path) == FineTuneParams.of(given)


def test_folder_without_a_recipe_says_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "history.json").write_text("{}", encoding="utf-8")
    with pytest.raises(NotApplicableError, match="expected the recipe of the training, found none"):
        load_recipe(tmp_path)
