"""Results of long measurements on disk, so that a kill costs the one that was running alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbutils.artifacts import digest, read_json, write_json
from nbutils.errors import DataError


class KeptResults:
    """Numbers of finished pieces of work in one folder, a small file each.

    A file is named by a digest of all that its numbers depend on, and holds that too: what was
    measured with other parameters, versions, data or code is not taken for an answer.

    Parameters
    ----------
    folder
        Made with the first result; None: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def find(self, identity: Mapping[str, Any]) -> dict[str, float] | None:
        """Return the numbers of a piece of work; None: it was not finished."""
        path = self._path(identity)
        if path is None or not path.is_file():
            return None
        try:
            found = read_json(path)
        except DataError:  # torn with the disk
            return None
        numbers: dict[str, float] | None = found.get("numbers")
        return numbers if found.get("identity") == _as_json(identity) else None

    def keep(self, identity: Mapping[str, Any], numbers: Mapping[str, float]) -> None:
        """Write the numbers of a finished piece of work, whole or not at all."""
        path = self._path(identity)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"identity": _as_json(identity), "numbers": dict(numbers)})

    def _path(self, identity: Mapping[str, Any]) -> Path | None:
        return None if self.folder is None else self.folder / f"result-{digest([identity])}.json"


def _as_json(values: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(values))
