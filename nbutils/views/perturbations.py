"""What small changes did: rates as a table, and the flips as texts before and after."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from nbutils.analysis.perturbations import Perturbations
from nbutils.escaping import visible_text
from nbutils.tables import Note, Table
from nbutils.views.cards import escape, render_body, render_card, render_cards

AROUND = 80  # characters that are shown on both sides of a change
SHOWN = 400  # characters of a text at most
PIECE = re.compile(r"\s+|\w+|[^\w\s]+")
MARKS = {
    "del": "background:rgba(213,94,0,.22)",
    "ins": "background:rgba(0,114,178,.22);font-weight:700",
}


def tabulate_changes(found: Perturbations) -> Table:
    """Return the flip rate of each kind of change that the model can see."""
    seen = found.kinds[found.kinds["read"] > 0]
    frame = seen[["change", "what", "read", "flips", "rate", "low", "high", "broken", "mended"]]
    names = {"read": "texts", "rate": "flip rate", "broken": "right to wrong"}
    frame = frame.rename(columns={**names, "mended": "wrong to right"}).reset_index(drop=True)
    caption = f"Predictions that small changes flip, of {found.texts:,} test texts"
    return Table(frame, caption=caption, percent=["flip rate", "low", "high"])


def tell_unseen(found: Perturbations) -> Note | None:
    """Return which kinds of change the model cannot see, and why; None: it sees all."""
    unseen = found.kinds[found.kinds["read"] == 0]
    reasons = {
        "Invisible to this tokenizer, so that it can flip nothing": unseen["invisible"] > 0,
        "Beyond what is read of these texts": (unseen["invisible"] == 0) & (unseen["not_read"] > 0),
        "Not made, since no text has anything to change": unseen["changed"] == 0,
    }
    told = [
        f"{reason}: {', '.join(unseen.loc[rows, 'change'])}."
        for reason, rows in reasons.items()
        if rows.any()
    ]
    return Note(" ".join(told)) if told else None


@dataclass(frozen=True, repr=False)
class ChangedTexts:
    """Flipped predictions as cards: each text before and after, with the difference marked.

    Parameters
    ----------
    found
        What is shown.
    most
        Flips at most.
    """

    found: Perturbations
    most: int = 20

    def __repr__(self) -> str:
        """Return the flips as plain text, one a line."""
        return "\n".join(
            f"{row['example_id']}, {row['change']}: {visible_text(row['predicted'])} became "
            f"{visible_text(row['changed_to'])}"
            for row in self._rows()
        )

    def _rows(self) -> list[dict[Any, Any]]:
        return self.found.flips.head(self.most).to_dict("records")

    def _repr_html_(self) -> str:
        n = len(self.found.flips)
        shown = f", the surest {self.most}" if n > self.most else ""
        caption = f"{n:,} flipped predictions{shown}; what was changed is marked"
        return render_cards((self._card(row) for row in self._rows()), caption=caption)

    def _card(self, row: Mapping[Any, Any]) -> str:
        names = ("example_id", "change", "label", "predicted", "confidence")
        facts = {name: row[name] for name in names}
        facts |= {"becomes": row["changed_to"], "with": row["confidence_after"]}
        before, after = mark_change(row["before"], row["after"])
        bodies = (
            render_body(f"<small>{word}</small> {marked}")
            for word, marked in (("Before:", before), ("After:", after))
        )
        return render_card(facts, *bodies)


def show_flips(found: Perturbations, *, most: int = 20) -> ChangedTexts | Note:
    """Return the flips, the surest predictions first."""
    if found.flips.empty:
        return Note("No small change flipped a prediction.", kind="good")
    return ChangedTexts(found, most)


def mark_change(before: str, after: str) -> tuple[str, str]:
    """Return where two texts differ, as HTML: words that went are struck, those that came are bold.

    Parameters
    ----------
    before, after
        Two texts of which one was made of the other.
    """
    start, ends = _around_change(before, after)
    old, new = PIECE.findall(before[start : ends[0]]), PIECE.findall(after[start : ends[1]])
    went, came = "", ""
    differences = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    cut = ends[0] < len(before) or ends[1] < len(after)
    if cut and len(differences) > 2 and differences[-1][0] != "equal":
        differences.pop()  # one text is shown a few words further than the other
    for kind, i, j, k, m in differences:
        went += _marked("".join(old[i:j]), "del" if kind != "equal" else "")
        came += _marked("".join(new[k:m]), "ins" if kind != "equal" else "")
    first = "\u2026 " if start else ""
    last_went = " \u2026" if ends[0] < len(before) else ""
    last_came = " \u2026" if ends[1] < len(after) else ""
    return f"{first}{went}{last_went}", f"{first}{came}{last_came}"


def _around_change(before: str, after: str) -> tuple[int, tuple[int, int]]:
    """Return where the part that is shown starts, and where it ends in either text."""
    same = _count_same(before, after)
    shorter = min(len(before), len(after)) - same
    same_end = _count_same(before[::-1][:shorter], after[::-1][:shorter])
    start = before.rfind(" ", 0, max(0, same - AROUND)) + 1
    ends = [
        min(len(text), start + SHOWN, len(text) - same_end + AROUND) for text in (before, after)
    ]
    return start, (ends[0], ends[1])


def _count_same(first: str, second: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))


def _marked(text: str, tag: str) -> str:
    if not tag or not text:
        return escape(text)
    return f'<{tag} style="{MARKS[tag]}">{escape(text)}</{tag}>'
