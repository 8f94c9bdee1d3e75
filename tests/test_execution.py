"""Notebooks in real kernels: what the saved file says when they end well, badly, or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from nbutils.errors import DataError, NotebookFailedError
from nbutils.execution import run_notebook
from nbutils.progress import Limits, Progress

pytestmark = pytest.mark.slow


def write_notebook(folder: Path, *cells: str) -> Path:
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    )
    for number, source in enumerate(cells):
        is_text = source.startswith("#")
        new = nbformat.v4.new_markdown_cell if is_text else nbformat.v4.new_code_cell
        notebook.cells.append(new(source, id=f"cell-{number}"))
    if cells and not cells[0].startswith("#"):
        notebook.cells[0].metadata["tags"] = ["parameters"]
    path = folder / "in.ipynb"
    nbformat.write(notebook, path)
    return path


def statuses(path: Path) -> list[str]:
    cells = json.loads(path.read_text())["cells"]
    return [cell["metadata"]["papermill"]["status"] for cell in cells]


def error_of(path: Path) -> dict[str, Any]:
    outputs = [o for c in json.loads(path.read_text())["cells"] for o in c.get("outputs", [])]
    (error,) = [output for output in outputs if output["output_type"] == "error"]
    return error


def test_parameters_reach_a_kernel_of_this_python(tmp_path: Path) -> None:
    source = write_notebook(tmp_path, "x = 1", "import sys\nprint(x, sys.executable)")
    run_notebook(source, tmp_path / "out.ipynb", parameters={"x": 7})
    text = (tmp_path / "out.ipynb").read_text()
    assert f"7 {sys.executable}" in text
    assert set(statuses(tmp_path / "out.ipynb")) == {"completed"}


def test_failed_cell_is_named_and_the_rest_stays_pending(tmp_path: Path) -> None:
    source = write_notebook(tmp_path, "x = 1", "1 / 0", "x = 2")
    with pytest.raises(NotebookFailedError, match=r"in.ipynb, cell 2: ZeroDivisionError"):
        run_notebook(source, tmp_path / "out.ipynb", parameters={})
    nb = json.loads((tmp_path / "out.ipynb").read_text())
    found = {
        c["id"]: c["metadata"]["papermill"]["status"]
        for c in nb["cells"]
        if c["id"].startswith("cell-")
    }
    assert found == {"cell-0": "completed", "cell-1": "failed", "cell-2": "pending"}


def test_killed_kernel_is_reported_as_failed(tmp_path: Path) -> None:
    source = write_notebook(
        tmp_path, "x = 1", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "x = 2"
    )
    with pytest.raises(NotebookFailedError, match="Kernel died"):
        run_notebook(source, tmp_path / "out.ipynb", parameters={})
    assert statuses(tmp_path / "out.ipynb") == ["completed", "failed", "pending"]
    error = error_of(tmp_path / "out.ipynb")
    assert error["ename"] == "DeadKernelError"
    assert "ended by SIGKILL; its memory was at most" in error["evalue"]


def test_cell_beyond_its_time_ends_the_kernel_and_says_so(tmp_path: Path) -> None:
    source = write_notebook(tmp_path, "x = 1", "import time\ntime.sleep(600)", "x = 2")
    with pytest.raises(NotebookFailedError, match="time limit of a cell, 1 seconds, was reached"):
        run_notebook(source, tmp_path / "out.ipynb", parameters={}, limits=Limits(cell_seconds=1))
    assert statuses(tmp_path / "out.ipynb") == ["completed", "failed", "pending"]
    assert own_kernels() == []


def test_run_beyond_its_time_ends_the_kernel_and_says_so(tmp_path: Path) -> None:
    source = write_notebook(tmp_path, "x = 1", "import time\ntime.sleep(600)")
    limits = Limits(deadline=time.monotonic() + 4, run_minutes=0.05)
    with pytest.raises(NotebookFailedError, match=r"time limit of the run, 0\.05 minutes"):
        run_notebook(source, tmp_path / "out.ipynb", parameters={}, limits=limits)
    assert statuses(tmp_path / "out.ipynb") == ["completed", "failed"]


def test_memory_beyond_the_limit_is_told_from_a_mistake(tmp_path: Path) -> None:
    source = write_notebook(
        tmp_path,
        "x = 1",
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "huge = bytearray(4 << 30)",
    )
    with pytest.raises(NotebookFailedError, match="cell 2: MemoryError"):
        run_notebook(source, tmp_path / "out.ipynb", parameters={})


def own_kernels() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "ipykernel" in " ".join(child.cmdline())]


def test_last_words_of_a_dying_kernel_are_kept(tmp_path: Path) -> None:
    source = write_notebook(
        tmp_path, "x = 1", "import os\nos.write(2, b'terminate called')\nos._exit(134)"
    )
    with pytest.raises(NotebookFailedError, match="Kernel died"):
        run_notebook(source, tmp_path / "out.ipynb", parameters={})
    outputs = [
        output
        for cell in json.loads((tmp_path / "out.ipynb").read_text())["cells"]
        for output in cell.get("outputs", [])
    ]
    assert "terminate called" in json.dumps(outputs)


def test_refused_data_keeps_its_own_error_and_message(tmp_path: Path) -> None:
    source = write_notebook(
        tmp_path, "x = 1", "from nbutils.errors import DataError\nraise DataError('row 7 is odd')"
    )
    with pytest.raises(DataError, match=r"in.ipynb: row 7 is odd"):
        run_notebook(source, tmp_path / "out.ipynb", parameters={})


def test_folder_with_braces_spaces_and_foreign_letters_works(tmp_path: Path) -> None:
    folder = tmp_path / "ünï {x} y"
    folder.mkdir()
    source = write_notebook(folder, "x = 1")
    run_notebook(source, folder / "out {}.ipynb", parameters={"x": 2})
    assert statuses(folder / "out {}.ipynb") == ["completed", "completed"]


def test_widgets_leave_their_static_twins_and_no_dead_views(tmp_path: Path) -> None:
    source = write_notebook(
        tmp_path,
        "import ipywidgets",
        "from nbutils.widgets.training import StopButton\nStopButton()",
        "from IPython.display import display\nslider = ipywidgets.IntSlider()\n"
        "twin = {'text/html': '<p>the twin</p>'}\n"
        "display(slider._repr_mimebundle_() | twin, raw=True)",
    )
    run_notebook(source, tmp_path / "out.ipynb", parameters={})
    saved = json.loads((tmp_path / "out.ipynb").read_text())
    assert "widgets" not in saved["metadata"]
    outputs = [output["data"] for cell in saved["cells"] for output in cell.get("outputs", [])]
    assert [set(data) for data in outputs] == [{"text/plain", "text/html"}] * 2
    assert "".join(outputs[1]["text/html"]) == "<p>the twin</p>"


def test_progress_names_cell_and_section_and_passes_training_on(tmp_path: Path) -> None:
    publish = (
        "from IPython.display import display\n"
        "values = {'step': 3}\n"
        "h = display({'text/plain': 'a', 'application/vnd.nbutils.progress+json': values},"
        " raw=True, display_id=True)\n"
        "h.update({'text/plain': 'b', 'application/vnd.nbutils.progress+json': {'step': 4}},"
        " raw=True)"
    )
    source = write_notebook(tmp_path, "# One", "x = 1", "## Two", publish)
    seen: list[Progress] = []
    run_notebook(source, tmp_path / "out.ipynb", parameters={}, on_progress=seen.append)
    assert [(p.cell, p.cells, p.heading, dict(p.training)) for p in seen] == [
        (1, 2, "One", {}),
        (2, 2, "Two", {}),
        (2, 2, "Two", {"step": 3}),
        (2, 2, "Two", {"step": 4}),
    ]
    cells = json.loads((tmp_path / "out.ipynb").read_text())["cells"]
    (output,) = cells[-1]["outputs"]
    assert set(output["data"]) == {"text/plain"}


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder for temporary files of this test alone; short, for the kernel's sockets."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_nothing_is_left_behind(tmp_path: Path, temporary: Path) -> None:
    look = "import glob\nprint('found', len(glob.glob(f'{place}/nbutils-*')))"
    source = write_notebook(tmp_path, "place = ''", look, "1 / 0")
    with pytest.raises(NotebookFailedError, match="ZeroDivisionError"):
        run_notebook(source, tmp_path / "out.ipynb", parameters={"place": str(temporary)})
    assert "found 2" in (tmp_path / "out.ipynb").read_text()
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.ipynb", "out.ipynb"]
    assert own_kernels() == []


RUN = """\
import pathlib, sys
from nbutils.execution import run_notebook
run_notebook(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), parameters={})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells who lives")
def test_what_a_killed_command_left_goes_with_the_next(tmp_path: Path, temporary: Path) -> None:
    kill = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"
    source, out = write_notebook(tmp_path, "x = 1", kill), tmp_path / "out.ipynb"
    words = [sys.executable, "-c", RUN, str(source), str(out)]
    killed = subprocess.run(
        words, env={**os.environ, "TMPDIR": str(temporary)}, timeout=400, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(list(temporary.glob("nbutils-*/owner.json"))) == 2
    run_notebook(write_notebook(tmp_path, "x = 1"), out, parameters={})
    assert list(temporary.iterdir()) == []


LAST_DUTIES = """\
import atexit, builtins, pathlib
class Leaves:
    def __init__(self, name): self.touch = pathlib.Path(place, name).touch
    def __del__(self): self.touch()
stream = open(f'{place}/written', 'w')
stream.write('whole')
mine = Leaves('let go of')
atexit.register(pathlib.Path(place, 'registered').touch)
builtins.nobodys = Leaves('taken apart')"""


def test_kernel_does_its_last_duties_and_leaves_without_taking_python_apart(tmp_path: Path) -> None:
    source = write_notebook(tmp_path, "place = ''", LAST_DUTIES)
    place = tmp_path / "place"
    place.mkdir()
    run_notebook(source, tmp_path / "out.ipynb", parameters={"place": str(place)})
    assert {path.name for path in place.iterdir()} == {"written", "let go of", "registered"}
    assert (place / "written").read_text() == "whole"


def test_engine_serves_plain_papermill_too(tmp_path: Path) -> None:
    source = write_notebook(tmp_path, "x = 1", "import os\nos._exit(3)", "x = 2")
    out = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", "--engine", "nbutils", str(source), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode != 0
    assert statuses(out) == ["completed", "failed", "pending"]
