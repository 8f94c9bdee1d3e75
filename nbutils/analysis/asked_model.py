"""A model that can be asked, whatever somebody has of it; it is loaded when it first is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nbutils.analysis.asking import Answer, SupersededError, ask_text
from nbutils.analysis.questions import Texts
from nbutils.analysis.saved_model import SavedModel
from nbutils.artifacts import MODEL, PREPROCESSING_FILE, read_json
from nbutils.errors import DataError

if TYPE_CHECKING:
    from nbutils.analysis.errors import Errors
    from nbutils.training.classifier import Classifier


MOST_KEPT = 50  # texts whose answers are kept, for going back to them


class AskedModel:
    """A classifier to be asked about texts.

    Parameters
    ----------
    source
        A `SavedModel`, a `Classifier` (what `fine_tune` returns is one), or the folder of a
        finished fine_tune stage, or of what `save` wrote.
    """

    def __init__(self, source: SavedModel | Classifier | str | Path) -> None:
        self._source = Path(source) if isinstance(source, str) else source
        self._loading = threading.Lock()
        self._loaded: Classifier | None = None

    @property
    def errors(self) -> Errors | None:
        """The errors of its predictions, if they are known."""
        return self._source.errors if isinstance(self._source, SavedModel) else None

    @property
    def is_loaded(self) -> bool:
        """Whether it answers at once."""
        return self._loaded is not None or not isinstance(self._source, (SavedModel, Path))

    @property
    def classifier(self) -> Classifier:
        """The classifier; the first to ask for it waits some seconds.

        Raises
        ------
        CheckpointError
            There is none in the folder, or it is broken.
        """
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> Classifier:
        if isinstance(self._source, SavedModel):
            return self._source.classifier
        if isinstance(self._source, Path):
            from nbutils.training.saved import load_fine_tuned

            return load_fine_tuned(self._source)
        return self._source

    @cached_property
    def reads_pairs(self) -> bool:
        """Whether it was trained on pairs of texts, as far as that is written down."""
        if isinstance(self._source, SavedModel):
            return "text_pair" in self._source.errors.texts.columns
        if isinstance(self._source, Path):
            return _trained_on_pairs(self._source)
        return bool(self._source.reads_pairs)


class AskedModels:
    """One model or several, asked the same; what they said last is kept.

    Parameters
    ----------
    models
        One or more.
    """

    def __init__(self, models: Sequence[AskedModel]) -> None:
        self.models = tuple(models)
        self._kept: dict[Texts, tuple[Answer, ...]] = {}

    @property
    def is_loaded(self) -> bool:
        """Whether all of them answer at once."""
        return all(model.is_loaded for model in self.models)

    def load(self) -> None:
        """Load those that are not.

        Raises
        ------
        CheckpointError
            There is none in a folder, or it is broken.
        """
        for model in self.models:
            _ = model.classifier

    @property
    def reads_pairs(self) -> bool:
        """Whether one of them is known to read pairs."""
        return any(model.reads_pairs for model in self.models)

    @property
    def errors(self) -> Errors | None:
        """The errors of the first whose errors are known."""
        return next((model.errors for model in self.models if model.errors is not None), None)

    def ask(self, texts: Texts, *, wanted: Callable[[], bool] = lambda: True) -> tuple[Answer, ...]:
        """Return what each model says of a text, or of a pair.

        Raises
        ------
        SupersededError
            `wanted` returned False, between two models.
        """
        found = self._kept.get(texts)
        if found is None:
            found = tuple(self._ask_each(texts, wanted))
            self._kept[texts] = found
            for old in list(self._kept)[:-MOST_KEPT]:
                self._kept.pop(old, None)
        return found

    def _ask_each(self, texts: Texts, wanted: Callable[[], bool]) -> Iterator[Answer]:
        for model in self.models:
            if not wanted():
                raise SupersededError("another text is asked about")
            yield ask_text(model.classifier, *texts)

    def reach(self, texts: Texts) -> int:
        """Return how many characters of the first text are read, if that is known; else all."""
        found = self._kept.get(texts)
        return found[0].reach if found else len(texts[0])


def _trained_on_pairs(folder: Path) -> bool:
    """Return whether a saved model, or that of a fine_tune stage, was trained on pairs of texts."""
    for place in (folder, folder / MODEL):
        with suppress(DataError):
            known = read_json(place / PREPROCESSING_FILE).get("pairs")
            if isinstance(known, bool):
                return known
    try:  # a version that did not write it down; its data may be there still
        data_dir = Path(str(read_json(folder / "history.json")["data_dir"]))
        columns = read_json(data_dir / "data_card.json")["columns"]
        return bool(columns["text_pair"] is not None)
    except (DataError, KeyError, TypeError):
        return False
