"""What one or two models say of a text, before and after a small change: in words and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nbutils.analysis.text_changes import find_difference
from nbutils.escaping import render_text, visible_text
from nbutils.label_sets import NO_LABEL
from nbutils.views.cards import escape, render_body
from nbutils.views.probabilities import format_share, render_probabilities
from nbutils.views.saliency import SHADING, say_words, shade_texts

if TYPE_CHECKING:
    from nbutils.analysis.asking import Answer, Explanation
    from nbutils.analysis.questions import Texts
    from nbutils.analysis.text_changes import Change
    from nbutils.reading import Reading

HEAD = '<p style="margin:.6em 0 .1em"><strong>{}</strong></p>'
MOST_LABELS = 6  # that are told by name
LONGEST_NAME = 60  # characters
LONGEST_DIFFERENCE = 60


def render_answer(answer: Answer, *, before: Answer | None = None) -> str:
    """Return what a model says of a text as HTML: its labels in a line, and probabilities.

    Parameters
    ----------
    answer
        What is shown.
    before
        Of the text as it was before a change, if there was one.
    """
    said = say_answer(answer) if before is None else say_change(before, answer)
    return (
        f'<p role="status" style="margin:.2em 0"><strong>{render_text(said)}</strong></p>'
        f"{render_probabilities(answer, before=before)}"
    )


def render_reading(reading: Reading) -> str:
    """Return the tokens that a model reads of a text as HTML."""
    return f"{HEAD.format('What it reads')}{reading._repr_html_()}"


def render_explanation(found: Explanation) -> str:
    """Return a text whose words are shaded by what they add to the output, and that in words."""
    said = say_words(found.top_words(), value=found.value, baseline=found.baseline)
    how = (
        f"Explained is the {found.output}: {found.value:.2f} for this text, {found.baseline:.2f} "
        f"for padding; completeness error {found.error:.1%}, {found.steps} gradients. {SHADING}"
    )
    return (
        f"{HEAD.format('Which words decide')}{''.join(shade_texts(found.texts, found.words))}"
        f"{render_body(escape(said))}{render_body(f'<small>{escape(how)}</small>')}"
    )


def say_labels_of(answer: Answer) -> str:
    """Return the labels that a text is given, in quotes, as one line."""
    named = [_quote(name) for name in answer.labels[:MOST_LABELS]]
    more = len(answer.labels) - MOST_LABELS
    return ", ".join(named) + (f" and {more} more" if more > 0 else "") or NO_LABEL


def say_answer(answer: Answer) -> str:
    """Return the labels with their probabilities, as one line."""
    shares = [
        f"{_quote(name)} {format_share(answer.probabilities[name])}"
        for name in answer.labels[:MOST_LABELS]
    ]
    more = len(answer.labels) - MOST_LABELS
    nearest = (
        f"{NO_LABEL}; nearest is {_quote(_top(answer))} {format_share(max(answer.pred_probs))}"
    )
    return ", ".join(shares) + (f" and {more} more" if more > 0 else "") or nearest


def say_change(before: Answer, after: Answer) -> str:
    """Return what a change of the text changed in what the model says."""
    if before.reads_as(after):
        return f"{say_labels_of(after)} as before: the model reads the very same tokens"
    if set(before.labels) != set(after.labels):
        return f"{say_answer(after)}; before: {say_answer(before)}"
    name, old, new = _largest_difference(before, after)
    return f"{say_labels_of(after)} as before; {_quote(name)} {old} before, {new} now"


def say_agreement(answers: Sequence[Answer], names: Sequence[str]) -> str:
    """Return whether two models agree about a text, and by how much they differ.

    Parameters
    ----------
    answers
        Of two models, of the same text.
    names
        What the models are called.
    """
    one, other = answers
    if set(one.labels) == set(other.labels):
        said = f"They agree: both say {say_labels_of(one)}."
    else:
        told = zip(names, (one, other), strict=True)
        said = "They disagree: " + "; ".join(
            f"{name} says {say_labels_of(answer)}" for name, answer in told
        )
        said += "."
    if set(one.label_names) != set(other.label_names):
        return f"{said} They know different labels, so their probabilities are not compared."
    name, first, second = _largest_difference(one, other)
    return f"{said} They differ most about {_quote(name)}: {first} and {second}."


def say_what_changed(change: Change, before: Texts, after: Texts) -> str:
    """Return the name of a change and what it did to the texts, as one line."""
    told = [
        f"{_quote(found[0])} became {_quote(found[1])}"
        for old, new in zip(before, after, strict=True)
        if (found := find_difference(old, new)) and max(map(len, found)) <= LONGEST_DIFFERENCE
    ]
    return f"{change.name.capitalize()}: {'; '.join(told) or change.what}."


def _largest_difference(one: Answer, other: Answer) -> tuple[str, str, str]:
    """Return the label about which two answers differ most, and its two probabilities."""
    others = other.probabilities
    aligned = np.array([others[name] for name in one.label_names])
    k = int(np.abs(one.pred_probs - aligned).argmax())
    return one.label_names[k], format_share(one.pred_probs[k]), format_share(aligned[k])


def _top(answer: Answer) -> str:
    return answer.label_names[int(answer.pred_probs.argmax())]


def _quote(name: str) -> str:
    shown = visible_text(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…")
    return f"\u201c{shown}\u201d"
