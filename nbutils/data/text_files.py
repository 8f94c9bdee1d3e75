"""Plain text, strictly UTF-8, and folders that hold one class each."""

from __future__ import annotations

import shlex
from pathlib import Path

from nbutils.artifacts import free_name
from nbutils.data.columns import Columns
from nbutils.data.raw_texts import RawTexts
from nbutils.errors import DataError

HEAD = 4096  # bytes that tell the encoding
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
TABLES = (".csv", ".tsv")  # what a spreadsheet saves

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
            f"as UTF-8 (`{_to_new('iconv -f cp1252 -t utf-8', path, free_name(path, '-utf-8'))}` "
            "if it comes from Windows)"
        ) from None


def refuse_other_encodings(path: Path) -> None:
    """Refuse a text file whose first bytes are not those of UTF-8.

    Raises
    ------
    DataError
        They are UTF-16, NUL bytes alone, or those of an archive.
    """
    with path.open("rb") as binary:
        _refuse_no_utf8(binary.read(HEAD), path)


def _to_new(command: str, path: Path, new: Path) -> str:
    """Return a command that reads a file and writes another, from whichever folder it is given."""
    return f"{command} < {shlex.quote(str(path))} > {shlex.quote(str(new))}"


def _refuse_packed(head: bytes, path: Path) -> None:
    if head.startswith(GZIP):
        raise DataError(
            f"{path}: expected text, found a gzip archive; unpack it: "
            f"{_to_new('gunzip', path, free_name(path, '-unpacked'))}"
        )
    if head.startswith(ZIP) and path.suffix.lower() in TABLES:
        raise DataError(
            f"{path}: expected text, found a ZIP archive or an Excel workbook; unpack it, or save "
            "it as 'CSV UTF-8'"
        )
    if head.startswith(ZIP):
        raise DataError(f"{path}: expected text, found a ZIP archive; unpack it")


def _refuse_no_utf8(head: bytes, path: Path) -> None:
    _refuse_packed(head, path)
    if head and not head.strip(b"\0"):
        raise DataError(
            f"{path}: expected text, found NUL bytes, as a copy leaves that was broken off; copy "
            "the file again"
        )
    halves = (head[0::2], head[1::2])  # without its mark, UTF-16 of western text is half NUL
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or any(
        half.count(0) > len(head) // 4 for half in halves
    ):
        is_table = path.suffix.lower() in TABLES
        found, kind = (" (Excel's 'Unicode text')", "'CSV UTF-8'") if is_table else ("", "UTF-8")
        raise DataError(f"{path}: expected UTF-8, found UTF-16{found}; save it as {kind}")


def refuse_empty(path: Path) -> None:
    """Refuse a file of 0 bytes.

    Raises
    ------
    DataError
        It is one.
    """
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty (0 bytes); write or copy it again")
