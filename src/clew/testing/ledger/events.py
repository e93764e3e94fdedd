"""What a ledger must do for events and their chain."""

from __future__ import annotations

import threading

import msgspec
import pytest

from clew.core.contracts.ledger import Durability, Ledger
from clew.core.types.event import START, ChainTail, Event, chain_hash
from clew.testing.ledger.examples import an_event

__all__ = ["EventsContract"]


class EventsContract:
    """What holds for `clew.core.contracts.ledger.Events`."""

    def test_events(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.events.add(an_event("1"))
            tx.events.add(an_event("2", kind="alias.refused"))
            tx.events.add(an_event("3", kind="aliased.x", subject="model:n"))
            assert [event.id for event in tx.events.list("p").items] == ["3", "2", "1"]
            assert [event.id for event in tx.events.list("p", kind="alias").items] == ["2", "1"]
            assert [event.id for event in tx.events.list("p", kind="alias.moved").items] == ["1"]
            assert [event.id for event in tx.events.list("p", subject="model:n").items] == ["3"]
            assert [event.id for event in tx.events.list("p", subject="model").items] == ["3", "2", "1"]
            assert tx.events.list("p", subject="odel:n").items == []
            page = tx.events.list("p", limit=2)
            assert [event.id for event in tx.events.list("p", limit=2, after=page.next).items] == ["1"]
            assert tx.events.count("p") == 3

    def test_the_first_of_all_events(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            assert tx.events.first_project() == ""
            tx.events.add(msgspec.structs.replace(an_event("2"), project="q"))
            tx.events.add(an_event("1"))
            assert tx.events.first_project() == "q"

    def test_events_are_listed_as_they_arrived(self, ledger: Ledger) -> None:
        """Ids tell times, and clocks go back."""
        with ledger.write() as tx:
            for name in "312":
                tx.events.add(an_event(name))
        with ledger.read() as tx:
            pages, after = [], ""
            for _ in range(3):
                page = tx.events.list("p", limit=1, after=after)
                pages.append([event.id for event in page.items])
                after = page.next
            assert (pages, after) == ([["2"], ["1"], ["3"]], "")
            assert [event.id for event in tx.events.list("p", subject="model:m").items] == ["2", "1", "3"]
            assert tx.events.list("p", after="nothing").items == []

    def test_events_are_sealed_in_the_order_in_which_they_arrived(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            assert (tx.events.tail("p"), tx.events.seal("p")) == (ChainTail(), 0)
            for name in "312":
                tx.events.add(an_event(name))
            tx.events.add(msgspec.structs.replace(an_event("other"), project="q"))
            assert [event.id for event in tx.events.waiting("p")] == ["3", "1", "2"]
        with ledger.write() as tx:
            assert [tx.events.seal("p", limit=2), tx.events.seal("p"), tx.events.seal("p")] == [2, 1, 0]
        with ledger.write() as tx:
            tx.events.add(an_event("0"))
            assert tx.events.seal("p") == 1
            assert tx.events.seal("q") == 1
        with ledger.read() as tx:
            chain = tx.events.sealed("p")
            assert [(event.position, event.id) for event in chain] == [(1, "3"), (2, "1"), (3, "2"), (4, "0")]
            assert [event.position for event in tx.events.sealed("p", after=1, limit=2)] == [2, 3]
            assert tx.events.positions("p", ["0", "1", "nothing"]) == {"0": 4, "1": 2}
            assert tx.events.waiting("p") == []
            assert (tx.events.tail("p").position, tx.events.tail("q").position) == (4, 1)

    def test_a_hash_covers_the_place_the_hash_before_and_the_event(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            for name in "12":
                tx.events.add(an_event(name))
            tx.events.seal("p")
        with ledger.read() as tx:
            first, second = tx.events.sealed("p")
            assert (first.kind, first.subject, first.project) == ("alias.moved", "model:m", "p")
            assert msgspec.json.decode(first.document, type=Event) == an_event("1")
            assert first.hash == chain_hash(1, START, first.document)
            assert second.hash == chain_hash(2, first.hash, second.document)
            assert tx.events.tail("p") == ChainTail(2, second.hash)

    def test_what_is_rolled_back_is_not_sealed(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.events.add(an_event("1"))
        with pytest.raises(RuntimeError), ledger.write() as tx:  # noqa: PT012
            tx.events.seal("p")
            raise RuntimeError
        with ledger.read() as tx:
            assert (tx.events.tail("p"), len(tx.events.waiting("p"))) == (ChainTail(), 1)

    def test_sealers_do_not_fork_the_chain(self, ledger: Ledger) -> None:
        def live(name: str) -> None:
            for i in range(20):
                with ledger.write(Durability.KILL, within=f"run:{name}") as tx:
                    tx.events.add(an_event(f"{name}{i}"))
                with ledger.write(Durability.KILL, within="chain:p") as tx:
                    tx.events.seal("p", limit=3)

        threads = [threading.Thread(target=live, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with ledger.write() as tx:
            tx.events.seal("p")
        with ledger.read() as tx:
            chain = tx.events.sealed("p")
            assert [event.position for event in chain] == list(range(1, 61))
            assert len({event.id for event in chain}) == 60
            previous = START
            for event in chain:
                assert event.hash == chain_hash(event.position, previous, event.document)
                previous = event.hash
