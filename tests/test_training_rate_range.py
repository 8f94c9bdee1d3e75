"""The learning-rate range test proposes a rate that trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nbutils
from nbutils.errors import ParameterError, TrainingDivergedError
from nbutils.training.history import History, StepRecord
from nbutils.training.rate_range import propose_rate, smooth_losses

RECIPE = {"batch_size": 8, "max_length": 16}


def history(losses: list[float]) -> History:
    rates = np.geomspace(1e-6, 1e-2, len(losses))
    return History(
        steps=[StepRecord(k, k, loss, rates[k], 1, 1, 1) for k, loss in enumerate(losses)]
    )


def test_tenth_of_the_rate_of_the_lowest_loss_is_proposed() -> None:
    losses = [0.7] * 40 + np.linspace(0.7, 0.2, 30).tolist() + [0.2] * 5 + [5.0] * 25
    test = propose_rate(history(losses))
    lowest = test.points.loc[test.points["smoothed"].idxmin(), "learning_rate"]
    assert 8e-4 <= lowest <= 1.3e-3
    assert test.proposed == pytest.approx(lowest / 10)
    assert f"{test.proposed:.2g}, is proposed" in str(test)


def test_loss_that_never_falls_proposes_nothing() -> None:
    for losses in ([0.7] * 100, np.linspace(0.7, 3.0, 100).tolist()):
        test = propose_rate(history(losses))
        assert test.proposed is None
        assert "nothing is proposed" in str(test)


def test_no_finite_loss_is_said() -> None:
    with pytest.raises(TrainingDivergedError, match="no number at the lowest learning rate"):
        propose_rate(History())


def test_smoothing_has_no_pull_to_zero() -> None:
    assert smooth_losses([0.7] * 30) == pytest.approx(np.full(30, 0.7))


def test_proposed_rate_trains_and_the_test_touches_no_other_random_number(
    tiny_bert: Path, reviews: pd.DataFrame
) -> None:
    texts, labels = reviews["text"].tolist(), reviews["label"].tolist()
    test, again = (
        nbutils.find_learning_rate(
            texts, labels, model=str(tiny_bert), steps=200, bounds=(1e-5, 1.0), **RECIPE
        )
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(test.points, again.points)
    rates = test.points["learning_rate"]
    assert rates.iloc[0] == pytest.approx(1e-5)
    assert np.diff(np.log(rates)) == pytest.approx(np.log(1e5) / 199, rel=1e-6)
    assert len(rates) < 200  # it blew up, and was ended
    assert test.proposed is not None
    classifier = nbutils.fine_tune(
        texts,
        labels,
        params=nbutils.training.api.FineTuneParams.of(
            {"model": str(tiny_bert), "learning_rate": test.proposed, "epochs": 20, **RECIPE}
        ),
    )
    losses = classifier.history.losses
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 5}, "steps: expected a whole number of at least 20, found 5"),
        ({"steps": "40"}, "steps: expected a whole number of at least 20, found '40'"),
        ({"bounds": (1e-3, 1e-3)}, "bounds: expected 0 < low < high, found 0.001 and 0.001"),
        ({"bounds": (0, 1e-3)}, "bounds: expected 0 < low < high"),
        ({"epoch": 3}, "did you mean 'epochs'"),
    ],
)
def test_range_that_is_none_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        nbutils.find_learning_rate(["a", "b"], [0, 1], **changes)
