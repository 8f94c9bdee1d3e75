"""Where the Jupyter server that a notebook belongs to shows a file of this machine."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from nbutils.artifacts import read_json
from nbutils.errors import DataError


def served_at(path: Path) -> str | None:
    """Return the address of a file at the notebook's own server, without host and port.

    A link to it must let the browser say where it comes from (no ``rel="noreferrer"``): the server
    refuses files to pages that it does not know.

    Parameters
    ----------
    path
        Of an existing file.

    Returns
    -------
    str or None
        ``/files/reports/quickstart/index.html``; None: no Jupyter server started this kernel, or
        the file is not below the server's folder, or in a hidden one, which it does not show.
    """
    server = _find_server()
    if server is None:
        return None
    root, base = server
    whole = path.resolve()
    if not whole.is_relative_to(root):
        return None
    inside = whole.relative_to(root)
    if any(part.startswith(".") for part in inside.parts):
        return None
    return f"{base}files/{quote(inside.as_posix())}"


def _find_server() -> tuple[Path, str] | None:
    """Return the folder and the base URL of the server that is this kernel's parent process."""
    from jupyter_core.paths import jupyter_runtime_dir

    parent = os.environ.get("JPY_PARENT_PID", "")
    if not parent.isdecimal():
        return None
    try:
        noted = read_json(Path(jupyter_runtime_dir()) / f"jpserver-{parent}.json")
    except DataError:  # papermill started it, say
        return None
    root, base = noted.get("root_dir"), noted.get("base_url")
    if not isinstance(root, str) or not isinstance(base, str) or not base.startswith("/"):
        return None
    return Path(root).resolve(), quote(base)
