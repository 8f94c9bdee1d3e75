"""Files as raw texts: nothing lost, nothing guessed."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nbutils.data.readers import read_file
from nbutils.data.text_files import class_folders, read_text
from nbutils.errors import DataError
from nbutils.params.data_prep import DataPrepParams

TABLE = b"text,label\na text,pos\n"


def test_unquoted_tsv_loses_no_rows_between_two_quotation_marks(tmp_path: Path) -> None:
    lines = [f"plain text number {k}\tpos" for k in range(30)]
    lines[5], lines[12] = '"he said\tneg', 'she said"\tneg'
    (tmp_path / "t.tsv").write_text("text\tlabel\n" + "\n".join(lines) + "\n", encoding="utf-8")
    raw = read_file(tmp_path / "t.tsv", DataPrepParams.of({"dataset": "t.tsv"}))
    assert len(raw.texts) == 30
    assert raw.texts[5] == '"he said'
    assert raw.notes == ("t.tsv was read as a TSV file without quoting.",)


def test_quoted_tsv_with_a_line_break_in_a_text_is_read_with_quoting(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text('text\tlabel\n"one\nline"\tpos\nother\tneg\n')
    raw = read_file(tmp_path / "t.tsv", DataPrepParams.of({"dataset": "t.tsv"}))
    assert raw.texts == ["one\nline", "other"]


def test_folders_named_after_splits_are_no_classes(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("pos", "neg"):
            (tmp_path / split / label).mkdir(parents=True)
            (tmp_path / split / label / "1.txt").write_text("a text")
    with pytest.raises(DataError, match=r"sub-folders test, train are splits, .*test_dataset"):
        class_folders(tmp_path)


def test_utf_16_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\na,b\n", encoding="utf-16")
    with pytest.raises(DataError, match="expected UTF-8, found UTF-16"):
        read_text(tmp_path / "t.csv")


def test_a_byte_that_is_not_utf_8_is_named_by_its_line_however_late(tmp_path: Path) -> None:
    lines = b"text,label\n" + b"plain text,pos\n" * 20_000 + b"caf\xe9,neg\n"
    (tmp_path / "t.csv").write_bytes(lines)
    with pytest.raises(DataError, match=r"t\.csv, line 20002: byte 0xe9 is not UTF-8"):
        read_file(tmp_path / "t.csv", DataPrepParams.of({"dataset": "t.csv"}))


def test_old_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'\xef\xbb\xbftext,label\r"one\r\nline",pos\r\rtwo,neg\r')
    raw = read_file(tmp_path / "t.csv", DataPrepParams.of({"dataset": "t.csv"}))
    assert raw.texts == ["one\r\nline", "two"]
    assert raw.labels == ["pos", "neg"]


@pytest.mark.parametrize(
    ("content", "message", "mended"),
    [
        (gzip.compress(TABLE), r"gzip archive; unpack it: (?P<run>.*)$", "d-unpacked.csv"),
        (TABLE + b"caf\xe9,pos\n", r"`(?P<run>iconv .*)` if it comes from", "d-utf-8.csv"),
    ],
    ids=["gzip", "iconv"],
)
def test_proposed_command_works_from_any_folder_and_writes_over_nothing(
    tmp_path: Path, content: bytes, message: str, mended: str
) -> None:
    path, params = tmp_path / "my data" / "d.csv", DataPrepParams.of({"dataset": "d.csv"})
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_file(path, params)
    proposed = re.search(message, str(caught.value))
    assert proposed is not None
    command = proposed["run"]
    if shutil.which(command.split()[0]) is None or shutil.which("gunzip") is None:
        pytest.skip("the programs of the proposal are not here")
    (tmp_path / "new.csv").write_text("mine")
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    assert read_file(path.parent / mended, params).texts[0] == "a text"
    assert (tmp_path / "new.csv").read_text() == "mine"


def test_proposed_name_is_one_that_nothing_has(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes(TABLE + b"caf\xe9,pos\n")
    (tmp_path / "d-utf-8.csv").write_bytes(TABLE)
    with pytest.raises(DataError, match=r"> \S*/d-utf-8-2\.csv`"):
        read_file(tmp_path / "d.csv", DataPrepParams.of({"dataset": "d.csv"}))
