"""Annotations lead to classes: a struct is built by them, and a step is documented by them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.pipelines.closure.walk import Walk

__all__ = ["annotation_token"]


def annotation_token(walk: Walk, annotations: Mapping[str, object], names: Mapping[str, object], label: str) -> object:
    """The token of annotations; those kept as text are resolved among `names` as far as they can be."""
    return [[name, _one(walk, value, names, f"{label}:{name}")] for name, value in annotations.items()]


def _one(walk: Walk, value: object, names: Mapping[str, object], where: str) -> object:
    if not isinstance(value, str):
        return walk.lenient(value, where)
    found: list[object] = [value]
    for word in _words(value):
        held = names.get(word)
        if isinstance(held, type):
            walk.guards.binding(names, word, held)
            found.append(walk.reference(held, where))
    return found


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    """The names in an annotation, in the order in which they stand."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        return ()
    return tuple(dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)))
