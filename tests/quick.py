"""An error analysis that takes a second, for tests of what happens around the notebooks."""

from __future__ import annotations

from pathlib import Path

import nbformat

from nbutils.artifacts import NOTEBOOKS

SOURCE = """
from pathlib import Path

import pandas as pd

from nbutils.analysis.findings import save_findings

predictions = pd.read_parquet(Path(model_dir) / "predictions.parquet")
wrong = predictions[predictions["label"] != predictions["predicted"]]
save_findings(Path(output_dir), {}, mistakes=wrong)
"""


def add_quick_analysis(project: Path) -> None:
    """Give a project an error analysis of its own, which counts mistakes and finds nothing."""
    v4 = nbformat.v4
    cells = [
        v4.new_markdown_cell("# Error analysis"),
        v4.new_code_cell("output_dir = model_dir = None", metadata={"tags": ["parameters"]}),
        v4.new_code_cell(SOURCE.strip()),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"quick-{number}"  # what is made anew has the same key
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = project / "notebooks" / NOTEBOOKS["error_analysis"]
    path.parent.mkdir(exist_ok=True)
    nbformat.write(v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
