"""A part of large data that tells as much as all of it, and takes seconds."""

from __future__ import annotations

import pandas as pd

SAMPLE_SEED = 0


def bounded_sample(frame: pd.DataFrame, *, most_rows: int, most_characters: int) -> pd.DataFrame:
    """Return the frame, or a seeded sample of its rows where it is larger than that.

    Parameters
    ----------
    frame
        `text` and, for pairs, `text_pair`.
    most_rows
        Rows that are not exceeded.
    most_characters
        Characters of text that are not exceeded on average: few texts are drawn of long ones.

    Returns
    -------
    DataFrame
        One row at least, in the old order; the same for the same frame.
    """
    characters = sum(
        int(frame[name].str.len().sum()) for name in ("text", "text_pair") if name in frame
    )
    fitting = len(frame) * most_characters // max(characters, 1)
    rows = max(1, min(most_rows, fitting))
    if len(frame) <= rows:
        return frame
    return frame.sample(rows, random_state=SAMPLE_SEED).sort_index()
