"""Atomic files, finished folders, and keys that change when they must."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbutils import artifacts
from nbutils.artifacts import digest, find_finished, open_output, write_text
from nbutils.errors import DataError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_text(path, "old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifacts.os, "fsync", full_disk)
    with pytest.raises(OSError, match=r"No space left.*a\.json"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@given(JSON, JSON)
def test_equal_content_means_equal_key(first: object, second: object) -> None:
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert (digest([first]) == digest([second])) == same


def test_folder_is_found_once_its_last_artifact_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = open_output("fine_tune", None)
    assert folder == tmp_path / "runs" / "fine_tune" / "interactive"
    assert find_finished("fine_tune", None) is None
    write_text(folder / "metrics.json", "{}")
    assert find_finished("fine_tune", None) == folder
    open_output("fine_tune", None)
    assert find_finished("fine_tune", None) is None


def test_unfinished_folder_that_is_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"finished by 01_data_prep.ipynb, found no data_card"):
        find_finished("data_prep", str(tmp_path))


def test_broken_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.json: expected a JSON object"):
        artifacts.read_json(tmp_path / "a.json")


def test_notebook_in_its_folder_writes_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_data_prep.ipynb").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "notebooks")
    assert open_output("data_prep", None) == tmp_path / "runs" / "data_prep" / "interactive"
