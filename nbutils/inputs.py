"""Where a notebook finds what the notebook before it made, or makes it when there is nothing yet.

A batch run names the folders. Somebody who opens a later notebook first, in JupyterLab, gets the
newest finished folder, and on an empty project one that is made here with the defaults.
"""

from __future__ import annotations

from pathlib import Path

from nbutils.artifacts import find_finished, open_output, read_json
from nbutils.tables import Note


def open_data(data_dir: str | None) -> Path:
    """Return a finished data_prep folder.

    Parameters
    ----------
    data_dir
        The notebook's parameter; none: the newest, or a new one made with the default parameters.

    Raises
    ------
    DataError
        The given folder is not finished.
    """
    found = find_finished("data_prep", data_dir)
    if found is not None:
        return found
    from nbutils.data.preparing import prepare_data
    from nbutils.params.data_prep import DataPrepParams

    folder = open_output("data_prep", None)
    prepare_data(DataPrepParams.of({}), folder)
    return folder


def open_model(model_dir: str | None) -> Path:
    """Return a finished fine_tune folder.

    Parameters
    ----------
    model_dir
        The notebook's parameter; none: the newest, or a new one trained with the defaults, which
        takes some minutes and shows its progress.

    Raises
    ------
    DataError
        The given folder is not finished.
    """
    found = find_finished("fine_tune", model_dir)
    if found is not None:
        return found
    data_dir, folder = open_data(None), open_output("fine_tune", None)
    _train(folder, data_dir)
    return folder


def _train(folder: Path, data_dir: Path) -> None:
    from datasets import load_from_disk
    from IPython.display import display

    from nbutils.params.fine_tune import FineTuneParams
    from nbutils.training.api import fine_tune
    from nbutils.training.results import (
        add_baseline,
        build_metrics,
        predict_splits,
        save_results,
        score_splits,
    )
    from nbutils.widgets.training import LiveTraining

    params = FineTuneParams.of({})
    data = load_from_disk(data_dir / "dataset")
    classifier = fine_tune(data, params=params, watcher=LiveTraining())
    display(*[Note(text, kind="caution") for text in classifier.history.notes])
    predictions = predict_splits(classifier, data)
    scores = score_splits(predictions, n_classes=len(classifier.classes.names), seed=params.seed)
    metrics = build_metrics(classifier, scores)
    metrics = add_baseline(metrics, predictions, data_dir=data_dir)
    save_results(
        folder,
        classifier,
        predictions=predictions,
        metrics=metrics,
        data_dir=data_dir,
        train_ids=data["train"]["example_id"],
    )


def open_data_of(model_dir: Path, data_dir: str | None) -> Path:
    """Return the data_prep folder that a model was trained on.

    Parameters
    ----------
    model_dir
        A finished fine_tune folder.
    data_dir
        The notebook's parameter; none: what the fine_tune folder says.

    Raises
    ------
    DataError
        The folder is not there any more.
    """
    trained_on = read_json(model_dir / "history.json")["data_dir"]
    found = find_finished("data_prep", data_dir or str(trained_on))
    return found if found is not None else Path(trained_on)
