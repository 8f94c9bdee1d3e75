"""The user's home folder shown as `~`: what is published does not say whose machine it was."""

from __future__ import annotations

import dataclasses
import functools
import html
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote

SHORTEST = 5  # characters of /root; a home of fewer would be found in ordinary text
# What may stand before a path: no sign that a name or a path can hold, or one of: the scheme of a
# URL, a terminal's colour, an escaped line end.
BEFORE = r"(^|[^\w/\\.~%+-]|file://|\x1b\[[\d;]*m|\\[nrt])"
AFTER = r"(?=[/\\]|[^\w.%+-]|\.?$|\.\s)"
BINARY_MIMES = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf",
                "audio/", "video/")  # fmt: skip

Value = TypeVar("Value")


def shorten_home(text: str) -> str:
    """Return `text` with the home folder as `~` wherever a path begins with it."""
    homes = _homes(os.path.expanduser("~"))  # noqa: PTH111, ten times faster than Path.home
    if not any(home in text for home in homes):
        return text
    return _pattern(homes).sub(r"\1~", text)


def without_home(value: Value) -> Value:
    """Return a copy of nested mappings, lists, tuples and dataclasses with the home folder as `~`.

    Base64 of images, sound and video, known by its MIME type as key, is left alone.
    """
    return cast(Value, _without_home(value))


def _without_home(value: Any) -> Any:
    if isinstance(value, str):
        return shorten_home(value)
    if isinstance(value, Mapping):
        copy = type(value)() if isinstance(value, dict) else {}
        for key, inner in value.items():
            is_binary = isinstance(key, str) and key.startswith(BINARY_MIMES)
            copy[_without_home(key)] = inner if is_binary else _without_home(inner)
        return copy
    if isinstance(value, (list, tuple)):
        return type(value)(map(_without_home, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.init]
        changes = {name: _without_home(getattr(value, name)) for name in names}
        return dataclasses.replace(value, **changes)
    return value


@functools.cache
def _homes(home: str) -> tuple[str, ...]:
    """Return the ways in which a home folder is spelled, the longest first."""
    spelled: set[str] = set()
    for path in (home, _resolved(home)):
        plain = path.rstrip("/\\")
        if len(plain) >= SHORTEST:
            escaped = plain.replace("\\", "\\\\")
            spelled |= {plain, escaped, plain.replace("\\", "/"), html.escape(plain), quote(plain)}
    return tuple(sorted(spelled, key=lambda text: (-len(text), text)))


def _resolved(home: str) -> str:
    try:
        return str(Path(home).resolve())
    except (OSError, RuntimeError):
        return home


@functools.cache
def _pattern(homes: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(f"{BEFORE}(?:{'|'.join(map(re.escape, homes))}){AFTER}", re.M)
