"""Makes full blocks of a series that came in many small ones. Design: docs/design/series.md.

Points keep every bit and their order, and the ledger keeps the sources, so that nothing enters twice. Nothing changes
for who reads the points; digests of series do, so that runs are merged before their end is accounted for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from clew.core.contracts.ledger import Durability, Transaction
from clew.core.contracts.stores import Stores
from clew.core.hashing import hash_bytes
from clew.core.types.edge import node
from clew.core.types.run import RunStatus
from clew.core.types.series import SeriesBlock
from clew.tracking.series import BLOCK_POINTS, block_of, join, points_of

__all__ = ["Merged", "merge_run", "merged_blocks", "merged_series", "put_merged"]

_RANGE = re.compile(r"(.+):(\d+)-(\d+)")


class Merged(NamedTuple):
    """The blocks of a series as they were, by their sources, and as they shall be."""

    sources: list[str]
    blocks: list[SeriesBlock]


def merge_run(stores: Stores, run: str) -> int:
    """Merge the series of a run that is under way; how many changed. Calling it again changes nothing."""
    with stores.ledger.read() as tx:
        found = merged_series(tx, run)
    if not found:
        return 0
    with stores.ledger.write(Durability.KILL, within=node("run", run)) as tx:
        if tx.runs.get(run).status is not RunStatus.RUNNING:
            return 0  # its end has told what its series hold
        return put_merged(tx, run, found)


def merged_series(tx: Transaction, run: str) -> dict[str, Merged]:
    """What is to be replaced, by key."""
    found = {}
    for key in tx.series.crumbled(run):
        before = tx.series.blocks(run, key)
        after = merged_blocks(before)
        if len(after) < len(before):
            found[key] = Merged([block.source for block in before], after)
    return found


def put_merged(tx: Transaction, run: str, found: Mapping[str, Merged]) -> int:
    """Replace blocks, where nothing came since; how many series changed."""
    return sum(tx.series.merge(run, key, *merged) for key, merged in found.items())


def merged_blocks(blocks: Sequence[SeriesBlock]) -> list[SeriesBlock]:
    """The same points in fewer blocks."""
    return [_one(group) if len(group) > 1 else group[0] for group in _groups(blocks)]


def _groups(blocks: Sequence[SeriesBlock]) -> Iterator[list[SeriesBlock]]:
    """Neighbours that can be one block: of one journal, or of none, with one kind of step."""
    group: list[SeriesBlock] = []
    for block in blocks:
        full = sum(each.count for each in group) + block.count > BLOCK_POINTS
        if group and (full or _origin(group[-1]) != _origin(block) or not _follows(group[-1], block)):
            yield group
            group = []
        group.append(block)
    if group:
        yield group


def _origin(block: SeriesBlock) -> tuple[str, int]:
    """Where a block comes from, and its kind of step, which stands in its second byte."""
    found = _RANGE.fullmatch(block.source)
    return (found[1] if found else "", block.points[1])


def _follows(one: SeriesBlock, other: SeriesBlock) -> bool:
    a, b = _RANGE.fullmatch(one.source), _RANGE.fullmatch(other.source)
    return a is None or b is None or int(a[3]) < int(b[2])


def _one(group: Sequence[SeriesBlock]) -> SeriesBlock:
    first, last = _RANGE.fullmatch(group[0].source), _RANGE.fullmatch(group[-1].source)
    if first and last:
        source = f"{first[1]}:{first[2]}-{last[3]}"
    else:
        source = "merged:" + hash_bytes("\0".join(block.source for block in group).encode())[:32]
    return block_of(group[0].run, group[0].key, source, join(points_of(block) for block in group))
