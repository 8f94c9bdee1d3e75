"""The training texts nearest to mistakes, beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nbutils.analysis.neighbours import NEAREST, Neighbours
from nbutils.escaping import render_text, visible_text
from nbutils.tables import Table
from nbutils.views.cards import render_body, render_card, render_cards

SHOWN = 240  # characters of a text
SAID = {
    "predicted": "as the model said",
    "true": "as the mistake's own label",
    "other": "neither",
}


@dataclass(frozen=True, repr=False)
class NearTexts:
    """Mistakes as cards, each with its neighbours as a list.

    Parameters
    ----------
    found
        What is shown.
    """

    found: Neighbours

    def __repr__(self) -> str:
        """Return the labels of the neighbours as plain text, one mistake a line."""
        lines = [
            f"{row['example_id']}: {visible_text(row['label'])} taken for "
            f"{visible_text(row['predicted'])}; near: "
            + ", ".join(f"{visible_text(near['label'])}" for near in self._near(row))
            for row in self.found.texts.to_dict("records")
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        caption = (
            f"The most confident mistakes, and the training texts nearest to each; "
            f"{self.found.searched:,} of {self.found.of:,} training texts were searched"
        )
        cards = (self._card(row) for row in self.found.texts.to_dict("records"))
        return render_cards(cards, caption=caption)

    def _near(self, row: Mapping[Any, Any]) -> list[dict[Any, Any]]:
        near = self.found.near
        rows: list[dict[Any, Any]] = near[near["example_id"] == row["example_id"]].to_dict(
            "records"
        )
        return rows

    def _card(self, row: Mapping[Any, Any]) -> str:
        facts = {name: row[name] for name in ("example_id", "label", "predicted", "confidence")}
        return render_card(facts, render_body(_texts(row)), list_neighbours(self._near(row)))


def list_neighbours(near: Iterable[Mapping[Any, Any]]) -> str:
    """Return training texts as an HTML list, the nearest first.

    Parameters
    ----------
    near
        Rows of `Neighbours.near`.
    """
    items = "".join(
        f'<li style="margin:.35em 0"><strong>{render_text(own["label"], limit=60)}</strong>, '
        f"{SAID[own['said']]}; similarity {own['similarity']:.3f}, example "
        f"{render_text(own['neighbour_id'])}<br>{_texts(own)}</li>"
        for own in near
    )
    return f'<ol style="margin:.5em 0 0;padding-left:1.6em">{items}</ol>'


def _texts(row: Mapping[Any, Any]) -> str:
    texts = [row[name] for name in ("text", "text_pair") if name in row]
    return "<br>".join(render_text(" ".join(text.split()), limit=SHOWN) for text in texts)


def show_neighbours(found: Neighbours) -> NearTexts:
    """Return the explained mistakes with their nearest training texts."""
    return NearTexts(found)


def tabulate_neighbours(found: Neighbours) -> Table:
    """Return how often the neighbours of mistakes, and of what is right, have the given label."""
    rows = {
        "mistakes most of whose neighbours have the predicted label": found.taught,
        "neighbours of mistakes with the predicted label": found.as_predicted,
        "neighbours of mistakes with the most frequent label among them": found.purity,
        "neighbours of right predictions with the predicted label": found.as_predicted_if_right,
    }
    frame = pd.DataFrame(
        [(what, score.value, score.low, score.high, score.n) for what, score in rows.items()],
        columns=["what", "share", "low", "high", "texts"],
    )
    caption = (
        f"The {NEAREST} nearest training texts of mistakes and of right predictions, both drawn at "
        "random, with 95 % intervals"
    )
    return Table(frame, caption=caption, percent=["share", "low", "high"])
