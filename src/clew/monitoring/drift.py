"""The columns of live windows against the training profile: effects, how surprising they are, and which to alarm.

The statistics and their reasons are in `clew.stats.drift` and `clew.stats.alarms`; this module feeds them profiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from clew.core.types.profile import ColumnProfile, Profile, ProfileKind
from clew.monitoring.episodes import Episode, EpisodeState, go_on

__all__ = [
    "LONGEST_WINDOWS",
    "Before",
    "ColumnDrift",
    "DriftReport",
    "begun_once",
    "compare_counts",
    "look_at_window",
    "look_at_windows",
]

LONGEST_WINDOWS = 28
"""How many of the newest windows a look may need."""


class ColumnDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One column.

    `effect` is the Jensen–Shannon distance (0 to 1) over the newest `windows` windows, those for which the difference
    is most surprising; `p_value` how likely so great a difference is without drift, given that rows of one unit are
    alike, shared over the scales and, in a report, over the columns. `missing` and `novel` are shares of those rows.
    """

    column: str
    effect: float
    p_value: float
    windows: int
    rows: int
    missing: float
    novel: float
    alarm: bool = False


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """One look: all columns, the most surprising first, and what this look could spend of the false alarms allowed.

    `episodes` are those that the columns are in, or that are over with this window.
    """

    look: int
    spent: float
    columns: list[ColumnDrift]
    episodes: dict[str, Episode] = {}

    @property
    def alarmed(self) -> list[str]:
        """The columns that are alarmed in this window, the most surprising first."""
        return [column.column for column in self.columns if column.alarm]

    @property
    def drifted(self) -> list[str]:
        """The columns whose episode is not over, the longest drifted first, then the most surprising."""
        names = [*(column.column for column in self.columns), *self.episodes]
        going = {name: self.episodes[name] for name in names if name in self.episodes}
        unsolved = [name for name, each in going.items() if each.state is not EpisodeState.RESOLVED]
        return sorted(unsolved, key=lambda name: going[name].since_us)


def compare_counts(profile: Profile, counts: Mapping[str, list[int]], *, units: int = 1) -> list[ColumnDrift]:
    """Compare one set of counts with the training profile: a single look at a single window.

    Args:
        profile: of the model version that decided.
        counts: the window's, in the bins of the profile.
        units: how many units (days) the window spans.

    Returns:
        One finding per column that has rows on both sides, in the profile's order.
    """
    from clew.stats.drift.homogeneity import drift_test

    found = []
    for column in _comparable(profile, [counts]):
        window = counts[column.name]
        ordered = column.kind is ProfileKind.NUMBER
        test = drift_test(column.counts, window, ordered=ordered, design=column.design, window_units=units)
        found.append(_finding(column, window, effect=test.effect, p_value=test.p_value, windows=1))
    return found


class Before(msgspec.Struct, frozen=True):
    """What a look at a window takes over from those before it: their counts, newest last, how many looks there were,
    and which episodes the columns were in."""

    counts: Sequence[Mapping[str, list[int]]] = ()
    looks: int = 0
    episodes: Mapping[str, Episode] = {}


def look_at_window(
    profile: Profile, counts: Mapping[str, list[int]], before: Before, *, start_us: int, thresholds: Mapping[str, float]
) -> DriftReport:
    """Look at one more window of a version, together with those before it; see `look_at_windows`.

    Args:
        profile: of the version.
        counts: of the window.
        before: what is known of the windows before it.
        start_us: when it began.
        thresholds: as in `look_at_windows`.
    """
    report = look_at_windows(profile, [*before.counts, counts], before.looks + 1, thresholds=thresholds)
    return msgspec.structs.replace(report, episodes=go_on(before.episodes, report.alarmed, start_us))


def begun_once(report: DriftReport, start_us: int, behind: Mapping[str, Episode]) -> DriftReport:
    """A look at a window that late decisions changed, without episodes that began with the next window, as far as was
    known then: their alerts are raised.

    Args:
        report: the look.
        start_us: when its window began.
        behind: the episodes of the next window.
    """
    known = {column for column, episode in behind.items() if episode.since_us > start_us}
    kept = {
        column: episode
        for column, episode in report.episodes.items()
        if column not in known or episode.since_us < start_us
    }
    return msgspec.structs.replace(report, episodes=kept)


def look_at_windows(
    profile: Profile, windows: Sequence[Mapping[str, list[int]]], look: int, *, thresholds: Mapping[str, float]
) -> DriftReport:
    """Look at the newest windows of a version, several sizes at once, and say which columns to alarm.

    Args:
        profile: of the version.
        windows: counts of its closed windows, newest last, at least one; more than `LONGEST_WINDOWS` are not read.
        look: the number of this look since the version began to decide, from 1.
        thresholds: effects from which a column has drifted, whatever chance says; set by the user, usually empty.
    """
    import numpy as np

    from clew.stats.alarms import drift_at_scales, judge_look

    found = {}
    for column in _comparable(profile, windows[-1:]):
        history = np.array([window[column.name] for window in windows[-LONGEST_WINDOWS:] if column.name in window])
        tests = drift_at_scales(column.counts, history, ordered=column.kind is ProfileKind.NUMBER, design=column.design)
        scale, test = min(tests.items(), key=lambda each: (each[1].p_value, each[0]))
        counts: list[int] = history[-scale:].sum(axis=0).tolist()
        finding = _finding(column, counts, effect=test.effect, p_value=test.p_value, windows=scale)
        found[column.name] = (finding, [each.p_value for each in tests.values()])
    verdict = judge_look({name: p_values for name, (_, p_values) in found.items()}, look)
    columns = [
        msgspec.structs.replace(
            finding,
            p_value=verdict.adjusted[name],
            alarm=finding.effect >= thresholds[name] if name in thresholds else name in verdict.alarmed,
        )
        for name, (finding, _) in found.items()
    ]
    return DriftReport(look=look, spent=verdict.spent, columns=sorted(columns, key=lambda c: (c.p_value, -c.effect)))


def _comparable(profile: Profile, windows: Sequence[Mapping[str, list[int]]]) -> list[ColumnProfile]:
    """The columns that have rows on both sides."""
    return [
        column
        for column in profile.columns
        if sum(column.counts) and any(sum(window.get(column.name, ())) for window in windows)
    ]


def _finding(
    column: ColumnProfile, counts: Sequence[int], *, effect: float, p_value: float, windows: int
) -> ColumnDrift:
    rows = sum(counts)
    return ColumnDrift(
        column=column.name,
        effect=effect,
        p_value=p_value,
        windows=windows,
        rows=rows,
        missing=counts[-1] / rows,
        novel=0.0 if column.kind is ProfileKind.NUMBER else counts[-2] / rows,
    )
