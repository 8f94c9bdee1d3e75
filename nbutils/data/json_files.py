"""JSON Lines, and JSON files that hold one list of objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nbutils.data.columns import choose_columns
from nbutils.data.raw_texts import RawTexts
from nbutils.data.text_files import read_text
from nbutils.errors import DataError
from nbutils.params.data_prep import DataPrepParams

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
EXAMPLE = '{"text": "...", "label": "..."}'
PEEKED = 20  # rows of a JSON Lines file that mostly have all of its keys


def read_json(path: Path, params: DataPrepParams) -> RawTexts:
    """Read the wanted keys of a file's objects.

    Raises
    ------
    ParameterError
        A named key does not occur.
    DataError
        The file is not UTF-8, or not JSON; the message names the line.
    """
    records = _json_records(path)
    columns = choose_columns(_keys(records), params, where=str(path))
    values = {name: [record.get(name) for record in records] for name in columns.wanted}
    return RawTexts.of(values, columns, where=str(path))


def find_json_columns(path: Path, *, whole: bool) -> list[str]:
    """Return the keys of a list of objects, or of lines.

    Parameters
    ----------
    path
        An existing file.
    whole
        Look at all lines, and not at the first alone.

    Raises
    ------
    DataError
        They are not JSON.
    """
    if whole or _is_json_array(path):
        return _keys(_json_records(path))
    return _peek_json_lines(path)


def _keys(records: Iterable[Mapping[str, Any]]) -> list[str]:
    return list({key: None for record in records for key in record})


def _json_records(path: Path) -> list[dict[str, Any]]:
    content = read_text(path)
    if content.lstrip()[:1] == "[":
        try:
            records = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}: not valid JSON ({error}); expected one list of objects, or one object "
                "per line"
            ) from None
        if not all(isinstance(record, dict) for record in records):
            raise DataError(f"{path}: expected a list of objects, one per text, like [{EXAMPLE}]")
        return list(records)
    # Not splitlines(): U+2028 and friends may stand inside a JSON string.
    lines = enumerate(content.split("\n"), start=1)
    return [_json_object(line, path, number) for number, line in lines if line.strip()]


def _json_object(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}, line {number}: not valid JSON ({error}); expected one object per line, or "
            f"one list of objects and nothing around it, like [{EXAMPLE}]"
        ) from None
    if not isinstance(record, dict):
        raise DataError(
            f"{path}, line {number}: expected an object like {EXAMPLE}, found "
            f"{type(record).__name__}"
        )
    return record


def _is_json_array(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _peek_json_lines(path: Path) -> list[str]:
    names: dict[str, None] = {}
    with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
        for number, line in zip(range(1, PEEKED + 1), file, strict=False):
            if line.strip():
                names.update(dict.fromkeys(_json_object(line, path, number)))
    return list(names)
