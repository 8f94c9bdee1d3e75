"""Finished runs, found again and opened: of studies, and of notebooks in JupyterLab."""
