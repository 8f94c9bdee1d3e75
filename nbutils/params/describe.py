"""The parameters of the notebooks as a reader or a program wants to see them."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from nbutils.errors import ParameterError, suggest
from nbutils.params.base import is_plumbing
from nbutils.params.fields import describe_field
from nbutils.params.study import KEYED, Study

WIDTH = 92


def _sections(section: str | None) -> list[str]:
    if section is None:
        return list(KEYED)
    if section not in KEYED:
        raise ParameterError(f"{section}: unknown section{suggest(section, KEYED)}")
    return [section]


def describe_parameters(section: str | None = None) -> str:
    """Return every parameter of one section, or of all, as text.

    Raises
    ------
    ParameterError
        There is no such section.
    """
    parts = []
    for name in _sections(section):
        model = KEYED[name]
        parts.append(f"{name}: {model.__doc__}")
        for key, field in model.model_fields.items():
            if not is_plumbing(model, key):
                parts.append(f"  {key}: {describe_field(field)}")
                parts.append(
                    textwrap.indent(textwrap.fill(str(field.description), WIDTH), "      ")
                )
        parts.append("")
    return "\n".join(parts).rstrip()


def study_schema(section: str | None = None) -> str:
    """Return the JSON schema of a study file, or of one section of it.

    Raises
    ------
    ParameterError
        There is no such section.
    """
    model: Any = Study if section is None else KEYED[_sections(section)[0]]
    return json.dumps(model.model_json_schema(), indent=2)
