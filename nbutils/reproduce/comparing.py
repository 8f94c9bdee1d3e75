"""Two runs of one study side by side, from their manifests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nbutils.report.carried import DECIMALS, unpack_predictions

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["identical", "within tolerance", "different", "not compared"]
TOLERANCE = 1e-6  # of a score
CONFIDENCE_TOLERANCE = 1e-4  # of the probability of a predicted label
TRAINING_RESULTS = {"epochs", "steps", "best_step", "stopped"}
MACHINE = {"device", "precision"}  # of a training: where it ran, not what came out
SHOWN_IDS = 10
ABSENT = "absent"


@dataclass(frozen=True)
class MetricComparison:
    """One value of `metrics.json` in the report and now; `ABSENT` where one has none."""

    name: str
    reported: Any
    now: Any
    verdict: Verdict


@dataclass(frozen=True)
class Difference:
    """Something of the environment that is not as it was."""

    name: str
    reported: Any
    now: Any


@dataclass(frozen=True)
class PredictionComparison:
    """The test predictions of the report and of now.

    Parameters
    ----------
    same_sha256
        Whether all predictions, those of the validation split included, are equal bit for bit.
    source
        What was compared one by one; empty: nothing could be.
    rows
        Examples compared.
    identical, other_confidence, other_label
        How many have the same label with the same confidence, the same label with another, and
        another label.
    unmatched
        Examples that only one of the two has.
    largest
        Largest absolute difference of a confidence among equal labels.
    ids
        The first `example_id` with another label.
    """

    same_sha256: bool
    source: str = ""
    rows: int = 0
    identical: int = 0
    other_confidence: int = 0
    other_label: int = 0
    unmatched: int = 0
    largest: float = 0.0
    ids: tuple[int, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What they come to."""
        if self.same_sha256:
            return "identical"
        if not self.source or self.other_label or self.unmatched:
            return "different"
        return "within tolerance" if self.largest <= CONFIDENCE_TOLERANCE else "different"


@dataclass(frozen=True)
class Comparison:
    """All that two manifests of one study differ in."""

    metrics: tuple[MetricComparison, ...]
    predictions: PredictionComparison
    environment: tuple[Difference, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of the metrics and the predictions."""
        verdicts = {self.predictions.verdict, *(metric.verdict for metric in self.metrics)}
        if "different" in verdicts or not self.metrics:
            return "different"
        return "within tolerance" if "within tolerance" in verdicts else "identical"


def compare_manifests(
    reported: Mapping[str, Any],
    now: Mapping[str, Any],
    *,
    rows: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> Comparison:
    """Compare two runs of one study.

    Parameters
    ----------
    reported, now
        Manifests.
    rows
        Test predictions of both, as `read_test_rows` returns them, where they are better known than
        from the manifests.
    """
    return Comparison(
        metrics=compare_metrics(_results(reported), _results(now)),
        predictions=compare_predictions(reported, now, rows=rows),
        environment=compare_environments(reported, now),
    )


def _results(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {**manifest.get("metrics", {}), "findings": manifest.get("findings") or {}}


def compare_metrics(
    reported: Mapping[str, Any], now: Mapping[str, Any]
) -> tuple[MetricComparison, ...]:
    """Compare every value of two `metrics.json`, the report's order kept.

    Times, memory and the sentence on the training are shown and not compared.
    """
    before, after = dict(_flatten(reported)), dict(_flatten(now))
    return tuple(
        MetricComparison(name, old, new, _judge(name, old, new))
        for name in {**before, **after}
        if not _is_of_the_machine(name)
        for old, new in [(before.get(name, ABSENT), after.get(name, ABSENT))]
    )


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _is_of_the_machine(name: str) -> bool:
    section, _, key = name.partition(".")
    return section == "machine" or (section == "training" and key in MACHINE)


def _judge(name: str, old: Any, new: Any) -> Verdict:
    section, _, key = name.partition(".")
    if section == "training" and key not in TRAINING_RESULTS:
        return "not compared"
    if type(old) is type(new) and (old == new or old != old != new != new):
        return "identical"
    if _is_number(old) and _is_number(new):
        return "within tolerance" if abs(old - new) <= TOLERANCE else "different"
    return "different"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def compare_predictions(
    reported: Mapping[str, Any],
    now: Mapping[str, Any],
    *,
    rows: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> PredictionComparison:
    """Compare the predictions of two runs: their SHA-256, and one by one where that differs.

    Parameters
    ----------
    reported, now, rows
        As for `compare_manifests`.
    """
    digest = reported.get("predictions_sha256")
    same = digest is not None and digest == now.get("predictions_sha256")
    if rows is not None:
        return compare_rows(*rows, same_sha256=same, source="the predictions file of the report")
    before, after = unpack_predictions(reported), unpack_predictions(now)
    if before is None or after is None:
        return PredictionComparison(same_sha256=same)
    source = f"the test predictions in the report, confidence to {DECIMALS} decimals"
    return compare_rows(before, after, same_sha256=same, source=source)


def compare_rows(
    before: pd.DataFrame, after: pd.DataFrame, *, same_sha256: bool, source: str
) -> PredictionComparison:
    """Compare predictions example by example.

    Parameters
    ----------
    before, after
        `example_id, predicted, confidence`.
    same_sha256, source
        As `PredictionComparison` has them.
    """
    both = before.merge(after, on="example_id", suffixes=("_before", "_after"))
    agrees = both["predicted_before"] == both["predicted_after"]
    gaps = (both["confidence_before"] - both["confidence_after"]).abs()[agrees]
    others = both.loc[~agrees, "example_id"].head(SHOWN_IDS)
    return PredictionComparison(
        same_sha256=same_sha256,
        source=source,
        rows=len(both),
        identical=int((gaps == 0).sum()),
        other_confidence=int((gaps > 0).sum()),
        other_label=int((~agrees).sum()),
        unmatched=len(before) + len(after) - 2 * len(both),
        largest=float(gaps.max()) if len(gaps) else 0.0,
        ids=tuple(int(number) for number in others),
    )


def compare_environments(
    reported: Mapping[str, Any], now: Mapping[str, Any]
) -> tuple[Difference, ...]:
    """Return what is not as it was: versions, processor, threads, commit, code, device."""
    before, after = _surroundings(reported), _surroundings(now)
    names = {**before, **after}
    return tuple(
        Difference(name, before.get(name, ABSENT), after.get(name, ABSENT))
        for name in names
        if before.get(name, ABSENT) != after.get(name, ABSENT)
    )


def _surroundings(manifest: Mapping[str, Any]) -> dict[str, Any]:
    training = manifest.get("metrics", {}).get("training", {})
    changes = manifest.get("changes") or {}
    return {
        **dict(_flatten(manifest.get("environment", {}))),
        **dict(_flatten({"machine": manifest.get("machine", {})})),
        **{f"training.{name}": training[name] for name in MACHINE if name in training},
        **dict(_flatten({"code": manifest.get("code", {})})),
        **({"changes.sha256": changes.get("sha256")} if changes else {}),
    }
