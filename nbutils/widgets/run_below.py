"""Runs the cells below one that shows a widget, where JupyterLab lets a page do that.

`nbutils lab` starts JupyterLab so that a script finds it as `window.jupyterapp`. Anywhere else the
script, or the text that stands in its place where no script runs, says which menu does the same.
"""

from __future__ import annotations

import html
import json
import uuid
from typing import Any

from nbutils.widgets.base import Debounced

BY_HAND = "Select the next cell, then choose Run > Run Selected Cell and All Below."
RUNNING = "The cells below are running."
SECONDS = 4.0  # until the script is taken away again; JupyterLab runs it within one

# The element is put into the page only after its script has run, so it is waited for. A script is
# run by every view of its output, also by one that is opened later: it works once in a window.
SCRIPT = """(() => {
  const words = __WORDS__, once = "nbutils-" + __TOKEN__;
  element.setAttribute("role", "status");
  element.textContent = words.byHand;
  if (window[once]) return;
  window[once] = true;
  const cellsBelow = () => {
    const app = window.jupyterapp;
    for (const panel of app ? app.shell.widgets("main") : []) {
      const notebook = panel.content;
      const cells = (notebook && panel.node.contains(element) && notebook.widgets) || [];
      const place = cells.findIndex((cell) => cell.node.contains(element));
      if (place < 0 || place + 1 >= cells.length) continue;
      app.shell.activateById(panel.id);
      notebook.deselectAll();
      notebook.activeCellIndex = place + 1;
      element.textContent = words.running;
      return app.commands.execute("notebook:run-all-below");
    }
  };
  const tell = (error) => {
    console.warn("nbutils: the cells below were not run", error);
    element.textContent = words.byHand;
  };
  const begin = (tries) => {
    if (!element.isConnected && tries > 0) return setTimeout(begin, 50, tries - 1);
    try { Promise.resolve(cellsBelow()).catch(tell); } catch (error) { tell(error); }
  };
  begin(40);
})();"""


class RunBelow:
    """A place in a widget from which the cells below it are run.

    `view` is an output of ipywidgets: there alone JupyterLab runs scripts of a widget.
    """

    def __init__(self) -> None:
        import ipywidgets

        self.view = ipywidgets.Output()
        self._forget = Debounced(self._take_away, seconds=SECONDS)

    def run(self) -> None:
        """Run the cells below the one that shows this, or say how to do it by hand."""
        self.view.outputs = (_output({"application/javascript": make_script()}, BY_HAND),)
        self._forget()

    def _take_away(self) -> None:
        # else whoever opens the notebook again, in another window, would run the cells again
        said = f"If nothing ran: {BY_HAND[0].lower()}{BY_HAND[1:]}"
        self.view.outputs = (_output({"text/html": html.escape(said)}, said),)


def make_script() -> str:
    """Return JavaScript that runs the cells below the one in whose output it is, once."""
    words = json.dumps({"byHand": BY_HAND, "running": RUNNING})
    token = json.dumps(uuid.uuid4().hex)
    return SCRIPT.replace("__WORDS__", words).replace("__TOKEN__", token)


def _output(forms: dict[str, str], plain: str) -> dict[str, Any]:
    data = {"text/plain": plain, **forms}
    return {"output_type": "display_data", "data": data, "metadata": {}}
