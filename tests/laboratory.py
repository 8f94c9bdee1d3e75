"""A real JupyterLab on loopback, and a real browser that uses it as a person would."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 90.0
POLL_SECONDS = 0.1


def copy_project(folder: Path) -> Path:
    """Copy what a person starts from, the notebooks, and return the new project's folder."""
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    shutil.copytree(ROOT / "params", folder / "params")
    return folder


def wait_until(is_so: Any, *, seconds: float, what: str) -> Any:
    """Ask again and again until the answer is true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := is_so():
            return answer
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"waited {seconds:.0f} s in vain: {what}")


@contextlib.contextmanager
def running_lab(project: Path) -> Iterator[str]:
    """Start `nbutils lab` in a project, yield its address with its token, and end it."""
    token, port = secrets.token_hex(16), _free_port()
    command = [
        *(sys.executable, "-m", "nbutils.cli", "lab", "--no-browser", "--allow-root"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    settings = os.environ | {
        "PYTHONPATH": str(ROOT),
        "JUPYTER_CONFIG_DIR": str(project / ".jupyter"),
        "JUPYTERLAB_WORKSPACES_DIR": str(project / ".workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(project / ".settings"),
    }
    _refuse_news(project / ".settings")
    with (project / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=project, env=settings, stdout=log, stderr=log, start_new_session=True
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until(
                lambda: _answers(f"{address}/api/status?token={token}", server, project),
                seconds=START_SECONDS,
                what="JupyterLab to start",
            )
            yield f"{address}/lab?token={token}"
        finally:
            server.terminate()  # in order: its kernels are processes of sessions of their own
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(60)
            server.kill()
            server.wait()


def _refuse_news(settings: Path) -> None:
    path = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"fetchNews": "false"}), encoding="utf-8")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(address: str, server: Any, project: Path) -> bool:
    if server.poll() is not None:
        raise AssertionError((project / "lab.log").read_text(encoding="utf-8")[-3000:])
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(json.load(answer))
    except OSError:
        return False


class Desk:
    """One notebook, open in JupyterLab in a browser."""

    def __init__(self, browser: Any, address: str, notebook: str) -> None:
        self.context = browser.new_context(viewport={"width": 1400, "height": 1000})
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        base, query = address.split("?")
        self.page.goto(f"{base}/tree/notebooks/{notebook}?reset&{query}")
        self.notebook = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        self.notebook.locator(".jp-Cell").first.wait_for(timeout=60_000)
        self._wait_for_kernel()

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def run_all(self, *, seconds: float) -> None:
        """Choose Run > Run All Cells, and wait until the kernel is idle again."""
        self.start_all()
        self.wait_until_idle(seconds=seconds)

    def start_all(self) -> None:
        """Choose Run > Run All Cells."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    def run_up_to(self, source: str, *, seconds: float) -> None:
        """Run all cells above the first whose code holds `source`, and that one."""
        self.cell(source)
        for command in ("notebook:run-all-above", "notebook:run-cell"):
            self.page.evaluate("name => window.jupyterapp.commands.execute(name)", command)
        self.wait_until_idle(seconds=seconds)

    def use_theme(self, name: str) -> None:
        """Change JupyterLab's theme: ``Light`` or ``Dark``."""
        choose = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
        self.page.evaluate(choose, f"JupyterLab {name}")
        changed = self.page.locator(f"body[data-jp-theme-name='JupyterLab {name}']")
        changed.wait_for(state="attached")

    def wait_until_idle(self, *, seconds: float) -> None:
        """Wait until no cell waits or runs any more."""
        wait_until(lambda: not self._busy(), seconds=seconds, what="all cells to have run")

    def _busy(self) -> bool:
        return bool(
            self.page.evaluate(
                """() => window.jupyterapp.shell.currentWidget.content.widgets.some(
                    cell => cell.model.type === 'code' && cell.model.executionState === 'running'
                    || cell.prompt === '*')"""
            )
        )

    def _wait_for_kernel(self) -> None:
        ready = """() => {
            const panel = window.jupyterapp?.shell.currentWidget;
            return panel?.sessionContext?.session?.kernel?.status === 'idle';
        }"""
        self.page.wait_for_function(ready, timeout=60_000)

    def errors(self) -> list[str]:
        """Return what cells failed with."""
        found = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.model.cells ?
                Array.from(window.jupyterapp.shell.currentWidget.content.widgets)
                .filter(cell => cell.model.type === 'code')
                .flatMap(cell => cell.model.outputs.toJSON())
                .filter(output => output.output_type === 'error')
                .map(output => output.ename + ': ' + output.evalue) : []"""
        )
        return [str(error) for error in found]

    def cell(self, source: str) -> Any:
        """Return the first cell whose code holds `source`, scrolled to."""
        index = self.page.evaluate(
            """source => {
                const content = window.jupyterapp.shell.currentWidget.content;
                const at = content.widgets.findIndex(
                    cell => cell.model.type === 'code'
                    && cell.model.sharedModel.getSource().includes(source));
                if (at >= 0) { content.activeCellIndex = at; content.scrollToItem(at, 'center'); }
                return at;
            }""",
            source,
        )
        assert index >= 0, f"no cell has {source!r}"
        cell = self.notebook.locator(f'.jp-Cell[data-windowed-list-index="{index}"]')
        cell.wait_for(timeout=10_000)
        cell.scroll_into_view_if_needed()
        return cell

    def accessibility_faults(self, cell: Any) -> str:
        """Return axe's report on WCAG 2.1 A and AA in a cell's output; empty: nothing was found.

        The handles of ipywidgets' sliders have no accessible name, and can be given none: what
        they do can be typed into a labelled field beside them.
        """
        from axe_playwright_python.sync_playwright import Axe

        levels = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
        cell.evaluate("cell => cell.setAttribute('data-looked-at', '')")
        inside = "[data-looked-at] .jp-Cell-outputWrapper"
        place = {"include": [[inside]], "exclude": [[f"{inside} .noUi-handle"]]}
        result = Axe().run(self.page, context=place, options={"runOnly": levels})
        cell.evaluate("cell => cell.removeAttribute('data-looked-at')")
        return str(result.generate_report()) if result.violations_count else ""
