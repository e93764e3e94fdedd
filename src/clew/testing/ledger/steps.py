"""What a ledger must do for steps and their cache."""

from __future__ import annotations

from clew.core.contracts.ledger import Ledger
from clew.core.ids import Digest
from clew.core.types.step import StepOutcome
from clew.testing.ledger.examples import a_step, an_entry

__all__ = ["StepsContract"]


class StepsContract:
    """What holds for `clew.core.contracts.ledger.Steps`."""

    def test_steps(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.steps.put([an_entry("a"), an_entry("b", created_us=2), an_entry("c", step="other")])
            tx.steps.put([an_entry("a", created_us=9)])
            assert tx.steps.find("p", Digest("a")) == an_entry("a")
            assert tx.steps.find("q", Digest("a")) is None
            assert [entry.key for entry in tx.steps.newest("p", "fit")] == ["b", "a"]
            tx.steps.record([a_step(2), a_step(1)])
            tx.steps.record([a_step(2, StepOutcome.CACHED)])
            assert [(step.position, step.outcome) for step in tx.steps.of_run("r")] == [(1, "executed"), (2, "cached")]
