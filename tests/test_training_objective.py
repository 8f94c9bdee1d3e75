"""The losses and their scale, against torch's own; the scores, against scikit-learn's."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss

from nbutils.errors import ParameterError
from nbutils.params.fine_tune import FineTuneParams
from nbutils.training.objective import Objective, describe_scale, make_objective, sigmoid

NAMES = ["a", "b", "c"]


def make(labels: np.ndarray, **given: object) -> Objective:
    return make_objective(labels, label_names=NAMES, params=FineTuneParams.of(given))


def draw(several: bool, n: int = 24) -> tuple[np.ndarray, torch.Tensor]:
    random = np.random.default_rng(0)
    logits = torch.tensor(random.normal(size=(n, 3)) * 2, dtype=torch.float32)
    if several:
        return (random.random((n, 3)) < [0.5, 0.3, 0.1]).astype(np.uint8), logits
    return random.choice(3, n, p=[0.6, 0.3, 0.1]), logits


WEIGHTS = ["none", "balanced", {"a": 2.0, "c": 0.5}]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_cross_entropy_is_that_of_torch(weights: object) -> None:
    labels, logits = draw(several=False)
    objective = make(labels, class_weights=weights)
    tensor = {
        "none": None,
        "balanced": torch.tensor(len(labels) / (3 * np.bincount(labels)), dtype=torch.float32),
    }.get(str(weights), torch.tensor([2.0, 1.0, 0.5]))
    expected = torch.nn.CrossEntropyLoss(weight=tensor)
    target = torch.from_numpy(labels)
    mean = objective.loss_sum(logits, target) / objective.weight_of(np.arange(len(labels)))
    assert mean.item() == pytest.approx(expected(logits, target).item(), rel=1e-5)


def test_smoothed_cross_entropy_is_that_of_torch() -> None:
    labels, logits = draw(several=False)
    objective, target = make(labels, label_smoothing=0.2), torch.from_numpy(labels)
    expected = torch.nn.CrossEntropyLoss(label_smoothing=0.2, reduction="sum")
    assert objective.loss_sum(logits, target).item() == pytest.approx(
        expected(logits, target).item(), rel=1e-5
    )


def minimise(objective: Objective, labels: np.ndarray, logits: torch.Tensor) -> torch.Tensor:
    """Return the logits, spread over all texts, of the least loss."""
    logits.requires_grad_()
    optimizer = torch.optim.LBFGS([logits], max_iter=100, line_search_fn="strong_wolfe")
    rows, target = np.arange(len(labels)), torch.from_numpy(labels)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = objective.loss_sum(logits.expand(len(labels), logits.shape[-1]), target)
        value = value / objective.weight_of(rows)
        value.backward()
        return value

    optimizer.step(closure)
    return logits.detach()


@pytest.mark.parametrize("several", [False, True])
def test_weights_and_smoothing_together_still_ask_for_the_given_labels(several: bool) -> None:
    labels = np.array([0] * 97 + [2] * 3)
    if several:
        labels = np.eye(3, dtype=np.uint8)[labels]
    objective = make(labels, class_weights="balanced", label_smoothing=0.1)
    found = minimise(objective, labels, torch.zeros(len(labels), 3))
    right = found.argmax(1) == torch.from_numpy(np.array([0] * 97 + [2] * 3))
    assert right.all()
    whole = objective.loss_sum(found, torch.from_numpy(labels))
    assert float(whole / objective.weight_of(np.arange(100))) == pytest.approx(
        objective.least, rel=1e-3
    )


@pytest.mark.parametrize("weights", WEIGHTS)
def test_binary_cross_entropy_is_that_of_torch(weights: object) -> None:
    labels, logits = draw(several=True)
    objective = make(labels, class_weights=weights)
    positives = labels.sum(0)
    tensor = {
        "none": None,
        "balanced": torch.tensor((len(labels) - positives) / positives, dtype=torch.float32),
    }.get(str(weights), torch.tensor([2.0, 1.0, 0.5]))
    expected = torch.nn.BCEWithLogitsLoss(pos_weight=tensor)
    target = torch.from_numpy(labels)
    mean = objective.loss_sum(logits, target) / objective.weight_of(np.arange(len(labels)))
    assert mean.item() == pytest.approx(expected(logits, target.float()).item(), rel=1e-5)


def test_smoothing_moves_binary_targets_towards_one_half() -> None:
    labels, logits = draw(several=True)
    objective = make(labels, label_smoothing=0.2)
    target = torch.from_numpy(labels).float() * 0.8 + 0.1
    expected = torch.nn.BCEWithLogitsLoss(reduction="sum")(logits, target)
    assert objective.loss_sum(logits, torch.from_numpy(labels)).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_parts_of_a_batch_sum_to_the_whole(several: bool, weights: object) -> None:
    labels, logits = draw(several)
    objective, target = make(labels, class_weights=weights), torch.from_numpy(labels)
    rows = np.arange(len(labels))
    whole = objective.loss_sum(logits, target) / objective.weight_of(rows)
    parts = [
        objective.loss_sum(logits[part], target[part]) / objective.weight_of(rows)
        for part in (rows[:7], rows[7:9], rows[9:])
    ]
    assert sum(part.item() for part in parts) == pytest.approx(whole.item(), rel=1e-5)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_guessing_and_shares_are_the_loss_of_models_that_do_so(
    several: bool, weights: object, smoothing: float
) -> None:
    labels, _ = draw(several)
    objective = make(labels, class_weights=weights, label_smoothing=smoothing)
    rows, target = np.arange(len(labels)), torch.from_numpy(labels)

    def loss(logits: torch.Tensor) -> float:
        total = objective.loss_sum(logits.expand(len(labels), 3), target)
        return float(total / objective.weight_of(rows))

    assert loss(torch.zeros(3)) == pytest.approx(objective.guessing, rel=1e-5)
    constant = minimise(objective, labels, torch.zeros(3))
    assert loss(constant) == pytest.approx(objective.label_entropy, rel=1e-3)


def test_scale_of_all_weights_changes_no_share() -> None:
    labels, _ = draw(several=False)
    plain, tiny = (
        make(labels, class_weights={"a": scale, "b": 2 * scale, "c": 3 * scale})
        for scale in (1.0, 1e-20)
    )
    assert tiny.label_entropy == pytest.approx(plain.label_entropy)


@pytest.mark.parametrize("several", [False, True])
def test_what_makes_a_training_loss_another_one_is_said(several: bool) -> None:
    labels, _ = draw(several)
    assert describe_scale(make(labels), NAMES) == []
    (said,) = describe_scale(make(labels, class_weights={"b": 3}, label_smoothing=0.1), NAMES)
    assert "weighted (1 for a, 1 for c, 3 for b) and smoothed (never below 0." in said
    many = [f"label {k}" for k in range(9)]
    params = FineTuneParams.of({"class_weights": {"label 3": 0.5, "label 4": 2}})
    objective = make_objective(np.arange(9), label_names=many, params=params)
    assert "weighted (0.5 for label 3 to 2 for label 4)," in describe_scale(objective, many)[0]
    (little,) = describe_scale(make(labels, label_smoothing=0.001), NAMES)
    assert re.search(r"never below 0\.00[1-9]", little)


@pytest.mark.parametrize(
    ("labels", "weights"),
    [
        (np.array([0, 0, 1, 1, 2, 2]), "balanced"),
        (np.array([0, 0, 0, 1, 2, 2]), {"a": 2, "b": 2, "c": 2}),
        (np.eye(3, dtype=np.uint8)[[0, 0, 1, 2]], {"a": 1}),
    ],
)
def test_weights_that_change_nothing_are_none(labels: np.ndarray, weights: object) -> None:
    objective = make(labels, class_weights=weights)
    assert objective.weights is None
    assert describe_scale(objective, NAMES) == []


def test_label_that_every_text_has_is_learnt_where_labels_are_balanced() -> None:
    labels = np.eye(3, dtype=np.uint8)[[0, 1, 1, 1]]
    labels[:, 2] = 1
    objective = make(labels, class_weights="balanced")
    assert objective.weights is not None
    assert objective.weights.tolist() == pytest.approx([3.0, 1 / 3, 1.0])
    found = minimise(objective, labels, torch.zeros(4, 3))
    assert (found[:, 2] > 3).all()


def test_scores_of_label_sets_are_those_of_scikit_learn() -> None:
    labels, logits = draw(several=True)
    found = make(labels, class_weights="balanced").score(logits.numpy().astype(float), labels)
    pred_probs = sigmoid(logits.numpy().astype(float))
    predicted = pred_probs >= 0.5
    assert found.accuracy == pytest.approx(accuracy_score(labels, predicted))
    assert found.macro_f1 == pytest.approx(f1_score(labels, predicted, average="macro"))
    losses = [log_loss(labels[:, k], pred_probs[:, k]) for k in range(3)]
    assert found.loss == pytest.approx(np.mean(losses))


def test_extreme_logits_have_a_finite_loss() -> None:
    labels = np.array([[1, 0, 1], [0, 1, 0]], np.uint8)
    found = make(labels).score(np.array([[900.0, -900.0, -900.0], [-900.0, 900.0, 900.0]]), labels)
    assert found.loss == pytest.approx(300.0)
    assert math.isfinite(found.macro_f1)


@pytest.mark.parametrize("several", [False, True])
def test_weight_of_an_unknown_label_is_refused(several: bool) -> None:
    labels, _ = draw(several)
    with pytest.raises(ParameterError, match=r"class_weights: no label 'aa'; did you mean 'a'\?"):
        make(labels, class_weights={"aa": 2})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("balance", r"should be 'none' or 'balanced', or weights .*found 'balance'"),
        (["a"], r"should be 'none' or 'balanced', or weights .*found \['a'\]"),
        ({"a": 0}, r"weight of 'a': expected a number from 1e-20 to 1e\+20, found 0"),
        ({"a": 1e39}, r"weight of 'a': expected a number from 1e-20 to 1e\+20, found 1e\+39"),
        ({"a": "much"}, r"weight of 'a': expected a number from 1e-20 to 1e\+20, found 'much'"),
        ({"a": True}, r"weight of 'a': expected a number from 1e-20 to 1e\+20, found True"),
        ({"a": float("nan")}, r"weight of 'a': expected a number from 1e-20 to 1e\+20, found nan"),
        ("{a: [}", r"should be 'none' or 'balanced', or weights"),
    ],
)
def test_unusable_class_weights_are_refused(given: object, message: str) -> None:
    with pytest.raises(ParameterError, match=f"class_weights: {message}"):
        FineTuneParams.of({"class_weights": given})


def test_class_weights_are_read_from_a_command_line() -> None:
    assert FineTuneParams.of({"class_weights": "{a: 2, 1: 0.5}"}).class_weights == {
        "a": 2.0,
        "1": 0.5,
    }
