"""The prepared splits on disk, as the `datasets` library reads them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from nbutils.data.labelled_texts import FRAME_COLUMNS, LabelledTexts, metadata_columns
from nbutils.data.splitting import SPLITS

PIECE = 50_000  # rows


def save_splits(texts: LabelledTexts, directory: Path) -> None:
    """Write the splits as a `datasets.DatasetDict`, whole or not at all.

    Parameters
    ----------
    texts
        With a split in every row.
    directory
        Is replaced when it exists.
    """
    import datasets

    label: Any = datasets.ClassLabel(names=list(texts.label_names))
    if texts.task == "multi_label":
        label = datasets.Sequence(label)
    kinds = {"example_id": "int64", "text": "string", "text_pair": "string"}
    columns = [name for name in FRAME_COLUMNS if name in texts.frame and name != "split"]
    for name in metadata_columns(texts.frame):
        columns.append(name)
        numeric = pd.api.types.is_numeric_dtype(texts.frame[name])
        kinds[name] = "float64" if numeric else "string"
    features = datasets.Features(
        {name: datasets.Value(kinds[name]) if name in kinds else label for name in columns}
    )
    splits = {
        name: datasets.Dataset(
            _table(texts.frame[texts.frame["split"] == name][columns], features.arrow_schema),
            info=datasets.DatasetInfo(features=features),
            split=datasets.NamedSplit(name),
        )
        for name in SPLITS
    }
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-") as made:
        with _no_progress_bars():
            datasets.DatasetDict(splits).save_to_disk(str(Path(made) / "new"))
        if directory.exists():
            directory.replace(Path(made) / "old")
        (Path(made) / "new").replace(directory)


def _table(frame: pd.DataFrame, schema: Any) -> Any:
    """Return an Arrow table in pieces: one piece of strings holds 2 GiB at most."""
    import pyarrow

    pieces = [
        pyarrow.Table.from_pandas(frame.iloc[start : start + PIECE], schema, preserve_index=False)
        for start in range(0, len(frame), PIECE)
    ]
    return pyarrow.concat_tables(pieces).replace_schema_metadata(schema.metadata)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
