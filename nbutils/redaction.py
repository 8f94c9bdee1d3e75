"""Secrets kept out of saved notebooks, reports, manifests and messages; and the home folder.

What counts as a secret: the values of environment variables whose names say so, Hugging Face's
token file, the values of parameters whose names say so, and text that has the shape of a credential
(`nbutils.credentials`). A value that is a common word is left alone, since hiding it would change
what a report says.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote, quote_plus, unquote

from nbutils.credentials import (
    PLACEHOLDER,
    STARTS,
    SURE,
    could_be_part_of_a_word,
    hide_assignments,
    hide_shapes,
    is_likely_secret,
    is_secret_name,
)
from nbutils.home import BINARY_MIMES, shorten_home, without_home

CUT = 16  # characters of a long token that give it away, as in a table cell cut with "..."
ROUNDS = 10  # of hiding, until nothing changes
TOKEN_FILE_BYTES = 8192
KNOWN = 10_000  # texts that are not searched again at each save of a notebook
PARAMETER_TAGS = {"parameters", "injected-parameters"}
URL_PASSWORD = re.compile(r"://[^\s/:@]*:([^\s/@]+)@")
WORD_STARTS = (r"(?<!\w", *STARTS[1:])
TOKEN_SIGNS = "[A-Za-z0-9_+/=.~-]"

Value = TypeVar("Value")


class Redactor:
    """Replaces secrets by ``[redacted]``.

    Parameters
    ----------
    secrets
        Values to hide wherever they occur, also escaped for JSON or HTML, quoted for a URL, or
        encoded in base64; short ones and single words only where no longer word holds them.
        Common words are not hidden; see `is_likely_secret`. Text that has the shape of a
        credential is hidden in any case.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets = frozenset(filter(is_likely_secret, (value.strip() for value in secrets)))
        spelled = {text: value for value in self.secrets for text in _spellings(value)}
        cut = {value[:CUT] for value in self.secrets if _is_long_token(value)}
        self.needles = tuple(cut | set(spelled))
        longest_first = sorted(spelled, key=len, reverse=True)
        patterns = [_exactly(text, spelled[text]) for text in longest_first]
        patterns += [f"{re.escape(text)}{TOKEN_SIGNS}*" for text in cut]
        self.pattern = re.compile("|".join(patterns))
        self.known: dict[str, str] = {}  # by the text as it was

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Redactor:
        """Return a redactor of the secrets that this process was given.

        Parameters
        ----------
        environment
            Variables by name; none: those of this process. Hugging Face's token file is looked for
            where they say.
        """
        variables = os.environ if environment is None else environment
        named = [value for name, value in variables.items() if is_secret_name(name)]
        in_urls = [
            password
            for value in variables.values()
            for found in URL_PASSWORD.findall(value)
            for password in (found, unquote(found))
        ]
        return cls([*named, *in_urls, *_stored_tokens(variables)])

    def knowing(self, parameters: Mapping[str, Any]) -> Redactor:
        """Return a redactor that also hides the values of parameters whose names look secret."""
        found = set(_secret_values(parameters)) - self.secrets
        return Redactor([*self.secrets, *found]) if found else self

    def redact_text(self, text: str) -> str:
        """Return `text` with every secret replaced; the same text where there is none."""
        if text in self.known:
            return self.known[text]
        given = text
        for _ in range(ROUNDS):  # what is left beside a secret may have the shape of another
            cleaner = hide_shapes(self._hide_values(text))
            if cleaner == text:
                break
            text = cleaner
        if len(self.known) >= KNOWN:
            self.known.clear()
        self.known[given] = text
        return text

    def _hide_values(self, text: str) -> str:
        if not any(needle in text for needle in self.needles):
            return text
        return self.pattern.sub(PLACEHOLDER, text)

    def redact_tree(self, value: Value) -> Value:
        """Return a copy of nested mappings, lists, tuples and dataclasses with clean strings.

        Keys are cleaned too. Base64 of images, sound and video, known by its MIME type as key, is
        searched for known values only.
        """
        return cast(Value, self._redact(value))

    def _redact(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.redact_text(value)
        if isinstance(value, Mapping):
            copy = type(value)() if isinstance(value, dict) else {}
            for key, inner in value.items():
                name = self.redact_text(key) if isinstance(key, str) else key
                copy[name] = self._redact_entry(key, inner)
            return copy
        if isinstance(value, list):
            return [self._redact(inner) for inner in value]
        if isinstance(value, tuple):
            return tuple(self._redact(inner) for inner in value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value) if field.init]
            clean = {name: self._redact(getattr(value, name)) for name in names}
            return dataclasses.replace(value, **clean)
        return value

    def _redact_entry(self, key: Any, value: Any) -> Any:
        if isinstance(value, str) and isinstance(key, str) and key.startswith(BINARY_MIMES):
            return self._hide_values(value)
        return self._redact(value)

    def redact_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return a clean copy of parameters; what has a secret name is hidden whatever it is."""
        return {name: self._redact_parameter(name, value) for name, value in parameters.items()}

    def _redact_parameter(self, name: Any, value: Any) -> Any:
        if is_secret_name(str(name)) and _says_something(value):
            return PLACEHOLDER
        return self.redact_parameters(value) if isinstance(value, Mapping) else self._redact(value)

    def redact_notebook(self, nb: Value) -> Value:
        """Return a clean copy of a notebook; the notebook itself goes on with its true values.

        Parameters
        ----------
        nb
            Notebook node of format 4. Parameters that papermill noted in it are hidden by name,
            in the notes and in the cells that set them, and by value everywhere. What its cells
            put out has the home folder as `~`; what they are made of stays, to be run again.
        """
        given = cast(Any, nb)
        notes = given.get("metadata", {}).get("papermill", {})
        redactor = self.knowing(notes.get("parameters") or {})
        cells = [redactor.redact_cell(cell) for cell in given["cells"]]
        return cast(Value, type(given)(redactor.redact_notes(given), cells=cells))

    def redact_notes(self, nb: Mapping[str, Any]) -> dict[str, Any]:
        """Return a clean copy of what a notebook has beside its cells; see `redact_notebook`."""
        copy = self.redact_tree({name: value for name, value in nb.items() if name != "cells"})
        parameters = nb.get("metadata", {}).get("papermill", {}).get("parameters")
        if parameters:
            copy["metadata"]["papermill"]["parameters"] = self.redact_parameters(parameters)
        return copy

    def redact_cell(self, cell: Value) -> Value:
        """Return a clean copy of a cell; see `redact_notebook`."""
        copy: Any = self.redact_tree(cell)
        if PARAMETER_TAGS & set(copy["metadata"].get("tags", ())):
            copy["source"] = hide_assignments(copy["source"])
        if "outputs" in copy:
            copy["outputs"] = without_home(copy["outputs"])
            self._join_streams(cast(Any, cell)["outputs"], copy["outputs"])
        return cast(Value, copy)

    def _join_streams(self, before: list[Any], after: list[Any]) -> None:
        # A kernel sends what is printed in pieces, and a secret or a path may lie across two.
        for run in _neighbours(before):
            printed = "".join(before[place]["text"] for place in run)
            whole = shorten_home(self.redact_text(printed))
            if len(run) > 1 and whole != "".join(after[place]["text"] for place in run):
                for place in run:
                    after[place]["text"] = whole if place == run[0] else ""


def _neighbours(outputs: list[Any]) -> Iterator[list[int]]:
    run: list[int] = []
    for place, output in enumerate(outputs):
        if run and output.get("name") != outputs[run[0]].get("name"):
            yield run
            run = []
        if output.get("output_type") == "stream":
            run.append(place)
    if run:
        yield run


def _says_something(value: Any) -> bool:
    return not (value is None or isinstance(value, bool) or value in ("", [], {}))


def _secret_values(parameters: Mapping[str, Any]) -> Iterator[str]:
    for name, value in parameters.items():
        if is_secret_name(str(name)):
            yield from filter(is_likely_secret, _leaves(value))
        elif isinstance(value, Mapping):
            yield from _secret_values(value)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield str(value).strip()


def _stored_tokens(variables: Mapping[str, str]) -> list[str]:
    cache = variables.get("XDG_CACHE_HOME") or "~/.cache"
    home = variables.get("HF_HOME") or f"{cache}/huggingface"
    path = variables.get("HF_TOKEN_PATH") or f"{home}/token"
    try:
        with Path(os.path.expandvars(path)).expanduser().open("rb") as stream:
            return stream.read(TOKEN_FILE_BYTES).decode().split()
    except (OSError, ValueError, RuntimeError):
        return []


def _is_long_token(value: str) -> bool:
    start = value[:CUT]
    mixed = any(map(str.isdigit, start)) and any(map(str.isalpha, start))
    return len(value) >= CUT + SURE and mixed and bool(re.fullmatch(f"{TOKEN_SIGNS}+", value))


def _spellings(value: str) -> set[str]:
    data = value.encode("utf-8", "surrogateescape")
    marked = html.escape(value)
    quoted = {quote(data), quote(data, safe=""), quote_plus(data)}
    encoded = {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
    return {
        value,
        repr(value)[1:-1],
        *(json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)),
        marked,
        html.escape(value, quote=False),
        marked.replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        *quoted,
        *(re.sub("%..", lambda match: match[0].lower(), text) for text in quoted),
        *encoded,
        *(text.rstrip("=") for text in encoded),
    }


def _exactly(text: str, secret: str) -> str:
    if could_be_part_of_a_word(secret):
        start = "|".join(f"{look})" for look in WORD_STARTS)
        return rf"(?:{start}){re.escape(text)}(?!\w)"
    # A secret of digits alone is not the middle of a longer number.
    return rf"(?<!\d){re.escape(text)}(?!\d)" if text.isdigit() else re.escape(text)
