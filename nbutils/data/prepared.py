"""The texts of a finished data_prep folder, as the notebook had them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from nbutils.artifacts import LAST_ARTIFACT, find_finished, read_json
from nbutils.data.columns import Columns
from nbutils.data.labelled_texts import FRAME_COLUMNS, LabelledTexts, metadata_columns
from nbutils.label_sets import set_column


def load_card(data_dir: Path | str) -> dict[str, Any]:
    """Return the data card of a finished data_prep folder.

    Raises
    ------
    DataError
        The folder is not finished.
    """
    find_finished("data_prep", str(data_dir))
    return read_json(Path(data_dir) / LAST_ARTIFACT["data_prep"])


def load_prepared(data_dir: Path | str) -> LabelledTexts:
    """Return the texts of a finished data_prep folder, in the order of their example ids.

    Parameters
    ----------
    data_dir
        What `save_prepared` wrote.

    Raises
    ------
    DataError
        The folder is not finished.
    """
    from datasets import load_from_disk

    card = load_card(data_dir)
    data = load_from_disk(str(Path(data_dir) / "dataset"))
    parts = [part.to_pandas().assign(split=name) for name, part in data.items()]
    frame = pd.concat(parts).sort_values("example_id", ignore_index=True)
    if card["task"] == "multi_label":
        frame["label"] = set_column(frame["label"])
    known = [name for name in FRAME_COLUMNS if name in frame]
    names = card["columns"]
    return LabelledTexts(
        frame=frame[known + metadata_columns(frame)],
        label_names=tuple(card["label_names"]),
        source=card["source"],
        columns=Columns(
            names["text"], names["label"], names["text_pair"], tuple(names["metadata"])
        ),
        notes=tuple(card["notes"]),
        task=card["task"],
        corrections=card.get("corrections", {}),
    )
