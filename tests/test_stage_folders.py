"""What of a stage's folder is used again, and what of somebody's handwork outlives its making."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from nbutils.analysis.suspects import SUSPECTS_FILE
from nbutils.runs import StageRun
from nbutils.stage_folders import clear, mark_finished, reuse_stage

WRITTEN = "example_id,corrected_label\n3,\n"
FILLED = "example_id,corrected_label\n3,delete\n"
STAGE = "error_analysis"


def make(folder: Path) -> Path:
    """Fill a folder as a finished stage leaves it, and return its suspects."""
    (folder / "findings.json").write_text("{}")
    (folder / SUSPECTS_FILE).write_text(WRITTEN)
    mark_finished(
        StageRun(STAGE, folder.name, folder, False), datetime.now(timezone.utc), upstream={}
    )
    return folder / SUSPECTS_FILE


@pytest.fixture
def suspects(tmp_path: Path) -> Path:
    return make(tmp_path)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_suspects_that_are_filled_in_are_whole_and_torn_ones_are_not(suspects: Path) -> None:
    assert reuse_stage(STAGE, suspects.parent) is not None
    suspects.write_text(FILLED)
    assert reuse_stage(STAGE, suspects.parent) is not None
    suspects.write_bytes(b"")
    assert reuse_stage(STAGE, suspects.parent) is None


@pytest.mark.parametrize("noted", [None, "", "[]", "{}"])
def test_suspects_that_are_filled_in_are_set_aside(suspects: Path, noted: str | None) -> None:
    suspects.write_text(FILLED)
    if noted is not None:
        (suspects.parent / "stage.json").write_text(noted)
    clear(suspects.parent, keep=set())
    assert names_in(suspects.parent) == ["label_suspects.before.csv"]
    assert (suspects.parent / "label_suspects.before.csv").read_text() == FILLED


def test_an_edit_of_the_same_size_is_one(suspects: Path) -> None:
    suspects.write_text(WRITTEN.replace("3", "4"))
    written = (suspects.parent / "stage.json").stat().st_mtime_ns
    os.utime(suspects, ns=(written, written + 1_000_000))
    clear(suspects.parent, keep=set())
    assert names_in(suspects.parent) == ["label_suspects.before.csv"]


def test_nothing_that_was_set_aside_is_written_over(suspects: Path) -> None:
    for comment in ("first", "second", "third"):
        suspects.write_text(FILLED + comment)
        clear(suspects.parent, keep=set())
        clear(suspects.parent, keep={"notebook.ipynb"})  # after a failure
        make(suspects.parent)
    kept = [suspects.parent / f"label_suspects.before{end}.csv" for end in ("", "-2", "-3")]
    assert [path.read_text().rpartition("\n")[2] for path in kept] == ["first", "second", "third"]


def test_what_was_set_aside_is_none_of_the_files_of_the_stage(suspects: Path) -> None:
    suspects.write_text(FILLED)
    clear(suspects.parent, keep=set())
    make(suspects.parent)
    noted = json.loads((suspects.parent / "stage.json").read_text())
    assert sorted(noted["files"]) == ["findings.json", SUSPECTS_FILE]
    (suspects.parent / "label_suspects.before.csv").unlink()
    assert reuse_stage(STAGE, suspects.parent) is not None


def test_suspects_as_they_were_written_are_not_kept(suspects: Path) -> None:
    folder = suspects.parent
    clear(folder, keep=set())
    assert names_in(folder) == []
    suspects.write_text(FILLED)  # of a stage that did not come to its end
    clear(folder, keep=set())
    assert names_in(folder) == []
    make(folder).write_bytes(b"")  # torn
    clear(folder, keep=set())
    assert names_in(folder) == []
