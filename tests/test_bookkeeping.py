"""A notebook saved again and again while it runs: always whole, of now, and without secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import papermill  # noqa: F401  # before what it imports itself
import pytest

from nbutils.bookkeeping import Bookkeeping

TOKEN = "hf_abcdefghijklmnopqrstuvwxyz0123456"
V4: Any = nbformat.v4


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bookkeeping:
    """Return the bookkeeping of a notebook that was begun."""
    monkeypatch.setenv("HOME", "/home/somebody")
    noted = {"papermill": {"parameters": {"api_token": "sesame-2748", "note": '"cells": []'}}}
    cells = [
        V4.new_code_cell("api_token = 'sesame-2748'", metadata={"tags": ["parameters"]}),
        V4.new_markdown_cell("# Caf\u00e9 \U0001f600\ntwo lines"),
        V4.new_code_cell("f()\ng()"),
    ]
    nb = V4.new_notebook(cells=cells, metadata=noted)
    book = Bookkeeping(nb, output_path=str(tmp_path / "out.ipynb"), progress_bar=False)
    book.notebook_start()
    cells[2].outputs = [V4.new_output("stream", text="/home/somebody/x\n")]
    return book


def saved(book: Bookkeeping) -> Any:
    book.save()
    return nbformat.read(book.output_path, as_version=4)


def test_save_on_the_way_has_what_the_last_one_would_have(running: Bookkeeping) -> None:
    found = saved(running)
    nbformat.validate(found)
    assert found == running.redactor.redact_notebook(running.nb)
    text = Path(running.output_path).read_text(encoding="utf-8")
    assert "sesame" not in text
    assert "somebody" not in text
    running.notebook_complete()
    last = nbformat.read(running.output_path, as_version=4)
    assert last.cells == found.cells
    assert Path(running.output_path).read_text(encoding="utf-8").startswith('{\n "cells"')


def test_change_of_an_earlier_cell_is_saved(running: Bookkeeping) -> None:
    saved(running)
    output = running.nb.cells[2].outputs[0]
    for words in ("again", f"a secret: {TOKEN}", "again"):
        output.text = words
        (shown,) = saved(running).cells[2].outputs
        assert shown.text == words.replace(TOKEN, "[redacted]")
    assert len(running.cells) == 3  # of what was, nothing is kept


def test_cell_that_did_not_change_is_not_searched_again(
    running: Bookkeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(running)
    searched = []
    redact = running.redactor.redact_cell
    monkeypatch.setattr(
        running.redactor, "redact_cell", lambda c: (searched.append(c), redact(c))[1]
    )
    running.nb.cells[0].source += "\nmore = 1"
    saved(running)
    assert searched == [running.nb.cells[0]]
