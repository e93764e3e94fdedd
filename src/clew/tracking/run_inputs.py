"""What other tools' data and logged models a run says that it used or made, as rows and as edges of lineage."""

from __future__ import annotations

from collections.abc import Sequence

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.types.edge import Edge, Role, node
from clew.core.types.run_input import RunInput

__all__ = ["link_inputs", "unknown_inputs"]


def unknown_inputs(tx: Transaction, run: str, inputs: Sequence[RunInput]) -> list[RunInput]:
    """Those that the run has not said yet."""
    there = {(each.role, each.name, each.digest, each.model) for each in tx.inputs.list([run])}
    return [each for each in inputs if (each.role, each.name, each.digest, each.model) not in there]


def link_inputs(stores: Stores, tx: Transaction, run: str, inputs: Sequence[RunInput], *, at_us: int) -> None:
    """Add them to the run, with edges as of `at_us` (microseconds since 1970 UTC) and an event for each."""
    tx.inputs.put(inputs)
    mine = node("run", run)
    for each in inputs:
        other = node("logged", each.model) if each.model else node("external", f"{each.name}@{each.digest}")
        source, target = (mine, other) if each.role is Role.OUTPUT else (other, mine)
        tx.edges.add([Edge(source=source, target=target, role=each.role, run=run, at_us=at_us)])
        stores.tell(tx, "run.linked", mine, {"node": other, "role": each.role})
