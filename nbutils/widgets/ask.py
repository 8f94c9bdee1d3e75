"""Ask a model about any text, as it is typed: what it says, how it reads it, which words decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from nbutils.analysis.asked_model import AskedModel, AskedModels
from nbutils.analysis.asking import Answer, SupersededError, explain_text
from nbutils.analysis.example_picker import NO_TEXTS, Example, ExamplePicker
from nbutils.analysis.questions import Texts
from nbutils.analysis.saved_model import SavedModel
from nbutils.analysis.text_changes import Change, applicable_changes
from nbutils.errors import DataError, NotApplicableError, ParameterError, suggest
from nbutils.escaping import render_text
from nbutils.tables import Note
from nbutils.widgets.ask_controls import Actions, AskControls
from nbutils.widgets.ask_panel import AskPanel
from nbutils.widgets.base import Debounced, Widget
from nbutils.widgets.latest import Latest

if TYPE_CHECKING:
    from nbutils.training.classifier import Classifier

FloatArray = NDArray[np.float64]

TYPING_SECONDS = 0.25  # of quiet before a text counts as typed
NAMES = ("first model", "second model")
UNASKED = "This text has not been asked about yet: press Ask, or type."
LOADING = "The model is being loaded \N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, eq=False)
class _Question:
    """A text to be answered, what it was before it was changed, and what is known of it."""

    texts: Texts
    before: Texts | None = None
    about: str = ""


class AskModel(Widget):
    """Type a text and see probabilities, tokens and the words that decide.

    Parameters
    ----------
    model
        A `SavedModel`, a `Classifier` (what `fine_tune` returns is one), or the folder of a
        finished fine_tune stage. Nothing is loaded before the first text is asked.
    other
        A second model, shown beside the first.
    text, text_pair
        What stands in the boxes at first. `text_pair`, also an empty one, makes a second box; it
        is there anyway where a model is known to read pairs.
    names
        What two models are called.

    Attributes
    ----------
    answers
        Of each model, about the text as it stands; empty before there are any.
    """

    def __init__(
        self,
        model: SavedModel | Classifier | str | Path,
        other: SavedModel | Classifier | str | Path | None = None,
        *,
        text: str = "",
        text_pair: str | None = None,
        names: tuple[str, str] = NAMES,
    ) -> None:
        super().__init__()
        self._names = names
        sources = [(model, "")] if other is None else [(model, names[0]), (other, names[1])]
        self._panels = [AskPanel(AskedModel(own), title) for own, title in sources]
        self._models = AskedModels([panel.model for panel in self._panels])
        paired = text_pair is not None or self._models.reads_pairs
        self._asked = _Question((text, text_pair or "") if paired else (text,))
        self._past: tuple[_Question, ...] = ()
        self._clicks: Counter[str] = Counter()
        self.answers: tuple[Answer, ...] = ()
        self._latest: Latest[_Question] = Latest(self._compute)
        self._soon = Debounced(self._latest.work, seconds=TYPING_SECONDS)
        self._at_once = Debounced(self._latest.work, seconds=0.0)

    @property
    def twin(self) -> Note:
        """How the model can be asked."""
        return Note(
            "In JupyterLab any text can be typed in this place: what the model says of it, the "
            "tokens that it reads and the words that decide are shown as it is typed. From Python, "
            "with the folder of the fine_tune stage: "
            'nbutils.load_fine_tuned("...").predict(["a text"]).'
        )

    @property
    def texts(self) -> Texts:
        """The text that stands in the box, or both of a pair."""
        return self._asked.texts

    @property
    def changes(self) -> list[Change]:
        """The small changes that can be made of the text."""
        return applicable_changes(paired=len(self.texts) > 1)

    def ask(self, text: str, text_pair: str | None = None) -> None:
        """Ask about a text, as if it had been typed; `wait` waits for the answer.

        Raises
        ------
        ParameterError
            There is a second text, and no box for it.
        """
        if text_pair is not None and len(self.texts) == 1:
            raise ParameterError('text_pair: expected none; for pairs, use AskModel(text_pair="")')
        self._begin(_Question(self._fitting((text, text_pair or ""))))

    def wait(self) -> None:
        """Return when all about the text as it stands is shown, or that it cannot be."""
        self._latest.ask(self._asked)
        self._latest.work()

    def change(self, name: str) -> None:
        """Change the text a little; what was said of it before stays beside what is said then.

        Parameters
        ----------
        name
            One of `changes`. The same one draws something else each time.

        Raises
        ------
        ParameterError
            There is no such change.
        """
        from nbutils.views.asking import say_what_changed

        change = self._find_change(name)
        with self._turn:
            self._clicks[name] += 1
            random = np.random.default_rng([crc32(name.encode()), self._clicks[name]])
            texts = change.within(self._models.reach(self.texts), self.texts, random)
            if texts == self.texts:
                self.say(f"\u201c{name}\u201d finds nothing to change in this text.")
                return
            about = say_what_changed(change, self.texts, texts)
            past = (*self._past, self._asked)
            self._begin(_Question(texts, self.texts, about), past=past)

    def undo(self) -> None:
        """Take the last change back."""
        with self._turn:
            if self._past:
                self._begin(self._past[-1], past=self._past[:-1])

    def pick_random(self) -> None:
        """Ask about a test text drawn at random."""
        self._ask_example(self._picker.pick_random())

    def next_mistake(self) -> None:
        """Ask about the next mistake on the test split, the most confident first."""
        self._ask_example(self._picker.next_mistake())

    def _ask_example(self, example: Example) -> None:
        self._begin(_Question(self._fitting(example.texts), about=example.about))

    def _fitting(self, texts: Texts) -> Texts:
        """Return as many texts as there are boxes."""
        return (*texts, "")[: len(self.texts)]

    def _find_change(self, name: str) -> Change:
        known = {change.name: change for change in self.changes}
        if name not in known:
            raise ParameterError(
                f"change: expected one of its names, found {name!r}{suggest(name, known)}"
            )
        return known[name]

    @cached_property
    def _picker(self) -> ExamplePicker:
        if self._models.errors is None:
            raise DataError(NO_TEXTS)
        return ExamplePicker(self._models.errors)

    def _begin(self, question: _Question, *, past: tuple[_Question, ...] = ()) -> None:
        """Put a question into the boxes, and answer it in a thread of its own."""
        with self._turn:
            self._note(question, past=past)
            self._controls.fill(question.texts, about=question.about)
            self._at_once()

    def _note(self, question: _Question, *, past: tuple[_Question, ...] = ()) -> None:
        """From here on only the answer to this question is shown."""
        self._latest.ask(question)
        self._asked, self._past, self.answers = question, past, ()
        self._controls.undo.disabled = not past

    def _ask_again(self) -> None:
        self._begin(replace(self._asked), past=self._past)

    def _typed(self, _: Any) -> None:
        if not self._controls.filling:
            self._note(_Question(self._controls.texts))
            self._controls.tell("")
            self._soon()

    def _compute(self, question: _Question, is_wanted: Callable[[], bool]) -> None:
        """Answer a question bit by bit; what goes wrong is said, unless nobody waits for it."""
        with suppress(SupersededError):
            try:
                if any(question.texts):
                    self._answer(question, is_wanted)
                else:
                    self._show(question, self._clear)
            except SupersededError:
                raise
            except Exception as error:
                self._show(question, self.answering(partial(_raise, error)))

    def _answer(self, question: _Question, is_wanted: Callable[[], bool]) -> None:
        if not self._models.is_loaded:
            self._show(question, partial(self.say, LOADING))
            self._models.load()
            self._show(question, partial(self.say, ""))
        ask = partial(self._models.ask, wanted=is_wanted)
        before = None if question.before is None else ask(question.before)
        answers = ask(question.texts)
        self._show(question, partial(self._show_answers, answers, before))
        for panel, answer in zip(self._panels, answers, strict=True):
            self._show(question, self._explain(panel, question, answer.contrast(), is_wanted))

    def _explain(
        self,
        panel: AskPanel,
        question: _Question,
        weights: FloatArray,
        is_wanted: Callable[[], bool],
    ) -> Callable[[], None]:
        """Return what shows the words that decide, or why they are not known."""
        known = panel.model.classifier
        try:
            found = explain_text(known, *question.texts, weights=weights, wanted=is_wanted)
        except NotApplicableError as error:
            return partial(panel.show_refusal, str(error))
        return partial(panel.show_explanation, found)

    def _show(self, question: _Question, show: Callable[[], None]) -> None:
        """Show something, unless another text is asked about by now."""
        with self._turn:
            if self._asked is not question:
                raise SupersededError("another text is asked about")
            show()

    def _show_answers(self, answers: tuple[Answer, ...], before: tuple[Answer, ...] | None) -> None:
        from nbutils.views.asking import say_agreement

        earlier = before or (None,) * len(answers)
        for panel, answer, own in zip(self._panels, answers, earlier, strict=True):
            panel.show_answer(answer, own)
        if len(answers) > 1:
            self._agreement.value = render_text(say_agreement(answers, self._names))
        self.answers = answers

    def _clear(self) -> None:
        self._agreement.value = ""
        for panel in self._panels:
            panel.clear()

    def _build(self) -> Any:
        import ipywidgets

        row = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start")
        columns = ipywidgets.HBox([panel.view for panel in self._panels], layout=row)
        return ipywidgets.VBox([self._controls.view, self._agreement, columns])

    @cached_property
    def _controls(self) -> AskControls:
        answering = self.answering
        actions = Actions(
            typed=answering(self._typed),
            ask=answering(self._ask_again),
            change=answering(self.change),
            undo=answering(self.undo),
            pick_random=answering(self.pick_random),
            next_mistake=answering(self.next_mistake),
        )
        picking = self._models.errors is not None
        controls = AskControls(self.texts, self.changes, with_examples=picking, actions=actions)
        controls.tell(UNASKED if any(self.texts) else "")
        return controls

    @cached_property
    def _agreement(self) -> Any:
        import ipywidgets

        return ipywidgets.HTML()


def _raise(error: Exception) -> None:
    raise error
