"""What names the content of a dataset: a digest of its files, or a commit on the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from nbutils.artifacts import sha256_file
from nbutils.commits import name_commit
from nbutils.data.bundled import BUNDLED
from nbutils.data.corrections import find_corrections
from nbutils.data.sources import GIVEN_SPLITS, Source, find_given_split, find_source
from nbutils.data.text_files import class_folders
from nbutils.params.data_prep import DataPrepParams


def fingerprint_source(params: DataPrepParams) -> str:
    """Return a fingerprint of the content of every file that the parameters name.

    File names count relative to their dataset, so that moving a dataset changes nothing.

    Returns
    -------
    str
        ``"sha256:..."``; ``"hub:<id>[/<configuration>]@<commit>"`` for a hub id, or
        ``"...@<revision> (commit unknown)"`` where nobody here knows the commit.
    """
    source = find_source(params.dataset)
    is_hub = source.kind == "hub"
    parts = {"dataset": _fingerprint_hub(source, params) if is_hub else _fingerprint(source)}
    for split in GIVEN_SPLITS:
        given = find_given_split(params, split)
        if isinstance(given, Source):
            parts[split] = _fingerprint(given)
    corrections = find_corrections(params)
    if corrections is not None:
        parts["label_corrections"] = _hash_files([(corrections.suffix.lower(), corrections)])
    if len(parts) == 1:
        return parts["dataset"]
    joined = "\n".join(f"{role} {fingerprint}" for role, fingerprint in parts.items())
    return f"sha256:{hashlib.sha256(joined.encode()).hexdigest()}"


def _fingerprint_hub(source: Source, params: DataPrepParams) -> str:
    name = f"{source.name}/{params.dataset_config}" if params.dataset_config else source.name
    commit = name_commit(source.name, revision=params.dataset_revision, kind="dataset")
    return f"hub:{name}@{commit}"


def _fingerprint(source: Source) -> str:
    if source.kind == "bundled":
        return f"sha256:{BUNDLED[source.name].sha256}"  # compared with the files when they are read
    if source.kind == "file":
        return _hash_files([(source.place.suffix.lower(), source.place)])
    if source.kind == "folder":
        files = [path for texts in class_folders(source.place).values() for path in texts]
    else:
        files = [path for path in source.place.rglob("*") if path.is_file() and _counts(path)]
    return _hash_files((path.relative_to(source.place).as_posix(), path) for path in files)


def _counts(path: Path) -> bool:
    # `datasets` drops cache files into a saved folder when it is used.
    return not path.name.startswith((".", "cache-")) and path.suffix in (".arrow", ".json")


def _hash_files(files: Iterable[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, path in sorted(files):
        digest.update(f"{name}:{sha256_file(path)}\n".encode())
    return f"sha256:{digest.hexdigest()}"
