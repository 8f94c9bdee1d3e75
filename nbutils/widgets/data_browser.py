"""A browser of labelled texts: find them, read them as the model does, correct their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cached_property
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any

from nbutils.artifacts import PREPROCESSING_FILE
from nbutils.data.browsing import Browsing, Wanted
from nbutils.data.correction_fields import Label
from nbutils.data.labelled_texts import LabelledTexts
from nbutils.errors import ParameterError, suggest
from nbutils.label_sets import IntArray
from nbutils.params.cutting import Cutting
from nbutils.tables import Note
from nbutils.views.browsing import render_head
from nbutils.widgets.base import Debounced, Widget
from nbutils.widgets.browsed_page import BrowsedPage
from nbutils.widgets.label_corrections import LabelCorrections
from nbutils.widgets.label_editor import LabelEditor
from nbutils.widgets.text_filters import TextFilters
from nbutils.widgets.text_reader import TextReader
from nbutils.widgets.text_rows import TextRows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from nbutils.data.tokens import TokenReport

TYPING = 0.25  # seconds of quiet before it is searched


class DataBrowser(Widget):
    """Labelled texts to filter, to read token by token, and to correct.

    Parameters
    ----------
    texts
        With a split in every row.
    tokenizer
        The checkpoint's own; or the checkpoint's name or folder: loaded when a text is first read.
    tokens
        What `measure_tokens` found; or how texts are cut: lengths are in characters then.
    copies
        The near-copy group of each row, as in `Cleaned`; or the similarity from which texts are
        near copies: they are looked for when they are first asked for.
    corrections
        A CSV or TSV file for corrected labels; none: `<data>-corrections.csv` in the project.

    Attributes
    ----------
    chosen
        The example id of the text that is read; none at first.

    Raises
    ------
    DataError
        `corrections` is no path of a CSV or TSV file.
    """

    def __init__(
        self,
        texts: LabelledTexts,
        *,
        tokenizer: PreTrainedTokenizerFast | str | Path,
        tokens: TokenReport | Cutting,
        copies: IntArray | float = 0.7,
        corrections: Path | str | None = None,
    ) -> None:
        super().__init__()
        measured = None if isinstance(tokens, Cutting) else tokens
        self._cutting = tokens if isinstance(tokens, Cutting) else tokens.cutting
        self._tokenizer = tokenizer
        self._browsing = Browsing(texts, tokens=measured, copies=copies)
        self._corrections = LabelCorrections(texts, corrections)
        self._page = BrowsedPage(self._browsing, self._corrections)
        self.chosen: int | None = None
        self._filling: int | None = None  # the thread that fills the controls in

    @classmethod
    def of_folder(
        cls,
        data_dir: Path | str,
        *,
        model: Path | str | None = None,
        corrections: Path | str | None = None,
    ) -> DataBrowser:
        """Return a browser of a finished data_prep folder.

        Parameters
        ----------
        data_dir
            The folder.
        model
            A checkpoint whose tokenizer reads, and which cuts as it was trained to, if it was here;
            none: the one that data prep counted with, cut as there.
        corrections
            As for the class.

        Raises
        ------
        DataError
            The folder is not finished.
        CheckpointError
            The model does not say how it cuts.
        """
        from nbutils.data.prepared import load_card, load_prepared

        card = load_card(data_dir)
        return cls(
            load_prepared(data_dir),
            tokenizer=model or card["tokens"]["tokenizer"],
            tokens=_find_cutting(model) or Cutting.of(card["tokens"]),
            copies=card["duplicates"]["near_threshold"],
            corrections=corrections,
        )

    @property
    def twin(self) -> Note:
        """How many texts there are, and how many corrections were made."""
        corrected = len(self._corrections)
        labels = {0: "no label has", 1: "1 label has"}.get(corrected, f"{corrected:,} labels have")
        where = f" in {self._corrections.path.name}" if corrected else ""
        return Note(
            f"In JupyterLab, the {len(self._browsing):,} texts can be searched here, read token by "
            f"token, and given other labels; so far {labels} been corrected{where}."
        )

    @property
    def wanted(self) -> Wanted:
        """Which texts are shown, and in which order."""
        return self._page.wanted

    @property
    def found(self) -> IntArray:
        """Example ids of the texts that are shown, page by page."""
        return self._page.found

    @property
    def corrections(self) -> dict[int, str]:
        """Corrected labels by example id, as the file says them."""
        return self._corrections.names

    def filter(self, **wanted: Any) -> None:
        """Show other texts, from the first page: what is said changes, the rest stays.

        Parameters
        ----------
        wanted
            Parts of `nbutils.data.browsing.Wanted` by name.

        Raises
        ------
        ParameterError
            There is no such part, split, label or column.
        """
        known = [part.name for part in fields(Wanted)]
        for name in wanted:
            if name not in known:
                raise ParameterError(f"filter: there is no part {name!r}{suggest(name, known)}")
        with self._turn:
            self._want(replace(self.wanted, **wanted))

    def clear(self) -> None:
        """Show all texts."""
        with self._turn:
            self._want(Wanted())

    def page(self, number: int) -> None:
        """Show a page of the texts that were found; the first one is 1.

        Raises
        ------
        ParameterError
            There is no such page.
        """
        with self._turn:
            self._page.turn_to(number)
            self._show_page()

    def choose(self, example_id: int) -> None:
        """Show a text whole, with its tokens and its other copies, to be corrected.

        Raises
        ------
        ParameterError
            There is no such text.
        """
        with self._turn:
            self._browsing.row_of(example_id)
            self.chosen = example_id
            self.rows.mark(str(example_id))
            self._show_chosen()

    def correct(self, example_id: int, label: str | Sequence[str]) -> None:
        """Save a corrected label.

        Parameters
        ----------
        example_id
            Of a text that is here.
        label
            As a `corrected_label` says it, ``delete`` to leave the text out; or a list of names,
            where texts have several labels.

        Raises
        ------
        DataError
            There is no such text or label, or the file is not of these texts.
        """
        with self._turn:
            self._save(example_id, self._corrections.find(label))

    def take_back(self, example_id: int) -> None:
        """Take a saved correction back.

        Raises
        ------
        DataError
            There is none, or the file is not of these texts.
        """
        with self._turn:
            self._corrections.take_back(example_id)
            self._show_corrected()
            self.say(f"Taken back: example {example_id} keeps its label.")

    @cached_property
    def filters(self) -> TextFilters:
        """The controls above the texts."""
        searching = Debounced(self.answering(self._choose_filters), seconds=TYPING)
        filters = TextFilters(
            self._browsing,
            changed=self.answering(self._choose_filters),
            # what others fill in is searched for by them; what is typed meanwhile is not
            typed=lambda change: None if self._filling == get_ident() else searching(change),
        )
        filters.clear.on_click(self.answering(lambda _: self.clear()))
        return filters

    @cached_property
    def rows(self) -> TextRows:
        """The texts of one page."""
        return TextRows(
            render_head(self._browsing.unit),
            chosen=self.answering(lambda name: self.choose(int(name))),
            turned=self.answering(lambda by: self.page(self._page.number + by)),
        )

    @cached_property
    def reader(self) -> TextReader:
        """The text that is chosen."""
        reader = TextReader(self._browsing, tokenizer=self._tokenizer, cutting=self._cutting)
        reader.list_copies.on_click(self.answering(lambda _: self._want(Wanted(like=self.chosen))))
        return reader

    @cached_property
    def editor(self) -> LabelEditor:
        """The controls that correct a label."""
        return LabelEditor(
            self._browsing.texts,
            saved=self.answering(lambda _: self._save_chosen()),
            taken_back=self.answering(lambda _: self._take_chosen_back()),
        )

    @cached_property
    def _lines(self) -> dict[str, Any]:
        import ipywidgets

        return {name: ipywidgets.HTML() for name in ("counts", "corrections")}

    def _build(self) -> Any:
        import ipywidgets

        title = '<div role="heading" aria-level="4"><b>Browse the texts</b></div>'
        self._show_corrected()
        return ipywidgets.VBox(
            [
                ipywidgets.HTML(title),
                self.filters.box,
                self._lines["counts"],
                self.rows.box,
                self.reader.card,
                self.editor.box,
                self.reader.below,
                self._lines["corrections"],
            ]
        )

    def _choose_filters(self, _: Any) -> None:
        wanted = self.filters.read()
        if self._filling is None and wanted != self.wanted:
            self._search(wanted)  # the controls stay: somebody may be typing on
            self._show_page()

    def _want(self, wanted: Wanted) -> None:
        typed = self.filters.typed
        self._search(wanted)
        self._filling = get_ident()
        try:
            self.filters.write(wanted, since=typed)
        finally:
            self._filling = None
        self._show_page()

    def _search(self, wanted: Wanted) -> None:
        searching = wanted.copies is not None and not self._browsing.copies_known
        if searching:
            self.say(f"Looking for near copies among {len(self._browsing):,} texts, this once …")
        self._page.search(wanted)
        if searching:
            self.say("Near copies are known now.")

    def _show_page(self) -> None:
        self.rows.show(self._page.lines(), start=self._page.start, total=len(self.found))
        self.rows.mark(None if self.chosen is None else str(self.chosen))
        self._lines["counts"].value = self._page.count()

    def _show_chosen(self) -> None:
        if self.chosen is None:
            return
        row = self._browsing.row_of(self.chosen)
        facts, length = self._page.facts(row), f"{self._browsing.lengths[row]:,}"
        known = {"example": str(self.chosen), **facts, self._browsing.unit: length}
        self.reader.show(row, known, patterns=self._page.patterns)
        given: Any = self._browsing.frame["label"].iat[row]
        self.editor.show(given, facts["label"], corrected=self._page.correction(self.chosen))

    def _show_corrected(self) -> None:
        self._lines["corrections"].value = self._corrections.render()
        self._show_page()
        self._show_chosen()

    def _save_chosen(self) -> None:
        if self.chosen is None:
            return
        label = self.editor.label
        if not isinstance(label, str):
            self._save(self.chosen, label)
        elif self.chosen in self._corrections.labels:
            self.take_back(self.chosen)
        else:
            self.say(f"Nothing to save: example {self.chosen} keeps its label.")

    def _take_chosen_back(self) -> None:
        if self.chosen is not None:
            self.take_back(self.chosen)

    def _save(self, example_id: int, label: Label) -> None:
        self._corrections.correct(example_id, label)
        self._show_corrected()
        said = self._corrections.say(label)
        self.say(f"Saved: example {example_id}, {said}. {self._corrections.say_next()}")


def _find_cutting(model: Path | str | None) -> Cutting | None:
    """Return how a model that was fine-tuned here cuts its texts; None: it does not say."""
    if model is None or not Path(model).is_dir():
        return None
    from nbutils.training.saved import load_cutting

    return load_cutting(model) if (Path(model) / PREPROCESSING_FILE).exists() else None
