"""What is shown of leaving texts to a person."""

from __future__ import annotations

from nbutils.analysis.abstention import Abstention
from nbutils.tables import Facts, Note

UNCONFIRMED = "; the test does not show that the threshold holds"


def tell_abstention(found: Abstention) -> Facts | Note:
    """Return the threshold for the wanted error, and what it brings on the test texts."""
    if found.threshold is None:
        return Note(f"No threshold was chosen. {found.why_not}")
    target, certain = f"{found.target_error:.1%}", "shown by the validation texts, 95 % certain"
    best, at_random = f"{found.best_area:.2%}", f"{found.everything.value:.2%}"
    return Facts(
        {
            "wanted": f"at most {target} of the answers wrong",
            "answer from a confidence of": f"{found.threshold_in_full}, {certain}",
            "test texts that are answered": str(found.coverage),
            "of those answers wrong": f"{found.error}{'' if found.reached else UNCONFIRMED}",
            "wrong when all are answered": str(found.everything),
            "area under the curve (AURC)": f"{found.area}; at best {best}, at random {at_random}",
        },
        caption="What the model may answer by itself",
    )
