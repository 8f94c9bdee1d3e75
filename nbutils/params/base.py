"""What all parameter models share: strictness, readable refusals, and reading a notebook's cell."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, ClassVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from typing_extensions import Self

from nbutils.errors import ParameterError, suggest
from nbutils.tables import Facts

SIMPLE_TYPES = (str, int, float, bool, list, type(None))
SEEN_CELLS = "_nbutils_seen_cells"


def split_names(value: Any) -> Any:
    """Return ``a, b`` of a command line as a list of names, ``none`` or nothing as none of them."""
    if value is None:
        return []
    if not isinstance(value, str):
        return value
    return [name for part in value.strip("[] ").split(",") if (name := part.strip(" '\""))]


class Parameters(BaseModel):
    """Base of the parameter models: frozen, and refusing what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    section: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _refuse_bool_as_number(cls, values: Any) -> Any:
        # pydantic reads True as 1, so `epochs: yes` in a YAML file would train for one epoch.
        for name, value in values.items() if isinstance(values, dict) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field and "bool" not in str(field.annotation):
                raise ValueError(f"{name}: expected {type_name(field.annotation)}, found {value}")
        return values

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Validate `values`.

        Parameters
        ----------
        values
            Parameter names and their values; names left out take their defaults.

        Returns
        -------
        Self
            The validated, frozen model.

        Raises
        ------
        ParameterError
            One line that names the parameter, what was expected and what was found.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ParameterError(explain(error, cls)) from None

    def changes(self) -> dict[str, Any]:
        """Return the values that are not the defaults, by name."""
        return {
            name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if getattr(self, name) != field.get_default(call_default_factory=True)
        }

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what `repr` shows: the same model is made from it."""
        yield from self.changes().items()

    def _repr_html_(self) -> str:
        return Facts(
            self._facts(), caption=f"Parameters: {self.section or type(self).__name__}"
        )._repr_html_()

    def _facts(self) -> dict[str, Any]:
        changed = self.changes()
        return {
            name: _with_default(field, getattr(self, name), changed=name in changed)
            for name, field in type(self).model_fields.items()
        }

    @classmethod
    def from_cell(cls, namespace: Mapping[str, Any]) -> Self:
        """Build the model from the variables of a notebook's parameters cell.

        Papermill injects a misspelt parameter as one more variable and goes on; here it is refused.

        Parameters
        ----------
        namespace
            The notebook's `globals()`, read right after its parameters cell.

        Raises
        ------
        ParameterError
            A value does not fit, or there is a plain variable that is no parameter.
        """
        named = set(cls.model_fields) | _parameter_names(namespace)
        return cls.of({name: namespace[name] for name in sorted(named) if name in namespace})


def _with_default(field: FieldInfo, value: Any, *, changed: bool) -> str:
    if not changed or field.is_required():
        return say_value(value)
    return f"{say_value(value)} (default {say_value(field.get_default(call_default_factory=True))})"


def say_value(value: Any) -> str:
    """Return a value as one would write it in a study file: ``none``, ``0.0001``, ``a, b``."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ", ".join(map(say_value, value)) or "none"
    return str(value)


def _parameter_names(namespace: Mapping[str, Any]) -> set[str]:
    """Return the plain variables that parameters cells have set since this was last asked.

    In IPython those are the cells that assign literals and do nothing else. Run All a second time,
    and the variables of the rest of the notebook are there too: they are no parameters.
    """
    if "In" not in namespace:
        return {
            name
            for name, value in namespace.items()
            if not name.startswith("_") and isinstance(value, SIMPLE_TYPES)
        }
    executed = namespace["In"]
    start = namespace.get(SEEN_CELLS, 0)
    if isinstance(namespace, dict):
        namespace[SEEN_CELLS] = len(executed)
    return set().union(*map(_literal_assignments, executed[start:]))


def _literal_assignments(source: str) -> set[str]:
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a magic
        return set()
    names = set()
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or not isinstance(target, ast.Name):
            return set()
        try:
            ast.literal_eval(node.value or ast.Constant(None))
        except ValueError:
            return set()
        names.add(target.id)
    return names


class StageParameters(Parameters):
    """Parameters of one notebook: those of its own and where it writes.

    `groups` says which of them a form shows together, the first group being what is changed most
    often; those in no group come last, and without groups all are one.
    """

    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    output_dir: str | None = Field(
        None,
        description="folder for what the notebook makes; none: runs/<stage>/interactive",
        json_schema_extra={"plumbing": True},
    )


def type_name(annotation: Any) -> str:
    """Return an annotation as a reader would say it: ``float``, ``str or none``."""
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(map(type_name, get_args(annotation)))
    if annotation is type(None):
        return "none"
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    text = str(annotation).replace("typing.", "").replace("NoneType", "none")
    return text.replace("None", "none").replace(" | ", " or ")


def is_plumbing(section: type[Parameters], field: str) -> bool:
    """Return whether a parameter says where stages meet, which a study leaves to the runner."""
    extra = section.model_fields[field].json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("plumbing"))


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return all refusals of a validation as one line, each with its mend."""
    return "; ".join(line for _, line in explain_each(error, model))


def explain_each(error: ValidationError, model: type[BaseModel]) -> list[tuple[str, str]]:
    """Return for each refusal of a validation which field refuses, "" for none alone, and why."""
    return [
        (str(detail["loc"][0]) if detail["loc"] else "", _explain_one(detail, model))
        for detail in error.errors()
    ]


def _explain_one(detail: ErrorDetails, model: type[BaseModel]) -> str:
    place = ".".join(str(part) for part in detail["loc"] if isinstance(part, str))
    if detail["type"] == "extra_forbidden":
        name = str(detail["loc"][-1])
        section = _section_at(model, detail["loc"][:-1]) or model
        return f"{place}: unknown parameter{suggest(name, section.model_fields)}"
    if detail["type"] == "value_error":
        message = detail["msg"].removeprefix("Value error, ")
        if not place:
            return message
        # what a whole section refuses starts with its parameter's name
        return f"{place}{'.' if _section_at(model, detail['loc']) else ': '}{message}"
    if detail["type"] == "missing":
        section = _section_at(model, detail["loc"][:-1]) or model
        meaning = section.model_fields[str(detail["loc"][-1])].description
        return f"{place}: has no default, found none; give it ({meaning})"
    found = detail.get("input")
    shown = repr(found) if len(repr(found)) <= 80 else repr(found)[:77] + "..."
    message = detail["msg"].removeprefix("Input ")
    for clumsy, plain in PLAIN_MESSAGES.items():
        message = message.replace(clumsy, plain)
    return f"{place}: {message}, found {shown}"


PLAIN_MESSAGES = {
    ", unable to parse string as a number": "",
    ", unable to parse string as an integer": "",
    ", unable to interpret input": "",
    ", got a number with a fractional part": "",
    "should be a valid string": "should be a string (in YAML, put it in quotes)",
}


def _section_at(model: type[BaseModel], place: tuple[int | str, ...]) -> type[BaseModel] | None:
    section: type[BaseModel] | None = model
    for part in place:
        field = None if section is None else section.model_fields.get(str(part))
        section = None if field is None else _section_of(field.annotation)
    return section


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model that a field holds, where it may also hold none."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
