"""One section put into a study file: whole, with the rest of the file as it was."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from nbutils.artifacts import STAGES, project_dir, write_text
from nbutils.errors import ParameterError
from nbutils.params.base import StageParameters
from nbutils.params.drafts import differences
from nbutils.params.fields import list_entries, spell
from nbutils.params.strict_yaml import StrictLoader, dump_yaml, parse_yaml, read_yaml_text
from nbutils.params.study import SHARED, Study, read_study

FOLDER = "params"
ENDING = ".yaml"


def study_path(name: str) -> Path:
    """Return the study file of the project that has a name.

    Parameters
    ----------
    name
        With or without ``.yaml``.

    Raises
    ------
    ParameterError
        No study can have that name.
    """
    plain = name.strip().removesuffix(ENDING)
    return project_dir() / FOLDER / f"{Study.of({'name': plain}).name}{ENDING}"


def list_studies() -> list[str]:
    """Return the names of the project's study files."""
    return sorted(path.stem for path in (project_dir() / FOLDER).glob(f"*{ENDING}"))


def short_path(path: Path) -> str:
    """Return a path as it is named from the project's folder."""
    root = project_dir()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def section_values(params: StageParameters, beside: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a section must say so that a study reads these parameters from it.

    That is what differs from the defaults, and what the rest of the study would set otherwise: a
    common seed, say. What data prep counts follows the study's model; see `find_following`.

    Parameters
    ----------
    params
        Of one section.
    beside
        What the study file holds so far.

    Raises
    ------
    ParameterError
        A study cannot have this section beside the others.
    """
    section, values = params.section, differences(params)
    study = read_study({"name": FOLDER, **beside, section: values})
    named = {*values, *find_differing(params, study)} - find_following(params, beside)
    return {name: value for name, value in _shown(params).items() if name in named}


def find_differing(params: StageParameters, study: Study) -> list[str]:
    """Return the parameters that a study does not set to these values."""
    found = getattr(study, params.section)
    theirs = {} if found is None else _shown(found)
    ours = _shown(params)
    return [name for name in ours if name not in theirs or theirs[name] != ours[name]]


def find_following(params: StageParameters, beside: Mapping[str, Any]) -> set[str]:
    """Return what follows the study's model: data prep counts as it reads, unless told otherwise.

    Parameters
    ----------
    params
        Of one section.
    beside
        What the study file holds so far.
    """
    if params.section != "data_prep":
        return set()
    named = {*differences(params), *(beside.get(params.section) or {})}
    return set(SHARED) - named


def _shown(params: StageParameters) -> dict[str, Any]:
    dumped = params.model_dump(mode="json")
    return {name: dumped[name] for name in list_entries(type(params))}


def save_section(params: StageParameters, path: Path, *, replace: bool = False) -> str:
    """Put a section into a study file, which is written whole or not at all.

    Parameters
    ----------
    params
        The section.
    path
        The file; it need not exist.
    replace
        Whether a file that exists may be changed: this section of it, no other line.

    Returns
    -------
    str
        What was done, and what the study does not say yet.

    Raises
    ------
    ParameterError
        The file exists and is not to be changed, or is no study that this section fits into.
    """
    shown, before = short_path(path), read_yaml_text(path) if path.is_file() else None
    text = put_section(params, path, before)
    if text == before:
        return f"{shown} says so already."
    if before is not None and not replace:
        raise ParameterError(
            f"{shown}: there is such a file; save with replace=True to change its "
            f"{params.section} section"
        )
    try:
        path.parent.mkdir(exist_ok=True)
        write_text(Path(os.path.realpath(path)), text)  # a link stays one
    except OSError as error:
        raise ParameterError(f"{shown}: cannot be written ({error.strerror})") from None
    anew = before is not None and _other_lines(before, params.section) != _other_lines(
        text, params.section
    )
    said = " It was not written in lines: written anew, without its comments." if anew else ""
    return f"Saved {shown}.{said}{_left_open(params, parse_yaml(text, path))}"


def _left_open(params: StageParameters, values: Mapping[str, Any]) -> str:
    """Return in which ways a run of the study is not decided by these parameters."""
    absent = [name for name in STAGES if name not in values]
    said = ""
    if params.section in STAGES and absent:
        said = f" It has no {' and no '.join(absent)} section: there the defaults hold."
    study = read_study({"name": FOLDER, **values})
    following = ", ".join(
        f"{name} ({spell(getattr(getattr(study, params.section), name))})"
        for name in find_differing(params, study)
    )
    return said + (f" Read as its model reads, other than here: {following}." if following else "")


def put_section(params: StageParameters, path: Path, before: str | None) -> str:
    """Return the text of a study file with a section in it.

    Lines of other sections stay as they are, comments too, unless the file is not written in
    lines; then it is written anew.

    Parameters
    ----------
    params
        The section.
    path
        The file, for messages and the study's name.
    before
        The text of the file; None: there is none.

    Raises
    ------
    ParameterError
        The text is no study that this section fits into.
    """
    text = dump_yaml({"name": path.stem}) if before is None else before
    beside = parse_yaml(text, Path(short_path(path)))
    try:
        values = section_values(params, beside)
    except ParameterError as error:
        raise ParameterError(f"{short_path(path)}: {error}") from None
    whole = {**beside, params.section: values}
    edited = _put_lines(text, params.section, _dump_beside(text, {params.section: values}))
    with suppress(ParameterError):
        if parse_yaml(edited, path) == whole:
            return edited
    return _dump_beside(text, whole)


def _dump_beside(text: str, values: Mapping[str, Any]) -> str:
    """Return values as YAML whose lines end as those of a text do."""
    return dump_yaml(values).replace("\n", _line_end(text))


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _put_lines(text: str, section: str, lines: str) -> str:
    span = _find_lines(text, section)
    if span is None:
        return f"{text.rstrip()}{_line_end(text) * 2}{lines}"
    return text[: span[0]] + lines + text[span[1] :]


def _other_lines(text: str, section: str) -> str:
    begin, end = _find_lines(text, section) or (len(text), len(text))
    return (text[:begin] + text[end:]).strip()


def _find_lines(text: str, section: str) -> tuple[int, int] | None:
    """Return where the lines of a section begin and end, without comments that follow it."""
    node = yaml.compose(text, Loader=StrictLoader)
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == section:
            end = _end(value).index
            begin = text.rfind("\n", 0, key.start_mark.index) + 1
            ended = text[end - 1] == "\n"
            return begin, end if ended else text.find("\n", end) + 1 or len(text)
    return None


def _end(node: yaml.Node) -> yaml.Mark:
    """Return where the last value of a node ends; a block ends only where the next one begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark


def describe_section(params: StageParameters, path: Path) -> str:
    """Return the lines that saving puts into a study file.

    Parameters
    ----------
    params
        The section.
    path
        The file; where there is none yet, or none that has room, it is taken as empty.
    """
    values = differences(params)
    if path.is_file():
        with suppress(ParameterError):
            values = section_values(params, parse_yaml(read_yaml_text(path), path))
    return dump_yaml({params.section: values})


def find_replaced(params: StageParameters, path: Path) -> str:
    """Return the text of the file that saving would change; "" if there is none to change.

    Raises
    ------
    ParameterError
        There is a file in which the section has no room.
    """
    before = read_yaml_text(path) if path.is_file() else None
    return "" if before is None or put_section(params, path, before) == before else before
