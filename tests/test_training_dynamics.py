"""Training dynamics: what the model believed of each text, when it was trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import make_reviews

import nbutils
from nbutils.analysis.cartography import TrainingMap, map_training
from nbutils.errors import NotApplicableError
from nbutils.params.fine_tune import FineTuneParams
from nbutils.prediction_files import write_dynamics
from nbutils.training.dynamics import Dynamics
from nbutils.training.objective import make_objective
from nbutils.views.dynamics import show_hard_texts

pytestmark = pytest.mark.filterwarnings("ignore:learning_rate", "ignore:epochs")
NO_CHANGE = {"learning_rate": 1e-30, "weight_decay": 0.0, "precision": "fp32", "max_length": 16}


@pytest.fixture
def still_bert(tiny_bert: Path, tmp_path: Path) -> Path:
    """Return the tiny model without dropout: training that changes nothing predicts alike."""
    folder = tmp_path / "still"
    folder.mkdir()
    for path in tiny_bert.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = (folder / "config.json").read_text()
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        assert name in config
        config = config.replace(f'"{name}": 0.1', f'"{name}": 0.0')
    (folder / "config.json").write_text(config)
    return folder


@pytest.mark.parametrize("accumulation", [1, 3])
def test_dynamics_are_what_the_model_predicts_of_its_training_texts(
    still_bert: Path, accumulation: int
) -> None:
    rows = make_reviews(30)
    texts, labels = rows["text"].tolist(), rows["label"].tolist()
    fixed = {**NO_CHANGE, "model": str(still_bert), "epochs": 2, "batch_size": 4}
    classifier = nbutils.fine_tune(texts, labels, gradient_accumulation=accumulation, **fixed)
    given = classifier.history.dynamics
    assert given is not None
    assert given.shape == (2, len(texts))
    predictions = classifier.predict(texts)
    places = [predictions.label_names.index(str(label)) for label in labels]
    expected = predictions.pred_probs[np.arange(len(texts)), places]
    np.testing.assert_allclose(given, [expected, expected], atol=1e-5)


def test_epoch_that_was_cut_short_leaves_what_it_did_not_see_unknown(still_bert: Path) -> None:
    rows = make_reviews(32)
    found = nbutils.fine_tune(
        rows["text"].tolist(), rows["label"].tolist(), model=str(still_bert), **NO_CHANGE,
        batch_size=8, max_steps=6,
    ).history.dynamics  # fmt: skip
    assert found is not None
    assert np.isnan(found).sum(axis=1).tolist() == [0, 16]


def test_belief_in_several_labels_is_the_mean_of_the_right_answers() -> None:
    dynamics = Dynamics(n_texts=3, total_steps=1, steps_per_epoch=1)
    logits = torch.tensor([[0.0, np.log(3.0)], [np.log(9.0), 0.0]])
    dynamics.note(0, np.array([2, 0]), logits, torch.tensor([[1, 1], [0, 0]]))
    np.testing.assert_allclose(dynamics.given, [[0.3, np.nan, 0.625]], rtol=1e-6)


def frame(given: list[list[float]], folder: Path) -> pd.DataFrame:
    path = folder / "training_dynamics.parquet"
    ids = np.arange(len(given[0])) + 10
    write_dynamics(path, np.array(given, np.float32), example_ids=ids.tolist())
    return pd.read_parquet(path)


def texts_of(n: int) -> pd.DataFrame:
    ids = np.arange(n) + 10
    return pd.DataFrame({"example_id": ids, "text": [f"text {k}" for k in ids], "label": ids % 2})


def test_texts_are_easy_ambiguous_or_hard(tmp_path: Path) -> None:
    given = [[0.9, 0.1, 0.1, 0.2, 0.2], [1, 0.9, 0.2, 0.1, 0.4], [1, 0.9, 0.0, 0.1, 0.7]]
    found = map_training(frame(given, tmp_path), texts_of(5), label_names=["a", "b"])
    assert found.table["region"].tolist() == ["easy", "ambiguous", "hard", "hard", "ambiguous"]
    means = [29 / 30, 19 / 30, 0.1, 4 / 30, 13 / 30]
    assert found.table["confidence"].tolist() == pytest.approx(means)
    assert found.table["variability"][1] == pytest.approx(np.std([0.1, 0.9, 0.9]))
    assert found.hard["example_id"].tolist() == [12, 13]
    assert found.findings()["regions"] == {"easy": 1, "ambiguous": 2, "hard": 2}
    assert not found.believable  # of so few texts


def few_hard(n: int, folder: Path, *, hard: int) -> TrainingMap:
    """Map texts of two labels of which the last few are never believed."""
    given = [[0.9] * (n - hard) + [0.2] * hard] * 2
    return map_training(frame(given, folder), texts_of(n), label_names=["a", "b"])


def test_hard_texts_are_to_be_read(tmp_path: Path) -> None:
    found = few_hard(100, tmp_path, hard=7)
    assert found.findings()["believable"] is True
    (advice,) = found.advice()
    assert "Read the 7 hard" in advice.action
    assert "7 of 100" in advice.evidence
    assert len(show_hard_texts(found).frame) == 7


@pytest.mark.parametrize("hard", [280, 200, 135])
def test_model_that_learnt_nothing_is_no_evidence_against_labels(tmp_path: Path, hard: int) -> None:
    found = few_hard(280, tmp_path, hard=hard)
    assert found.counts()["hard"] == hard
    assert found.findings()["believable"] is False
    assert found.advice() == []
    assert "no evidence against it" in repr(show_hard_texts(found))


def map_sets(belief: np.ndarray, labels: np.ndarray, folder: Path, **given: Any) -> TrainingMap:
    """Map texts with label sets (N, K) that were believed so (N,) in two epochs."""
    texts = texts_of(len(labels))
    texts["label"] = [np.flatnonzero(row) for row in labels]
    names = [f"label {k}" for k in range(labels.shape[1])]
    table = frame([belief.tolist()] * 2, folder)
    return map_training(table, texts, label_names=names, **given)


@pytest.mark.parametrize("recipe", [{}, {"label_smoothing": 0.1}, {"class_weights": "balanced"}])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_several_labels_have_to_be_known_and_not_only_their_shares(
    tmp_path: Path, share: float, recipe: dict[str, Any]
) -> None:
    random = np.random.default_rng(0)
    labels = random.random((500, 20)) < share
    names = [f"label {k}" for k in range(20)]
    params = FineTuneParams.of(recipe)
    objective = make_objective(labels.astype(np.uint8), label_names=names, params=params)
    half = params.label_smoothing / 2
    weight = (1 - share) / share if "class_weights" in recipe else 1.0
    yes = share * weight / (share * weight + 1 - share) * (1 - 2 * half) + half
    constants = [yes, yes + 0.02, yes - 0.01]  # as trainings end that learn the shares alone
    if not recipe:
        constants += [0.0, 0.5, 1.0]
    for p, known in [*((p, False) for p in constants), (None, True)]:
        believed = np.full(labels.shape, 1 - half) if p is None else np.where(labels, p, 1 - p)
        belief = believed.mean(axis=1) - random.random(500) / 1000
        found = map_sets(belief, labels, tmp_path, informed_belief=objective.informed_belief)
        assert found.believable is known, p
        if not recipe:  # what an earlier version left does not say it
            assert map_sets(belief, labels, tmp_path).believable is known, p


def test_map_of_a_multi_label_training_is_measured_by_its_own_objective(
    tiny_bert: Path, tmp_path: Path
) -> None:
    rows = make_reviews(24)
    sets = [["good", "all"] if label == "pos" else ["all"] for label in rows["label"]]
    recipe = {"model": str(tiny_bert), "epochs": 1, "label_smoothing": 0.2, "max_length": 16}
    history = nbutils.fine_tune(rows["text"].tolist(), sets, **recipe).history
    assert history.informed_belief is not None
    assert 0.5 < history.informed_belief < 0.9
    plain = nbutils.fine_tune(rows["text"].tolist(), rows["label"].tolist(), **recipe).history
    assert plain.informed_belief is None


@pytest.mark.parametrize(
    ("beliefs", "region"),
    [
        ((0.02, 0.05, 0.52), "ambiguous"),  # doubted all along but for the end
        ((0.6, 0.55, 0.45), "ambiguous"),  # believed but for the end
        ((0.1, 0.95, 0.97), "ambiguous"),
        ((0.5, 0.5, 0.5), "easy"),
        ((0.7, 0.9, 0.95), "easy"),
        ((0.45, 0.49, 0.49), "hard"),
    ],
)
def test_easy_texts_are_believed_on_average_and_at_last(
    beliefs: tuple[float, ...], region: str, tmp_path: Path
) -> None:
    found = map_training(frame([[p] for p in beliefs], tmp_path), texts_of(1), label_names=["a"])
    assert found.table["region"].tolist() == [region]


def test_all_easy_gives_no_advice(tmp_path: Path) -> None:
    found = map_training(frame([[0.9] * 4, [1.0] * 4], tmp_path), texts_of(4), label_names=["a"])
    assert found.advice() == []
    assert found.hard.empty


@pytest.mark.parametrize("given", [[[0.5, 0.5]], [[0.5, 0.5], [np.nan, 0.5]]])
def test_one_epoch_says_nothing_of_how_belief_moves(
    tmp_path: Path, given: list[list[float]]
) -> None:
    with pytest.raises(NotApplicableError, match="two whole epochs"):
        map_training(frame(given, tmp_path), texts_of(2), label_names=["a", "b"])
