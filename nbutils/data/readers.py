"""Reading labelled text from files, strictly: what is odd is refused by file and line.

Kept free of pandas so that a wrong file or column is refused at once.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nbutils.data.columns import Columns, choose_columns
from nbutils.errors import DataError
from nbutils.params.data_prep import DataPrepParams

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
FILE_SUFFIXES = (*DELIMITERS, *JSON_SUFFIXES, ".parquet")
HEAD = 4096  # bytes that tell the encoding
PEEKED = 20  # rows of a JSON Lines file whose keys count as its columns in the quick check


@dataclass(frozen=True)
class RawTexts:
    """Texts and labels as they were read, row by row."""

    texts: list[Any]
    labels: list[Any]
    pairs: list[Any] | None
    columns: Columns
    where: str
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def read_file(path: Path, params: DataPrepParams) -> RawTexts:
    """Read a CSV, TSV, JSON Lines or Parquet file.

    Raises
    ------
    DataError
        The file is empty, not UTF-8, or broken; the message names the line and the mend.
    """
    _refuse_empty(path)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _read_parquet(path, params)
    if suffix in JSON_SUFFIXES:
        return _read_json(path, params)
    return _read_delimited(path, params)


SPLIT_FOLDERS = {"train", "training", "test", "testing", "validation", "valid", "val", "dev"}


def read_folder(path: Path) -> RawTexts:
    """Read a folder with one sub-folder per class and one `.txt` file per text."""
    texts, labels = [], []
    for name, files in class_folders(path).items():
        texts += [read_text(file) for file in files]
        labels += [name] * len(files)
    return RawTexts(texts, labels, None, Columns("text", "label"), str(path))


def class_folders(path: Path) -> dict[str, list[Path]]:
    """Return the `.txt` files of each class folder, both in sorted order.

    Raises
    ------
    DataError
        There is no sub-folder, or one without a `.txt` file.
    """
    folders = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))
    found = {folder.name: text_files(folder) for folder in folders}
    empty = [name for name, files in found.items() if not files]
    if not found:
        raise DataError(
            f"{path}: expected one sub-folder per class, or a folder written by "
            "`datasets.save_to_disk`; found neither"
        )
    if found and set(found) <= SPLIT_FOLDERS:
        first = next(iter(found))
        raise DataError(
            f"{path}: its sub-folders {', '.join(found)} are splits, not classes; name one as the "
            f"dataset ({path / first}) and another as test_dataset"
        )
    if empty:
        raise DataError(
            f"{path}: sub-folder {empty[0]!r} holds no .txt file; each sub-folder is read as a "
            "class with one .txt file per text"
        )
    return found


def text_files(folder: Path) -> list[Path]:
    """Return the texts of a class folder, in sorted order; hidden files are not texts."""
    return sorted(path for path in folder.rglob("*.txt") if not path.name.startswith("."))


def read_columns(path: Path) -> list[str]:
    """Return a file's columns from its header or first rows alone.

    Raises
    ------
    DataError
        The file is empty, or its head cannot be read.
    """
    _refuse_empty(path)
    suffix = path.suffix.lower()
    if suffix != ".parquet":
        with path.open("rb") as binary:
            _refuse_no_utf8(binary.read(HEAD), path)
    if suffix == ".parquet":
        return list(_parquet_schema(path).names)
    if suffix in JSON_SUFFIXES and not _is_json_array(path):
        return _peek_json_lines(path)
    if suffix in JSON_SUFFIXES:
        return list({key: None for record in _json_records(path) for key in record})
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return _header(file, path, DELIMITERS[suffix])


def read_text(path: Path) -> str:
    """Read a whole UTF-8 file, with or without a byte-order mark, naming the first bad line."""
    content = path.read_bytes()
    _refuse_no_utf8(content[:HEAD], path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; save the file "
            f"as UTF-8 (`iconv -f cp1252 -t utf-8 {path.name} > new{path.suffix}` if it comes from "
            "Windows)"
        ) from None


def _refuse_no_utf8(head: bytes, path: Path) -> None:
    if head and not head.strip(b"\0"):
        raise DataError(
            f"{path}: expected text, found NUL bytes, as a copy leaves that was broken off; copy "
            "the file again"
        )
    halves = (head[0::2], head[1::2])  # without its mark, UTF-16 of western text is half NUL
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or any(
        half.count(0) > len(head) // 4 for half in halves
    ):
        raise DataError(
            f"{path}: expected UTF-8, found UTF-16 (Excel's 'Unicode text'); save it as 'CSV UTF-8'"
        )


def _refuse_empty(path: Path) -> None:
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty (0 bytes); write or copy it again")


def _read_delimited(path: Path, params: DataPrepParams) -> RawTexts:
    with path.open("rb") as binary:
        _refuse_no_utf8(binary.read(HEAD), path)
    try:
        with _any_field_size():
            return _pick_columns(path, params)
    except UnicodeDecodeError:
        read_text(path)  # says which line it is
        raise


def _pick_columns(path: Path, params: DataPrepParams) -> RawTexts:
    """Keep the wanted fields of each row alone, and never the whole file as one string."""
    delimiter = DELIMITERS[path.suffix.lower()]
    unquoted = delimiter == "\t" and _is_unquoted(path)
    rows = _rows(path, delimiter, csv.QUOTE_NONE if unquoted else csv.QUOTE_MINIMAL)
    header = next(rows)
    columns = choose_columns(header, params, where=str(path))
    wanted = [name for name in (columns.text, columns.label, columns.text_pair) if name]
    picked: list[list[str]] = [[] for _ in wanted]
    adders = [
        (fields.append, header.index(name)) for fields, name in zip(picked, wanted, strict=True)
    ]
    for row in rows:
        for add, place in adders:
            add(row[place])
    texts, labels, *pairs = picked
    notes = (f"{path.name} was read as a TSV file without quoting.",) if unquoted else ()
    return RawTexts(texts, labels, pairs[0] if pairs else None, columns, str(path), notes=notes)


def _is_unquoted(path: Path) -> bool:
    """Return whether a TSV file uses quotation marks as plain text, as GLUE's files do.

    Read with quoting, such a file fails, or silently joins all rows between two texts that begin
    and end with a quotation mark.
    """
    with path.open("rb") as binary:
        if not any(b'"' in line for line in binary):
            return False
    try:
        plain = sum(1 for _ in _rows(path, "\t", csv.QUOTE_NONE))
    except DataError:
        return False
    try:
        return sum(1 for _ in _rows(path, "\t", csv.QUOTE_MINIMAL)) < plain
    except DataError:
        return True


def _rows(path: Path, delimiter: str, quoting: Literal[0, 3]) -> Iterator[list[str]]:
    """Yield the header, then every row, checked to be as wide; blank lines are passed over."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        width = len(_header(file, path, delimiter))
        file.seek(0)
        reader = csv.reader(file, delimiter=delimiter, quoting=quoting, strict=True)
        start = 1
        try:
            for row in reader:
                if row and len(row) != width:
                    raise DataError(
                        f"{path}, line {start}: expected {width} fields as in the header, "
                        f"found {len(row)}; put double quotes around a text that holds "
                        f"{delimiter!r}, and close them"
                    )
                if row:
                    yield row
                start = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                f"{path}, line {start}: broken quoting ({error}); a text that holds a double quote "
                'needs quotes around it and the inner one doubled: "a ""word"" here"'
            ) from None


def _header(lines: Iterator[str] | io.TextIOBase, path: Path, delimiter: str) -> list[str]:
    try:
        header = next((row for row in csv.reader(lines, delimiter=delimiter) if row), None)
    except csv.Error as error:
        raise DataError(f"{path}, line 1: the header cannot be read ({error})") from None
    if header is None:
        raise DataError(f"{path}: expected a header line with column names, found blank lines only")
    return header


@contextmanager
def _any_field_size() -> Iterator[None]:
    """Lift the csv module's limit of 128 KiB a field, which is global, and put it back."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _read_json(path: Path, params: DataPrepParams) -> RawTexts:
    records = _json_records(path)
    names = list({key: None for record in records for key in record})
    columns = choose_columns(names, params, where=str(path))
    texts, labels, pairs = (
        [record.get(name) for record in records] if name else None
        for name in (columns.text, columns.label, columns.text_pair)
    )
    return RawTexts(texts or [], labels or [], pairs, columns, str(path))


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
            raise DataError(
                f"{path}: expected a list of objects, one per text, like "
                '[{"text": "...", "label": "..."}]'
            )
        return list(records)
    # Not splitlines(): U+2028 and friends may stand inside a JSON string.
    lines = enumerate(content.split("\n"), start=1)
    return [_json_object(line, path, number) for number, line in lines if line.strip()]


def _json_object(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}, line {number}: not valid JSON ({error}); expected one object per line"
        ) from None
    if not isinstance(record, dict):
        raise DataError(
            f"{path}, line {number}: expected an object like "
            f'{{"text": "...", "label": "..."}}, found {type(record).__name__}'
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


def _read_parquet(path: Path, params: DataPrepParams) -> RawTexts:
    import pyarrow
    import pyarrow.parquet

    schema = _parquet_schema(path)
    columns = choose_columns(list(schema.names), params, where=str(path))
    wanted = [name for name in (columns.text, columns.label, columns.text_pair) if name]
    try:
        table = pyarrow.parquet.ParquetFile(path).read(columns=wanted)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable_parquet(path, error) from None
    return RawTexts(
        texts=table.column(columns.text).to_pylist(),
        labels=table.column(columns.label).to_pylist(),
        pairs=table.column(columns.text_pair).to_pylist() if columns.text_pair else None,
        columns=columns,
        where=str(path),
        class_names=_class_names(schema, columns.label),
    )


def _parquet_schema(path: Path) -> Any:
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_schema(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable_parquet(path, error) from None


def _unreadable_parquet(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path}: not a readable Parquet file ({reason}); write or copy it again")


def _class_names(schema: Any, column: str) -> tuple[str, ...] | None:
    """Return the names that `datasets` notes in the schema beside integer labels."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        feature = features[column]
        return tuple(feature.get("feature", feature)["names"])  # of a list's members
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
