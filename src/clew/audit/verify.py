"""Looks at the whole record once: the chain, what events claim of rows, and checkpoints. Nothing is written.

Everything is of one moment: one reading transaction, gone through in pages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clew.audit.chain import ChainWalk
from clew.audit.checkpoint import Witnesses
from clew.audit.claims import Claims
from clew.audit.place import explain
from clew.audit.problem import Found, Problem, Problems, Verification
from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.numbers import counted

__all__ = ["Look", "problems_in", "verify"]

Look = Callable[[int, int], None]
"""Is told how many events were looked at, of how many."""

_AT_ONCE = 1000
_MOST_WAITING = 1_000_000
_BEFORE_ALL = -(2**62)


def verify(stores: Stores, *, witnesses: Sequence[Witnesses] = (), look: Look | None = None) -> Verification:
    """Recompute the chain of a project, and compare the state with what its events say.

    Args:
        stores: the project.
        witnesses: checkpoints to hold the chain against, by place.
        look: told of progress.
    """
    with stores.ledger.read() as tx:
        problems = Problems()
        walk, claims, waiting = _examine(tx, stores.project, problems, witnesses, look)
        for row, what in tx.disagreements():
            problems.add(Problem(found=Found.COLUMN, text=f"{row}: {what}", row=row))
    for each in witnesses:
        for problem in each.end(walk.tail):
            problems.add(problem)
    size = walk.tail.position
    return Verification(
        size=size,
        root=walk.tail.hash,
        events=walk.events,
        rows=claims.rows,
        waiting=waiting,
        checkpoints=sum(len(each.lines) for each in witnesses),
        problem_count=problems.count,
        problems=sorted(problems.first, key=lambda problem: (not problem.position, problem.position)),
        unknown=_unknown(claims, waiting, size, witnesses),
    )


def problems_in(tx: Transaction, project: str) -> list[Problem]:
    """What is wrong with the chain of a project and with the rows that its events tell of, within a transaction."""
    problems = Problems()
    _examine(tx, project, problems, (), None)
    return problems.first


def _examine(
    tx: Transaction, project: str, problems: Problems, witnesses: Sequence[Witnesses], look: Look | None
) -> tuple[ChainWalk, Claims, int]:
    """Go through the chain and what its events claim; also says how many events wait."""
    walk, claims = ChainWalk(tx.events.tail(project), problems), Claims(tx, project)
    _walk(tx, project, walk, [claims, *witnesses], look)
    explain(walk)
    waiting = _see_waiting(tx, project, claims)
    claims.end(problems)
    return walk, claims, waiting


def _walk(
    tx: Transaction, project: str, walk: ChainWalk, readers: Sequence[Claims | Witnesses], look: Look | None
) -> None:
    after = _BEFORE_ALL
    while rows := tx.events.sealed(project, after=after, limit=_AT_ONCE):
        for row in rows:
            event = walk.see(row)
            for reader in readers:
                reader.see(event, row)
        after = rows[-1].position
        if look is not None:
            look(walk.events, walk.tail.position)
    walk.end()


def _see_waiting(tx: Transaction, project: str, claims: Claims) -> int:
    """What waits tells of rows as well."""
    waiting = tx.events.waiting(project, limit=_MOST_WAITING)
    for event in waiting:
        claims.claim(event, 0)
    return len(waiting)


def _unknown(claims: Claims, waiting: int, size: int, witnesses: Sequence[Witnesses]) -> list[str]:
    said = []
    if waiting:
        said.append(f"{counted(waiting, 'events')} not sealed yet: until then nothing shows an edit of them")
    if claims.older:
        rows = counted(claims.older, "rows")
        said.append(f"{rows} made before events said what rows hold: nothing shows an edit of them")
    if not any(each.lines for each in witnesses):
        said.append("without a checkpoint nobody can tell whether the end was cut off, or everything was hashed anew")
    elif behind := max(0, size - max(each.covers for each in witnesses)):
        events = counted(behind, "events")
        said.append(f"{events} behind the last checkpoint: nothing would show that they were cut off")
    return said
