"""Parameters while they are being edited: what was typed, what is wrong with it, what holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from nbutils.errors import ParameterError, suggest
from nbutils.params.base import StageParameters, explain_each
from nbutils.params.fields import list_entries

Section = TypeVar("Section", bound=StageParameters)


@dataclass(frozen=True)
class Refusal:
    """Why values are not taken over, and which parameters that is about."""

    names: tuple[str, ...]
    message: str


class Draft(Generic[Section]):
    """Values of one section between two valid states.

    Parameters
    ----------
    start
        Where the editing begins, and where `reset` leads back to.

    Attributes
    ----------
    params
        The last values that were valid together.
    values
        What was typed last, by name.
    refusals
        What is wrong with it, if anything; then nothing of it is taken over.
    """

    def __init__(self, start: Section) -> None:
        self.start = start
        self.entries = list_entries(type(start))
        self.reset()

    def reset(self) -> None:
        """Forget what was typed."""
        self._hold(self.start)

    def _hold(self, params: Section) -> None:
        self.params = params
        self.values: dict[str, Any] = {name: getattr(params, name) for name in self.entries}
        self.refusals: list[Refusal] = []

    def put(self, **values: Any) -> None:
        """Take typed values, and take them over if all that was typed is valid together.

        Raises
        ------
        ParameterError
            There is no such parameter, or it is set by the runner.
        """
        for name in values:
            if name not in self.entries:
                raise ParameterError(f"{name}: unknown parameter{suggest(name, self.entries)}")
        self.values |= values
        model = type(self.start)
        kept = {name: getattr(self.start, name) for name in model.model_fields}
        try:
            self._hold(model.model_validate({**kept, **self.values}))
        except ValidationError as error:
            found = explain_each(error, model)
            self.refusals = [Refusal(self._about(name, line), line) for name, line in found]

    def _about(self, name: str, message: str) -> tuple[str, ...]:
        """Return what a refusal is about; that of a whole section is about all that it names."""
        words = [name] if name else re.findall(r"\w+", message)
        return tuple(dict.fromkeys(word for word in words if word in self.entries))

    @property
    def pending(self) -> list[str]:
        """The parameters whose typed values are not taken over."""
        held = self.params
        return [name for name, value in self.values.items() if value != getattr(held, name)]

    def refusal_of(self, name: str) -> str:
        """Return what is wrong that this parameter is a part of; "" if nothing."""
        return "; ".join(each.message for each in self.refusals if name in each.names)

    def is_changed(self, name: str) -> bool:
        """Return whether the typed value differs from the schema's default."""
        return bool(self.values[name] != self.entries[name].default)


def differences(params: StageParameters) -> dict[str, Any]:
    """Return the values that differ from the schema's defaults, by name, fit for YAML."""
    dumped, entries = params.model_dump(mode="json"), list_entries(type(params))
    return {name: dumped[name] for name in params.changes() if name in entries}
