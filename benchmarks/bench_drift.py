"""What a check for drift costs: from rows, and from the counts that serving keeps; and how large a profile is.

Twenty columns: 14 of numbers, 2 of small integers, 4 of texts of ten categories. Peers compare the rows with as many
rows of training and are given both in memory; clew has a profile of the training rows and reads the others 100,000 at
a time, as compaction of the prediction log does. Making the rows is not measured, except in `peak_mb`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from harness import CLEW, Bench, Numbers, at_most, run, spread

Columns = dict[str, Any]

SLICE = 100_000
TRAINED_ON = 100_000


def columns(seed: int, rows: int) -> Columns:
    """Some rows."""
    import numpy as np

    draw = np.random.default_rng(seed)
    letters = np.array(list("ABCDEFGHIJ"))
    found: Columns = {f"number_{i}": draw.normal(i, 1 + i, rows) for i in range(14)}
    found |= {f"count_{i}": draw.integers(0, 50, rows) for i in range(2)}
    return found | {f"text_{i}": letters[draw.integers(0, 10, rows)] for i in range(4)}


def profile_of(rows: int) -> Any:
    """What clew knows of the training rows, a thousand a day."""
    import numpy as np
    import polars as pl

    from clew.monitoring.profile import learn_profile

    return learn_profile(pl.DataFrame(columns(0, rows)), None, units=np.arange(rows) // 1000, unit="day")


def slices(rows: int) -> Iterator[Any]:
    import polars as pl

    for start in range(0, rows, SLICE):
        yield pl.DataFrame(columns(1 + start // SLICE, min(SLICE, rows - start)))


def clew_rows(rows: int) -> Numbers:
    from clew.monitoring.drift import compare_counts
    from clew.monitoring.profile import add_counts, count_rows

    profile, cpu_s, wall_s, parts = profile_of(min(rows, TRAINED_ON)), 0.0, 0.0, []
    for table in slices(rows):
        cpu, began = time.process_time(), time.perf_counter()
        parts.append(count_rows(table, None, profile))
        cpu_s, wall_s = cpu_s + time.process_time() - cpu, wall_s + time.perf_counter() - began
    cpu, began = time.process_time(), time.perf_counter()
    found = compare_counts(profile, add_counts(parts))
    cpu_s, wall_s = cpu_s + time.process_time() - cpu, wall_s + time.perf_counter() - began
    assert len(found) == 20
    return {"check_cpu_s": cpu_s, "check_wall_s": wall_s}


def both_sides(rows: int) -> tuple[Any, Any]:
    import pandas as pd

    return pd.DataFrame(columns(0, rows)), pd.DataFrame(columns(1, rows))


def evidently_rows(rows: int) -> Numbers:
    from evidently import Report
    from evidently.presets import DataDriftPreset

    reference, current = both_sides(rows)
    cpu, began = time.process_time(), time.perf_counter()
    Report([DataDriftPreset()]).run(current, reference).dict()
    return {"check_cpu_s": time.process_time() - cpu, "check_wall_s": time.perf_counter() - began}


def nannyml_rows(rows: int) -> Numbers:
    from nannyml import UnivariateDriftCalculator

    reference, current = both_sides(rows)
    cpu, began = time.process_time(), time.perf_counter()
    found = UnivariateDriftCalculator(column_names=list(reference.columns), chunk_number=1).fit(reference)
    found.calculate(current)
    return {"check_cpu_s": time.process_time() - cpu, "check_wall_s": time.perf_counter() - began}


def rows(who: str, count: int) -> Numbers:
    """A check of some rows."""
    checks = {CLEW: clew_rows, "evidently": evidently_rows, "nannyml": nannyml_rows}
    return checks[who](count)


def counts(who: str, windows: int, looks: int) -> Numbers:
    """A comparison of one day of counts, and a look at all windows that a monitor compares."""
    import polars as pl

    from clew.monitoring.drift import compare_counts, look_at_windows
    from clew.monitoring.profile import count_rows, encode_profile

    profile = profile_of(TRAINED_ON // 10)
    lived = [count_rows(pl.DataFrame(columns(1 + day, 1000)), None, profile) for day in range(windows)]

    def cpu_ms(act: Any) -> list[float]:
        took: list[float] = []
        for _ in range(looks):
            began = time.process_time()
            act()
            took.append(1e3 * (time.process_time() - began))
        return took

    compared = spread(cpu_ms(lambda: compare_counts(profile, lived[-1])), "compare_ms")
    looked = spread(cpu_ms(lambda: look_at_windows(profile, lived, windows, thresholds={})), "look_ms")
    size = len(encode_profile(profile)) / len(profile.columns)
    return {**compared, **looked, "profile_bytes_per_column": size}


def main(bench: Bench) -> None:
    """Both ways."""
    size = bench.size(1_000_000, small=2000)
    medians = bench.compare(lambda who, _: bench.child("rows", who, count=size))
    bench.show_all(
        "a check of rows in 20 columns",
        medians,
        targets={"check_cpu_s": at_most(1.0), "peak_mb": at_most(300)},
        rows=size,
        process_start="not included, except in peak_mb",
    )
    found = bench.repeat(lambda: bench.child("counts", windows=28, looks=5 if bench.small else 200))
    bench.show(
        "a check of the counts that serving keeps, 20 columns",
        **found,
        targets={"p50_compare_ms": at_most(5.0), "profile_bytes_per_column": at_most(1024)},
        shown=["p50_compare_ms", "p99_compare_ms", "p50_look_ms", "profile_bytes_per_column"],
        windows=28,
        process_start="not included",
    )


if __name__ == "__main__":
    run(main, "drift", ("evidently", "nannyml"))
