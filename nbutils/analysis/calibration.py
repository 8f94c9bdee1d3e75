"""Whether a confidence of 90 % means being right nine times in ten, and how to mend it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbutils.analysis.advice import Advice
from nbutils.analysis.beliefs import Beliefs, ClassBeliefs, read_beliefs
from nbutils.analysis.class_thresholds import ThresholdEffect, try_thresholds
from nbutils.analysis.errors import Errors
from nbutils.analysis.temperature import (
    Confidence,
    Scaling,
    fit_temperature,
    measure_confidence,
)
from nbutils.described import Described
from nbutils.errors import NotApplicableError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


FITS_UNDIVIDED = "The labels' thresholds were chosen for probabilities without a temperature."


@dataclass(frozen=True, repr=False)
class Calibration(Described):
    """How far the confidence of predictions on the test split can be believed.

    Attributes
    ----------
    confidences, correct
        Of each prediction its probability, and whether it is right.
    unit
        What is predicted, in the plural.
    before
        The probabilities as they are.
    scaling
        What a temperature does; None: none could be fitted.
    thresholds
        What thresholds per class do; None: there was nothing to choose them on, or texts have
        several labels, whose thresholds fine-tuning has chosen.
    unscaled
        Why no temperature could be fitted, to follow on a colon; empty where one was.
    """

    confidences: FloatArray
    correct: BoolArray
    unit: str
    before: Confidence
    scaling: Scaling | None
    thresholds: ThresholdEffect | None
    unscaled: str = ""

    def findings(self) -> Mapping[str, Any]:
        """Return it for `findings.json`."""
        return {
            **self.before.as_dict(),
            "scaling": None if self.scaling is None else self.scaling.as_dict(),
            "thresholds": None if self.thresholds is None else self.thresholds.as_dict(),
        }

    def advice(self) -> Sequence[Advice]:
        """Return what to do with probabilities and decisions, where it helps beyond chance."""
        found = []
        if self.scaling is not None and self.scaling.helps:
            found.append(self._advise_temperature(self.scaling))
        if self.thresholds is not None and self.thresholds.helps:
            found.append(_advise_thresholds(self.thresholds))
        return found

    def _advise_temperature(self, scaling: Scaling) -> Advice:
        kind = "too sure of itself" if scaling.temperature > 1 else "less sure than it is right"
        before, after = self.before, scaling.after
        several = self.unit == "answers"
        return Advice(
            f"Divide logits by {scaling.temperature:.2f} before reading them as probabilities"
            f"{'; give labels by the undivided ones, as before' if several else ''}.",
            f"The model is {kind}: with that temperature, fitted on {scaling.fitted_on:,} "
            f"validation texts, the test's calibration error goes from {before.ece.value:.1%} to "
            f"{after.ece.value:.1%} and its log loss from {before.log_loss.value:.3f} to "
            f"{after.log_loss.value:.3f}. {FITS_UNDIVIDED if several else 'No label changes.'}",
            None,
            "calibration",
        )


def _advise_thresholds(effect: ThresholdEffect) -> Advice:
    change, gain = effect.macro_f1, effect.accuracy.value
    return Advice(
        "Decide with a threshold per class: the class with the largest ratio of probability, as it "
        "is without a temperature, to threshold.",
        f"Chosen on the validation texts, they change macro F1 on the test by "
        f"{100 * change.value:+.1f} points ({100 * change.low:+.1f} to {100 * change.high:+.1f}) "
        f"and accuracy by {100 * gain:+.1f}, which is what is counted here.",
        gain if gain > 0 else None,
        "calibration",
    )


def calibrate(errors: Errors, *, n_bins: int = 10, seed: int = 0) -> Calibration:
    """Measure calibration on the test split, and try on it what the validation split suggests.

    Parameters
    ----------
    errors
        From `find_errors`.
    n_bins
        Bins of the reliability diagram at the most, of as many predictions each.
    seed
        Seed of the bootstrap.

    Raises
    ------
    NotApplicableError
        There is no test text.
    """
    if errors.test.empty:
        raise NotApplicableError("There is no text in the test split.")
    names, rows = errors.label_names, errors.predictions
    test = read_beliefs(errors.test, label_names=names)
    validation = read_beliefs(rows[rows["split"] == "validation"], label_names=names)
    temperature = fit_temperature(validation, seed=seed)
    before, after, change = measure_confidence(
        test, temperature=temperature, n_bins=n_bins, seed=seed
    )
    scaling = thresholds = None
    if temperature is not None and after is not None:
        worth = -change.value / max(before.log_loss.value, 1e-12)
        scaling = Scaling(temperature, len(validation.labels), after, change, worth)
    if isinstance(validation, ClassBeliefs) and isinstance(test, ClassBeliefs):
        thresholds = try_thresholds(validation, test, label_names=names, seed=seed)
    judged = test.judge()
    return Calibration(
        judged.confidences,
        judged.correct,
        errors.unit,
        before,
        scaling,
        thresholds,
        _say_why_unscaled(validation) if scaling is None else "",
    )


def _say_why_unscaled(validation: Beliefs) -> str:
    if not len(validation.labels):
        return "there is no validation text to fit it on"
    return f"none of the {len(validation.labels):,} validation texts is predicted wrongly"
