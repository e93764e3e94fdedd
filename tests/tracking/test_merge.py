"""Merged series hold the same points, and what was drained before enters no second time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.contracts.stores import Stores
from clew.core.types.run import RunStatus
from clew.core.types.series import SeriesBlock
from clew.testing.runs import a_run
from clew.tracking.drain import drained_until
from clew.tracking.merge import merge_run, merged_blocks
from clew.tracking.runs import LedgerRuns
from clew.tracking.series import BLOCK_POINTS, Points, block_of, points_of

RUN = a_run().id


def a_part(source: str, count: int, *, real: bool = False, seed: int = 0) -> SeriesBlock:
    draw = np.random.default_rng(seed)
    steps = draw.random(count) if real else draw.integers(0, 9, count)
    times = draw.integers(0, 9, count)
    return block_of(RUN, "loss", source, Points(steps, times, draw.normal(size=count)))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "rest"]), st.sampled_from([1, 2, 2000, BLOCK_POINTS]), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_points_and_journals_stay(parts: list[tuple[str, int, bool]]) -> None:
    blocks, slot = [], 0
    for at, (journal, count, real) in enumerate(parts):
        source = f"rest:{at:x}" if journal == "rest" else f"{journal}:{slot}-{slot + count - 1}"
        blocks.append(a_part(source, count, real=real, seed=at))
        slot += count + at % 2
    merged = merged_blocks(blocks)
    assert len(merged) <= len(blocks)
    for column in range(3):
        before, after = ([points_of(block)[column].tobytes() for block in some] for some in (blocks, merged))
        assert b"".join(before) == b"".join(after)
    assert all(block.count <= BLOCK_POINTS for block in merged)
    for journal in "ab":
        sources = ([block.source for block in some] for some in (blocks, merged))
        assert len({drained_until(journal, some) for some in sources}) == 1
    assert merged_blocks(merged) == merged


def test_a_run_under_way_is_merged_and_drained_on(stores: Stores) -> None:
    runs = LedgerRuns(stores)
    runs.create(a_run(), experiment="e")
    parts = [a_part(f"j:{at}-{at}", 1, seed=at) for at in range(10)]
    runs.append(parts[:8])
    summary = runs.summaries([RUN])
    assert merge_run(stores, RUN) == 1
    assert merge_run(stores, RUN) == 0
    assert [block.source for block in runs.blocks(RUN, "loss")] == ["j:0-7"]
    assert runs.summaries([RUN]) == summary
    runs.append(parts[6:])
    assert [block.source for block in runs.blocks(RUN, "loss")] == ["j:0-7", "j:8-8", "j:9-9"]
    runs.finish(RUN, RunStatus.FINISHED, ended_us=1)
    runs.append(parts)
    assert [block.source for block in runs.blocks(RUN, "loss")] == ["j:0-9"]
    assert merge_run(stores, RUN) == 0
    values = np.concatenate([points_of(part).values for part in parts])
    assert points_of(runs.blocks(RUN, "loss")[0]).values.tobytes() == values.tobytes()


def test_what_came_meanwhile_is_left_for_the_next_time(stores: Stores) -> None:
    runs = LedgerRuns(stores)
    runs.create(a_run(), experiment="e")
    runs.append([a_part(f"j:{at}-{at}", 1) for at in range(5)])
    with stores.ledger.write() as tx:
        before = tx.series.blocks(RUN, "loss")
        assert not tx.series.merge(RUN, "loss", [block.source for block in before[:-1]], merged_blocks(before))
        assert tx.series.blocks(RUN, "loss") == before
