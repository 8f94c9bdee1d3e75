"""One parameter as a form or a command line asks for it: which input, how its value is spelled."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from nbutils.params.base import StageParameters, is_plumbing, say_value, type_name
from nbutils.params.strict_yaml import dump_flow, parse_value

BOUND_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
NONE_WORDS = {"none", "null", ""}
REST = "More parameters"

Kind = Literal["check", "choice", "integer", "number", "text"]
NUMBERS: dict[Kind, type[int] | type[float]] = {"integer": int, "number": float}


@dataclass(frozen=True)
class Entry:
    """One parameter as a form asks for it.

    Attributes
    ----------
    name, meaning
        The parameter and its description.
    kind
        ``check``: yes or no. ``choice``: one of `choices`. ``integer``, ``number``: never none.
        ``text``: anything else, numbers that may be none among it.
    default
        The schema's value.
    limits
        Type and bounds, as the command line says them; "" where the input says it.
    choices
        All values of a choice; of a text those that have a name.
    optional
        Whether it may be none.
    container
        `list` or `dict`, where it may be one.
    """

    name: str
    meaning: str
    kind: Kind
    default: Any
    limits: str
    choices: tuple[Any, ...]
    optional: bool
    container: type | None

    def read(self, text: str) -> Any:
        """Return what a typed text means, before the schema has its say.

        It means what it would after ``-p section.key=``; lists and mappings may be YAML too.
        """
        if self.optional and is_none_word(text):
            return None
        if self.kind in NUMBERS:
            return _read_number(text, NUMBERS[self.kind])
        value = None if self.container is None else parse_value(text)
        return value if self.container and isinstance(value, self.container) else text


def _read_number(text: str, kind: type[int] | type[float]) -> Any:
    """Return a number; what is none stays a text, which the schema refuses."""
    with suppress(ValueError):
        return kind(text)
    return text


def list_entries(model: type[StageParameters]) -> dict[str, Entry]:
    """Return the parameters of a section by their names, without those that the runner sets."""
    return {
        name: _entry(name, field)
        for name, field in model.model_fields.items()
        if not is_plumbing(model, name)
    }


def group_entries(model: type[StageParameters]) -> dict[str, list[Entry]]:
    """Return the entries of a section by the headings below which a form shows them."""
    entries = list_entries(model)
    grouped = {name for names in model.groups.values() for name in names}
    rest = [name for name in entries if name not in grouped]
    groups = {**model.groups, **({REST: rest} if rest else {})}
    return {title: [entries[name] for name in names] for title, names in groups.items()}


def _entry(name: str, field: FieldInfo) -> Entry:
    members = _members(field.annotation)
    choices = tuple(value for kind in members for value in get_args(kind) if _is_literal(kind))
    kind = _kind(members)
    if kind == "choice":
        choices = (choices or (True, False)) + ((None,) if NoneType in members else ())
    said = kind in {"check", "choice"} or choices
    return Entry(
        name=name,
        meaning=str(field.description or ""),
        kind=kind,
        default=field.get_default(call_default_factory=True),
        limits="" if said else type_name(field.annotation) + _bounds(field),
        choices=choices,
        optional=NoneType in members,
        container=next((held for held in (list, dict) if held in map(_bare, members)), None),
    )


def _kind(members: tuple[Any, ...]) -> Kind:
    if members == (bool,):
        return "check"
    if all(kind in (bool, NoneType) or _is_literal(kind) for kind in members):
        return "choice"
    return "integer" if members == (int,) else "number" if members == (float,) else "text"


def _members(annotation: Any) -> tuple[Any, ...]:
    """Return what a field may hold, one type each."""
    if get_origin(annotation) in (Union, UnionType):
        return get_args(annotation)
    return (annotation,)


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _bare(kind: Any) -> Any:
    return get_origin(kind) or kind


def is_none_word(text: str) -> bool:
    """Return whether a text says that there is no value."""
    return text.strip().lower() in NONE_WORDS


def read_none(text: str, field: FieldInfo) -> str | None:
    """Return None where a text says so and the parameter may be none, else the text."""
    return None if NoneType in _members(field.annotation) and is_none_word(text) else text


def spell(value: Any) -> str:
    """Return a value as it is typed, so that it is read as the same: ``none``, ``{spam: 2.0}``.

    `say_value` is for readers alone: it says none of an empty list, and forgets quotes.
    """
    if isinstance(value, dict) or (isinstance(value, list) and not _can_be_joined(value)):
        return dump_flow(value)
    return "" if value == [] else say_value(value)


def _can_be_joined(values: list[Any]) -> bool:
    """Return whether a list survives being typed with commas alone."""
    texts = [value for value in values if isinstance(value, str)]
    return all(text and text == text.strip() and not set(text) & set(",[]{}'\"") for text in texts)


def describe_field(field: FieldInfo) -> str:
    """Return type, default and bounds: ``float = 0.2, > 0, < 1``."""
    if field.is_required():
        return f"{type_name(field.annotation)}, required{_bounds(field)}"
    default = "none" if field.default is None else repr(field.default)
    return f"{type_name(field.annotation)} = {default}{_bounds(field)}"


def _bounds(field: FieldInfo) -> str:
    found = []
    for constraint in field.metadata:
        for name, sign in BOUND_SIGNS.items():
            limit = getattr(constraint, name, None)
            if limit is not None:
                found.append(f", {sign} {limit}")
    return "".join(found)
