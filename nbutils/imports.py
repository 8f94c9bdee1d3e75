"""What a cell or a module imports, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import lru_cache

import nbutils

REMEMBERED = 1024  # texts, of which keys of all stages are made: they reach nearly the same modules
MAGICS = {"run_line_magic", "run_cell_magic"}


def parse_cell(source: str) -> ast.Module | None:
    """Parse a code cell or a module; magics and shell lines become the calls that they are.

    Parameters
    ----------
    source
        Its text.

    Returns
    -------
    ast.Module or None
        None: it is no Python, even so.
    """
    for spell in (str, _without_magics):
        try:
            return ast.parse(spell(source))
        except (SyntaxError, ValueError):  # a magic or a shell line; a null byte
            continue
    return None


def _without_magics(source: str) -> str:
    from IPython.core.inputtransformer2 import TransformerManager  # slow, and seldom needed

    return str(TransformerManager().transform_cell(source))


@lru_cache(maxsize=REMEMBERED)
def all_imported(source: str) -> frozenset[str]:
    """Return what a source may import: of `from a import b` both `a` and `a.b`.

    Parameters
    ----------
    source
        Text of a cell or a module. Code within magics counts.

    Returns
    -------
    frozenset of str
        Names of modules or of what is in them; relative ones begin with their dots.
    """
    tree = parse_cell(source)
    found: set[str] = set()
    for node in () if tree is None else ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            found.update(names_from("." * node.level + (node.module or ""), names))
        elif isinstance(node, ast.Call):
            found.update(*map(all_imported, _magic_words(node)[1:]))
    return frozenset(found)


@lru_cache(maxsize=REMEMBERED)
def find_scripts(source: str) -> tuple[str, ...]:
    """Return the files that a cell runs by `%run`, as it names them."""
    tree = parse_cell(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)] if tree else []
    found = []
    for magic, code in (words for words in map(_magic_words, calls) if len(words) == 2):
        named = next((word for word in code.split() if not word.startswith("-")), None)
        if magic == "run" and named is not None:
            path = named.strip("'\"")
            found.append(path if path.endswith((".py", ".ipy", ".ipynb")) else f"{path}.py")
    return tuple(found)


def _magic_words(call: ast.Call) -> list[str]:
    """Return name, line and code of a magic; none: the call is of something else."""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in MAGICS):
        return []
    words = [word.value for word in call.args if isinstance(word, ast.Constant)]
    return [word for word in words if isinstance(word, str)]


def names_from(module: str, names: Iterable[str]) -> set[str]:
    """Return what `from module import names` may import: public names from where they live."""
    names = set(names)
    dot = "" if not module or module.endswith(".") else "."
    found = {module, *(f"{module}{dot}{name}" for name in names)}
    if module == "nbutils":  # which loads them at first use
        found |= {nbutils.HOMES[name] for name in names & set(nbutils.HOMES)}
    return found


def resolve(name: str, package: str) -> str:
    """Return a relative name, as a module of a package has written it, in full."""
    steps = len(name) - len(name.lstrip("."))
    if not steps:
        return name
    above = package.split(".")[: max(0, len(package.split(".")) - steps + 1)]
    return ".".join([*above, name[steps:]]).strip(".")
