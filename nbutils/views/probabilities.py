"""Probabilities of one text as labelled bars, beside those of another text if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nbutils.escaping import render_text
from nbutils.numerals import format_value
from nbutils.plots.palette import BLUE

if TYPE_CHECKING:
    from nbutils.analysis.asking import Answer

MOST_CLASSES = 10  # with a bar of their own
LONGEST_NAME = 60  # characters
WIDEST_NAME = 20  # below which names are not broken
LINE = "rgba(128,128,128,.5)"
CELL = "padding:.1em .6em .1em 0;text-align:left;vertical-align:middle"
NUMBER = f"{CELL};text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"


def render_probabilities(answer: Answer, *, before: Answer | None = None) -> str:
    """Return a table of the labels with their probabilities and bars.

    Few labels stand in their own order, so that they stay in place while somebody types; of many
    the most probable come first, those that are given before all.

    Parameters
    ----------
    answer
        What is shown.
    before
        Of the text as it was before a change; its probabilities stand beside the others.
    """
    kept, others = choose_labels(answer)
    heads = ["label", "probability"] + ["before"] * (before is not None)
    heads += ["given from"] * (answer.thresholds is not None)
    rows = "".join(_render_row(answer, k, before) for k in kept)
    width = min(WIDEST_NAME, 3 + max(len(answer.label_names[k]) for k in kept))
    styles = [f"{CELL};min-width:{width}ch", *[NUMBER] * (len(heads) - 1)]
    head = "".join(
        f'<th scope="col" style="{style}">{name}</th>'
        for name, style in zip(heads, styles, strict=True)
    )
    return (
        '<table class="nb-table nb-bars" '
        'style="width:100%;border-collapse:collapse;font-size:inherit">'
        f'<thead><tr>{head}<td style="width:50%"></td></tr></thead><tbody>{rows}</tbody></table>'
        f"{_say_others(answer, others)}"
    )


def choose_labels(answer: Answer) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels that get a bar, in the order of reading, and the others."""
    count = len(answer.label_names)
    if count <= MOST_CLASSES + 1:  # "1 other" takes as much room as the other
        return np.arange(count), np.array([], np.int64)
    order = np.lexsort((-answer.pred_probs, ~answer.given))
    return order[:MOST_CLASSES], order[MOST_CLASSES:]


def format_share(share: float) -> str:
    """Return a probability as percent."""
    return format_value(float(share), percent=True, digits=1)


def _render_row(answer: Answer, k: int, before: Answer | None) -> str:
    name = render_text(answer.label_names[k], limit=LONGEST_NAME)
    if answer.given[k]:
        name = f"<strong>{name} \N{CHECK MARK}</strong>"
    shares = [float(answer.pred_probs[k])]
    shares += [] if before is None else [float(before.pred_probs[k])]
    shares += [] if answer.thresholds is None else [float(answer.thresholds[k])]
    numbers = "".join(f'<td style="{NUMBER}">{format_share(share)}</td>' for share in shares)
    bar = "".join(_render_bar(answer, k, before))
    return f'<tr><th scope="row" style="{CELL};font-weight:400">{name}</th>{numbers}{bar}</tr>'


def _render_bar(answer: Answer, k: int, before: Answer | None) -> Iterator[str]:
    yield '<td style="padding:.1em 0"><div aria-hidden="true" style="position:relative;'
    yield f'height:1em;border:1px solid {LINE}">'
    yield f'<div style="height:100%;width:{100 * answer.pred_probs[k]:.1f}%;'
    yield f'background:{BLUE.light}"></div>'
    if before is not None:
        yield _mark(before.pred_probs[k], "dashed")
    if answer.thresholds is not None:
        yield _mark(answer.thresholds[k], "solid")
    yield "</div></td>"


def _mark(share: float, line: str) -> str:
    return (
        f'<div style="position:absolute;top:-2px;bottom:-2px;left:{100 * share:.1f}%;'
        f'border-left:2px {line} currentColor"></div>'
    )


def _say_others(answer: Answer, others: NDArray[np.int64]) -> str:
    if not len(others):
        return ""
    shares, given = answer.pred_probs[others], int(answer.given[others].sum())
    said = f"{format_share(shares.sum())} together"
    if answer.thresholds is not None:
        said = f"at most {format_share(shares.max())}" + f", {given:,} of them given" * (given > 0)
    return f'<div style="margin-top:.2em">{len(others):,} others: {said}</div>'
