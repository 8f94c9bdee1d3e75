"""The home folder: shown as `~` in what is published, left alone in what is run again."""

from __future__ import annotations

import base64
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import nbformat
import pytest

from nbutils.errors import NotebookFailedError
from nbutils.execution import run_notebook
from nbutils.home import shorten_home, without_home
from nbutils.redaction import Redactor
from nbutils.report import page_of_notebook, write_notebook_report
from nbutils.report.page import Page, render_page

HOME = "/home/anna"


@pytest.fixture
def anna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", HOME)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HOME, "~"),
        (f"{HOME}/data/a.csv", "~/data/a.csv"),
        (f"no such file: '{HOME}/a.csv'", "no such file: '~/a.csv'"),
        (f"in {HOME}. Then", "in ~. Then"),
        (f"in {HOME}.", "in ~."),
        (f"{HOME}:{HOME}/bin", "~:~/bin"),
        (f"--runs-dir={HOME}/runs", "--runs-dir=~/runs"),
        (f"file://{HOME}/a.csv", "file://~/a.csv"),
        (f"\x1b[32m{HOME}/a.py\x1b[39m:5", "\x1b[32m~/a.py\x1b[39m:5"),
        (f"one\n{HOME}\ntwo", "one\n~\ntwo"),
        (json.dumps(f"one\n{HOME}/a"), '"one\\n~/a"'),
        (f"<td>{HOME}/a</td>", "<td>~/a</td>"),
    ],
)
@pytest.mark.usefixtures("anna")
def test_path_in_the_home_folder_is_shortened(text: str, shown: str) -> None:
    assert shorten_home(text) == shown
    assert shorten_home(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "/home/annabel/a.csv",
        "/home/anna-2/a.csv",
        "/home/anna.bak/a.csv",
        "/mnt/home/anna/a.csv",
        "~/home/anna",
        "x/home/anna/a",
        "https://host.example/home/anna/",
        "anna",
        "/home",
    ],
)
@pytest.mark.usefixtures("anna")
def test_text_that_is_no_path_in_the_home_folder_stays(text: str) -> None:
    assert shorten_home(text) == text


@pytest.mark.parametrize("home", ["/", "//", "/x", "/app"])
def test_home_that_ordinary_text_could_hold_is_never_shortened(
    monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.setenv("HOME", home)
    for text in (home, f"{home}/data/a.csv", f"and {home} or /x/y"):
        assert shorten_home(text) == text


def test_home_behind_a_link_is_shortened_by_both_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    assert shorten_home(f"{tmp_path}/real/a {tmp_path}/link/b") == "~/a ~/b"


def test_home_with_signs_is_found_as_html_and_urls_spell_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/jörg & co")
    text = '"/home/jörg &amp; co/a" file:///home/j%C3%B6rg%20%26%20co/b'
    assert shorten_home(text) == '"~/a" file://~/b'


@pytest.mark.usefixtures("anna")
def test_images_are_left_alone() -> None:
    image = base64.b64encode(b"\x89PNG" * 9).decode() + f" {HOME}/x"
    tree = {"image/png": image, "text/plain": [f"{HOME}/x"], "n": (1, None)}
    assert without_home(tree) == {"image/png": image, "text/plain": ["~/x"], "n": (1, None)}


def printing(*pieces: str) -> Any:
    outputs = [nbformat.v4.new_output("stream", name="stdout", text=piece) for piece in pieces]
    return nbformat.v4.new_code_cell(f"open('{HOME}/a.csv')", outputs=outputs)


@pytest.mark.usefixtures("anna")
def test_notebook_keeps_its_code_and_shortens_what_it_printed() -> None:
    nb = nbformat.v4.new_notebook(cells=[printing(f"read {HOME}/a.csv\n")])
    nb.metadata["papermill"] = {"parameters": {"dataset": f"{HOME}/a.csv"}}
    clean = Redactor().redact_notebook(nb)
    assert clean.cells[0].outputs[0].text == "read ~/a.csv\n"
    assert clean.cells[0].source == nb.cells[0].source
    assert clean.metadata == nb.metadata
    assert nb.cells[0].outputs[0].text == f"read {HOME}/a.csv\n"


@pytest.mark.usefixtures("anna")
def test_path_printed_in_two_pieces_is_shortened() -> None:
    nb = nbformat.v4.new_notebook(cells=[printing(f"read {HOME[:7]}", f"{HOME[7:]}/a.csv\n")])
    outputs = Redactor().redact_notebook(nb).cells[0].outputs
    assert "".join(output.text for output in outputs) == "read ~/a.csv\n"


@pytest.mark.usefixtures("anna")
def test_no_page_names_the_home_folder() -> None:
    page = Page(
        title="x",
        lead=f"from {HOME}/a.csv",
        status="failed",
        problem=f"no {HOME}/a.csv",
        rerun=f"nbutils run {HOME}/a.yaml",
        parameters={"dataset": f"{HOME}/a.csv"},
        manifest={"command": f"nbutils run {HOME}/a.yaml"},
    )
    text = render_page("summary.html.j2", page=page, figures=[])
    assert "anna" not in text
    assert "nbutils run ~/a.yaml" in text


SHOWING = "place = open(dataset).read(), dataset\nprint('read', dataset)\nplace"
FAILING = "raise OSError(f'torn: {dataset}')"


@pytest.mark.slow
@pytest.mark.parametrize("cells", [[SHOWING], [SHOWING, FAILING]])
def test_executed_notebook_and_its_page_do_not_name_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: list[str]
) -> None:
    home, saved = tmp_path / "anna", tmp_path / "out.ipynb"
    home.mkdir()
    (home / "a.csv").write_text("here")
    nb = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    )
    nb.cells = [nbformat.v4.new_code_cell(cell) for cell in ("dataset = ''", *cells)]
    nb.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(nb, tmp_path / "in.ipynb")
    monkeypatch.setenv("HOME", str(home))
    ends = pytest.raises(NotebookFailedError, match="torn") if FAILING in cells else nullcontext()
    with ends:
        run_notebook(tmp_path / "in.ipynb", saved, parameters={"dataset": str(home / "a.csv")})
    executed = nbformat.read(saved, as_version=4).cells
    sources = [cell.source for cell in executed if cell.cell_type == "code"]
    assert [str(home) in source for source in sources[:2]] == [False, True]
    outputs = str([cell.get("outputs", []) for cell in executed])
    assert "read ~/a.csv" in outputs
    assert ("torn: ~/a.csv" in outputs) == (FAILING in cells)
    assert str(home) not in outputs
    write_notebook_report(saved, tmp_path / "out.html", page_of_notebook(saved))
    assert str(home) not in (tmp_path / "out.html").read_text(encoding="utf-8")
