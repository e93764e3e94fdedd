"""From journals into logs: every acknowledged decision once, whoever dies and whoever else is at it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clew.core.contracts.ledger import Durability, Transaction
from clew.core.errors import NotFound
from clew.core.types.edge import node
from clew.core.types.signature import Signature
from clew.loop.watch import compact_endpoint
from clew.serving import compaction
from clew.serving.compaction import Compacted, compact, journal_folder, set_aside
from clew.serving.journal import HEADER, read_frames, segments
from clew.testing.life import INPUTS, Life


def drain(life: Life, **changes: Any) -> Compacted:
    """Compact as the worker does, with other stores if that is what is tested."""
    deciders = life.deciders
    return compact(
        replace(life.stores, **changes),
        life.endpoint,
        signature_of=lambda version: deciders(version).package.signature,
    )


def logged(life: Life, log: str) -> pl.DataFrame:
    with life.stores.ledger.read() as tx:
        batches = tx.logs.list(log)
    return pl.concat([pl.read_parquet(io.BytesIO(life.stores.objects.get(batch.object))) for batch in batches])


def keys(life: Life) -> list[str]:
    return logged(life, life.endpoint.predictions)["key"].to_list()


def folder(life: Life) -> Path:
    return journal_folder(life.stores, life.endpoint.id) / "replica-1"


class DyingLedger:
    """A ledger whose process dies when it wants to write."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @contextmanager
    def write(self, durability: Durability = Durability.POWER) -> Iterator[Transaction]:
        raise KeyboardInterrupt
        yield


class LateLedger(DyingLedger):
    """A ledger in which somebody else does something just before the first write."""

    def __init__(self, inner: Any, before: Callable[[], object]) -> None:
        super().__init__(inner)
        self._before: list[Callable[[], object]] = [before]

    @contextmanager
    def write(self, durability: Durability = Durability.POWER) -> Iterator[Transaction]:
        if self._before:
            self._before.pop()()
        with self._inner.write(durability) as tx:
            yield tx


def test_a_decision_is_in_the_log_as_it_was_made(life: Life) -> None:
    asked = life.decide(0, 48, shadows=[2])
    life.label(asked[:5], day=1)
    moved = compact_endpoint(life.monitor)
    assert (moved.predictions, moved.shadows, moved.labels, moved.batches) == (48, 48, 5, 3)
    rows = logged(life, life.endpoint.predictions)
    assert rows["key"].to_list() == asked
    assert rows["version"].unique().to_list() == [life.version(1).id]
    assert rows["inputs"].struct.fields == INPUTS
    assert rows["row"].to_list() == [0, 1] * 24
    assert logged(life, life.endpoint.shadows)["id"].to_list() == rows["id"].to_list()
    assert logged(life, life.endpoint.labels)["key"].to_list() == asked[:5]
    assert logged(life, life.endpoint.labels)["label"].to_list() == [
        "true" if life.truths[key] else "false" for key in asked[:5]
    ]


def test_a_batch_is_found_by_time_by_id_and_from_its_version(life: Life) -> None:
    life.decide(0, 24)
    compact_endpoint(life.monitor)
    endpoint, version = life.endpoint, life.version(1)
    with life.stores.ledger.read() as tx:
        [batch] = tx.logs.list(endpoint.predictions)
        edges = tx.edges.down(node("model", version.id), depth=1)
    rows = logged(life, life.endpoint.predictions)
    assert (batch.time_low_us, batch.time_high_us) == (rows["time_us"].min(), rows["time_us"].max())
    assert (batch.id_low, batch.id_high) == (rows["id"].min(), rows["id"].max())
    assert (batch.rows, batch.source_end) == (24, segments(folder(life))[0].stat().st_size)
    assert node("batch", f"{batch.dataset}/{batch.source}") in [edge.target for edge in edges]
    counted = life.logs.counts(batch.profile)
    assert len(counted.hours) == 24
    assert all(sum(bins) == 1 for columns in counted.hours.values() for bins in columns.values())


def test_what_is_in_the_log_is_not_moved_again_while_the_replica_goes_on(life: Life) -> None:
    asked = life.decide(0, 24)
    assert drain(life).predictions == 24
    assert drain(life) == Compacted()
    asked += life.decide(1, 24)
    assert drain(life).predictions == 24
    assert keys(life) == asked


def test_the_segment_that_a_replica_writes_to_stays(life: Life) -> None:
    life.decide(0, 24)
    drain(life)
    [path] = segments(folder(life))
    asked = life.decide(1, 24)
    drain(life)
    assert segments(folder(life)) == [path]
    assert keys(life)[24:] == asked


def test_closed_segments_go_once_they_are_in_the_log(life: Life) -> None:
    life.journal._segment_bytes = 2000
    asked = life.decide(0, 48)
    before = segments(folder(life))
    assert len(before) > 2
    drain(life)
    assert segments(folder(life)) == before[-1:]
    assert keys(life) == asked


def test_a_dead_replica_is_adopted_and_nothing_of_it_stays(life: Life) -> None:
    asked = life.decide(0, 48)
    life.end_replica()
    assert drain(life).predictions == 48
    assert segments(folder(life)) == []
    asked += life.decide(1, 24)  # the replica starts anew in its folder
    drain(life)
    assert keys(life) == asked


def test_a_segment_is_never_taken_from_a_replica_because_of_its_name(life: Life) -> None:
    """A clock that was set back lets the open segment sort before those that are closed."""
    asked = life.decide(0, 24)
    life.end_replica()
    [old] = segments(folder(life))
    old.rename(old.with_stem("f" * 32))
    asked += life.decide(1, 24)
    drain(life)
    assert [path.stem for path in segments(folder(life))] != ["f" * 32]
    asked += life.decide(2, 24)
    drain(life)
    assert sorted(keys(life)) == sorted(asked)


def test_a_replica_that_starts_while_its_folder_is_looked_at_loses_nothing(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.decide(0, 24)
    life.end_replica()
    listed = compaction.segments

    def then_start(path: Path) -> list[Path]:
        life.journal.sync()
        return listed(path)

    monkeypatch.setattr(compaction, "segments", then_start)
    drain(life)
    life.decide(1, 24)
    drain(life)
    assert len(keys(life)) == 48


def test_a_death_between_objects_and_ledger_loses_and_doubles_nothing(life: Life) -> None:
    asked = life.decide(0, 48)
    with pytest.raises(KeyboardInterrupt):
        drain(life, ledger=DyingLedger(life.stores.ledger))
    assert drain(life).predictions == 48
    assert keys(life) == asked


def test_of_two_that_drain_the_same_frames_one_wins(life: Life) -> None:
    asked = life.decide(0, 24)

    def other() -> None:
        asked.extend(life.decide(1, 24))
        assert drain(life).predictions == 48

    lost = drain(life, ledger=LateLedger(life.stores.ledger, other))
    assert lost.predictions == 0
    drain(life)
    assert keys(life) == asked


def test_many_drain_while_a_replica_writes(life: Life) -> None:
    life.journal._segment_bytes = 4000
    asked: list[str] = []
    stop = threading.Event()
    trouble: list[Exception] = []

    def work() -> None:
        try:
            while not stop.is_set():
                drain(life)
        except Exception as error:  # noqa: BLE001 - shown below
            trouble.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for day in range(8):
        asked += life.decide(day, 24)
    stop.set()
    for thread in threads:
        thread.join()
    assert not trouble
    drain(life)
    assert sorted(keys(life)) == sorted(asked)


COMPACTOR = """
import sys
from pathlib import Path
from clew.loop.watch import compact_endpoint
from clew.testing.life import Life
life = Life(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    compact_endpoint(life.monitor)
"""


def test_compaction_that_is_killed_anywhere_loses_and_doubles_nothing(life: Life) -> None:
    life.journal._segment_bytes = 3000
    asked = life.decide(0, 24)
    command = [sys.executable, "-c", COMPACTOR, str(life.workspace.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        for day in range(1, 5):
            asked += life.decide(day, 96, shadows=[2])
        os.kill(process.pid, signal.SIGKILL)
    drain(life)
    assert sorted(keys(life)) == sorted(asked)
    assert logged(life, life.endpoint.shadows)["id"].n_unique() == len(asked) - 24


def test_frames_behind_damage_wait_and_hold_nobody_up(life: Life) -> None:
    asked = life.decide(0, 24)
    life.end_replica()
    [path] = segments(folder(life))
    frames = [end for _, end in read_frames(path)]
    content = bytearray(path.read_bytes())
    content[frames[9] + 12] ^= 1
    path.write_bytes(content)
    more = life.decide(1, 24)
    moved = drain(life)
    assert keys(life) == asked[:10] + more
    assert list(moved.damaged) == [f"replica-1/{path.stem}"]
    assert f"byte {frames[9]}" in moved.damaged[f"replica-1/{path.stem}"]
    assert path.exists()
    assert drain(life).predictions == 0


def test_decisions_whose_package_is_lost_wait_and_hold_nobody_up(life: Life) -> None:
    asked = life.decide(0, 24)
    found: list[str] = []
    life.end_replica()
    more = life.decide(1, 24)

    def lost_at_first(version: str) -> Signature:
        found.append(version)
        if len(found) == 1:
            raise NotFound("object", "of the package")
        return life.deciders(version).package.signature

    moved = compact(life.stores, life.endpoint, signature_of=lost_at_first)
    assert (keys(life), list(moved.damaged.values())) == (more, ["no object named 'of the package'"])
    assert drain(life).damaged == {}
    assert sorted(keys(life)) == sorted(asked + more)


def test_a_record_of_a_newer_clew_is_damage_and_no_defect(life: Life) -> None:
    asked = life.decide(0, 24)
    life.journal.append(b"\x93\x63\x01\x02")
    life.decide(1, 24)
    moved = drain(life)
    assert keys(life) == asked
    [what] = moved.damaged.values()
    assert "no record of clew" in what


def test_a_torn_frame_was_never_acknowledged(life: Life) -> None:
    asked = life.decide(0, 24)
    life.end_replica()
    [path] = segments(folder(life))
    os.truncate(path, path.stat().st_size - 3)
    moved = drain(life)
    assert (moved.predictions, len(moved.torn)) == (23, 1)
    assert keys(life) == asked[:23]


def test_segments_without_a_frame_go(life: Life) -> None:
    journal = life.journal
    assert journal.folder == folder(life)
    life.end_replica()
    [path] = segments(folder(life))
    path.with_stem("e" * 32).write_bytes(b"clew")  # killed before the first line was whole
    assert path.stat().st_size == HEADER
    drain(life)
    assert segments(folder(life)) == []


def test_large_journals_become_batches_of_bounded_size(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "_MOST_ROWS", 20)
    asked = life.decide(0, 96)
    assert drain(life).batches == 5
    with life.stores.ledger.read() as tx:
        assert [batch.rows for batch in tx.logs.list(life.endpoint.predictions)] == [20, 20, 20, 20, 16]
    assert keys(life) == asked


def test_half_a_record_at_the_end_is_told_until_it_is_set_aside(life: Life) -> None:
    asked = life.decide(0, 24)
    life.end_replica()
    [path] = segments(folder(life))
    with path.open("ab") as file:
        file.write(b"\x50\x00\x00\x00half")
    for _ in range(2):
        moved = compact_endpoint(life.monitor)
        assert moved.torn == {f"{path.parent.name}/{path.stem}": 8}
    assert keys(life) == asked
    for _ in range(2):
        set_aside(life.stores, life.endpoint, moved.torn)
    assert not path.exists()
    assert path.with_suffix(".torn").exists()
    assert compact_endpoint(life.monitor).torn == {}
