"""A notebook's cells made ready for the template: what is shown, folded, tabulated, left out."""

from __future__ import annotations

import ast
from typing import Any

PRIORITY = (
    "text/html",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/markdown",
    "text/latex",
    "text/plain",
)
WIDGET = "application/vnd.jupyter.widget-view+json"
PAPERMILL_BANNERS = {"papermill-error-cell-tag"}
PARAMETER_TAGS = {"parameters", "injected-parameters"}
LARGEST_HTML = 1_500_000  # characters; a report must stay a page that a browser opens


def prepare_cells(notebook: Any) -> None:
    """Drop what is not shown, and note on each cell how the template shows it.

    Parameters
    ----------
    notebook
        A notebook that may be changed.
    """
    kept = [cell for cell in notebook.cells if _is_shown(cell)]
    failed_before = False
    for number, cell in enumerate(kept, 1):
        if cell.cell_type != "code":
            continue
        shown = not _tags(cell) & {"remove_output", "remove-output"}
        cell.outputs = [output for output in cell.outputs if shown and _choose(output)]
        failed = any(output.output_type == "error" for output in cell.outputs)
        cell.metadata["nbutils"] = {
            "number": cell.execution_count or number,
            "first_failure": failed and not failed_before,
            "failed": failed,
            "pending": _papermill(cell).get("status") == "pending",
            "seconds": _seconds(cell),
            "lines": cell.source.count("\n") + 1,
            "parameters": assigned_parameters(cell),
            "hide_code": bool(_tags(cell) & {"remove_input", "remove-input"}),
            "alt": f"Figure of cell {cell.execution_count or number}",
        }
        failed_before = failed_before or failed
    notebook.cells = kept


def _is_shown(cell: Any) -> bool:
    tags = _tags(cell)
    if tags & (PAPERMILL_BANNERS | {"remove_cell", "remove-cell"}):
        return False
    return bool(cell.source.strip()) or bool(cell.get("outputs"))


def _tags(cell: Any) -> set[str]:
    return set(cell.metadata.get("tags", ()))


def _papermill(cell: Any) -> dict[str, Any]:
    noted = cell.metadata.get("papermill", {})
    return noted if isinstance(noted, dict) else {}


def _seconds(cell: Any) -> float | None:
    seconds = _papermill(cell).get("duration")
    return float(seconds) if isinstance(seconds, (int, float)) and seconds >= 0.1 else None


def _choose(output: Any) -> bool:
    """Keep the form of an output that is shown, and the words that describe it."""
    if output.output_type in {"stream", "error"}:
        return bool(output.get("text") or output.get("traceback") or output.get("evalue"))
    data = output.get("data", {})
    widget = WIDGET in data
    forms = {kind: data[kind] for kind in PRIORITY if kind in data}
    if len(str(forms.get("text/html", ""))) > LARGEST_HTML:
        forms["text/html"] = (
            '<p class="nb-blocked">An output is not shown: it holds '
            f"{len(str(forms['text/html'])):,} characters of HTML.</p>"
        )
    if widget and "text/html" not in forms:
        return False  # `VBox(children=...)` tells a reader nothing
    if not str(forms.get("text/html", "nothing said")).strip():
        return False  # the twin of what is of no use on a page
    if set(forms) == {"text/plain"} and not str(forms["text/plain"]).strip():
        return False
    output.data = type(output.data)(forms) if forms else {}
    return bool(forms)


def assigned_parameters(cell: Any) -> list[tuple[str, str]]:
    """Return names and values of a parameters cell that only assigns plain values, else nothing."""
    if not _tags(cell) & PARAMETER_TAGS:
        return []
    try:
        return [pair for node in ast.parse(cell.source).body if (pair := _assignment(node))]
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return []


def _assignment(node: ast.stmt) -> tuple[str, str] | None:
    if isinstance(node, ast.AnnAssign):
        targets: list[ast.expr] = [node.target]
        value = node.value
    elif isinstance(node, ast.Assign):
        targets, value = node.targets, node.value
    else:
        return None
    target = targets[0]
    if not isinstance(target, ast.Name) or value is None:
        return None
    return target.id, ast.unparse(value)
