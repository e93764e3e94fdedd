"""A challenger in shadow against the champion: the same decisions, paired by unit, judged after each unit.

The test is a sequential t-test on the difference of cost per decision (`clew.stats.sequential.student`), so that
looking after every unit costs nothing. It promotes through the gate; it never moves an alias past it. A unit is a
window, or the hour, day or week that the value contract counts by if that is longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, takewhile
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, GateRefused
from clew.core.numbers import counted, span
from clew.core.types.edge import node
from clew.core.types.endpoint import Endpoint, Trial, TrialState, Window
from clew.core.types.interval import Interval
from clew.loop.monitor import DAY_US, EARLY_LABEL_US, LENGTH_US, Monitor, window_start
from clew.monitoring.logged import with_truth
from clew.policy.value import cost_per_row
from clew.stats.sequential.student import StudentSequence
from clew.store.account import row_digest

if TYPE_CHECKING:
    import polars as pl

    from clew.loop.promotion import Promote
    from clew.settings import PromotionSettings

__all__ = ["TrialTest", "begin_trial", "continue_trial", "running_trial"]

_PATIENCE_US = 14 * DAY_US
"""How long a unit waits for the rest of its labels before it is judged without them."""

_MOST_UNITS = 64
"""So many units are read together."""


class TrialTest(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a trial, stored with it.

    `difference` is the sequence over units of the challenger's cost per decision minus the champion's; `champion_cost`
    and `rows` are sums over the same decisions; `until_us` is the end of the last unit that was looked at, and `looked`
    how many those were, also without a decision that both made.
    """

    difference: StudentSequence = StudentSequence()
    champion_cost: float = 0.0
    challenger_cost: float = 0.0
    rows: int = 0
    looked: int = 0
    until_us: int = 0


class _Unit(NamedTuple):
    """A unit that is over, and the champion's windows in it."""

    start_us: int
    end_us: int
    windows: list[Window]


def running_trial(stores: Stores, endpoint: Endpoint) -> Trial | None:
    """The trial that is under way at an endpoint, if there is one."""
    with stores.ledger.read() as tx:
        found = [trial for trial in tx.trials.list(endpoint.id) if trial.state is TrialState.RUNNING]
    return found[-1] if found else None


def begin_trial(stores: Stores, endpoint: Endpoint, *, champion: str, challenger: str, at_us: int) -> Trial:
    """Put a challenger on trial from a moment of event time on; another one that runs is superseded.

    Where its own trial runs already, as another worker began it for the same retraining, that one goes on.
    """
    trial = Trial(
        id=stores.ids(),
        endpoint=endpoint.id,
        champion=champion,
        challenger=challenger,
        state=TrialState.RUNNING,
        started_us=at_us,
        ended_us=0,
        test=msgspec.to_builtins(TrialTest(until_us=at_us)),
    )
    with stores.ledger.write() as tx:
        running = [other for other in tx.trials.list(endpoint.id) if other.state is TrialState.RUNNING]
        for other in running:
            if (other.champion, other.challenger) == (champion, challenger):
                return other
        for other in running:
            _put_ended(stores, tx, _over(other, at_us, "another trial began"), "trial.superseded")
        tx.trials.put(trial)
        _tell(stores, tx, trial, "trial.began", {"at_us": at_us})
    return trial


def continue_trial(
    monitor: Monitor, trial: Trial, *, now_us: int, settings: PromotionSettings, promote: Promote
) -> Trial:
    """Count the units whose labels have come since, look after each, and end the trial when it is decided.

    Args:
        monitor: of the endpoint where it runs.
        trial: under way.
        now_us: now, in event time.
        settings: when a challenger becomes champion.
        promote: gives the endpoint's alias to a version, through the gate.
    """
    stores, endpoint = monitor.stores, monitor.endpoint
    with stores.ledger.read() as tx:
        held = {move.alias: move for move in tx.models.aliases(endpoint.model)}[endpoint.alias]
    if held.version not in (trial.champion, trial.challenger):
        return _superseded(stores, trial, now_us, f"version {held.number} became {endpoint.alias}")
    test = msgspec.convert(trial.test, TrialTest)
    for unit, pairs in _paired(monitor, trial, _ready(_units(monitor, trial, test.until_us, now_us), now_us)):
        test = _with_unit(monitor, trial, test, unit, pairs)
        verdict = _verdict(test, settings)
        if verdict is not None:
            ended = msgspec.structs.replace(trial, ended_us=unit.end_us)
            return _end(stores, ended, test, verdict, settings, promote)
    trial = msgspec.structs.replace(trial, test=msgspec.to_builtins(test))
    if held.version == trial.challenger:
        return _superseded(stores, trial, now_us, f"version {held.number} was made {endpoint.alias} by hand")
    return _store(stores, trial)


def _units(monitor: Monitor, trial: Trial, from_us: int, now_us: int) -> list[_Unit]:
    """The units that are over and began behind a time, oldest first."""
    names = [monitor.settings.window.value, monitor.contract_of(trial.champion).unit]
    longest = max((name for name in names if name in LENGTH_US), key=LENGTH_US.__getitem__)
    with monitor.stores.ledger.read() as tx:
        windows = tx.windows.list(monitor.endpoint.id, low_us=from_us, high_us=now_us, version=trial.champion)
    units = groupby(windows, key=lambda window: window_start(window.start_us, longest))
    found = [_Unit(start_us, start_us + LENGTH_US[longest], list(some)) for start_us, some in units]
    return [unit for unit in found if from_us <= unit.start_us and unit.end_us <= now_us]


def _ready(units: Sequence[_Unit], now_us: int) -> list[_Unit]:
    """The units before the first one that waits for labels."""

    def waits(unit: _Unit) -> bool:
        return now_us < unit.end_us + _PATIENCE_US and any(each.labels < each.rows for each in unit.windows)

    return list(takewhile(lambda unit: not waits(unit), units))


def _with_unit(monitor: Monitor, trial: Trial, test: TrialTest, unit: _Unit, pairs: pl.DataFrame | None) -> TrialTest:
    """The state after one more unit; one without labelled pairs only moves the time."""
    moved = msgspec.structs.replace(test, until_us=unit.end_us, looked=test.looked + 1)
    if pairs is None or not pairs.height:
        return moved
    classes = monitor.deciders(trial.champion).package.signature.classes
    contract, truth = monitor.contract_of(trial.champion), pairs["truth"].to_numpy()
    champion = cost_per_row(contract, truth, pairs["decided"].to_numpy(), classes)
    challenger = cost_per_row(contract, truth, pairs["challenger"].to_numpy(), classes)
    return msgspec.structs.replace(
        moved,
        difference=test.difference.update(float((challenger - champion).mean())),
        champion_cost=test.champion_cost + float(champion.sum()),
        challenger_cost=test.challenger_cost + float(challenger.sum()),
        rows=test.rows + pairs.height,
    )


def _paired(monitor: Monitor, trial: Trial, units: Sequence[_Unit]) -> Iterator[tuple[_Unit, pl.DataFrame | None]]:
    """Each unit with the labelled decisions of the champion and what the challenger would have decided.

    The logs are read once for many units: labels of the first one may be the last in the log.
    """
    import polars as pl

    logs, endpoint = monitor.logs, monitor.endpoint
    signatures = [monitor.deciders(version).package.signature for version in (trial.champion, trial.challenger)]
    for at in range(0, len(units), _MOST_UNITS):
        some = units[at : at + _MOST_UNITS]
        low_us, high_us = some[0].start_us, some[-1].end_us
        decisions = logs.decisions(endpoint, low_us, high_us, version=trial.champion)
        shadows = logs.shadows(endpoint, low_us, high_us, version=trial.challenger)
        if decisions is None or shadows is None:
            yield from ((unit, None) for unit in some)
            continue
        labels = logs.labels(endpoint, low_us - EARLY_LABEL_US)
        labels = None if labels is None else _about(decisions, labels)
        theirs = with_truth(shadows, None, signatures[1]).select("id", challenger="decided").unique("id")
        for unit in some:
            mine = decisions.filter(pl.col("time_us").is_between(unit.start_us, unit.end_us, closed="left"))
            known = None if labels is None else labels.filter(pl.col("time_us") >= unit.start_us - EARLY_LABEL_US)
            truths = with_truth(mine, known, signatures[0]).drop_nulls("truth")
            yield unit, truths.join(theirs, on="id", how="inner")


def _about(decisions: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """The labels that may be about some decisions."""
    import polars as pl

    by_id, by_key = labels.filter(pl.col("id") != ""), labels.filter(pl.col("id") == "")
    parts = [
        some.join(decisions.select(name), on=name, how="semi", maintain_order="left")
        for name, some in (("id", by_id), ("key", by_key))
    ]
    return pl.concat(parts)


def _verdict(test: TrialTest, settings: PromotionSettings) -> TrialState | None:
    """By the interval that goes to the gate and into the record, so that neither says otherwise than the trial."""
    interval = _interval(test, settings)
    if interval.units >= settings.min_units:
        if interval.high < -settings.effect * abs(test.champion_cost) / test.rows:
            return TrialState.PROMOTED
        if interval.low > 0.0:
            return TrialState.REJECTED
    return TrialState.REJECTED if max(test.looked, interval.units) >= settings.max_units else None


def _end(
    stores: Stores, trial: Trial, test: TrialTest, verdict: TrialState, settings: PromotionSettings, promote: Promote
) -> Trial:
    """Promote or reject; a gate that refuses what the trial would promote rejects it.

    A process that dies behind the promotion does all of this again, and promotes a version that is champion already.
    """
    found = _in_words(test, settings)
    if verdict is TrialState.PROMOTED:
        try:
            promote(trial.challenger, reason=found, trial=_interval(test, settings))
        except GateRefused as refused:
            verdict, found = TrialState.REJECTED, f"{found}; the gate refused it: {refused.what}"
    ended = msgspec.structs.replace(trial, state=verdict, test=msgspec.to_builtins(test), reason=found)
    return _store(stores, ended, event=f"trial.{verdict.value}")


def _superseded(stores: Stores, trial: Trial, now_us: int, why: str) -> Trial:
    return _store(stores, _over(trial, now_us, why), event="trial.superseded")


def _interval(test: TrialTest, settings: PromotionSettings) -> Interval:
    return test.difference.interval(settings.confidence)


def _in_words(test: TrialTest, settings: PromotionSettings) -> str:
    interval = _interval(test, settings)
    if not test.rows:
        return f"no labelled decision of both versions in {counted(test.looked, 'units')}"
    percent = 100 * test.difference.mean * test.rows / abs(test.champion_cost) if test.champion_cost else 0.0
    return (
        f"{counted(interval.units, 'units')}, {counted(test.rows, 'decisions')}: cost per decision "
        f"{span(interval, sign=True)} against the champion ({percent:+z.1f} %)"
    )


def _store(stores: Stores, trial: Trial, *, event: str = "") -> Trial:
    """Write down how a trial stands; what another worker ended meanwhile stays ended.

    Raises:
        Conflict: it did.
    """
    with stores.ledger.write() as tx:
        if tx.trials.get(trial.id).state is not TrialState.RUNNING:
            raise Conflict("another look at the endpoint has ended the trial", hint="nothing is lost: look again")
        if event:
            _put_ended(stores, tx, trial, event)
        else:
            tx.trials.put(trial)
    return trial


def _put_ended(stores: Stores, tx: Transaction, trial: Trial, event: str) -> None:
    tx.trials.put(trial)
    _tell(stores, tx, trial, event, {"reason": trial.reason, "at_us": trial.ended_us, "row": row_digest(trial)})


def _over(trial: Trial, at_us: int, why: str) -> Trial:
    return msgspec.structs.replace(trial, state=TrialState.SUPERSEDED, ended_us=at_us, reason=why)


def _tell(stores: Stores, tx: Transaction, trial: Trial, kind: str, facts: dict[str, object]) -> None:
    facts = {"trial": trial.id, "endpoint": trial.endpoint, "champion": trial.champion, **facts}
    stores.tell(tx, kind, node("model", trial.challenger), facts)
