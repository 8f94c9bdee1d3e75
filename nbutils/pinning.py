"""A study with the commits of its hub repositories in the place of branches and tags."""

from __future__ import annotations

from pathlib import Path

from nbutils.checkpoints.places import locate_checkpoint, suggest_checkpoint
from nbutils.commits import find_commit, refuse_absent
from nbutils.data.sources import find_source
from nbutils.params.study import Study

CHECK_DATASET = "check its spelling and dataset_revision, or give a file or a folder"


def pin_study(study: Study) -> Study:
    """Return the study with each revision of a hub repository as the commit that it names now.

    A branch may move while a study runs; all of its stages, its report, and whoever reproduces it
    then use the same content. Where nobody here knows the commit, the revision stays as it is.

    Parameters
    ----------
    study
        A study that was checked; local and bundled data and checkpoints are left alone.

    Raises
    ------
    CheckpointError, DataError
        The hub does not have one of them, or surely not for this machine; see `refuse_absent`.
    """
    prep, tune = study.data_prep, study.fine_tune
    if find_source(prep.dataset).kind == "hub":
        name, revision = prep.dataset, prep.dataset_revision
        refuse_absent(name, revision=revision, kind="dataset", mend=CHECK_DATASET)
        commit = find_commit(name, revision=revision, kind="dataset")
        if commit is not None:
            prep = prep.model_copy(update={"dataset_revision": commit})
    tokenizer = _pin_checkpoint(prep.tokenizer, prep.tokenizer_revision)
    prep = prep.model_copy(update={"tokenizer_revision": tokenizer})
    tune = tune.model_copy(update={"revision": _pin_checkpoint(tune.model, tune.revision)})
    return study.model_copy(update={"data_prep": prep, "fine_tune": tune})


def _pin_checkpoint(name: str, revision: str | None) -> str | None:
    place = locate_checkpoint(name)
    if Path(place).is_dir():
        return revision
    refuse_absent(place, revision=revision, mend=suggest_checkpoint(name))
    return find_commit(place, revision=revision) or revision
