"""The whole data preparation in one call, and the files that it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbutils.artifacts import write_json
from nbutils.data.baseline import Baseline, fit_baseline
from nbutils.data.card import build_data_card
from nbutils.data.corrections import correct_labels, load_corrections
from nbutils.data.duplicates import find_duplicates, remove_leakage
from nbutils.data.labelled_texts import LabelledTexts
from nbutils.data.loading import load_labelled_texts
from nbutils.data.split_files import save_splits
from nbutils.data.splitting import sample_examples, split_examples
from nbutils.data.tokens import measure_tokens
from nbutils.params.data_prep import DataPrepParams
from nbutils.prediction_files import write_predictions


def prepare_data(params: DataPrepParams, folder: Path) -> dict[str, Any]:
    """Do what `01_data_prep.ipynb` does, without showing anything.

    Parameters
    ----------
    params
        The notebook's parameters; `output_dir` is not read.
    folder
        Where the artifacts go; must exist.

    Returns
    -------
    dict
        The data card.

    Raises
    ------
    ParameterError, DataError
        The data cannot be read or split.
    CheckpointError
        There is no such tokenizer.
    """
    from nbutils.checkpoints.loading import load_tokenizer

    texts = load_labelled_texts(params)
    corrections = load_corrections(params, texts)
    frame = sample_examples(texts.frame, params)
    duplicates = find_duplicates(frame, threshold=params.near_duplicate_threshold)
    cleaned = remove_leakage(frame, duplicates, deduplicate=params.deduplicate)
    frame = split_examples(cleaned.frame, params, cleaned.groups)
    texts = texts.with_frame(frame, max_examples=params.max_examples)
    corrected = correct_labels(texts, cleaned, corrections)
    texts, cleaned, frame = corrected.texts, corrected.cleaned, corrected.texts.frame
    tokenizer = load_tokenizer(
        params.tokenizer, revision=params.tokenizer_revision, only_counts=True
    )
    tokens = measure_tokens(frame, tokenizer, cutting=params.cutting)
    tfidf = fit_baseline(frame, label_names=texts.label_names) if params.baseline else None
    card = build_data_card(texts, params=params, cleaned=cleaned, tokens=tokens, baseline=tfidf)
    save_prepared(folder, texts, card=card, baseline=tfidf)
    return card


def save_prepared(
    folder: Path, texts: LabelledTexts, *, card: Mapping[str, Any], baseline: Baseline | None
) -> None:
    """Write `dataset/`, `baseline.parquet` and, last, `data_card.json`.

    The data card's presence says that the folder is complete.

    Parameters
    ----------
    folder
        Must exist.
    texts
        With a split in every row.
    card
        From `build_data_card`.
    baseline
        Its predictions are written, for a paired comparison; None: no such file.
    """
    (folder / "data_card.json").unlink(missing_ok=True)
    save_splits(texts, folder / "dataset")
    if baseline is None:
        (folder / "baseline.parquet").unlink(missing_ok=True)
    else:
        write_predictions(folder / "baseline.parquet", baseline.predictions)
    write_json(folder / "data_card.json", card)
