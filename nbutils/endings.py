"""How an executed notebook ended, read from its file: the cell, the time, the memory, the words."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAST_LINES = 12  # of the output before the end
LAST_CHARACTERS = 2000
MEMORY = "nbutils"  # metadata of a notebook that the engine adds: what its kernel needed


@dataclass(frozen=True)
class Ending:
    """What a reader wants to know of a notebook that did not reach its last cell.

    Attributes
    ----------
    cell, cells
        Number of the code cell that it ended in, from 1, and how many there are; 0: none ran.
    heading
        The section that the cell stands in.
    seconds
        How long it ran; None: the file does not say.
    kernel_peak_mib, memory_limit_mib
        Memory of its kernel at most, and what the machine or its cgroup had, in MiB.
    last_output
        The last lines that were shown, the error itself not counted.
    """

    cell: int
    cells: int
    heading: str
    seconds: float | None
    kernel_peak_mib: float | None
    memory_limit_mib: float | None
    last_output: str

    def describe(self) -> str:
        """Return it as lines for a reader."""
        lines = []
        if self.cell:
            lines.append(f'In cell {self.cell} of {self.cells}, under "{self.heading}".')
        if self.seconds is not None:
            lines.append(f"The notebook had run for {self.seconds:,.1f} s.")
        if self.kernel_peak_mib is not None and self.memory_limit_mib is not None:
            lines.append(
                f"Memory of the kernel: at most {self.kernel_peak_mib:,.0f} MiB of "
                f"{self.memory_limit_mib:,.0f} MiB."
            )
        if self.last_output:
            lines.append(f"Last output:\n{self.last_output}")
        return "\n".join(lines)


def is_disk_full(error: BaseException) -> bool:
    """Return whether a write failed because there is no room left, on the disk or in a quota."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def describe_full_disk(place: object) -> str:
    """Return, as a sentence, that nothing more can be written to a place."""
    return f"{place}: the disk is full (No space left on device); free some space and run it again"


def read_ending(notebook: Path) -> Ending | None:
    """Return how an executed notebook ended; None: there is no such file, or it is not whole.

    Parameters
    ----------
    notebook
        As the engine saved it.
    """
    try:
        node = json.loads(notebook.read_text(encoding="utf-8"))
        return _ending(node)
    except (OSError, ValueError, KeyError):
        return None


def _ending(node: dict[str, Any]) -> Ending:
    headings = find_headings([(cell["cell_type"], _text(cell["source"])) for cell in node["cells"]])
    code = [(i, cell) for i, cell in enumerate(node["cells"]) if cell["cell_type"] == "code"]
    states = [cell["metadata"].get("papermill", {}).get("status") for _, cell in code]
    place = states.index("failed") if "failed" in states else -1
    memory = node["metadata"].get(MEMORY, {})
    shown = [_shown(cell) for _, cell in code[: place + 1 if place >= 0 else None]]
    return Ending(
        cell=place + 1,
        cells=len(code),
        heading=headings[code[place][0]] if place >= 0 else "",
        seconds=node["metadata"].get("papermill", {}).get("duration"),
        kernel_peak_mib=memory.get("kernel_peak_mib"),
        memory_limit_mib=memory.get("memory_limit_mib"),
        last_output=next((text for text in reversed(shown) if text), ""),
    )


def find_headings(cells: list[tuple[str, str]]) -> list[str]:
    """Return, for each cell, the heading that it stands under.

    Parameters
    ----------
    cells
        Type and source of each cell.
    """
    found, current = [], ""
    for kind, source in cells:
        if kind == "markdown":
            titles = [line for line in source.splitlines() if line.startswith("#")]
            current = titles[-1].lstrip("# ").strip() if titles else current
        found.append(current)
    return found


def _shown(cell: dict[str, Any]) -> str:
    texts = [
        _text(output.get("text") or output.get("data", {}).get("text/plain", ""))
        for output in cell.get("outputs", [])
        if output["output_type"] != "error"
    ]
    lines = "\n".join(text for text in texts if text.strip()).strip().splitlines()
    return "\n".join(lines[-LAST_LINES:])[-LAST_CHARACTERS:]


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)
