"""What a ledger must do for datasets of every kind."""

from __future__ import annotations

import msgspec
import pytest

from clew.core.contracts.ledger import Ledger
from clew.core.errors import Conflict, Exists, Invalid, NotFound
from clew.testing.ledger.examples import a_batch, a_dataset, a_version

__all__ = ["DatasetsContract"]


class DatasetsContract:
    """What holds for `clew.core.contracts.ledger.Datasets` and `Logs`."""

    def test_names_are_unique_in_a_project(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.datasets.add(a_dataset("b"))
            tx.datasets.add(a_dataset("a"))
            tx.datasets.add(msgspec.structs.replace(a_dataset("a", project="q"), id="other"))
            with pytest.raises(Exists):
                tx.datasets.add(msgspec.structs.replace(a_dataset("a"), id="new"))
            assert [dataset.name for dataset in tx.datasets.list("p")] == ["a", "b"]
            assert tx.datasets.find("p", "c") is None
            with pytest.raises(NotFound):
                tx.datasets.get("nothing")

    def test_dataset_versions_count_up(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            for number in (1, 2, 3):
                tx.datasets.add_version(a_version(number, created_us=number * 10))
            for number in (3, 5):
                with pytest.raises(Conflict):
                    tx.datasets.add_version(a_version(number))
            assert tx.datasets.newest("id-flights") == a_version(3, created_us=30)
            assert tx.datasets.newest("id-flights", until_us=29) == a_version(2, created_us=20)
            assert tx.datasets.newest("id-flights", until_us=9) is None
            assert tx.datasets.newest("nothing") is None
            assert tx.datasets.find_version("id-flights", 2) == a_version(2, created_us=20)
            assert tx.datasets.find_version("id-flights", 4) is None
            assert tx.datasets.version("id-flights-1").number == 1
            with pytest.raises(NotFound):
                tx.datasets.version("nothing")

    def test_versions_page_newest_first(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            for number in range(1, 6):
                tx.datasets.add_version(a_version(number))
            first = tx.datasets.versions("id-flights", limit=2)
            second = tx.datasets.versions("id-flights", limit=2, after=first.next)
            third = tx.datasets.versions("id-flights", limit=2, after=second.next)
            numbers = [[version.number for version in page.items] for page in (first, second, third)]
            assert numbers == [[5, 4], [3, 2], [1]]
            assert third.next == ""
            with pytest.raises(Invalid):
                tx.datasets.versions("id-flights", after="x")
            with pytest.raises(Invalid):
                tx.datasets.versions("id-flights", after="9" * 30)

    def test_log_batches_enter_once_and_are_found(self, ledger: Ledger) -> None:
        batches = [
            a_batch("j/1", low=0, high=9, ids=("a", "c")),
            a_batch("j/2", low=10, high=19, ids=("b", "f")),
            a_batch("j/3", low=20, high=20, ids=("g", "h")),
        ]
        with ledger.write() as tx:
            assert tx.logs.position("log") == 0
            assert [batch.position for batch in tx.logs.append(batches)] == [1, 2, 3]
            assert tx.logs.append(batches[1:]) == []
            assert [batch.position for batch in tx.logs.append([*batches, a_batch("j/4", low=30, high=30)])] == [4]
            assert [batch.source for batch in tx.logs.between("log", 9, 20)] == ["j/1", "j/2"]
            assert [batch.source for batch in tx.logs.between("log", 20, 21)] == ["j/3"]
            assert [batch.source for batch in tx.logs.holding("log", "c")] == ["j/1", "j/2"]
            assert tx.logs.holding("log", "z") == []
            assert [batch.position for batch in tx.logs.list("log", after=1, until=2)] == [2]
            assert (tx.logs.position("log"), tx.logs.rows("log"), tx.logs.rows("other")) == (4, 8, 0)

    def test_a_log_knows_how_far_a_journal_is_drained(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            for source, end in (("r/1@0", 50), ("r/1@50", 75), ("r/10@0", 900), ("r/2@0", 5)):
                tx.logs.append([msgspec.structs.replace(a_batch(source), source_end=end)])
            assert [tx.logs.drained("log", journal) for journal in ("r/1", "r/2", "r/3")] == [75, 5, 0]
