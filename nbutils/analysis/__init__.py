"""Explaining errors: pure functions on predictions, for the notebook and for everybody else."""
