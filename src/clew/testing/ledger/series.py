"""What a ledger must do for series."""

from __future__ import annotations

import math

from clew.core.contracts.ledger import Ledger
from clew.core.types.series import LastPoint
from clew.testing.ledger.examples import a_block, change

__all__ = ["SeriesContract"]


class SeriesContract:
    """What holds for `clew.core.contracts.ledger.SeriesBlocks`."""

    def test_series_blocks_enter_once_and_sum_up(self, ledger: Ledger) -> None:
        blocks = [
            a_block("j/1", 2.0, step=1),
            a_block("j/2", math.nan, step=5),
            a_block("j/3", -1.0, step=3),
            a_block("j/4", 7.0, step=5),
        ]
        with ledger.write() as tx:
            assert tx.series.append(blocks) == 4
            assert tx.series.append([*blocks[2:], a_block("j/1", 0.0, key="acc")]) == 1
            acc, loss = tx.series.summaries(["r", "s"])
            assert (acc.key, loss.key) == ("acc", "loss")
            assert tx.series.summaries(["r", "s"], keys=["loss", "none"]) == [loss]
            assert tx.series.summaries(["s"], keys=["loss"]) == tx.series.summaries([]) == []
            points = [
                LastPoint(each.run, each.key, each.last, each.last_step, each.last_time_us) for each in (acc, loss)
            ]
            assert tx.series.lasts(["r", "s"]) == points
            assert tx.series.lasts([]) == []
            assert (loss.count, loss.nans, loss.low, loss.high, loss.total) == (4, 1, -1.0, 7.0, 8.0)
            assert (loss.first, loss.last, loss.last_step) == (2.0, 7.0, 5)
            assert [block.points for block in tx.series.blocks("r", "loss")] == [b"j/1", b"j/2", b"j/3", b"j/4"]
            assert math.isnan(tx.series.blocks("r", "loss")[1].last)
            assert [block.points for block in tx.series.blocks("r", "loss", after=1, limit=2)] == [b"j/2", b"j/3"]
            assert tx.series.blocks("r", "loss", after=4) == []

    def test_any_number_of_runs_are_summed_up_in_their_order(self, ledger: Ledger) -> None:
        names = [f"{number:04}" for number in range(1_200)]
        some = [names[at] for at in (0, 499, 500, 501, 1_199)]
        with ledger.write() as tx:
            tx.series.append([change(a_block("j/1", 1.0), run=run) for run in some])
            found = tx.series.summaries([*reversed(names), *names])
            assert [each.run for each in found] == some

    def test_small_blocks_are_merged_and_their_sources_stay_known(self, ledger: Ledger) -> None:
        small = [a_block(f"j/{number}", float(number), step=number) for number in range(5)]
        whole = change(a_block("j/0-4", 4.0, step=4.0), count=5, low=0.0, total=10.0, first=0.0)
        sources = [block.source for block in small]
        with ledger.write() as tx:
            tx.series.append([*small, change(small[0], key="acc"), change(small[0], run="other")])
            before = tx.series.summaries(["r", "other"])
            assert tx.series.crumbled("r") == ["loss"]
            assert tx.series.crumbled("other") == tx.series.crumbled("none") == []
            for others in (sources[:-1], [*sources, "j/5"], sources[::-1], []):
                assert not tx.series.merge("r", "loss", others, [whole])
            assert not tx.series.merge("r", "none", sources, [whole])
            assert tx.series.merge("r", "loss", sources, [whole])
        with ledger.write() as tx:
            assert tx.series.blocks("r", "loss") == [whole]
            assert tx.series.summaries(["r", "other"]) == before
            assert tx.series.crumbled("r") == []
            assert tx.series.append([small[2], change(small[2], key="acc"), a_block("j/5", 5.0, step=5)]) == 2
            assert [block.source for block in tx.series.blocks("r", "loss")] == ["j/0-4", "j/5"]
            [loss] = tx.series.summaries(["r"], keys=["loss"])
            assert (loss.count, loss.last) == (6, 5.0)
