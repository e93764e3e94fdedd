"""Which of several changes is behind another result: each is made alone, with everything else as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from clew.core.contracts.stores import Stores
from clew.loop.reproduce.environment import Choice
from clew.loop.reproduce.reproduce import Options, reproduce
from clew.loop.reproduce.reproduction import Alone, FactorKind, Reproduction
from clew.loop.reproduce.room import OpenRoom
from clew.loop.reproduce.using import Using, parse_using

__all__ = ["each_alone"]


def each_alone(
    stores: Stores,
    found: Reproduction,
    *,
    open_room: OpenRoom,
    options: Options,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Alone]:
    """Repeat a run once for each change, and say what comes of it.

    Args:
        stores: the project.
        found: what came of all changes together.
        open_room: makes the project in which the run is repeated.
        options: as they were for `found`.
        tell: hears what is going on.

    Raises:
        Unavailable: a package of an environment cannot be had.
        Failed: the command failed with one of the changes.
    """
    alone = []
    for using in _single(found, options.using):
        [word] = using.words
        tell(f"with {word} alone")
        one = replace(options, using=using, environment=Choice.RECORDED, keep=None)
        again = reproduce(stores, found.run, open_room=open_room, options=one, tell=tell)
        first = f"{again.divergence.what} {again.divergence.name}" if again.divergence is not None else ""
        alone.append(Alone(change=word, verdict=again.verdict, first=first))
    return alone


def _single(found: Reproduction, using: Using) -> Iterator[Using]:
    """The changes that were asked for; and in the present environment every package that is another one here."""
    for word in using.words:
        yield parse_using([word])
    if found.environment == "present":
        for factor in found.factors:
            if factor.kind is FactorKind.PACKAGE and factor.now and factor.name not in (*using.packages, "clew"):
                yield parse_using([f"package:{factor.name}={factor.now}"])
