"""What a secret looks like: the name it is kept under, its value, and its shape in text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PLACEHOLDER = "[redacted]"
SHORTEST = 5  # characters; what is shorter occurs by chance
SURE = 8  # characters; what is shorter is hidden between signs only
LONGEST_WORD = 11  # letters; so is one word of plain letters up to here
# What such variables say when they hold no secret, and what no report can do without.
COMMON = {
    "true", "false", "none", "null", "undefined", "unknown", "empty", "unset", "default", "value",
    "string", "short", "example", "sample", "dummy", "debug", "local", "localhost", "remote",
    "production", "staging", "development", "testing", "tests", "tested", "train", "training",
    "valid", "validation", "always", "never", "required", "optional", "enabled", "disabled",
    "allow", "allowed", "denied", "basic", "bearer", "digest", "token", "tokens", "secret",
    "secrets", "password", "passwords", "passwd", "passphrase", "apikey", "credential",
    "credentials", "login", "logout", "admin", "administrator", "guest", "username", "users",
    "anonymous", "public", "private", "authentication", "authorization", "configuration",
    "username:password", "changeme", "hidden", "redacted", "masked", "keyring", "vault", "plain",
    "ascii", "utf-8", "python", "python3", "jupyter", "postgres", "mysql", "redis", "accuracy",
    "score", "scores", "label", "labels", "model", "models", "class", "classes", "epoch", "epochs",
    "batch", "dataset", "files", "texts", "split", "splits", "spam", "first", "second", "other",
    "about", "after", "there", "these", "which", "where", "while", "would", "could", "their",
    "notebook", "notebooks", "nbutils", "nbformat", "cells", "metadata", "source", "outputs",
    "output_type", "execution_count", "execute_result", "display_data", "stream", "stdout",
    "stderr", "error", "errors", "ename", "evalue", "traceback", "markdown", "language",
    "kernelspec", "display_name", "language_info", "papermill", "parameters", "injected-parameters",
}  # fmt: skip

SECRET_WORDS = {
    "token", "secret", "secrets", "password", "passwd", "passphrase", "pwd", "apikey", "accesskey",
    "privatekey", "secretkey", "credential", "credentials", "auth", "oauth", "authorization",
    "bearer", "pat", "webhook", "webhooks",
}  # fmt: skip
ADDRESSES = {"url", "urls", "uri", "endpoint"}  # of a webhook these are the secret
SECRET_ENDINGS = ("password", "passwd", "apikey", "secret", "token")
KEY_KINDS = {"api", "access", "private", "encryption", "signing", "account", "auth"}
# `pad_token` and `max_token` belong to a tokenizer, `page_token` to a listing.
OTHER_TOKENS = {
    "pad", "cls", "sep", "mask", "unk", "bos", "eos", "special", "image", "begin", "end", "stop",
    "start", "next", "last", "first", "page", "num", "max", "min", "per", "prefix", "decoder",
}  # fmt: skip
# `token_file` says where a secret is, `auth_method` how it is used.
NOT_THE_SECRET = {
    "file", "path", "dir", "sock", "url", "uri", "endpoint", "host", "port", "user", "username",
    "name", "type", "method", "mode", "provider", "backend", "column", "length", "count", "limit",
    "index", "ids", "enabled", "disabled", "required", "expires", "expiry", "timeout", "ttl",
    "domain", "audience", "issuer", "region", "scope", "scopes", "realm", "version",
}  # fmt: skip
# A long step of mixed signs in a URL lets in whoever knows it, as that of a webhook does.
LONG_STEP = re.compile(r"[/=](?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,}")
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def is_secret_name(name: str) -> bool:
    """Return whether a variable or parameter of this name holds a secret.

    Parameters
    ----------
    name
        Such as ``HF_TOKEN``, ``api_key``, ``dbPassword``; ``max_tokens``, ``pad_token`` and
        ``token_file`` are none.
    """
    words = [word.lower() for word in WORDS.findall(name)]
    if not words or name in {"PWD", "OLDPWD"}:
        return False
    if words[-1] in NOT_THE_SECRET and not _is_webhook(words):
        return False
    if words[-1] == "token" and OTHER_TOKENS & set(words):
        return False
    pairs = itertools.pairwise(words)
    return (
        not SECRET_WORDS.isdisjoint(words)
        or any(word.endswith(SECRET_ENDINGS) for word in words)
        or any(kind in KEY_KINDS and word == "key" for kind, word in pairs)
    )


def _is_webhook(words: list[str]) -> bool:
    return words[-1] in ADDRESSES and not {"webhook", "webhooks"}.isdisjoint(words)


def is_likely_secret(value: str) -> bool:
    """Return whether a value found under a secret name can be hidden where it occurs.

    Values of few characters, common words, numbers of few digits, masks, paths that exist and URLs
    without credentials are kept: they occur in text that has nothing to do with the secret.
    """
    if len(value) < SHORTEST or len(set(value)) == 1 or value.lower() in COMMON:
        return False
    if value in PLACEHOLDER:
        return False
    if re.fullmatch(r"[\d.,:+ -]+", value) and sum(map(str.isdigit, value)) < SURE:
        return False
    if re.match(r"[a-z][a-z0-9+.-]*://", value):
        return hide_shapes(value) != value or LONG_STEP.search(value) is not None
    return not _is_path(value)


def could_be_part_of_a_word(value: str) -> bool:
    """Return whether a secret is so short or plain that longer words may hold it by chance."""
    return len(value) < SURE or (len(value) <= LONGEST_WORD and value.isalpha())


def _is_path(value: str) -> bool:
    try:
        return Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, no such user
        return False


@dataclass(frozen=True)
class _Shape:
    """Text that is a credential by its looks; not searched for where no trigger occurs."""

    triggers: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str] = PLACEHOLDER

    def hide(self, text: str) -> str:
        if not any(trigger in text for trigger in self.triggers):
            return text
        return self.pattern.sub(self.replacement, text)


# A token starts where no word goes on, which an escape sequence before it may hide: `\n`, a
# terminal colour, `%3D`.
STARTS = (r"(?<![A-Za-z0-9]", r"(?<=\\[nrt]", r"(?<=[0-9\[]m", r"(?<=%[0-9A-Fa-f][0-9A-Fa-f]")


def _token(prefix: str, rest: str, *triggers: str) -> _Shape:
    # The start is looked at behind the prefix, so that the search can jump from prefix to prefix:
    # megabytes of base64 stay cheap.
    start = "|".join(f"{look}{prefix})" for look in STARTS)
    return _Shape(triggers or (prefix,), re.compile(f"{prefix}(?:{start}){rest}"))


def _hide_argument(match: re.Match[str]) -> str:
    known = is_secret_name(match["name"]) or match["name"].lower().endswith(SIGNATURES)
    return f"{match['lead']}{match['name']}={PLACEHOLDER}" if known else match[0]


ARGUMENT_ENDINGS = (
    "oken=", "OKEN=", "ecret=", "ECRET=", "word=", "WORD=", "asswd=", "ASSWD=", "phrase=", "pwd=",
    "PWD=", "key=", "Key=", "KEY=", "auth=", "AUTH=", "ization=", "sig=", "ature=", "ential=",
    "ntials=", "pat=", "PAT=", "ebhook=", "EBHOOK=", "hook_url=", "HOOK_URL=",
)  # fmt: skip
SIGNATURES = ("sig", "signature")  # of a URL that lets whoever has it in
SHAPES = (
    _Shape(
        ("PRIVATE KEY",),
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
            r"(?:(?:(?!-----).){0,20000}-----END [A-Z0-9 ]+-----|(?:\s|\\[nr])*[A-Za-z0-9+/=]{16,}"
            r"(?:(?:\s|\\[nr])+[A-Za-z0-9+/=]{16,})*)",
            re.DOTALL,
        ),
    ),
    _Shape(  # user:password@, or a long token alone before the @
        ("://",),
        re.compile(
            r"://(?<=[A-Za-z0-9]://)(?:[^\s/?#\"'<>:@]*:(?!\d+[?#])[^\s/\"'<>]*"
            r"|[A-Za-z0-9_-]{20,})@"
        ),
        f"://{PLACEHOLDER}@",
    ),
    _Shape(  # the same, quoted to be part of another URL
        ("%3A%2F%2F", "%3a%2f%2f"),
        re.compile(r"(%3[Aa]%2[Ff]%2[Ff])(?:(?!%2[Ff])[^\s&\"'<>]){0,100}?%3[Aa]"
            r"(?:(?!%2[Ff])[^\s&\"'<>]){0,200}?%40"),
        rf"\g<1>{PLACEHOLDER}%40",
    ),
    _Shape(  # ?token=... in a URL, -p section.token=... in a command
        ARGUMENT_ENDINGS,
        re.compile(
            r"(?P<lead>[?&;]|(?:-p|--set)[ =])(?P<name>[\w.-]{1,80})="
            r"(?!=)[^&\s\"'<>#;]*[^&\s\"'<>#;:,.]"
        ),
        _hide_argument,
    ),
    _Shape(  # -p 'section.token=...' with a space in it
        ARGUMENT_ENDINGS,
        re.compile(
            r"(?P<lead>(?:-p|--set)[ =](?P<mark>[\"']))(?P<name>[\w.-]{1,80})=(?:(?!(?P=mark)).)+"
        ),
        _hide_argument,
    ),
    _Shape(
        ("uthorization", "UTHORIZATION"),
        re.compile(
            r"((?i:authorization)[\"']?\s*[:=]\s*[\"']?(?i:basic|bearer|token)\s+)"
            r"[A-Za-z0-9._~+/=-]{8,}"
        ),
        rf"\g<1>{PLACEHOLDER}",
    ),
    _Shape(
        ("earer ", "EARER "),
        re.compile(r"\b((?i:bearer) +)(?=[A-Za-z._~+/=-]*\d)[A-Za-z0-9._~+/=-]{16,}"),
        rf"\g<1>{PLACEHOLDER}",
    ),
    _Shape(
        ("hooks.slack",),
        re.compile(r"(hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/)[\w/-]{8,}"),
        rf"\g<1>{PLACEHOLDER}",
    ),
    _Shape(
        ("/webhooks/",),
        re.compile(r"(discord(?:app)?\.com/api/(?:v\d+/)?webhooks/)\d{5,}/[\w-]{8,}"),
        rf"\g<1>{PLACEHOLDER}",
    ),
    _token("hf_", r"[A-Za-z0-9]{30,}"),
    _token("gh[pousr]_", r"[A-Za-z0-9]{30,}", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    _token("github_pat_", r"[A-Za-z0-9_]{22,}"),
    _token("glpat-", r"[A-Za-z0-9_-]{20,}"),
    _token("sk-", r"(?:[A-Za-z0-9]{20,}|(?:proj|ant|svcacct|admin|or|lf)-[A-Za-z0-9_-]{20,})"),
    _token("[rs]k_live_", r"[A-Za-z0-9]{16,}", "k_live_"),
    _token("xox[abeprs]-", r"[A-Za-z0-9-]{10,}", "xox"),
    _token("A[KS]IA", r"[A-Z0-9]{16}(?![A-Za-z0-9])", "AKIA", "ASIA"),
    _token("AIza", r"[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _token("npm_", r"[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    _token("pypi-", r"[A-Za-z0-9_-]{50,}"),
    _token("eyJ", r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"),  # a JWT
)  # fmt: skip
ASSIGNMENT = re.compile(r"^(?P<lead>\s*(?P<name>\w+)\s*(?::[^=\n]+)?=\s*)(?P<value>.+)$", re.M)
ENTRY = re.compile(
    r"(?P<lead>(?P<mark>[\"'])(?P<name>\w+)(?P=mark)\s*:\s*)"
    r"(?P<value>(?P<quote>[\"'])(?:\\.|(?!(?P=quote)).)*(?P=quote))"
)
PLAIN_VALUES = {"None", "True", "False", '""', "''"}


def hide_shapes(text: str) -> str:
    """Return `text` with everything that has the shape of a credential replaced."""
    for shape in SHAPES:
        text = shape.hide(text)
    return text


def hide_assignments(source: str) -> str:
    """Return code with what is assigned to a secret name replaced; see `is_secret_name`."""

    def hide(match: re.Match[str]) -> str:
        plain = match["value"].strip() in PLAIN_VALUES
        known = is_secret_name(match["name"]) and not plain
        return f'{match["lead"]}"{PLACEHOLDER}"' if known else match[0]

    return ENTRY.sub(hide, ASSIGNMENT.sub(hide, source))
