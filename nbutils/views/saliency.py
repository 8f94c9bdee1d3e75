"""Texts whose words are shaded by what they add to the output that was wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbutils.analysis.saliency import Saliency
from nbutils.escaping import visible_text
from nbutils.views.cards import escape, render_body, render_card, render_cards

if TYPE_CHECKING:
    import pandas as pd

FAINTEST = 0.15  # of the strongest word's score; what adds less is not shaded
STRONG = 0.5
EXPLAINED = 0.2  # of the output's value; where the words account for less, that is said
DEEPEST = 0.34  # opacity: the text stays legible on it, in light and dark
MOST_SHOWN = 40  # characters between two words, else they are told as not read
COLOURS = {"for": ("0,114,178", "solid"), "against": ("213,94,0", "dotted")}
SHADING = (
    "Solid underline on blue: the word speaks for what the model said. Dotted underline on orange: "
    "against it. The darker the more; bold: the most."
)


@dataclass(frozen=True, repr=False)
class ShadedTexts:
    """Explained texts as cards.

    Parameters
    ----------
    found
        What is shown.
    what
        Of which texts, as a sentence.
    """

    found: Saliency
    what: str = "The most confident mistakes."

    def __repr__(self) -> str:
        """Return the words that say most, as plain text, one text a line."""
        rows = self.found.texts.to_dict("records")
        return "\n".join(
            f"{row['example_id']}: {visible_text(row['label'])} taken for "
            f"{visible_text(row['predicted'])}. {self._said(row)}"
            for row in rows
        )

    def _repr_html_(self) -> str:
        cards = (self._card(row) for row in self.found.texts.to_dict("records"))
        return render_cards(cards, caption=f"{self.what} {SHADING}")

    def _card(self, row: Mapping[Any, Any]) -> str:
        facts = {name: row[name] for name in ("example_id", "label", "predicted", "confidence")}
        facts |= {
            "explained": row["output"],
            "for this text": f"{round(row['value'], 2) + 0.0:.2f}",
            "for padding": f"{round(row['baseline'], 2) + 0.0:.2f}",  # no minus before zero
            "completeness error": f"{row['error']:.1%}",
        }
        own = self.found.words[self.found.words["example_id"] == row["example_id"]]
        texts = [row[name] for name in ("text", "text_pair") if name in row]
        said = render_body(f"<small>{escape(self._said(row))}</small>")
        return render_card(facts, *shade_texts(texts, own), said)

    def _said(self, row: Mapping[Any, Any]) -> str:
        top = self.found.top_words(row["example_id"])
        return say_words(top, value=row["value"], baseline=row["baseline"])


def say_words(top: tuple[Any, Any], *, value: float, baseline: float) -> str:
    """Return in words what the shading of a text says.

    Parameters
    ----------
    top
        The words that say most for the output and against it, with their scores.
    value, baseline
        The output for the text, and for padding.
    """
    least = FAINTEST * max((abs(score) for words in top for score in words), default=0.0)
    told = [
        f"{side}: " + ", ".join(f"{word} {score:+.2g}" for word, score in heard.items())
        for side, words in zip(("for it", "against it"), top, strict=True)
        if len(heard := words[words.abs() >= least])
    ]
    said = f"Most say, {'; '.join(told)}." if told else "No word says anything."
    if abs(value - baseline) < EXPLAINED * abs(value):
        said += " Padding alone gets nearly the same output: the words explain little of it."
    return said


def shade_texts(texts: Sequence[str], words: pd.DataFrame) -> list[str]:
    """Return the HTML of a text, or of both of a pair, with its words shaded.

    Parameters
    ----------
    texts
        As they were read.
    words
        `part, start, end, score`.
    """
    strongest = float(words["score"].abs().max())
    return [
        render_body("".join(_shade(text, words[words["part"] == part], strongest)))
        for part, text in enumerate(texts)
    ]


def _shade(text: str, words: pd.DataFrame, strongest: float) -> Iterator[str]:
    """Yield the HTML of a text: its words, and what stands between them."""
    place = 0
    for start, end, score in zip(words["start"], words["end"], words["score"], strict=True):
        yield _between(text[place:start])
        yield _word(text[max(start, place) : end], score / strongest if strongest else 0.0)
        place = max(place, end)
    yield _between(text[place:])


def _between(text: str) -> str:
    if not text.strip() or len(text) <= MOST_SHOWN:
        return escape(text)
    return f'<span class="nb-cut"> \u2026 ({len(text):,} characters that are not read) </span>'


def _word(word: str, share: float) -> str:
    size = abs(share)
    if size < FAINTEST or not word:
        return escape(word)
    colour, line = COLOURS["for" if share > 0 else "against"]
    weight = ";font-weight:700" if size >= STRONG else ""
    style = (
        f"background:rgba({colour},{DEEPEST * size:.2f});"
        f"border-bottom:2px {line} rgb({colour}){weight}"
    )
    return f'<span style="{style}">{escape(word)}</span>'


def show_saliency(found: Saliency) -> ShadedTexts:
    """Return the explained mistakes as shaded texts."""
    return ShadedTexts(found)
