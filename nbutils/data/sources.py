"""What the `dataset` parameter means, whether it can be read, and a fingerprint of its content.

Light on purpose: a wrong path or column is refused before pandas or a kernel starts.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nbutils.data.bundled import BUNDLED, locate_bundled
from nbutils.data.columns import choose_columns
from nbutils.data.readers import FILE_SUFFIXES, check_columns
from nbutils.data.text_files import class_folders
from nbutils.errors import DataError, ParameterError, suggest
from nbutils.params.data_prep import DataPrepParams

Kind = Literal["bundled", "file", "folder", "saved", "hub"]
GIVEN_SPLITS = {"validation": "validation_dataset", "test": "test_dataset"}
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,9}$")


@dataclass(frozen=True)
class Source:
    """A dataset's name, what kind of thing it names, and where that lies."""

    name: str
    kind: Kind
    path: Path | None = None

    @property
    def place(self) -> Path:
        """The file or folder, for kinds that have one."""
        if self.path is None:
            raise DataError(f"dataset {self.name!r}: a {self.kind} dataset has no path")
        return self.path


def find_source(name: str, *, parameter: str = "dataset") -> Source:
    """Decide what a dataset's name means: bundled, a file, a folder, or a hub id, in this order.

    A name that looks like a path and does not exist is never sent to the hub.

    Parameters
    ----------
    name
        A bundled name, a path or a hub id.
    parameter
        The parameter that errors name.

    Raises
    ------
    DataError
        There is no such file, or a file of a kind that is not read.
    """
    if name in BUNDLED:
        return Source(name, "bundled")
    path = Path(name).expanduser()
    if _exists(path):
        return _local_source(name, path, parameter)
    _refuse_dangling(name, path, parameter)
    if _looks_like_a_path(name):
        raise DataError(f"{parameter} {name!r}: no such file or folder{_nearest(path)}")
    near = difflib.get_close_matches(name.lower(), [*BUNDLED], n=1, cutoff=0.8)
    if near:
        raise DataError(f"{parameter} {name!r}: no such dataset; did you mean {near[0]!r}?")
    if not HUB_ID.fullmatch(name):
        raise DataError(
            f"{parameter} {name!r}: expected {', '.join(BUNDLED)}, an existing file or folder, or "
            "a hub id like stanfordnlp/sst2"
        )
    return Source(name, "hub")


def find_given_split(params: DataPrepParams, split: str) -> Source | str | None:
    """Return where a given split comes from.

    Parameters
    ----------
    params
        Their `test_dataset` or `validation_dataset` is read.
    split
        ``"test"`` or ``"validation"``.

    Returns
    -------
    Source or str or None
        A file or folder of its own, the name of one of the dataset's splits, or None: not given.

    Raises
    ------
    DataError
        There is no such file or split.
    """
    parameter = GIVEN_SPLITS[split]
    name = getattr(params, parameter)
    if name is None:
        return None
    source = find_source(params.dataset)
    path = Path(name).expanduser()
    if source.kind in ("hub", "saved") and not _exists(path) and not _looks_like_a_path(name):
        return str(name)
    if not _exists(path):
        _refuse_dangling(name, path, parameter)
        raise DataError(f"{parameter} {name!r}: no such file or folder{_nearest(path)}")
    given = _local_source(name, path, parameter)
    if given.kind == "saved":
        raise DataError(
            f"{parameter} {name!r}: expected a file ({', '.join(FILE_SUFFIXES)}) or a folder with "
            "one sub-folder per class, found a saved `datasets` folder; make it the dataset"
        )
    return given


def check_source(params: DataPrepParams) -> None:
    """Refuse a dataset that cannot be read, from names, headers and first rows.

    Nothing is asked of the hub. All rows of JSON Lines are read only where the first lack a column.

    Raises
    ------
    ParameterError
        A named column or split does not exist, or a parameter does not fit the kind of dataset.
    DataError
        A file is missing, empty or unreadable, or has no usual column; a bundled name was given
        without the extra that brings it.
    """
    source = find_source(params.dataset)
    if params.dataset_config is not None and source.kind != "hub":
        raise ParameterError(
            f"dataset_config: only hub datasets have configurations, found "
            f"{params.dataset_config!r} for {params.dataset!r}; leave it out"
        )
    if params.dataset_revision is not None and source.kind != "hub":
        raise ParameterError(
            f"dataset_revision: only hub datasets have revisions, found "
            f"{params.dataset_revision!r} for {params.dataset!r}; leave it out"
        )
    _refuse_several_labels(source, params)
    _check_readable(source, params)
    for split, parameter in GIVEN_SPLITS.items():
        given = find_given_split(params, split)
        if isinstance(given, str):
            _check_split_name(given, source, parameter)
        elif given is not None:
            if source.path is not None and given.place.resolve() == source.path.resolve():
                raise ParameterError(
                    f"{parameter}: the same file as dataset ({given.name}); scores on texts seen "
                    f"in training mean nothing: leave it out and the {split} split is cut off"
                )
            _check_readable(given, params)


def _local_source(name: str, path: Path, parameter: str) -> Source:
    if not os.access(path, os.R_OK):
        raise DataError(
            f"{parameter} {name!r}: there is no right to read it; "
            f"run: chmod u+r {shlex.quote(name)}"
        )
    if path.is_dir():
        saved = (path / "dataset_dict.json").exists() or (
            (path / "dataset_info.json").exists() and (path / "state.json").exists()
        )
        return Source(name, "saved" if saved else "folder", path)
    if not path.is_file():
        raise DataError(
            f"{parameter} {name!r}: expected a file or a folder, found a pipe or a device; save "
            f"the table as a file ({', '.join(FILE_SUFFIXES)})"
        )
    if path.suffix.lower() not in FILE_SUFFIXES:
        raise DataError(
            f"{parameter} {name!r}: expected a file ending in {', '.join(FILE_SUFFIXES)}, found "
            f"{path.suffix or 'no suffix'!r}; export the table as CSV with a header line"
        )
    return Source(name, "file", path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a NUL in it
        return False


def _refuse_dangling(name: str, path: Path, parameter: str) -> None:
    try:
        target = path.readlink()
    except (OSError, ValueError):  # no link
        return
    raise DataError(
        f"{parameter} {name!r}: a link to {str(target)!r}, which does not exist; mend the link, or "
        "name the file itself"
    )


def _looks_like_a_path(name: str) -> bool:
    owner, slash, _ = name.partition("/")
    return (
        name.startswith((".", "/", "~"))
        or "\\" in name
        or name.count("/") > 1
        or bool(SUFFIX.search(name))
        or bool(slash and _exists(Path(owner)))
    )


def _nearest(path: Path) -> str:
    if not _exists(path.parent):
        return f" (the folder {str(path.parent)!r} does not exist either)"
    siblings = [
        sibling.name
        for sibling in path.parent.iterdir()
        if sibling.suffix.lower() in FILE_SUFFIXES or sibling.is_dir()
    ]
    near = difflib.get_close_matches(path.name, siblings, n=1, cutoff=0.6)
    return f"; did you mean {str(path.parent / near[0])!r}?" if near else ""


def _refuse_several_labels(source: Source, params: DataPrepParams) -> None:
    if source.kind not in ("bundled", "folder"):
        return
    if params.task == "multi_label" or params.label_separator is not None:
        named = "task" if params.task == "multi_label" else "label_separator"
        kind = "a folder of class folders" if source.kind == "folder" else "it"
        raise ParameterError(
            f"{named}: {kind} has one label per text ({source.name}); leave {named} out, or give a "
            "file with a column of labels"
        )


def _check_readable(source: Source, params: DataPrepParams) -> None:
    if source.kind == "bundled":
        locate_bundled(source.name)
        choose_columns(("text", "label"), params, where=source.name)
    elif source.kind == "folder":
        class_folders(source.place)
        choose_columns(("text", "label"), params, where=source.name)
    elif source.kind == "file":
        check_columns(source.place, params, where=source.name)
    elif source.kind == "saved":
        choose_columns(_saved_columns(source.place), params, where=source.name)


def _check_split_name(split: str, source: Source, parameter: str) -> None:
    if source.kind != "saved":
        return  # the hub is asked when the data is loaded
    names = saved_splits(source.place)
    if split not in names:
        known = suggest(split, names) if names else "; this dataset has one split without a name"
        raise ParameterError(f"{parameter}: no split {split!r} in {source.name}{known}")


def saved_splits(folder: Path) -> Sequence[str]:
    """Return the names of the splits of a saved `datasets` folder, none for a single dataset."""
    description = folder / "dataset_dict.json"
    if not description.exists():
        return []
    return [str(name) for name in _read_json(description).get("splits", [])]


def _saved_columns(folder: Path) -> list[str]:
    part = next((folder / split for split in saved_splits(folder)), folder)
    return list(_read_json(part / "dataset_info.json").get("features") or {})


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable saved `datasets` folder ({error})") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a readable saved `datasets` folder (expected an object)")
    return content
