"""How JupyterLab is started; that it then works is seen in a browser, in test_jupyterlab.py."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from nbutils.artifacts import NOTEBOOKS
from nbutils.lab import prepare_lab


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with its own notebooks, as the working folder."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / NOTEBOOKS["data_prep"]).write_text("my own", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_lab_opens_the_projects_own_notebooks_on_loopback(project: Path) -> None:
    start = prepare_lab(["--port=9"])
    assert start.project == project
    assert f"--ServerApp.root_dir={project}" in start.command
    assert start.command[:3] == (sys.executable, "-m", "jupyterlab")
    assert "--ServerApp.ip=127.0.0.1" in start.command
    assert start.command[-1] == "--port=9"
    assert (project / "notebooks" / NOTEBOOKS["data_prep"]).read_text(encoding="utf-8") == "my own"


def test_lab_finds_the_project_from_within_its_notebooks(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "notebooks")
    assert prepare_lab().project == project


def test_lab_brings_notebooks_to_a_folder_that_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "mine.ipynb").write_text("kept", encoding="utf-8")
    edited = tmp_path / "notebooks" / NOTEBOOKS["fine_tune"]
    edited.write_text("my own work", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert prepare_lab().project == tmp_path
    folder = tmp_path / "notebooks"
    assert {*NOTEBOOKS.values(), "mine.ipynb"} <= {path.name for path in folder.iterdir()}
    assert edited.read_text(encoding="utf-8") == "my own work"


def test_kernel_is_this_python_whatever_the_user_has_installed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = project / "data" / "kernels" / "python3"
    foreign.mkdir(parents=True)
    spec = {"argv": ["/other/python"], "display_name": "other", "language": "python"}
    (foreign / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(project / "data"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    assert KernelSpecManager().get_kernel_spec("python3").argv == ["/other/python"]
    for name, value in prepare_lab().environment.items():
        monkeypatch.setenv(name, value)
    assert KernelSpecManager().get_kernel_spec("python3").argv[0] == sys.executable


def test_places_that_the_user_has_named_are_still_looked_at(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_PATH", "/mine")
    assert prepare_lab().environment["JUPYTER_PATH"].split(os.pathsep)[1:] == ["/mine"]
