"""Which runs a word means: an id, the beginning of one, or a name, which several may have."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from clew.core.contracts.ledger import Transaction
from clew.core.errors import Invalid, NotFound
from clew.core.ids import is_id
from clew.core.types.filter import Comparison, Field, Search
from clew.core.types.run import Run

__all__ = ["SHORTEST_PREFIX", "ambiguous", "ids_of", "unknown"]

SHORTEST_PREFIX = 4
"""Digits of an id that name a run, at least."""

_MOST = 1000


def ids_of(tx: Transaction, project: str, word: str) -> list[str]:
    """The ids of all runs that a word means: every one of a name.

    Raises:
        NotFound: there is none.
        Invalid: it is the beginning of several ids, or the name of more than a thousand runs.
    """
    if is_id(word) or not word:
        return [word]
    named = Search(filter=Comparison(Field("name"), "=", (word,)), limit=_MOST + 1, metrics=())
    found = [each.run for each in tx.runs.search(project, named).items]
    if len(found) > _MOST:
        raise Invalid(f"more than {_MOST:,} runs are named {word!r}", hint="give an id, in quotes")
    if not found and len(word) >= SHORTEST_PREFIX:
        found = tx.runs.find(project, word)
        if len(found) > 1:
            raise ambiguous(word, found)
    if not found:
        raise unknown(tx, project, word)
    return [run.id for run in found]


def ambiguous(word: str, found: Sequence[Run]) -> Invalid:
    """The error for the beginning of several ids."""
    first = ", ".join(run.id for run in found[:3])
    return Invalid(f"{word!r} is the beginning of {len(found)} runs or more: {first} …", hint="give more digits")


def unknown(tx: Transaction, project: str, name: str) -> NotFound:
    """The error for what is no run, with where to look instead."""
    if "@" in name:
        hint = f"a run has an id or a name; clew model show {name} says which run made a version"
        return NotFound("run", name, hint=hint)
    trash = tx.runs.list(project, deleted=True, limit=_MOST).items
    if any(run.name == name and not run.purged_us for run in trash):
        return NotFound("run", name, hint=f"one of this name lies in the trash: clew runs restore {name}")
    names = {run.name for run in tx.runs.list(project, limit=_MOST).items}
    return NotFound("run", name, near=get_close_matches(name, sorted(names), n=3), hint="clew runs list")
