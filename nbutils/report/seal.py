"""Seals: how a page shows that it was changed after it was published.

A page carries its manifest, and the manifest carries the SHA-256 of every page of the study, with
the manifest's own text left out of it, and one of the manifest itself. Together they cover every
character. A seal is not a signature: it finds accidents and careless edits, not somebody who
changes a page and seals it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nbutils.artifacts import write_text
from nbutils.errors import DataError
from nbutils.report.page import MANIFEST, embed_json

SEALS = "seals"


def seal_pages(pages: Sequence[Path], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Put a manifest with seals into pages that were written with a manifest in them.

    Parameters
    ----------
    pages
        HTML files of one study; their names tell them apart.
    manifest
        What the pages shall carry in place of what they carry.

    Returns
    -------
    dict
        The manifest with ``seals: {"pages": {name: sha256}, "manifest": sha256}``.

    Raises
    ------
    DataError
        A page carries no manifest.
    """
    parts = {page: split_page(page) for page in pages}
    digests = {page.name: digest_page(before, after) for page, (before, _, after) in parts.items()}
    sealed = json.loads(json.dumps({**manifest, SEALS: {"pages": digests}}, default=str))
    sealed[SEALS]["manifest"] = digest_manifest(sealed)
    for page, (before, _, after) in parts.items():
        write_text(page, f"{before}{embed_json(sealed)}{after}")
    return dict(sealed)


def split_page(page: Path) -> tuple[str, str, str]:
    """Return a page's text before, in and after the element that holds its manifest.

    Line ends count as one sign, whatever a version control system or a transfer made of them.

    Raises
    ------
    DataError
        The file cannot be read, or is no page with a manifest.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(f"{page}: cannot be read as a report; {error}") from None
    found = MANIFEST.search(text)
    if found is None:
        raise DataError(f"{page}: expected a report of nbutils with its manifest, found none")
    return text[: found.start(1)], found[1], text[found.end(1) :]


def digest_page(before: str, after: str) -> str:
    """Return the SHA-256 of a page without its manifest."""
    return hashlib.sha256(f"{before}\0{after}".encode()).hexdigest()


def digest_manifest(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a manifest, the seals of the pages included, its own left out."""
    seals = {name: seal for name, seal in manifest[SEALS].items() if name != "manifest"}
    text = json.dumps({**manifest, SEALS: seals}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sealed_as(before: str, after: str, manifest: Mapping[str, Any]) -> str | None:
    """Return under which name the text of a page was sealed; None: it was not, or was changed."""
    found = digest_page(before, after)
    names = (name for name, seal in manifest[SEALS]["pages"].items() if seal == found)
    return next(names, None)


def is_manifest_sealed(text: str, manifest: Mapping[str, Any]) -> bool:
    """Return whether an embedded manifest is what was published.

    Parameters
    ----------
    text
        As it stands in the page. It counts too: two texts can be one number, as 17 digits are more
        than a float holds.
    manifest
        What `text` says.
    """
    seal = manifest[SEALS].get("manifest")
    return bool(seal == digest_manifest(manifest)) and text == embed_json(manifest)
