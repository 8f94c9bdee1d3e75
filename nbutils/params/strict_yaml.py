"""YAML as a study file has it: nothing in it that runs, repeats or refers to elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from nbutils.artifacts import NOTEBOOKS
from nbutils.errors import ParameterError, suggest

MERGE = "tag:yaml.org,2002:merge"
TEXT = "tag:yaml.org,2002:str"
LARGEST_STUDY_FILE = 1_000_000  # bytes; a study file is a page of text


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping, refusing what makes YAML dangerous: duplicate keys, tags and aliases.

    Raises
    ------
    ParameterError
        There is no such file, or it is not a YAML mapping.
    """
    return parse_yaml(read_yaml_text(path), path)


def read_yaml_text(path: Path) -> str:
    """Read the text of a study file, with its line ends as they are.

    Raises
    ------
    ParameterError
        There is no such file, or it is not a text of at most a megabyte.
    """
    try:
        if path.stat().st_size > LARGEST_STUDY_FILE:
            raise ParameterError(
                f"{path}: expected a study file of at most {LARGEST_STUDY_FILE} bytes, found "
                f"{path.stat().st_size} bytes; is it the data? name that in data_prep.dataset"
            )
        with path.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        near = suggest(path.name, [p.name for p in path.parent.glob("*.yaml")] or ["none there"])
        raise ParameterError(f"{path}: no such study file{near}") from None
    except IsADirectoryError:
        raise ParameterError(
            f"{path}: expected a study file, found a folder; name a YAML file in it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: cannot be read as UTF-8 text ({error})") from None


def parse_yaml(text: str, path: Path) -> dict[str, Any]:
    """Return the mapping that the text of a study file holds.

    Parameters
    ----------
    text
        YAML.
    path
        Where it stands, for messages.

    Raises
    ------
    ParameterError
        It is not a YAML mapping, or has what a study file may not have.
    """
    try:
        values = yaml.load(text, Loader=StrictLoader)
    except RecursionError:
        raise ParameterError(
            f"{path}: nested too deeply; a study file has sections with keys below them"
        ) from None
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
        raise ParameterError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        found = "an empty file" if values is None else type(values).__name__
        raise ParameterError(
            f"{path}: expected `name: ...` and sections {', '.join(NOTEBOOKS)}, found {found}"
        )
    return {str(key): value for key, value in values.items()}


def dump_yaml(values: Mapping[str, Any]) -> str:
    """Return a mapping as the text of a study file: mappings in lines, lists in brackets.

    Strings that some reader of YAML would take for something else are in quotes.
    """
    return yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def dump_flow(value: Any) -> str:
    """Return a list or a mapping as one line of YAML, in brackets."""
    dumped = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=True,
        width=math.inf,
    )
    return dumped.strip()


def parse_value(text: str) -> Any:
    """Return what a text means as YAML; None: nothing."""
    try:
        return yaml.load(text, Loader=StrictLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


class StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys, aliases and merge keys; keys are text as written.

    YAML 1.1 takes the keys `yes`, `no`, `on` and `off` for truth values and `1_0` for ten; here
    keys are names of parameters and labels.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse an alias."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"aliases are not read in a study file (line {mark.line + 1})")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse merge keys, keys that are no words, and keys that stand twice."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == MERGE:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"merge keys are not read in a study file (line {line})")
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.YAMLError(f"a key must be a word (line {key_node.start_mark.line + 1})")
            key_node.tag = TEXT
            key = self.construct_object(key_node)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"key {key!r} stands twice (line {line})")
            seen.add(key)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # the loader above refuses them


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # A next line (U+0085) in single quotes would be read as a blank.
    style = None if text.isprintable() else '"'
    with suppress(ValueError):  # YAML 1.1 reads 1e-4 as text, YAML 1.2 as a number
        float(text)
        style = style or "'"
    return dumper.represent_scalar(TEXT, text, style=style)


def _represent_list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(list, _represent_list)
