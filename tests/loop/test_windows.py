"""Windows: counted exactly, judged once they close, and anew whenever something comes that is about them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.errors import Conflict
from clew.core.types.endpoint import Window
from clew.loop.monitor import DAY_US, window_start
from clew.loop.watch import compact_endpoint
from clew.loop.windows import _stretches, judge_windows, put_windows
from clew.monitoring.profile import count_rows, decode_hours
from clew.monitoring.report import report_of
from clew.serving.records import LabelRecord, encode
from clew.settings import SETTINGS_FILE
from clew.testing.life import SETTINGS, START_US, Life
from clew.workspace import Workspace

Change = Callable[[str], None]


@pytest.fixture
def change(life: Life) -> Change:
    """Add something to the settings."""

    def add(text: str) -> None:
        root = life.workspace.root
        (root / SETTINGS_FILE).write_text(SETTINGS + text)
        life.workspace.settings = Workspace(root).settings

    return add


def counts_of(life: Life, window: Window) -> dict[str, list[int]]:
    [counts] = decode_hours(life.stores.objects.get(window.profile)).hours.values()
    return counts


def assert_counted(life: Life) -> None:
    """Each window holds exactly the counts of its rows."""
    for window in life.windows:
        rows = life.logs.decisions(life.endpoint, window.start_us, window.end_us, version=window.version, inputs=True)
        assert rows is not None
        profile = life.deciders(window.version).profile
        assert profile is not None
        assert counts_of(life, window) == count_rows(rows["inputs"].struct.unnest(), rows["score"], profile)
        assert window.rows == rows.height


def test_a_window_counts_its_rows(life: Life) -> None:
    life.decide(0, 48)
    life.decide(0.5, 30, by=2, hours=12)
    life.decide(1, 24)
    life.watch(2)
    assert [(window.start_us, window.rows) for window in life.windows] == [
        (START_US, 48),
        (START_US, 30),
        (START_US + DAY_US, 24),
    ]
    assert_counted(life)


def test_a_window_is_judged_when_it_has_closed(life: Life) -> None:
    life.decide(0)
    life.decide(1)
    assert life.watch(0.9).windows == 0
    assert life.watch(1).windows == 1
    assert life.watch(1.9).windows == 0
    assert life.watch(2).windows == 1
    assert [window.revision for window in life.windows] == [0, 0]


def test_labels_are_counted_and_valued(life: Life) -> None:
    names = life.decide(0)
    life.watch(1)
    life.label(names[:40], day=1.5)
    life.watch(2)
    [window] = life.windows
    report = report_of(window)
    assert (window.labels, window.revision) == (40, 1)
    rows = life.logs.decisions(life.endpoint, window.start_us, window.end_us)
    assert rows is not None
    pairs = [(life.truths[key], said) for key, said in rows.head(40).select("key", "decision").iter_rows()]
    cost = sum(50 if truth and not said else 10 if said and not truth else 0 for truth, said in pairs)
    assert report.cost == cost
    assert report.cases == pytest.approx(sum(truth for truth, _ in pairs) / 40)
    assert report.alarms == pytest.approx(sum(said for _, said in pairs) / 40)
    assert report.auc is not None
    assert report.auc > 0.6
    life.label(names[40:], day=9)
    life.watch(10)
    assert life.windows[0].labels == 48


def test_labels_judge_the_windows_anew_that_they_are_about_and_no_others(life: Life) -> None:
    names = [life.decide(day, 24) for day in range(5)]
    life.watch(5)
    life.label(names[1] + names[3][:1], day=5.5)
    life.watch(6)
    assert [(window.labels, window.revision) for window in life.windows] == [(0, 0), (24, 1), (0, 0), (1, 1), (0, 1)]
    life.watch(6)  # nothing new: nothing judged
    assert [window.revision for window in life.windows] == [0, 1, 0, 1, 1]


@pytest.mark.parametrize("day", [-6.9, 0, 30, 5000])
def test_labels_are_found_whatever_time_they_carry(life: Life, day: float) -> None:
    names = life.decide(0, 24)
    life.watch(1)
    life.label(names, day=day)
    life.watch(1.5)
    assert life.windows[0].labels == 24


def test_labels_may_come_before_the_window_closes_and_before_its_decisions(life: Life) -> None:
    names = life.decide(0, 24)
    life.label(names, day=0.4)
    early = f"flight {START_US + DAY_US} 0"
    life.truths[early] = True
    life.label([early], day=0.5)
    life.watch(1)
    assert (life.windows[0].labels, life.windows[0].revision) == (24, 0)
    assert early in life.decide(1, 24)
    life.watch(2)
    assert (life.windows[1].labels, life.windows[1].revision) == (1, 0)


def test_of_two_labels_the_one_received_last_counts(life: Life) -> None:
    names = life.decide(0, 24)
    life.label(names, day=1)
    life.watch(1)
    right = report_of(life.windows[0])
    life.label(names, day=1, wrong=True)
    life.watch(1.5)
    wrong = report_of(life.windows[0])
    assert (wrong.cases, wrong.auc) != (right.cases, right.auc)
    assert wrong.cases == pytest.approx(1 - (right.cases or 0))
    ids = life.logs.decisions(life.endpoint, START_US, START_US + DAY_US)
    assert ids is not None
    life.truths.update(zip(ids["id"], [life.truths[key] for key in ids["key"]], strict=True))
    life.label(ids["id"].to_list(), day=1, by_id=True)
    life.watch(2)
    assert report_of(life.windows[0]).cases == right.cases
    assert life.windows[0].labels == 24


def test_labels_by_prediction_id(life: Life) -> None:
    names = life.decide(0, 24, keys=False)
    others = life.decide(1, 24, keys=False)
    life.watch(2)
    life.label(names[:7], day=2, by_id=True)
    life.watch(2.5)
    assert [window.labels for window in life.windows] == [7, 0]
    life.label(others, day=2, by_id=True)
    life.watch(2.6)
    assert [window.labels for window in life.windows] == [7, 24]


def test_a_label_that_is_no_class_is_no_label(life: Life) -> None:
    names = life.decide(0, 24)
    odd: list[Any] = ["yes", 7, None, 0.5, 1, 0, 1.0, "true"]
    life.journal.append(encode(LabelRecord(1, START_US, [""] * 8, names[:8], odd)))
    life.watch(1)
    assert life.windows[0].labels == 4  # 1, 0, 1.0, and "true", as pandas writes it


def test_decisions_that_come_late_are_counted(life: Life) -> None:
    names = life.decide(0, 24)
    life.watch(2)
    late = life.decide(0.25, 12, hours=6)
    life.decide(1.5, 24, by=2, hours=12)  # a version that had decided nothing on that day
    life.watch(2.1)
    assert [(window.rows, window.revision) for window in life.windows] == [(36, 1), (24, 0)]
    assert_counted(life)
    life.label(names + late, day=3)
    life.watch(3)
    assert life.windows[0].labels == 36


def test_one_look_at_the_end_finds_what_a_look_a_day_finds(life: Life, grown: Path, tmp_path: Path) -> None:
    other = Life(shutil.copytree(grown, tmp_path / "other"))
    for day in range(32):
        for one in (life, other):
            names = one.decide(day, 24, shift=0.0 if day < 12 else 1.0)
            one.label(names[: 20 if day % 3 else 24], day=day + 0.9)
        life.watch(day + 1, trial=False)
    other.watch(32, trial=False)
    assert len(life.windows) == 32
    for window, twin in zip(life.windows, other.windows, strict=True):
        ours, theirs = report_of(window), report_of(twin)
        assert (window.start_us, window.rows, window.labels) == (twin.start_us, twin.rows, twin.labels)
        assert (ours.drift, ours.cost, ours.auc) == (theirs.drift, theirs.cost, theirs.auc)
    assert [alert.key for alert in life.alerts] == [alert.key for alert in other.alerts] != []
    other.close()


def test_a_process_that_remembers_nothing_judges_alike(life: Life) -> None:
    for day in range(6):
        names = life.decide(day, 24)
        life.label(names, day=day + 1)
        life.watch(day + 1)
        life.forget()
    life.watch(7)
    assert [(window.rows, window.labels) for window in life.windows] == [(24, 24)] * 6
    assert [window.report["drift"]["look"] for window in life.windows] == [1, 2, 3, 4, 5, 6]  # type: ignore[index]
    assert_counted(life)


@pytest.mark.parametrize("now", [10, 500, 5000])
def test_what_was_judged_is_not_judged_again_however_long_ago_it_was(life: Life, now: float) -> None:
    names = life.decide(0, 24)
    life.decide(1, 24)
    assert life.watch(now).windows == 2
    life.forget()
    assert life.watch(now).windows == 0
    life.label(names, day=now)
    life.watch(now)
    assert [(window.labels, window.revision) for window in life.windows] == [(24, 1), (0, 1)]


def test_an_endpoint_that_rested_for_long_goes_on(life: Life) -> None:
    life.decide(0, 24)
    life.watch(1)
    life.decide(300, 24)
    life.watch(301)
    assert [window.revision for window in life.windows] == [0, 0]
    assert [window.report["drift"]["look"] for window in life.windows] == [1, 2]  # type: ignore[index]


def test_decisions_of_the_far_past_and_the_future(life: Life) -> None:
    life.decide(0, 24)
    life.watch(1)
    life.decide(-9000, 24)
    life.decide(9000, 24)
    life.watch(2)
    assert [(window.start_us - START_US) // DAY_US for window in life.windows] == [-9000, 0]
    life.watch(9001)
    assert [(window.start_us - START_US) // DAY_US for window in life.windows] == [-9000, 0, 9000]
    assert_counted(life)


def test_weeks_begin_on_monday(life: Life, change: Change) -> None:
    change('\n[monitor.late]\nwindow = "week"\n')
    for day in range(-1, 9):
        life.decide(day, 24)
    life.watch(20)
    assert [((window.start_us - START_US) // DAY_US, window.rows) for window in life.windows] == [
        (-7, 24),
        (0, 7 * 24),
        (7, 2 * 24),
    ]
    assert_counted(life)


def test_hours(life: Life, change: Change) -> None:
    change('\n[monitor.late]\nwindow = "hour"\n')
    names = life.decide(0, 48)
    life.watch(0.5)
    assert len(life.windows) == 12
    life.label(names, day=0.6)
    life.watch(1)
    assert [(window.rows, window.labels) for window in life.windows] == [(2, 2)] * 24
    assert_counted(life)


def test_another_length_of_windows_from_now_on(life: Life, change: Change) -> None:
    life.decide(0, 24)
    life.watch(1)
    change('\n[monitor.late]\nwindow = "hour"\n')
    life.decide(1, 24)
    life.watch(1.5)
    change("")
    life.decide(2, 24)
    life.watch(3)
    lengths = [(window.end_us - window.start_us) // 3_600_000_000 for window in life.windows]
    assert lengths == [24] + [1] * 12 + [24]
    assert [window.report["drift"]["look"] for window in life.windows[:2]] == [1, 1]  # type: ignore[index]


def test_a_version_without_a_profile_is_counted_and_valued(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    found = life.deciders(life.version(1).id)
    monkeypatch.setitem(life.deciders._known, life.version(1).id, msgspec.structs.replace(found, profile=None))
    names = life.decide(0, 24)
    life.label(names, day=1)
    life.watch(1)
    [window] = life.windows
    assert (window.rows, window.labels, report_of(window).drift) == (24, 24, None)
    assert report_of(window).cost is not None


def test_two_looks_at_once_do_not_overwrite_each_other(life: Life) -> None:
    names = life.decide(0, 24)
    life.watch(1)
    life.label(names, day=1)
    compact_endpoint(life.monitor)
    [slow] = judge_windows(life.monitor, START_US + DAY_US)
    life.watch(1.1)
    with pytest.raises(Conflict, match="faster"), life.stores.ledger.write() as tx:
        put_windows(tx, slow)
    assert life.windows[0].revision == 1


def test_a_look_that_died_before_it_stored_is_done_again(life: Life) -> None:
    names = [name for day in range(3) for name in life.decide(day, 24)]
    compact_endpoint(life.monitor)
    assert sum(len(judged) for judged in judge_windows(life.monitor, START_US + 2 * DAY_US)) == 2
    life.watch(2)
    life.label(names, day=2)
    compact_endpoint(life.monitor)
    list(judge_windows(life.monitor, START_US + 3 * DAY_US))
    life.watch(3)
    assert [(window.labels, window.rows) for window in life.windows] == [(24, 24)] * 3


def test_windows_are_judged_and_stored_in_bounded_numbers(life: Life, change: Change) -> None:
    change('\n[monitor.late]\nwindow = "hour"\n')
    for day in range(6):
        life.decide(day, 24)
    compact_endpoint(life.monitor)
    late = life.monitor
    stored = []
    for judged in judge_windows(late, START_US + 6 * DAY_US):
        with life.stores.ledger.write() as tx:
            put_windows(tx, judged)
        stored.append(len(judged))
        if len(stored) == 2:
            break  # killed
    assert stored == [64, 64]
    life.decide(0.5, 24, hours=12)
    life.watch(6)
    assert [window.rows for window in life.windows] == [1] * 12 + [3] * 12 + [1] * 120
    assert_counted(life)


def test_labels_without_decisions_make_no_windows(life: Life) -> None:
    life.truths["nobody"] = True
    life.label(["nobody"], day=0)
    assert life.watch(1).windows == 0
    assert life.watch(2).windows == 0


@given(
    spans=st.lists(st.tuples(st.integers(-200, 200), st.integers(1, 150)), max_size=8),
    length=st.sampled_from([1, 24]),
)
def test_stretches_cover_all_spans_in_order_and_apart(spans: list[tuple[int, int]], length: int) -> None:
    wanted = [(start * length, start * length + size) for start, size in spans]
    found = _stretches(wanted, length)
    assert all(low < high <= low + 64 * length and low % length == high % length == 0 for low, high in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    windows = {at // length for low, high in wanted for at in range(low, high)}
    assert windows == {at // length for low, high in found for at in range(low, high, length)} & windows
    assert {low // length for low, _ in found} <= windows


@given(at=st.integers(-(10**17), 10**17), length=st.sampled_from(["hour", "day", "week"]))
def test_a_window_holds_the_moments_that_it_starts_before(at: int, length: str) -> None:
    start = window_start(at, length)
    assert start <= at < start + {"hour": 1, "day": 24, "week": 168}[length] * 3_600_000_000
    assert window_start(start, length) == start
