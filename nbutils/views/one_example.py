"""One held-out example: in a line, as a whole, and with the words that decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbutils.analysis.asking import Explanation
from nbutils.analysis.saliency import Saliency
from nbutils.escaping import render_text, visible_text
from nbutils.label_sets import BETWEEN
from nbutils.tables import Table
from nbutils.views.cards import render_body, render_card
from nbutils.views.neighbours import list_neighbours
from nbutils.views.saliency import ShadedTexts

BEGINNING = 110  # characters of a text in a list
LONGEST = 20_000  # characters of a text that is shown as a whole
MOST_CLASSES = 5
TEXTS = ("text", "text_pair")
ISOLATE, END = "\u2068", "\u2069"  # keep a text that runs right to left from turning its line


def say_line(
    row: Mapping[Any, Any], *, mark: str | None, earlier: str | None = None, labels: bool
) -> str:
    """Return an example as a line of plain text: confidence, mark, and how its text begins.

    Parameters
    ----------
    row
        `example_id, label, predicted, text[, text_pair], confidence`.
    mark
        Of somebody; None: it has none.
    earlier
        A mark that was made of another prediction or label, and of which; None: there is none.
    labels
        Whether to name its label and its prediction.
    """
    parts = [f"{100 * row['confidence']:.1f} %"]
    parts += [f"[{mark}]"] if mark else []
    parts += [f"[{_begin(earlier, 90)}]"] if earlier else []
    parts += [_begin(f"{row['label']} as {row['predicted']}", 60)] if labels else []
    texts = " | ".join(_begin(row[name], BEGINNING) for name in TEXTS if name in row)
    return f"{' · '.join(parts)} · {row['example_id']}: {texts}"


def render_example(row: Mapping[Any, Any]) -> str:
    """Return an example as HTML: its facts, and its whole text.

    Parameters
    ----------
    row
        `example_id, text[, text_pair]`; all but the texts is shown as facts.
    """
    facts = {name: value for name, value in row.items() if name not in TEXTS}
    facts["example_id"] = str(row["example_id"])  # a name, no number: without a thousands' comma
    bodies = [render_body(render_text(row[name], limit=LONGEST)) for name in TEXTS if name in row]
    return render_card(facts, *bodies)


def tabulate_probabilities(
    pred_probs: NDArray[np.float64], row: Mapping[Any, Any], *, label_names: Sequence[str]
) -> Table:
    """Return the most probable classes, and those that an example has or was given.

    Parameters
    ----------
    pred_probs
        Shape (K,).
    row
        `label, predicted`, by name.
    label_names
        K names.
    """
    order = np.argsort(-pred_probs, kind="stable")
    roles = {"true": _members(row["label"], label_names)}
    roles["predicted"] = _members(row["predicted"], label_names)
    own = set().union(*roles.values())
    kept = [k for place, k in enumerate(order) if place < MOST_CLASSES or label_names[k] in own]
    said = [
        ", ".join(role for role, members in roles.items() if label_names[k] in members)
        for k in kept
    ]
    columns = {"class": [label_names[k] for k in kept], "is": said, "probability": pred_probs[kept]}
    more = f"; {len(order) - len(kept)} more are less probable" if len(order) > len(kept) else ""
    return Table(pd.DataFrame(columns), f"Probabilities{more}", percent=["probability"])


def shade_example(row: Mapping[Any, Any], explanation: Explanation) -> ShadedTexts:
    """Return an example with its words shaded by what they add to the output.

    Parameters
    ----------
    row
        `example_id, label, predicted, confidence`.
    explanation
        Of its text, which is shown as it was read.
    """
    facts = {name: row[name] for name in ("example_id", "label", "predicted", "confidence")}
    measures = ("output", "value", "baseline", "error", "steps")
    table = pd.DataFrame(
        [
            facts
            | dict(zip(TEXTS, explanation.texts, strict=False))
            | {name: getattr(explanation, name) for name in measures}
        ]
    )
    words = explanation.words.assign(example_id=row["example_id"])
    return ShadedTexts(Saliency(table, words), "The words it went by.")


def render_near(near: pd.DataFrame, *, searched: int, of: int) -> str:
    """Return the training texts nearest to one example as HTML.

    Parameters
    ----------
    near
        As `TrainingIndex.nearest` returns it.
    searched, of
        How many training texts were looked at, of how many.
    """
    caption = (
        f"The nearest training texts, as the model sees them; {searched:,} of {of:,} were searched"
    )
    head = f'<p class="nb-caption"><strong>{caption}</strong></p>'
    return head + list_neighbours(near.to_dict("records"))


def _begin(text: object, limit: int) -> str:
    shown = visible_text(" ".join(str(text)[: 4 * limit].split()))
    cut = shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
    return f"{ISOLATE}{cut}{END}"


def _members(said: str, label_names: Sequence[str]) -> set[str]:
    return {said} if said in label_names else set(said.split(BETWEEN))
