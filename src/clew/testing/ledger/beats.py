"""The part of the suite of ledgers that is about signs of life."""

from __future__ import annotations

from clew.core.contracts.ledger import Ledger

__all__ = ["BeatsContract"]


class BeatsContract:
    """What holds for `clew.core.contracts.ledger.Beats`."""

    def test_signs_of_life_are_counted(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.beats.add("r2", "p", at_us=5)
            tx.beats.add("r1", "p", at_us=6)
            tx.beats.add("r1", "p", at_us=4)
            tx.beats.add("r3", "q", at_us=7)
            tx.beats.remove("none")
        with ledger.write() as tx:
            found = [(beat.run, beat.project, beat.count, beat.at_us) for beat in tx.beats.list("p")]
            assert found == [("r1", "p", 2, 4), ("r2", "p", 1, 5)]
            tx.beats.remove("r1")
            assert [beat.run for beat in tx.beats.list("p")] == ["r2"]
