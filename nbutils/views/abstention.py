"""What is shown of leaving texts to a person."""

from __future__ import annotations

from nbutils.analysis.abstention import Abstention
from nbutils.tables import Facts, Note


def tell_abstention(found: Abstention) -> Facts | Note:
    """Return the threshold for the wanted error, and what it brings on the test texts."""
    target = f"{found.target_error:.1%}"
    if found.threshold is None:
        return Note(f"No confidence brings the validation texts down to an error of {target}.")
    best, at_random = f"{found.best_area:.2%}", f"{found.everything.value:.2%}"
    return Facts(
        {
            "wanted": f"at most {target} of the answers wrong",
            "answer from a confidence of": f"{found.threshold:.4f}, chosen on the validation texts",
            "test texts that are answered": str(found.coverage),
            "of those answers wrong": str(found.error),
            "wrong when all are answered": str(found.everything),
            "area under the curve (AURC)": f"{found.area}; at best {best}, at random {at_random}",
        },
        caption="What the model may answer by itself",
    )
