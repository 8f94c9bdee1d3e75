"""Sections of the error analysis: each is switched off alone, and fails alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, runtime_checkable

import pandas as pd

from nbutils.analysis.advice import Advice
from nbutils.analysis.errors import Errors
from nbutils.analysis.findings import add_sections, save_findings
from nbutils.errors import NotApplicableError, say_error
from nbutils.tables import Note

MISTAKES = ["example_id", "split", "text", "label", "predicted", "confidence", "prob_label"]


class Finding(Protocol):
    """What a section finds."""

    def findings(self) -> Mapping[str, Any]:
        """Return it for `findings.json`: plain numbers, strings, lists and mappings."""

    def advice(self) -> Sequence[Advice]:
        """Return what to do about it; nothing where nothing was found."""


@runtime_checkable
class Tagging(Protocol):
    """A finding that has a word for some of the test texts, such as ``truncated``."""

    def tags_of_texts(self) -> Mapping[str, Collection[Any]]:
        """Return the ids of those texts, by the word."""


F = TypeVar("F", bound=Finding)
T = TypeVar("T")
P = ParamSpec("P")


@dataclass
class Outcome(Generic[F]):
    """What became of a section.

    Attributes
    ----------
    name
        One of `nbutils.params.error_analysis.SECTIONS`.
    value
        What it found; None: nothing, for the reason `why`.
    found, advised, tagged
        The same for `findings.json`, what to do about it, and ids of test texts by a word that it
        has for them, where it has any (`tags_of_texts`).
    why, status
        Why there is no value, and whether that was to be expected.
    """

    name: str
    value: F | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    advised: Sequence[Advice] = ()
    tagged: Mapping[str, Collection[Any]] = field(default_factory=dict)
    why: str = ""
    status: str = "done"  # or "skipped", "not applicable", "failed"
    told: bool = False

    def show(self, view: Callable[Concatenate[F, P], Any], *rest: P.args, **named: P.kwargs) -> Any:
        """Return what `view` makes of the value; without one say why, once.

        A view that fails takes nothing else down.

        Parameters
        ----------
        view
            Makes a table, a note or the axes of a plot.
        rest, named
            Its other arguments.
        """
        if self.value is None:
            return self._tell()
        try:
            return _drawn(view(self.value, *rest, **named))
        except Exception as error:
            name = getattr(view, "__name__", "view")
            return Note(f"{self.name}: {name} failed: {say_error(error)}", kind="caution")

    def _tell(self) -> Note | None:
        if self.told:
            return None
        self.told = True
        text = f"{self.name}: {self.status}. {self.why}"
        return Note(text, kind="caution" if self.status == "failed" else "info")

    def as_dict(self) -> dict[str, Any]:
        """Return it for `findings.json`."""
        if self.value is None:
            return {"status": self.status, "why": self.why}
        return {"status": self.status, **self.found}

    def keep(self, value: F) -> None:
        """Keep what was found, once all that is asked of it has been got."""
        # What JSON cannot hold shall fail here, where it takes down no other section.
        self.found = _as_json(value.findings())
        self.advised = tuple(value.advice())
        self.tagged = dict(value.tags_of_texts()) if isinstance(value, Tagging) else {}
        self.value = value


@dataclass
class Sections:
    """The sections of one analysis, as they are run.

    Parameters
    ----------
    skip
        Names of those that are switched off.
    """

    skip: Collection[str] = ()
    outcomes: dict[str, Outcome[Any]] = field(default_factory=dict)

    def run(self, name: str, find: Callable[P, F], *rest: P.args, **named: P.kwargs) -> Outcome[F]:
        """Run a section, and keep what came of it.

        Parameters
        ----------
        name
            One of `nbutils.params.error_analysis.SECTIONS`.
        find, rest, named
            A function of `nbutils.analysis`, and what it is given.
        """
        outcome: Outcome[F] = Outcome(name)
        if name in self.skip:
            outcome.status, outcome.why = "skipped", "Switched off by the parameter skip."
        else:
            try:
                outcome.keep(find(*rest, **named))
            except NotApplicableError as error:
                outcome.status, outcome.why = "not applicable", str(error)
            except Exception as error:  # whatever it is, the other sections are worth having
                outcome.status, outcome.why = "failed", say_error(error)
        self.outcomes[name] = outcome
        return outcome

    def findings(self) -> dict[str, Any]:
        """Return what all sections found, by name."""
        return {name: outcome.as_dict() for name, outcome in self.outcomes.items()}

    def tags(self) -> dict[str, Collection[Any]]:
        """Return the ids of the test texts that the sections so far have a word for, by word."""
        every = [outcome.tagged for outcome in self.outcomes.values()]
        return {tag: ids for tagged in every for tag, ids in tagged.items()}

    def advice(self) -> list[Advice]:
        """Return what all sections advise, in their order."""
        return [advice for outcome in self.outcomes.values() for advice in outcome.advised]

    def save(self, folder: Path, errors: Errors) -> Note:
        """Write what was found, see `save_findings`, even where a part of it cannot be made.

        Parameters
        ----------
        folder
            Must exist.
        errors
            That the sections look at.

        Returns
        -------
        Note
            What was written, and what could not be.
        """
        nothing: dict[str, Any] = {}
        found, why = _attempt(lambda: _as_json(errors.findings()), nothing)
        mistakes, why_not = _attempt(errors.mistakes, pd.DataFrame(columns=MISTAKES))
        failed = [reason for reason in (why, why_not) if reason]
        whole = add_sections(
            {**found, **({"failed": failed} if failed else {})},
            sections=self.findings(),
            advice=self.advice(),
        )
        save_findings(folder, whole, mistakes=mistakes)
        if failed:
            return Note(f"Not everything was written to {folder}: {'; '.join(failed)}", "caution")
        return Note(f"{len(mistakes)} mistakes were written to {folder}.")


def _as_json(found: Mapping[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(json.dumps(dict(found), allow_nan=False))
    return whole


def _attempt(make: Callable[[], T], otherwise: T) -> tuple[T, str]:
    """Return what is made and "", or else why it could not be."""
    try:
        return make(), ""
    except Exception as error:  # whatever it is, the rest is worth having
        return otherwise, say_error(error)


def _drawn(shown: Any) -> Any:
    if hasattr(shown, "get_figure"):
        from nbutils.plots import show

        return show(shown)
    return shown
