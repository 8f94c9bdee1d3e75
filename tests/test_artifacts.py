"""Atomic files, finished folders, and keys that change when they must."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbutils import artifacts
from nbutils.artifacts import code_fingerprint, digest, find_finished, open_output, write_text
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


def notebook(folder: Path, *cells: tuple[str, str], outputs: list[object] | None = None) -> Path:
    path = folder / "n.ipynb"
    made = [
        {"cell_type": kind, "source": source, "outputs": outputs or [], "execution_count": 1}
        for kind, source in cells
    ]
    path.write_text(json.dumps({"cells": made}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("cells", "same"),
    [
        ([("code", "x = 1  # why")], True),
        ([("code", "x   =  1\n\n")], True),
        ([("markdown", "# Title"), ("code", "x = 1")], True),
        ([("code", "x = 2")], False),
        ([("code", "from nbutils.metrics import proportion\nx = 1")], False),
    ],
)
def test_key_of_a_notebook_follows_its_statements(
    tmp_path: Path, cells: list[tuple[str, str]], same: bool
) -> None:
    before = code_fingerprint(notebook(tmp_path, ("code", "x = 1")))
    after = code_fingerprint(notebook(tmp_path, *cells, outputs=[{"text": "1"}]))
    assert (before == after) == same


def test_key_of_a_notebook_follows_the_library_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = notebook(tmp_path, ("code", "%time\nfrom nbutils.training.api import fine_tune"))
    before = code_fingerprint(path)
    package = Path(artifacts.__file__).parent
    original = artifacts._normal_form
    for module, counts in (("console.py", False), ("training/pitfalls.py", True)):
        changed = (package / module).read_text(encoding="utf-8")
        monkeypatch.setattr(
            artifacts,
            "_normal_form",
            lambda source, changed=changed: original(source) + "x" * (source == changed),
        )
        assert (code_fingerprint(path) != before) == counts


@pytest.mark.parametrize("line", ["import nbutils as nb", "from nbutils import *"])
def test_key_follows_a_notebook_that_takes_the_whole_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    path = notebook(tmp_path, ("code", line))
    before = code_fingerprint(path)
    original = artifacts._normal_form
    monkeypatch.setattr(
        artifacts,
        "_normal_form",
        lambda source: original(source) + ("changed" if "class LossWatch" in source else ""),
    )
    assert code_fingerprint(path) != before


def test_key_follows_modules_beside_the_notebook(tmp_path: Path) -> None:
    path = notebook(tmp_path, ("code", "%time\nfrom mine import clean"))
    keys = []
    for number in ("1", "1  # why", "2"):
        (tmp_path / "mine.py").write_text("import deeper.inner\nclean = str\n", encoding="utf-8")
        (tmp_path / "deeper").mkdir(exist_ok=True)
        (tmp_path / "deeper" / "inner.py").write_text(f"x = {number}\n", encoding="utf-8")
        keys.append(code_fingerprint(path))
    assert keys[0] == keys[1] != keys[2]


def test_comment_beside_a_magic_does_not_change_the_key(tmp_path: Path) -> None:
    keys = [
        code_fingerprint(notebook(tmp_path, ("code", f"%matplotlib inline\nx = {end}")))
        for end in ("1", "1  # why", "2")
    ]
    assert keys[0] == keys[1] != keys[2]


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
