"""What a record that shows edits costs: telling of a change, sealing, verifying, and the end of a run.

Events are told a thousand to a transaction, so that what is measured is clew and not the disk's syncs. The end of a
run is measured with its accounts of all series and files, as it is; a series of a million points has 250 blocks.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from harness import Bench, Numbers, at_least, at_most, run

AT_ONCE = 1000


def chain(folder: str, count: int, **_: Any) -> Numbers:
    """Tell of events, seal them, and verify the whole chain."""
    from clew.audit.seal import seal
    from clew.audit.verify import verify
    from clew.core.contracts.ledger import Durability
    from clew.testing.project import open_stores

    stores = open_stores(Path(folder) / "project")
    began = time.process_time()
    for start in range(0, count, AT_ONCE):
        with stores.ledger.write(Durability.KILL) as tx:
            for number in range(start, min(count, start + AT_ONCE)):
                facts = {"params": {"depth": number, "rate": 0.1}, "name": "a run with a name"}
                stores.tell(tx, "run.described", f"run:{number}", facts)
    told = time.process_time()
    seal(stores)
    sealed = time.process_time()
    found = verify(stores)
    ended = time.process_time()
    stores.ledger.close()
    if not found.holds or found.size != count:
        raise SystemExit("the chain does not hold")
    return {
        "told_per_s": count / (told - began),
        "sealed_per_s": count / (sealed - told),
        "verified_per_s": count / (ended - sealed),
    }


def ends(folder: str, series: int, blocks: int, runs: int, **_: Any) -> Numbers:
    """End runs that have so many series of so many blocks of 20 kB."""
    import msgspec

    from clew.core.types.run import RunStatus
    from clew.testing.ledger.examples import a_block, a_run
    from clew.testing.project import open_stores
    from clew.tracking.runs import LedgerRuns

    stores = open_stores(Path(folder) / "project")
    services, took = LedgerRuns(stores), []
    for number in range(runs):
        one = a_run(f"{number:032x}")
        services.create(one, experiment="e")
        services.append(
            [
                msgspec.structs.replace(
                    a_block(f"j@{block}", 1.0, step=block), run=one.id, key=f"m{key}", points=os.urandom(20_000)
                )
                for key in range(series)
                for block in range(blocks)
            ]
        )
        began = time.process_time()
        services.finish(one.id, RunStatus.FINISHED, ended_us=9)
        took.append(1e3 * (time.process_time() - began))
    stores.ledger.close()
    return {"end_ms": sorted(took)[len(took) // 2]}


def main(bench: Bench) -> None:
    """The chain, and the ends of a small, a usual and a long run."""
    count = bench.size(200_000, small=2000)
    found = bench.repeat(lambda: bench.child("chain", folder=bench.fresh(), count=count))
    bench.show(
        "a chain of events",
        **found,
        targets={"sealed_per_s": at_least(20_000), "verified_per_s": at_least(20_000), "peak_mb": at_most(200)},
        shown=["told_per_s", "sealed_per_s", "verified_per_s", "peak_mb"],
        events=count,
        process_start="not included, except in peak_mb",
    )
    runs = 2 if bench.small else 15
    for what, series, blocks in (("20 series", 20, 1), ("a million points", 1, 2 if bench.small else 250)):

        def measure(series: int = series, blocks: int = blocks) -> Numbers:
            return bench.child("ends", folder=bench.fresh(), series=series, blocks=blocks, runs=runs)

        bench.show(f"the end of a run with {what}", **bench.repeat(measure), targets={"end_ms": at_most(20)})


if __name__ == "__main__":
    run(main, "events")
