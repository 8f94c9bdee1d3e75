"""JupyterLab on the notebooks: in the project, with this Python, on loopback."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nbutils.artifacts import project_dir, write_json
from nbutils.runs import find_notebook

KERNEL = "python3"  # as the notebooks name it
SETTINGS = (
    "--ServerApp.ip=127.0.0.1",
    "--LabApp.default_url=/lab/tree/notebooks",
    # lets the parameter form's button run the cells below it
    "--LabApp.expose_app_in_browser=True",
)


@dataclass(frozen=True)
class LabStart:
    """How JupyterLab is started.

    Attributes
    ----------
    project
        JupyterLab shows nothing above it; it opens on the notebooks, and reaches the reports.
    command
        Words of the command line.
    environment
        Variables of its process.
    """

    project: Path
    command: tuple[str, ...]
    environment: dict[str, str]


def prepare_lab(arguments: Sequence[str] = ()) -> LabStart:
    """Return how to start JupyterLab on the project's notebooks.

    Where the first notebook is not there, those that came with nbutils and are missing are copied
    to `notebooks/`: what is installed is not a place to work in. No file is replaced.

    Parameters
    ----------
    arguments
        More options for JupyterLab.
    """
    project = project_dir()
    source, folder = find_notebook("data_prep").parent, project / "notebooks"
    if source != folder:
        folder.mkdir(parents=True, exist_ok=True)
        for notebook in sorted(source.glob("*.ipynb")):
            if not (folder / notebook.name).exists():
                shutil.copyfile(notebook, folder / notebook.name)
    kernels = project / "runs" / ".lab"
    _describe_kernel(kernels / "kernels" / KERNEL)
    before = os.environ.get("JUPYTER_PATH")
    path = os.pathsep.join([str(kernels), *([before] if before else [])])
    root = f"--ServerApp.root_dir={project}"
    command = (sys.executable, "-m", "jupyterlab", root, *SETTINGS, *arguments)
    return LabStart(project, command, dict(os.environ) | {"JUPYTER_PATH": path})


def _describe_kernel(folder: Path) -> None:
    """Describe this very Python: a kernel of that name may belong to another of the user's."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    known = {"argv": words, "display_name": "Python 3 (nbutils)", "language": "python"}
    # JupyterLab shows variables in a debugger only where the kernel says that it has one.
    write_json(folder / "kernel.json", known | {"metadata": {"debugger": True}})
