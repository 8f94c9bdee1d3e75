"""Sections of the error analysis: each is switched off alone, and fails alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from nbutils.analysis.advice import Advice
from nbutils.errors import NbutilsError, NotApplicableError
from nbutils.tables import Note


class Finding(Protocol):
    """What a section finds."""

    def findings(self) -> Mapping[str, Any]:
        """Return it for `findings.json`: plain numbers, strings, lists and mappings."""

    def advice(self) -> Sequence[Advice]:
        """Return what to do about it; nothing where nothing was found."""


F = TypeVar("F", bound=Finding)
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
    why, status
        Why there is no value, and whether that was to be expected.
    """

    name: str
    value: F | None = None
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
            shown = view(self.value, *rest, **named)
        except Exception as error:
            name = getattr(view, "__name__", "view")
            return Note(f"{self.name}: {name} failed: {_say(error)}", kind="caution")
        return _drawn(shown)

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
        return {"status": self.status, **self.value.findings()}


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
                outcome.value = find(*rest, **named)
            except NotApplicableError as error:
                outcome.status, outcome.why = "not applicable", str(error)
            except Exception as error:  # whatever it is, the other sections are worth having
                outcome.status, outcome.why = "failed", _say(error)
        self.outcomes[name] = outcome
        return outcome

    def findings(self) -> dict[str, Any]:
        """Return what all sections found, by name."""
        return {name: outcome.as_dict() for name, outcome in self.outcomes.items()}

    def advice(self) -> list[Advice]:
        """Return what all sections advise, in their order."""
        values = [outcome.value for outcome in self.outcomes.values()]
        return [advice for value in values if value is not None for advice in value.advice()]


def _say(error: Exception) -> str:
    return str(error) if isinstance(error, NbutilsError) else f"{type(error).__name__}: {error}"


def _drawn(shown: Any) -> Any:
    if hasattr(shown, "get_figure"):
        from nbutils.plots import show

        return show(shown)
    return shown
