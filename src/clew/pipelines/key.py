"""The cache key of one call of a step. Design: docs/design/cache-key.md."""

from __future__ import annotations

from dataclasses import dataclass

from clew.core.canonical import digest_of
from clew.core.ids import Digest
from clew.pipelines.arguments import Arguments
from clew.pipelines.closure import Closure

__all__ = ["Key", "step_key"]

_TAG = "clew.step/0"


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what it was made of, by name."""

    digest: Digest
    ingredients: dict[str, str]


def step_key(closure: Closure, arguments: Arguments, declared: dict[str, str]) -> Key:
    """The key of a call.

    Args:
        closure: the code of the step and everything that it reaches, Python and distributions included.
        arguments: what it is called with.
        declared: what its declared inputs give, by ingredient.
    """
    own = {**arguments.ingredients, **declared}
    parts = {"closure": closure.digest, "own": own}
    return Key(digest_of(_TAG, parts), {"closure": closure.digest, **own})
