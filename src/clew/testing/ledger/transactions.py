"""What holds for the transactions of every ledger, whatever they change."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import msgspec
import pytest

from clew.core.contracts.ledger import Durability, Ledger, Transaction
from clew.core.types.edge import Edge, Role
from clew.testing.ledger.examples import a_batch, a_block, a_dataset, a_run, an_event

__all__ = ["TransactionsContract"]


class TransactionsContract:
    """What holds for every unit of work."""

    def test_an_exception_rolls_everything_back(self, ledger: Ledger) -> None:
        with pytest.raises(RuntimeError), ledger.write() as tx:  # noqa: PT012
            tx.datasets.add(a_dataset())
            tx.events.add(an_event("1"))
            raise RuntimeError
        with ledger.read() as tx:
            assert tx.datasets.list("p") == []
            assert tx.events.count("p") == 0

    @pytest.mark.parametrize("durability", list(Durability))
    def test_what_is_committed_is_read(self, ledger: Ledger, durability: Durability) -> None:
        with ledger.write(durability) as tx:
            tx.datasets.add(a_dataset())
        with ledger.read() as tx:
            assert tx.datasets.get("id-flights") == a_dataset()

    def test_a_reader_sees_one_state(self, ledger: Ledger) -> None:
        with ledger.read() as reader:
            before = reader.events.count("p")

            def write() -> None:
                with ledger.write() as tx:
                    tx.events.add(an_event("1"))

            thread = threading.Thread(target=write)
            thread.start()
            thread.join()
            assert reader.events.count("p") == before
        with ledger.read() as reader:
            assert reader.events.count("p") == before + 1

    def test_writers_queue(self, ledger: Ledger) -> None:
        def append(name: str) -> None:
            for i in range(20):
                with ledger.write(Durability.KILL) as tx:
                    tx.logs.append([a_batch(f"{name}/{i}")])

        threads = [threading.Thread(target=append, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with ledger.read() as tx:
            assert [batch.position for batch in tx.logs.list("log")] == list(range(1, 61))

    def test_a_reading_block_changes_nothing(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.runs.add(a_run("0a"))
        changes: list[Callable[[Transaction], object]] = [
            lambda tx: tx.runs.add(a_run("0b")),
            lambda tx: tx.runs.put(a_run("0a", name="other")),
            lambda tx: tx.edges.add([Edge(source="a", target="b", role=Role.INPUT)]),
        ]
        for change in changes:
            with pytest.raises(TypeError), ledger.read() as tx:
                change(tx)
        with ledger.read() as tx:
            assert (tx.runs.get("0a"), tx.runs.count("p"), tx.edges.down("a")) == (a_run("0a"), 1, [])

    def test_a_reader_sees_one_state_of_several_rows(self, ledger: Ledger) -> None:
        """A writer that changes two rows at once is never seen half."""
        done = threading.Event()
        with ledger.write() as tx:
            for id in "ab":  # noqa: A001
                tx.runs.add(a_run(id, ended_us=0))

        def write() -> None:
            for at_us in range(1, 30):
                with ledger.write(Durability.KILL) as tx:
                    for id in "ab":  # noqa: A001
                        tx.runs.put(a_run(id, ended_us=at_us))
            done.set()

        thread = threading.Thread(target=write)
        thread.start()
        while not done.is_set():
            with ledger.read() as tx:
                assert tx.runs.get("a").ended_us == tx.runs.get("b").ended_us
        thread.join()

    def test_texts_are_ordered_by_code_point(self, ledger: Ledger) -> None:
        names = ["b", "A", "a", "B", "_", "ä", "Z", "z", "1", "\U0001f600", "\uffee", "a b", "a-b", "aB"]
        with ledger.write() as tx:
            for name in names:
                tx.datasets.add(a_dataset(name))
                tx.runs.add(a_run(name))
            assert [dataset.name for dataset in tx.datasets.list("p")] == sorted(names)
            assert [run.id for run in tx.runs.list("p", limit=99).items] == sorted(names, reverse=True)
            assert tx.datasets.find("p", "Ä") is None

    def test_large_and_odd_values_come_back(self, ledger: Ledger) -> None:
        points = bytes(range(256)) * 16_384
        block = msgspec.structs.replace(
            a_block("j/1", math.inf, step=-0.5), points=points, low=-math.inf, total=1e-310, last_step=-math.inf
        )
        long, text = "x" * 1_000, "\u0000 \\ ' \" % ? ü 中 \U0001f600"
        with ledger.write() as tx:
            tx.series.append([block])
            tx.runs.add(a_run("0a", name=long, params={"text": text, "big": 2**53}, ended_us=2**62))
        with ledger.read() as tx:
            assert tx.series.blocks("r", "loss") == [block]
            [found] = tx.series.summaries(["r"])
            assert (found.low, found.high, found.total, found.last_step) == (-math.inf, math.inf, 1e-310, -math.inf)
            run = tx.runs.find("p", long)[0]
            assert (run.params, run.ended_us) == ({"text": text, "big": 2**53}, 2**62)

    def test_many_rows_enter_at_once(self, ledger: Ledger) -> None:
        edges = [Edge(source=f"data:{i:05}", target="run:1", role=Role.INPUT, run="1") for i in range(3_000)]
        with ledger.write(Durability.KILL) as tx:
            tx.edges.add(edges)
            tx.edges.add([])
            tx.edges.add(edges[:10])
            assert [edge.source for edge in tx.edges.up("run:1")] == [edge.source for edge in edges]
