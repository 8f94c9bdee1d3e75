"""What is shown of calibration: probabilities before and after, and thresholds per class."""

from __future__ import annotations

import pandas as pd

from nbutils.analysis.calibration import Calibration
from nbutils.metrics import Score
from nbutils.tables import Note, Table

COLUMNS = {"label": "class", "positives": "validation texts"}


def tabulate_confidence(found: Calibration) -> Table:
    """Return calibration error, log loss and Brier score, as they are and with a temperature."""
    columns = {"as it is": found.before}
    if found.scaling is not None:
        columns[f"temperature {found.scaling.temperature:.2f}"] = found.scaling.after
    rows = {
        "calibration error (ECE)": [_share(each.ece) for each in columns.values()],
        "log loss in nats": [_plain(each.log_loss) for each in columns.values()],
        "Brier score": [_plain(each.brier) for each in columns.values()],
    }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(columns))
    caption = "How good the probabilities are on the test texts (0 is best), with 95 % intervals"
    return Table(frame, caption=caption)


def judge_scaling(found: Calibration) -> Note:
    """Return whether a temperature mends the probabilities."""
    scaling = found.scaling
    if scaling is None:
        return Note(f"No temperature was fitted: {found.unscaled}.")
    change = scaling.log_loss_change
    numbers = (
        f"log loss on the test {change.value:+.3f} nats ({change.low:+.3f} to {change.high:+.3f}) "
        f"with a temperature of {scaling.temperature:.2f}, fitted on {scaling.fitted_on:,} "
        "validation texts"
    )
    if scaling.helps:
        return Note(f"A temperature helps: {numbers}.", kind="good")
    return Note(f"A temperature changes next to nothing: {numbers}.")


def tabulate_thresholds(found: Calibration) -> Table | Note | None:
    """Return thresholds per class where they help, or a sentence that they do not."""
    effect = found.thresholds
    if effect is None:
        return None
    change = effect.macro_f1
    numbers = (
        f"macro F1 {100 * change.value:+.1f} points ({100 * change.low:+.1f} to "
        f"{100 * change.high:+.1f}), accuracy {100 * effect.accuracy.value:+.1f}"
    )
    if not effect.helps:
        return Note(
            f"Thresholds per class, chosen on the validation split, do not help beyond chance: "
            f"{numbers} on the test."
        )
    table = effect.thresholds.table(effect.label_names).rename(columns=COLUMNS)
    return Table(table, caption=f"Thresholds per class, which help: {numbers} on the test")


def _share(score: Score) -> str:
    return f"{100 * score.value:.1f} % ({100 * score.low:.1f} to {100 * score.high:.1f})"


def _plain(score: Score) -> str:
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"
