"""The digest of a function's own code, once per code object."""

from __future__ import annotations

import ast
from types import CodeType

from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.pipelines.closure.bytecode import bytecode
from clew.pipelines.closure.origin import Origin, type_origin
from clew.pipelines.closure.source import definition, tree_digest

__all__ = ["code_digest"]

_digests: dict[int, tuple[CodeType, Digest]] = {}


def code_digest(code: CodeType, names: dict[str, object]) -> Digest:
    """The digest of a function's code: of its syntax tree, or of its bytecode when no source proves itself.

    Args:
        code: what runs.
        names: the globals of the function, in which its decorators are looked up: those of clew leave no trace.
    """
    held = _digests.get(id(code))
    if held is None:
        held = _digests[id(code)] = (code, _digest(code, names))
    return held[1]


def _digest(code: CodeType, names: dict[str, object]) -> Digest:
    found = definition(code)
    if found is None:
        return hash_bytes(b"bytecode\0" + bytecode(code))
    decorators = getattr(found.node, "decorator_list", ())
    without = frozenset(at for at, each in enumerate(decorators) if _is_ours(each, names))
    return tree_digest(found.node, without=without)


def _is_ours(decorator: ast.expr, names: dict[str, object]) -> bool:
    """Whether a decorator is one of clew's, whose options are no part of what a step computes."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    path: list[str] = []
    while isinstance(target, ast.Attribute):
        path.append(target.attr)
        target = target.value
    if not isinstance(target, ast.Name):
        return False
    found = names.get(target.id)
    for name in reversed(path):
        found = getattr(found, name, None)
    if isinstance(found, type):
        return type_origin(found) is Origin.CLEW
    return str(getattr(found, "__module__", "")).partition(".")[0] == "clew"
