"""Repeated runs side by side: the mean of each metric by group, how sure it is, and what lies between groups.

Runs that share a word (an experiment, a parameter's value, a tag, a branch) are repetitions of one thing. Assumes that
they are independent, as runs with seeds of their own are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.errors import Invalid, NotFound
from clew.core.judging import FoundRun
from clew.core.numbers import counted
from clew.core.types.interval import Interval
from clew.core.types.run import RunStatus
from clew.tracking.branch import BRANCH_TAG, branch_of
from clew.tracking.capture.git import repository_name, short_revision

__all__ = ["Group", "GroupedMetric", "Grouping", "OneRun", "group_runs", "word_of"]

_MOST, _SHOWN = 50, 10


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Runs that share a word; those that go on, failed or were lost are `unfinished`, and left out of the metrics."""

    name: str
    runs: list[str]
    unfinished: int = 0


class OneRun(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the place of an interval where a group has one run: a value without bounds."""

    value: float
    low: None = None
    high: None = None
    level: None = None
    units: int = 1
    method: str = "one run"


class GroupedMetric(msgspec.Struct, frozen=True, kw_only=True):
    """The last value of one metric: for each group the mean and its interval, and its difference to the first group.

    With one run in a group there is a value and no interval: `OneRun`.
    """

    name: str
    means: list[Interval | OneRun | None]
    differences: list[Interval | OneRun | None]


class Grouping(msgspec.Struct, frozen=True, kw_only=True):
    """Groups, the one to compare with first."""

    by: str
    groups: list[Group]
    metrics: list[GroupedMetric]


def word_of(by: str, objects: Objects, *, remote: str = "") -> Callable[[FoundRun], str]:
    """What a run is grouped by.

    Args:
        by: `experiment`, `branch`, `revision`, `name`, `group` (the tag of that name), `param.NAME` or `tag.NAME`.
        objects: where what runs recorded is.
        remote: for branches: those of runs of another repository than this are left out.

    Raises:
        Invalid: it is none of these.
    """
    kind, _, name = by.partition(".")
    if by == "experiment":
        return lambda found: found.experiment
    if by == "group":
        return lambda found: found.run.tags.get("group", "")
    if by == "name":
        return lambda found: found.run.name
    if by == "revision":
        return lambda found: short_revision(found.run.commit)
    if by == "branch":
        return lambda found: _branch(objects, found, remote)
    if kind == "param" and name:
        return lambda found: str(found.run.params.get(name, ""))
    if kind == "tag" and name:
        return lambda found: found.run.tags.get(name, "")
    raise Invalid(
        f"runs cannot be grouped by {by!r}",
        hint="experiment, group, branch, revision, name, param.NAME or tag.NAME",
    )


def group_runs(
    found: Sequence[FoundRun],
    by: str,
    word: Callable[[FoundRun], str],
    *,
    first: str = "",
    others: Sequence[str] = (),
    remote: str = "",
) -> Grouping:
    """Put runs into groups and compare these.

    Args:
        found: the runs, in any order.
        by: what `word` is, for people.
        word: what each run is grouped by; runs without it are left out.
        first: the group to compare with; the one of the earliest run when empty.
        others: the groups beside it; all when there are none.
        remote: of whose branches only these are groups, for people.

    Raises:
        Invalid: there are fewer than two groups, or too many.
        NotFound: there is no group `first`, or one of `others`.
    """
    sides: dict[str, list[FoundRun]] = {}
    for run in sorted(found, key=lambda each: (each.run.created_us, each.run.id)):
        name = word(run)
        if name:
            sides.setdefault(name, []).append(run)
    for name in (first, *others):
        if name and name not in sides:
            hint = _known(by, list(sides), len(found), remote)
            raise NotFound(by if by in ("branch", "experiment") else "group", name, hint=hint)
    if others:
        sides = {name: runs for name, runs in sides.items() if name in (first, *others)}
    if len(sides) < 2:
        said = f"{counted(len(found), 'runs')} in {counted(len(sides), 'groups')} by {by}, where two are needed"
        raise Invalid(said, hint=f"{_known(by, list(sides), len(found), remote)}; choose another --by, or more runs")
    if len(sides) > _MOST:
        raise Invalid(f"these runs are {len(sides)} groups by {by}", hint="choose fewer with --where")
    names = [first, *(name for name in sides if name != first)] if first else list(sides)
    finished = [[run for run in sides[name] if run.run.status is RunStatus.FINISHED] for name in names]
    groups = [
        Group(name=name, runs=[run.run.id for run in sides[name]], unfinished=len(sides[name]) - len(runs))
        for name, runs in zip(names, finished, strict=True)
    ]
    keys = sorted({key for runs in finished for run in runs for key in run.metrics})
    return Grouping(by=by, groups=groups, metrics=[_compared(key, finished) for key in keys])


def _known(by: str, names: Sequence[str], runs: int, remote: str) -> str:
    """Which groups there are, for who asked for others."""
    if names:
        shown = ", ".join([*names[:_SHOWN], *(["…"] if len(names) > _SHOWN else [])])
        return f"there {'is' if len(names) == 1 else 'are'} {shown}"
    if not runs:
        return "no run was found"
    what = by if "." in by else f"a {by}"
    whose = f" of {repository_name(remote)}" if remote else ""
    how = f", which git or the tag {BRANCH_TAG} says" if by == "branch" else ""
    return f"none of {counted(runs, 'runs')} has {what}{whose}{how}"


def _compared(key: str, sides: Sequence[Sequence[FoundRun]]) -> GroupedMetric:
    values = [[run.metrics[key].last for run in side if key in run.metrics] for side in sides]
    return GroupedMetric(
        name=key,
        means=[_mean(side) for side in values],
        differences=[None, *(_difference(values[0], side) for side in values[1:])],
    )


def _mean(values: Sequence[float]) -> Interval | OneRun | None:
    """Student's interval of a mean."""
    from clew.stats.intervals import mean_by_unit

    if not values or not _finite(values):
        return None
    if len(values) == 1:
        return OneRun(value=values[0])
    origin = values[0]
    found = mean_by_unit(_from(origin, values), [1] * len(values))
    return msgspec.structs.replace(found, value=found.value + origin, low=found.low + origin, high=found.high + origin)


def _difference(first: Sequence[float], other: Sequence[float]) -> Interval | OneRun | None:
    """The interval of a difference of means of runs that are not paired, each side with its own spread."""
    from clew.stats.intervals import unit_difference

    if not first or not other or not _finite([*first, *other]):
        return None
    first, other = _from(first[0], first), _from(first[0], other)
    if min(len(first), len(other)) == 1:
        return OneRun(value=sum(other) / len(other) - sum(first) / len(first))
    ours, theirs = [0.0] * len(other), [0.0] * len(first)
    mine = ([*other, *theirs], [1] * len(other) + [0] * len(first))
    base = ([*ours, *first], [0] * len(other) + [1] * len(first))
    return unit_difference(mine, base).interval(0.95, "difference of means")


def _from(origin: float, values: Sequence[float]) -> list[float]:
    """Values seen from one of them: equal ones are all 0, and no error of rounding becomes a spread or a difference."""
    return [value - origin for value in values]


def _finite(values: Sequence[float]) -> bool:
    return all(math.isfinite(value) for value in values)


def _branch(objects: Objects, found: FoundRun, remote: str) -> str:
    branch, whose = branch_of(objects, found.run)
    return "" if remote and whose and repository_name(whose) != repository_name(remote) else branch
