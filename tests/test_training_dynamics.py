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


@pytest.mark.parametrize(
    ("belief", "share_belief", "known"),
    [(0.75, None, False), (0.8, None, True), (0.75, 0.7, True), (0.8, 0.9, False)],
)
def test_several_labels_have_to_be_believed_more_than_who_knows_their_shares(
    tmp_path: Path, belief: float, share_belief: float | None, known: bool
) -> None:
    texts = texts_of(40)
    texts["label"] = [np.array([0]), np.array([], np.int64), *[np.array([1])] * 2] * 10
    given = frame([[belief] * 40] * 2, tmp_path)  # without weights the shares are believed at 0.78
    names = ["a", "b", "c", "d"]
    found = map_training(given, texts, label_names=names, share_belief=share_belief)
    assert found.believable is known


@pytest.mark.parametrize("recipe", [{}, {"label_smoothing": 0.2}, {"class_weights": "balanced"}])
@pytest.mark.parametrize("several", [False, True])
def test_belief_of_who_knows_the_shares_is_that_of_the_best_constant_answer(
    several: bool, recipe: dict[str, Any]
) -> None:
    labels = np.random.default_rng(0).integers(0, 4, 200) // 2
    if several:
        labels = np.eye(3, dtype=np.uint8)[labels]
    names = ["a", "b", "c"]
    objective = make_objective(labels, label_names=names, params=FineTuneParams.of(recipe))
    logits, target = torch.zeros(1, 3, requires_grad=True), torch.from_numpy(labels)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = objective.loss_sum(logits.expand(200, 3), target) / 200
        loss.backward()
        return loss

    optimizer.step(closure)
    dynamics = Dynamics(n_texts=200, total_steps=1, steps_per_epoch=1)
    dynamics.note(0, np.arange(200), logits.expand(200, 3), target)
    assert dynamics.given.mean() == pytest.approx(objective.share_belief, abs=1e-3)


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
