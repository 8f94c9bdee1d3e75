"""Temperature scaling: one number, fitted on validation texts, that mends confidence at large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.beliefs import Beliefs, Judged
from nbutils.analysis.reliability import bin_by_confidence, calibration_error, correlate_bins
from nbutils.bootstrap import resample_rows
from nbutils.described import Described
from nbutils.metrics import Score

LOWEST, HIGHEST = 0.05, 20.0
LEAST_WORTH = 0.02  # of the log loss: a temperature of 0.99 may be no chance, and changes nothing
MOST_FITTED = 20_000  # validation texts; one number needs no more


@dataclass(frozen=True, repr=False)
class Confidence(Described):
    """How good a model's probabilities are on N texts.

    Attributes
    ----------
    bins
        As `bin_by_confidence` makes them.
    ece, log_loss, brier
        Each the smaller, the better. The first is the expected calibration error of
        `calibration_error`, the log loss is in nats.
    """

    bins: pd.DataFrame
    ece: Score
    log_loss: Score
    brier: Score

    def as_dict(self) -> dict[str, Any]:
        """Return it for `findings.json`."""
        scores = ("ece", "log_loss", "brier")
        found = {name: getattr(self, name).as_dict() for name in scores}
        return {**found, "bins": self.bins.to_dict("records")}


@dataclass(frozen=True)
class Change:
    """A difference with its 95 % interval."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Return it for `findings.json`."""
        return asdict(self)


@dataclass(frozen=True)
class Scaling:
    """What dividing all logits by one number does.

    Attributes
    ----------
    temperature
        Above 1 the model was too sure, below 1 not sure enough.
    fitted_on
        Validation texts.
    after
        On the test texts.
    log_loss_change
        On the test texts; below 0 is better.
    worth
        The share of the log loss that it takes off.
    """

    temperature: float
    fitted_on: int
    after: Confidence
    log_loss_change: Change
    worth: float

    @property
    def helps(self) -> bool:
        """Whether the test's log loss is better, by more than chance and worth a line of code."""
        return self.log_loss_change.high < 0 and self.worth >= LEAST_WORTH

    def as_dict(self) -> Mapping[str, Any]:
        """Return it for `findings.json`."""
        return {
            "temperature": self.temperature,
            "fitted_on": self.fitted_on,
            "after": self.after.as_dict(),
            "log_loss_change": self.log_loss_change.as_dict(),
            "helps": self.helps,
        }


def fit_temperature(beliefs: Beliefs, *, seed: int = 0) -> float | None:
    """Return the temperature with the least log loss.

    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", 2017, section 4.2.

    Parameters
    ----------
    beliefs
        Of validation texts; a sample of 20,000 where there are more.
    seed
        Seed of the sample.

    Returns
    -------
    float or None
        Between 0.05 and 20. None where no text is wrong: the colder then, the better, without end.
    """
    from scipy.optimize import minimize_scalar

    n = len(beliefs.labels)
    if not n or beliefs.wholes()[1].all():
        return None
    if n > MOST_FITTED:
        beliefs = beliefs.take(np.random.default_rng(seed).choice(n, MOST_FITTED, replace=False))
    found = minimize_scalar(
        lambda log: float(beliefs.judge(float(np.exp(log))).losses.mean()),
        bounds=(np.log(LOWEST), np.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return float(np.exp(found.x))


def measure_confidence(
    beliefs: Beliefs, *, temperature: float | None, n_bins: int, seed: int
) -> tuple[Confidence, Confidence | None, Change]:
    """Return how good the probabilities of N texts are, as they are and at a temperature.

    Parameters
    ----------
    beliefs
        Of test texts, at least one.
    temperature
        None: as they are only.
    n_bins
        Bins at the most.
    seed
        Seed of the bootstrap.

    Returns
    -------
    before, after, change
        The last is that of the log loss, paired by text.
    """
    judged = [beliefs.judge(t) for t in (1.0, temperature or 1.0)]
    columns = [column for each in judged for column in (each.losses, each.squares)]
    resampled = resample_rows(np.stack(columns, axis=1), seed=seed)
    found = []
    for place, each in enumerate(judged):
        log_loss, brier = (
            Score(*resampled.interval(partial(_mean, at=2 * place + own)), len(each.losses))
            for own in (0, 1)
        )
        bins, ece = _diagram(each, n_bins=n_bins, seed=seed)
        found.append(Confidence(bins, ece, log_loss, brier))
    change = Change(*resampled.interval(lambda means: means[:, 2] - means[:, 0]))
    return found[0], found[1] if temperature else None, change


def _diagram(judged: Judged, *, n_bins: int, seed: int) -> tuple[pd.DataFrame, Score]:
    """Return the bins and the calibration error of predictions, those of a text held together."""
    answers = len(judged.confidences) // len(judged.losses)
    own = (judged.confidences, judged.correct)
    bins = bin_by_confidence(*own, n_bins=n_bins, answers=answers)
    correlation = correlate_bins(*own, n_bins=n_bins, answers=answers)
    return bins, calibration_error(bins, seed=seed, correlation=correlation)


def _mean(means: NDArray[np.float64], *, at: int) -> NDArray[np.float64]:
    return means[:, at]
