"""What one model says of the text that is typed: a column of the widget that asks models."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbutils.analysis.asked_model import AskedModel
from nbutils.escaping import render_text
from nbutils.reading import Reading
from nbutils.widgets.dress import dress

if TYPE_CHECKING:
    from nbutils.analysis.asking import Answer, Explanation

PENDING = "Which words decide is being computed \N{HORIZONTAL ELLIPSIS}"


class AskPanel:
    """A column for one model.

    Parameters
    ----------
    model
        That answers.
    title
        What it is called; "" where there is only one.
    """

    def __init__(self, model: AskedModel, title: str) -> None:
        self.model, self._title = model, title

    @cached_property
    def view(self) -> Any:
        """The column."""
        import ipywidgets

        title = f"<strong>{render_text(self._title, limit=60)}</strong>" * bool(self._title)
        layout = ipywidgets.Layout(flex="1 1 24em", min_width="0", margin="0 1.5em 0 0")
        parts = [ipywidgets.HTML(title), self.answer, self.words, self.tokens]
        return ipywidgets.VBox(parts, layout=layout)

    @cached_property
    def answer(self) -> Any:
        """Labels and probabilities."""
        import ipywidgets

        return ipywidgets.HTML()

    @cached_property
    def words(self) -> Any:
        """Which words decide."""
        import ipywidgets

        return ipywidgets.HTML()

    @cached_property
    def tokens(self) -> Any:
        """What is read of the text."""
        import ipywidgets

        return ipywidgets.HTML()

    def show_answer(self, answer: Answer, before: Answer | None) -> None:
        """Show what the model says, beside what it said before a change, if there was one."""
        from nbutils.views.asking import render_answer, render_reading

        known, (text, *pair) = self.model.classifier, answer.texts
        reading = Reading(text, known.tokenizer, known.cutting, text_pair=pair[0] if pair else None)
        self.answer.value = dress(render_answer(answer, before=before))
        self.words.value = dress(f"<p>{PENDING}</p>")
        self.tokens.value = dress(render_reading(reading))

    def show_explanation(self, found: Explanation) -> None:
        """Show which words decide."""
        from nbutils.views.asking import render_explanation

        self.words.value = dress(render_explanation(found))

    def show_refusal(self, reason: str) -> None:
        """Show why the words are not explained."""
        self.words.value = dress(f"<p>Not explained. {render_text(reason, limit=2000)}</p>")

    def clear(self) -> None:
        """Show nothing."""
        self.answer.value = self.words.value = self.tokens.value = ""
