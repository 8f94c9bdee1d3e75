"""Texts and labels as they were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nbutils.data.columns import Columns


@dataclass(frozen=True)
class RawTexts:
    """Texts and labels as they were read, row by row."""

    texts: list[Any]
    labels: list[Any]
    pairs: list[Any] | None
    columns: Columns
    where: str
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        values: Mapping[str, list[Any]],
        columns: Columns,
        *,
        where: str,
        class_names: tuple[str, ...] | None = None,
        notes: tuple[str, ...] = (),
    ) -> RawTexts:
        """Return a table's wanted columns by the parts that they play.

        Parameters
        ----------
        values
            N values of each wanted column, by its name.
        columns, where, class_names, notes
            As they are kept.
        """
        return cls(
            texts=values[columns.text],
            labels=values[columns.label],
            pairs=None if columns.text_pair is None else values[columns.text_pair],
            columns=columns,
            where=where,
            class_names=class_names,
            notes=notes,
            metadata={name: values[name] for name in columns.metadata},
        )
