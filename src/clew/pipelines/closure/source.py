"""From a loaded function to its syntax tree, and from the tree to a digest that formatting cannot change.

A source text counts only when it provably is what runs: the file is compiled again, and the function's code must come
out the same (`bytecode.py`). A file that was edited after it was imported, a rewritten test module or a generated
function fails that proof, and is taken by its bytecode. Works for notebooks, scripts and the interactive prompt,
whose cells Python keeps in `linecache`.
"""

from __future__ import annotations

import ast
import linecache
import os
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import TypeVar

from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.pipelines.closure.bytecode import bytecode

__all__ = ["Definition", "class_definition", "definition", "read_source", "tree_digest"]

_Node = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_SKIPPED = frozenset({"ctx", "type_comment", "kind", "type_ignores"})


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or class as its source has it."""

    node: _Node
    code: CodeType


class _Index:
    """The definitions of one source text, by qualified name and first line; ambiguous ones are left out."""

    def __init__(self, text: str, file: str) -> None:
        self.exact: dict[tuple[str, int], Definition] = {}
        self.named: dict[str, Definition] = {}
        try:
            tree = ast.parse(text)
            module = compile(tree, file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError):
            return
        codes = _once(((code.co_qualname, code.co_firstlineno), code) for code in _nested(module))
        nodes = _once(_definitions(tree.body, ""))
        self.exact = {key: Definition(node, codes[key]) for key, node in nodes.items() if key in codes}
        self.named = _once((key[0], found) for key, found in self.exact.items())


def _once(pairs: Iterable[tuple[_Key, _Value]]) -> dict[_Key, _Value]:
    """A dict of the keys that come exactly once."""
    found: dict[_Key, _Value] = {}
    twice: set[_Key] = set()
    for key, value in pairs:
        if key in found:
            twice.add(key)
        found[key] = value
    return {key: value for key, value in found.items() if key not in twice}


def _nested(code: CodeType) -> Iterator[CodeType]:
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield value
            yield from _nested(value)


def _definitions(nodes: Iterable[ast.AST], prefix: str) -> Iterator[tuple[tuple[str, int], _Node]]:
    """Every definition under some nodes as ((qualified name, first line), node)."""
    for node in nodes:
        inner = prefix
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            name = prefix + getattr(node, "name", "<lambda>")
            lines = [node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]
            yield (name, min(lines)), node
            inner = f"{name}." if isinstance(node, ast.ClassDef) else f"{name}.<locals>."
            yield from _definitions(_outside(node), prefix)
            yield from _definitions(_inside(node), inner)
        else:
            if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
                inner = f"{prefix}{_COMPREHENSION[type(node)]}.<locals>."
            yield from _definitions(ast.iter_child_nodes(node), inner)


_COMPREHENSION = {
    ast.ListComp: "<listcomp>",
    ast.SetComp: "<setcomp>",
    ast.DictComp: "<dictcomp>",
    ast.GeneratorExp: "<genexpr>",
}


def _outside(node: _Node) -> list[ast.AST]:
    """The parts of a definition that run where it stands: decorators, defaults, bases."""
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *node.keywords]
    return [*getattr(node, "decorator_list", ()), node.args]


def _inside(node: _Node) -> list[ast.AST]:
    return [node.body] if isinstance(node, ast.Lambda) else list(node.body)


_indexes: dict[str, tuple[object, _Index]] = {}


def _index(file: str) -> _Index:
    """The index of a file as it stands on the disk, or as `linecache` keeps it."""
    stamp, text = _text(file)
    held = _indexes.get(file)
    if held is None or held[0] != stamp:
        held = _indexes[file] = (stamp, _Index(text() if callable(text) else text, file))
    return held[1]


def _text(file: str) -> tuple[object, str | Callable[[], str]]:
    """What tells one state of a source from another, and its text."""
    try:
        at = os.stat(file)  # noqa: PTH116
    except (OSError, ValueError):
        lines = tuple(linecache.getlines(file))
        return lines, "".join(lines)
    return (at.st_mtime_ns, at.st_ctime_ns, at.st_size, at.st_ino), lambda: read_source(file)


def read_source(file: str) -> str:
    """The text of a source file, empty when it cannot be read."""
    try:
        with tokenize.open(file) as handle:
            return handle.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ""


def definition(code: CodeType) -> Definition | None:
    """The definition of a loaded function, or None when no source provably is what it runs."""
    index = _index(code.co_filename)
    found = index.exact.get((code.co_qualname, code.co_firstlineno)) or index.named.get(code.co_qualname)
    if found is None or bytecode(found.code) != bytecode(code):
        return None
    return found


def class_definition(file: str, qualname: str) -> Definition | None:
    """The definition of a class by its name in a file; Python keeps no code of a class to prove it by."""
    found = _index(file).named.get(qualname)
    return found if found is not None and isinstance(found.node, ast.ClassDef) else None


def tree_digest(node: ast.AST, *, without: frozenset[int] = frozenset()) -> Digest:
    """The digest of a syntax tree without positions and docstrings.

    Args:
        node: a definition, or any tree.
        without: decorators to leave out, by their position.
    """
    out: list[str] = []
    _write(node, out)
    if without:
        out = []
        _write(_undecorated(node, without), out)
    return hash_bytes("\x1f".join(out).encode("utf-8", "surrogatepass"))


def _undecorated(node: ast.AST, without: frozenset[int]) -> ast.AST:
    fields = dict(ast.iter_fields(node))
    kept = [each for at, each in enumerate(fields["decorator_list"]) if at not in without]
    return type(node)(**{**fields, "decorator_list": kept})


def _write(value: object, out: list[str]) -> None:
    if isinstance(value, ast.AST):
        out.append(type(value).__name__)
        for name in value._fields:
            if name not in _SKIPPED:
                _write(getattr(value, name, None), out)
        out.append(")")
    elif isinstance(value, list):
        out.append("[")
        for item in value:
            if not _is_text(item):
                _write(item, out)
        out.append("]")
    else:
        out.append(f"{type(value).__name__}:{value!r}")


def _is_text(node: object) -> bool:
    """Whether a statement is a bare string: a docstring, or one that does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
