"""The notebooks as they are committed: clean, short-celled, in step with the schemas."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from nbutils.artifacts import LAST_ARTIFACT, NOTEBOOKS
from nbutils.data.duplicates import find_duplicates, share_with_copies
from nbutils.execution import run_notebook
from nbutils.params.error_analysis import SECTIONS as ERROR_SECTIONS
from nbutils.params.study import SECTIONS
from nbutils.plots import alt_text, plot_bars
from nbutils.tables import Note
from nbutils.views.advice import link_to_section

STAGES = list(NOTEBOOKS)
FILES = [*NOTEBOOKS.values(), "explore.ipynb"]
ROOT = Path(__file__).parent.parent


def cells(stage: str, kind: str = "code") -> list[dict[str, Any]]:
    return cells_of(NOTEBOOKS[stage], kind)


def cells_of(name: str, kind: str = "code") -> list[dict[str, Any]]:
    notebook = json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


@pytest.mark.parametrize("stage", STAGES)
def test_defaults_of_the_cell_are_those_of_the_schema(stage: str) -> None:
    (cell,) = [c for c in cells(stage) if "parameters" in c["metadata"].get("tags", [])]
    assignments = [node for node in ast.parse(source(cell)).body if isinstance(node, ast.AnnAssign)]
    found = {node.target.id: ast.literal_eval(node.value) for node in assignments}
    expected = {name: field.default for name, field in SECTIONS[stage].model_fields.items()}
    assert found == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize("name", FILES)
def test_notebook_is_committed_without_outputs_and_with_stable_ids(name: str) -> None:
    for cell in cells_of(name):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    ids = [cell["id"] for cell in [*cells_of(name), *cells_of(name, "markdown")]]
    assert len(set(ids)) == len(ids)
    assert all(len(own) > 3 and not own.isdigit() for own in ids)


@pytest.mark.parametrize("name", FILES)
def test_cells_are_short_and_define_nothing(name: str) -> None:
    for cell in cells_of(name):
        if "parameters" in cell["metadata"].get("tags", []):
            continue
        lines = [line for line in source(cell).splitlines() if line.strip()]
        assert len(lines) <= 10, cell["id"]
        nodes = list(ast.walk(ast.parse(source(cell))))
        forbidden = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.Lambda)
        assert not [node for node in nodes if isinstance(node, forbidden)], cell["id"]


def test_every_notebook_is_looked_at() -> None:
    assert {path.name for path in (ROOT / "notebooks").iterdir()} == set(FILES)


def test_each_section_has_an_introduction_that_links_lead_to() -> None:
    code = "\n".join(source(cell) for cell in cells("error_analysis"))
    run = set(re.findall(r"sections\.run\(\s*\"(\w+)\"", code))
    introduced = {cell["id"] for cell in cells("error_analysis", "markdown")}
    assert {link_to_section(name) for name in run} <= {f"#cell-id={name}" for name in introduced}
    assert run == set(ERROR_SECTIONS)  # what can be skipped is what there is


def test_whatever_is_found_or_drawn_of_mistakes_can_fail_alone() -> None:
    code = ast.parse("\n".join(source(cell) for cell in cells("error_analysis")))
    alone = ("nbutils.plots", "nbutils.views")
    imports = [node for node in ast.walk(code) if isinstance(node, ast.ImportFrom)]
    views = {name.name for node in imports if (node.module or "").startswith(alone)
             for name in node.names}  # fmt: skip
    called = [node.func for node in ast.walk(code) if isinstance(node, ast.Call)]
    by_name = {function.id for function in called if isinstance(function, ast.Name)}
    assert views & by_name == {"show_advice"}
    methods = [function for function in called if isinstance(function, ast.Attribute)]
    assert "errors" not in {ast.unparse(method.value) for method in methods}


@pytest.mark.parametrize("name", FILES)
def test_prose_states_no_measured_number(name: str) -> None:
    allowed = {"95", "100", "80", "1", "01_data_prep"}
    for cell in cells_of(name, "markdown"):
        words = source(cell).replace("`", " ").replace("%", " ").split()
        numbers = [w.strip(".,;:()") for w in words if any(sign.isdigit() for sign in w)]
        assert {n for n in numbers if n and n[0].isdigit()} <= allowed, cell["id"]


@pytest.mark.parametrize("stage", STAGES)
def test_variables_do_not_shadow_what_is_imported(stage: str) -> None:
    parameters = set(SECTIONS[stage].model_fields)
    for cell in cells(stage):
        for node in ast.walk(ast.parse(source(cell))):
            if isinstance(node, ast.ImportFrom):
                assert not parameters & {alias.asname or alias.name for alias in node.names}


@pytest.mark.parametrize("copied", [True, False])
def test_copies_are_drawn_where_there_are_any(copied: bool) -> None:
    second = "good film" if copied else "bad"
    frame = pd.DataFrame({"example_id": [0, 1], "text": ["good film", second], "label": [0, 1]})
    (cell,) = [cell for cell in cells("data_prep") if cell["id"] == "duplicates-plot"]
    drawn: list[Any] = []
    known = {"show": drawn.append, "plot_bars": plot_bars, "Note": Note, "frame": frame,
             "share_with_copies": share_with_copies, "duplicates": find_duplicates(frame),
             "texts": SimpleNamespace(label_names=["a", "b"])}  # fmt: skip
    *first, last = source(cell).splitlines()
    exec("\n".join(first), known)
    said = eval(last, known)
    assert [alt_text(ax.figure) for ax in drawn] == [
        "Texts that have a copy, by class: at most 100.0 % (a)."
    ] * copied
    assert ("No text has a copy" in repr(said)) == (not copied)


@pytest.mark.slow
def test_plain_papermill_runs_the_notebooks_one_by_one(
    tmp_path: Path, tiny_bert: Path, reviews: pd.DataFrame
) -> None:
    reviews.to_csv(tmp_path / "reviews.csv", index=False)
    given = {
        "data_prep": {"dataset": "reviews.csv", "tokenizer": tiny_bert, "max_length": 16},
        "fine_tune": {"model": tiny_bert, "max_length": 16, "epochs": 1, "learning_rate": 3e-5},
        "error_analysis": {"worst_examples": 3},
    }
    for stage in given:
        options = [word for key, value in given[stage].items() for word in ("-p", key, str(value))]
        notebook = ROOT / "notebooks" / NOTEBOOKS[stage]
        command = [sys.executable, "-m", "papermill", str(notebook), f"{stage}.ipynb", *options]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert (tmp_path / "runs" / stage / "interactive" / LAST_ARTIFACT[stage]).is_file()
    findings = tmp_path / "runs" / "error_analysis" / "interactive" / "findings.json"
    sections = json.loads(findings.read_text(encoding="utf-8"))["sections"]
    assert {name for name, section in sections.items() if section["status"] == "failed"} == set()


@pytest.mark.slow
def test_run_all_can_be_run_again(
    tmp_path: Path, tiny_bert: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reviews.to_csv("reviews.csv", index=False)
    given = {
        "data_prep": {"dataset": "reviews.csv", "tokenizer": str(tiny_bert), "max_length": 16},
        "fine_tune": {"model": str(tiny_bert), "max_length": 16, "epochs": 1},
        "error_analysis": {"worst_examples": 3},
    }
    for stage in given:
        path = ROOT / "notebooks" / NOTEBOOKS[stage]
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if "parameters" in cell["metadata"].get("tags", []):
                lines = [f"{name} = {value!r}\n" for name, value in given[stage].items()]
                cell["source"] = [*cell["source"], "\n", *lines]
                cell["metadata"]["tags"] = []
        again = [{**cell, "id": f"{cell['id']}-again"} for cell in notebook["cells"]]
        notebook["cells"] += again
        (tmp_path / path.name).write_text(json.dumps(notebook), encoding="utf-8")
        run_notebook(tmp_path / path.name, tmp_path / f"{stage}.ipynb", parameters={})


@pytest.mark.slow
def test_misspelt_parameter_stops_plain_papermill(tmp_path: Path) -> None:
    notebook = ROOT / "notebooks" / NOTEBOOKS["fine_tune"]
    command = [sys.executable, "-m", "papermill", str(notebook), "out.ipynb", "-p", "epoch", "2"]
    environment = os.environ | {"NO_COLOR": "1"}
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env=environment,
    )
    assert done.returncode != 0
    assert "epoch: unknown parameter; did you mean 'epochs'?" in done.stderr
