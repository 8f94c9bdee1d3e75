"""What a study reads from outside its runs: data, tokenizer and checkpoint, by their content."""

from __future__ import annotations

from collections.abc import Mapping

from nbutils.checkpoints.places import fingerprint_checkpoint
from nbutils.data.fingerprints import fingerprint_source
from nbutils.errors import DataError
from nbutils.params.study import Study

READS = {
    "data_prep": ("data", "tokenizer"),
    "fine_tune": ("checkpoint",),
    "benchmark": ("data", "checkpoint"),
}
LOCAL = "sha256:"  # what has another fingerprint is pinned to a commit

Fingerprints = Mapping[str, tuple[str, ...]]


def take_fingerprints(study: Study) -> dict[str, tuple[str, ...]]:
    """Return the fingerprints of all that a study reads: one of each dataset, one of the others.

    Raises
    ------
    DataError, CheckpointError
        Something of it is not there.
    """
    wanted = dict.fromkeys(what for stage in study.stages for what in READS.get(stage, ()))
    return {what: _take(study, what) for what in wanted}


def refuse_changed(study: Study, stage: str, known: Fingerprints, *, command: str) -> None:
    """Refuse to make, or to keep, a stage of other inputs than those that its key names.

    Parameters
    ----------
    study
        Pinned: what is on the hub cannot change.
    stage
        Its name.
    known
        Fingerprints as the study began.
    command
        Runs the study again.

    Raises
    ------
    DataError, CheckpointError
        An input has changed or has gone.
    """
    for what in READS.get(stage, ()):
        is_local = any(own.startswith(LOCAL) for own in known[what])
        if is_local and _take(study, what) != known[what]:
            raise DataError(
                f"{', '.join(_places(study, what))}: the {what} changed while the run was at work, "
                f"so nobody can say what was read; leave it alone and run again: {command}"
            )


def _take(study: Study, what: str) -> tuple[str, ...]:
    prep, tune = study.data_prep, study.fine_tune
    if what == "data":
        return tuple(fingerprint_source(source) for source in study.sources)
    if what == "tokenizer":
        return (fingerprint_checkpoint(prep.tokenizer, revision=prep.tokenizer_revision),)
    return (fingerprint_checkpoint(tune.model, revision=tune.revision),)


def _places(study: Study, what: str) -> list[str]:
    """Return the names, in the study, of all files and folders that may have changed."""
    if what == "tokenizer":
        return [study.data_prep.tokenizer]
    if what == "checkpoint":
        return [study.fine_tune.model]
    fields = ("dataset", "validation_dataset", "test_dataset", "label_corrections")
    named = [getattr(source, field) for source in study.sources for field in fields]
    return [name for name in dict.fromkeys(named) if name is not None]
