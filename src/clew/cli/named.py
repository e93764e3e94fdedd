"""Which run a word of the command line means: an id, the beginning of one, or a name, which several runs may have.

A command that only shows takes the newest and says so; one that changes something refuses to guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clew.cli import output
from clew.core.errors import Conflict

if TYPE_CHECKING:
    from clew.core.contracts.services import RunService
    from clew.core.types.run import Run

__all__ = ["newest_run", "only_one", "only_run", "short_ids", "word_for"]

SHORTEST = 12
"""Digits of an id that are shown, at least: they are its time in milliseconds."""

_COUNTED = 100
_LISTED = 5


def only_run(runs: RunService, word: str) -> Run:
    """The run that a word means, for a command that changes it.

    Raises:
        NotFound: there is none.
        Conflict: several runs have this name.
    """
    return only_one(word, _namesakes(runs, runs.get(word), word))


def only_one(word: str, found: Sequence[Run]) -> Run:
    """The run that a word means, where all that it may mean was found.

    Raises:
        Conflict: they are several.
    """
    same = list({run.id: run for run in found}.values())
    if len(same) > 1:
        ids = short_ids([run.id for run in same])
        listed = "".join(
            f"\n    {short}  {run.status}, {output.cell('created_us', run.created_us)}"
            for short, run in zip(ids[:_LISTED], same, strict=False)
        )
        more = f"\n    … clew runs list --where 'name = \"{word}\"'" if len(same) > _LISTED else ""
        raise Conflict(f"{_many(same)} runs are named {word}:{listed}{more}", hint=f"give an id, such as {ids[0]}")
    return same[0]


def newest_run(runs: RunService, word: str) -> Run:
    """The run that a word means, for a command that only shows it; of several of a name the newest, with a note.

    Raises:
        NotFound: there is none.
    """
    found = runs.get(word)
    same = _namesakes(runs, found, word)
    if len(same) > 1:
        output.note(f"{_many(same)} runs are named {word}; this is the newest, {short_ids([r.id for r in same])[0]}")
    return found


def word_for(runs: RunService, run: Run) -> str:
    """What finds a run again: its name, or the beginning of its id where others have that name too."""
    same = _namesakes(runs, run, run.name)
    return run.name if len(same) < 2 else short_ids([run.id, *(each.id for each in same if each.id != run.id)])[0]


def short_ids(ids: Sequence[str]) -> list[str]:
    """The beginnings of some ids, as long as they must be to differ."""
    several = len(set(ids))
    length = next((n for n in range(SHORTEST, 32) if len({each[:n] for each in ids}) == several), 32)
    return [each[:length] for each in ids]


def _namesakes(runs: RunService, found: Run, word: str) -> list[Run]:
    """The runs of a name, newest first, if the word was a name: up to a hundred."""
    if found.name != word or found.id == word:
        return [found]
    quoted = word.replace("\\", "\\\\").replace('"', '\\"')
    page = runs.search(where=f'name = "{quoted}"', limit=_COUNTED, metrics=())
    return [each.run for each in page.items]


def _many(same: Sequence[Run]) -> str:
    return f"{len(same)}" if len(same) < _COUNTED else f"{_COUNTED} or more"
