"""What accuracies over paired seeds say: the mean difference, its interval, and a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbutils.benchmark.real_texts import DYNAMIC, OURS

if TYPE_CHECKING:
    import pandas as pd

CLOSE = 0.004  # of accuracy: a mean difference from there on is called one, whatever its noise


def compare_accuracy(measurements: pd.DataFrame) -> pd.DataFrame:
    """Return the mean difference of the accuracies, ours minus Trainer's, over seeds.

    The 95 % interval is Student's for paired differences; of a single seed it is unknown (NaN).

    Returns
    -------
    DataFrame
        `dataset`, `training_texts`, `test_texts`, `seeds`, `stock`, `nbutils` (mean accuracies),
        `difference`, `low`, `high`, `verdict`; no row where nothing was measured.
    """
    import pandas as pd

    rows = []
    for dataset, group in measurements.groupby("dataset", sort=False):
        counts = {name: int(group[name].iloc[0]) for name in ("training_texts", "test_texts")}
        scores = group.pivot(index="seed", columns="variant", values="accuracy")
        rows.append({"dataset": dataset, **counts, **_difference(scores)})
    columns = ["dataset", "training_texts", "test_texts", "seeds", "stock", "nbutils"]
    return pd.DataFrame(rows, columns=[*columns, "difference", "low", "high", "verdict"])


def _difference(scores: pd.DataFrame) -> dict[str, Any]:
    from scipy import stats

    differences = (scores[OURS] - scores[DYNAMIC]).to_numpy(float)
    n, mean = len(differences), float(differences.mean())
    spread = float(differences.std(ddof=1)) / n**0.5 if n > 1 else float("nan")
    half = float(stats.t.ppf(0.975, n - 1)) * spread if n > 1 else float("nan")
    return {
        "seeds": n,
        "stock": float(scores[DYNAMIC].mean()),
        "nbutils": float(scores[OURS].mean()),
        "difference": mean,
        "low": mean - half,
        "high": mean + half,
        "verdict": judge(mean, mean - half, mean + half),
    }


def judge(difference: float, low: float, high: float) -> str:
    """Return in words what a mean difference of accuracies with its 95 % interval says.

    ``equal``: the whole interval is within `CLOSE` of zero. ``no difference shown``: it has zero in
    it, and the mean difference is below `CLOSE`.
    """
    if not low <= high:  # of a single seed it is unknown
        return "one seed: not known"
    points = f"{100 * abs(difference):.1f} points {'better' if difference > 0 else 'worse'}"
    if not low <= 0 <= high:
        return f"different: {points}, more than chance explains"
    if abs(difference) >= CLOSE:
        return f"not shown to be equal: {points}, within chance"
    return "equal" if low >= -CLOSE and high <= CLOSE else "no difference shown"
