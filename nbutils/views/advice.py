"""What to do next, as a list that leads to its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nbutils.analysis.advice import Advice, rank_advice
from nbutils.escaping import render_text, visible_text
from nbutils.sections import Sections
from nbutils.tables import Note


@dataclass(frozen=True, repr=False)
class AdviceList:
    """A ranked list of things to do, each with its evidence, its worth and its section.

    Parameters
    ----------
    advice
        At least one, the most worth first.
    left_out
        How many more there are in `findings.json`.
    score
        What the worth is measured in.
    """

    advice: Sequence[Advice]
    left_out: int = 0
    score: str = "accuracy"

    def __repr__(self) -> str:
        """Return the list as plain text."""
        lines = [
            f"{place}. {one.action} {one.evidence} {self._worth(one)}"
            for place, one in enumerate(self.advice, 1)
        ]
        return visible_text("\n".join([*lines, *([self._more()] if self.left_out else [])]))

    def _repr_html_(self) -> str:
        items = "".join(map(self._item, self.advice))
        more = f'<p class="nb-more">{self._more()}</p>' if self.left_out else ""
        return f'<ol class="nb-advice">{items}</ol>{more}'

    def _item(self, one: Advice) -> str:
        return (
            f"<li><p><strong>{render_text(one.action)}</strong></p>"
            f"<p>{render_text(one.evidence, limit=2000)}</p>"
            f'<p class="small">{self._worth(one)} '
            f'<a href="{link_to_section(one.section)}">Evidence: {one.section}</a></p></li>'
        )

    def _worth(self, one: Advice) -> str:
        return say_worth(one.gain, score=self.score, at_most=one.at_most, measured=one.measured)

    def _more(self) -> str:
        return f"… {self.left_out} more in findings.json"


def show_advice(sections: Sections, *, score: str = "accuracy") -> AdviceList | Note:
    """Return what to do next, as all sections say together.

    Parameters
    ----------
    sections
        All that were run.
    score
        What the worth is measured in: the accuracy, or ``micro F1`` of several labels.

    Returns
    -------
    AdviceList or Note
        No finding, no advice: a note then says that nothing was found, and where nobody looked.
    """
    found = sections.advice()
    if found:
        ranked = rank_advice(found)
        return AdviceList(ranked, left_out=len(found) - len(ranked), score=score)
    unseen = [
        f"{outcome.name} ({outcome.status})"
        for outcome in sections.outcomes.values()
        if outcome.value is None
    ]
    without = f" Nothing was looked for in: {', '.join(unseen)}." if unseen else ""
    return Note(f"Nothing was found that calls for action.{without}", "info" if unseen else "good")


def link_to_section(section: str) -> str:
    """Return where a section starts, as a link inside the page of the error analysis.

    The words are those by which JupyterLab finds a cell, so that the link leads there in both.
    """
    return f"#cell-id={section}-intro"


def say_worth(
    gain: float | None, *, score: str, at_most: bool = False, measured: bool = False
) -> str:
    """Return a sentence on what advice is worth.

    Parameters
    ----------
    gain
        A share in [0, 1]; None: it cannot be said.
    score
        What is gained.
    at_most
        Whether it cannot be more.
    measured
        Whether it is the measurement alone that would rise.
    """
    if gain is None:
        return "What it is worth cannot be said."
    points = f"about {100 * gain:.1f}" if gain >= 0.0005 else "less than 0.1"
    if at_most:
        points = f"at most {max(100 * gain, 0.1):.1f}"
    if measured:
        return f"Worth {points} points of measured {score}, which make the model no better."
    return f"Worth {points} points of {score}."
