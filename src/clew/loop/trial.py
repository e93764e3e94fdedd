"""A challenger in shadow against the champion: the same decisions, paired by unit, judged after each unit.

The test is a sequential t-test on the difference of cost per decision (`clew.stats.sequential.student`), so that
looking after every unit costs nothing. It promotes through the gate; it never moves an alias past it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import GateRefused
from clew.core.types.edge import node
from clew.core.types.endpoint import Endpoint, Trial, TrialState, Window
from clew.core.types.event import Event
from clew.core.types.interval import Interval
from clew.core.types.value import ValueContract, plain_value
from clew.loop.windows import Deciders
from clew.monitoring.logged import read_decisions, read_labels, read_shadows, with_truth
from clew.policy.value import cost_per_row
from clew.stats.sequential.student import StudentSequence

if TYPE_CHECKING:
    import polars as pl

    from clew.loop.promotion import Promote
    from clew.settings import PromotionSettings

__all__ = ["TrialTest", "begin_trial", "continue_trial", "running_trial"]

_DAY_US = 86_400_000_000
_PATIENCE_US = 14 * _DAY_US
"""How long a unit waits for the rest of its labels before it is judged without them."""


class TrialTest(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a trial, stored with it.

    `difference` is the sequence over units of the challenger's cost per decision minus the champion's; `champion_cost`
    and `rows` are sums over the same decisions; `until_us` is the end of the last unit that was counted.
    """

    difference: StudentSequence = StudentSequence()
    champion_cost: float = 0.0
    challenger_cost: float = 0.0
    rows: int = 0
    until_us: int = 0


def running_trial(stores: Stores, endpoint: Endpoint) -> Trial | None:
    """The trial that is under way at an endpoint, if there is one."""
    with stores.ledger.read() as tx:
        found = [trial for trial in tx.trials.list(endpoint.id) if trial.state is TrialState.RUNNING]
    return found[-1] if found else None


def begin_trial(stores: Stores, endpoint: Endpoint, *, champion: str, challenger: str, at_us: int) -> Trial:
    """Put a challenger on trial from a moment of event time on; one that runs already is superseded."""
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
        for other in tx.trials.list(endpoint.id):
            if other.state is TrialState.RUNNING:
                tx.trials.put(msgspec.structs.replace(other, state=TrialState.SUPERSEDED, ended_us=at_us))
        tx.trials.put(trial)
        tx.events.add(_event(stores, trial, "trial.began", {"at_us": at_us}))
    return trial


def continue_trial(
    stores: Stores,
    endpoint: Endpoint,
    trial: Trial,
    *,
    now_us: int,
    settings: PromotionSettings,
    contract: ValueContract | None,
    deciders: Deciders,
    promote: Promote,
) -> Trial:
    """Count the units whose labels have come since, look after each, and end the trial when it is decided.

    Args:
        stores: the project.
        endpoint: where the trial runs.
        trial: under way.
        now_us: now, in event time.
        settings: when a challenger becomes champion.
        contract: what decisions are worth.
        deciders: model versions by id.
        promote: gives the endpoint's alias to a version, through the gate.
    """
    with stores.ledger.read() as tx:
        windows = tx.windows.list(endpoint.id, low_us=trial.started_us, high_us=now_us, version=trial.champion)
    test = msgspec.convert(trial.test, TrialTest)
    for window in windows:
        if window.start_us < test.until_us:
            continue
        if window.labels < window.rows and now_us < window.end_us + _PATIENCE_US:
            break
        test = _with_unit(stores, endpoint, trial, window, test, contract, deciders)
        verdict = _verdict(test, settings)
        if verdict is not None:
            return _end(stores, trial, test, verdict, window.end_us, settings, promote)
    return _store(stores, msgspec.structs.replace(trial, test=msgspec.to_builtins(test)))


def _with_unit(
    stores: Stores,
    endpoint: Endpoint,
    trial: Trial,
    window: Window,
    test: TrialTest,
    contract: ValueContract | None,
    deciders: Deciders,
) -> TrialTest:
    """The state after one more window; one without labelled pairs only moves the time."""
    moved = msgspec.structs.replace(test, until_us=window.end_us)
    pairs = _pairs(stores, endpoint, trial, window, deciders)
    if pairs is None or not pairs.height:
        return moved
    signature = deciders(trial.champion).package.signature
    worth = contract or plain_value(signature.task, signature.classes)
    truth = pairs["truth"].to_numpy()
    champion = cost_per_row(worth, truth, pairs["decided"].to_numpy(), signature.classes)
    challenger = cost_per_row(worth, truth, pairs["challenger"].to_numpy(), signature.classes)
    return msgspec.structs.replace(
        moved,
        difference=test.difference.update(float((challenger - champion).mean())),
        champion_cost=test.champion_cost + float(champion.sum()),
        challenger_cost=test.challenger_cost + float(challenger.sum()),
        rows=test.rows + pairs.height,
    )


def _pairs(stores: Stores, endpoint: Endpoint, trial: Trial, window: Window, deciders: Deciders) -> pl.DataFrame | None:
    """Labelled decisions of the champion with what the challenger would have decided."""
    import polars as pl

    decisions = read_decisions(stores, endpoint, window.start_us, window.end_us)
    shadows = read_shadows(stores, endpoint, window.start_us, window.end_us)
    if decisions is None or shadows is None:
        return None
    labels = read_labels(stores, endpoint, window.start_us - _PATIENCE_US, window.end_us + 4 * _PATIENCE_US)
    signature = deciders(trial.champion).package.signature
    mine = with_truth(decisions.filter(pl.col("version") == trial.champion), labels, signature).drop_nulls("truth")
    theirs = shadows.filter(pl.col("version") == trial.challenger)
    other = with_truth(theirs, None, deciders(trial.challenger).package.signature)
    return mine.join(other.select("id", challenger="decided").unique("id"), on="id", how="inner")


def _verdict(test: TrialTest, settings: PromotionSettings) -> TrialState | None:
    """By the interval that goes to the gate and into the record, so that neither says otherwise than the trial."""
    interval = _interval(test, settings)
    if interval.units >= settings.min_units:
        needed = -settings.effect * (test.champion_cost / test.rows if test.rows else 0.0)
        if interval.high < needed:
            return TrialState.PROMOTED
        if interval.low > 0.0:
            return TrialState.REJECTED
    return TrialState.REJECTED if interval.units >= settings.max_units else None


def _end(
    stores: Stores,
    trial: Trial,
    test: TrialTest,
    verdict: TrialState,
    at_us: int,
    settings: PromotionSettings,
    promote: Promote,
) -> Trial:
    """Promote or reject; a gate that refuses what the trial would promote rejects it."""
    found = _in_words(test, settings)
    if verdict is TrialState.PROMOTED:
        try:
            promote(trial.challenger, reason=found, trial=_interval(test, settings))
        except GateRefused as refused:
            verdict, found = TrialState.REJECTED, f"{found}; the gate refused it: {refused.what}"
    ended = msgspec.structs.replace(trial, state=verdict, ended_us=at_us, test=msgspec.to_builtins(test), reason=found)
    return _store(stores, ended, event=f"trial.{verdict.value}")


def _interval(test: TrialTest, settings: PromotionSettings) -> Interval:
    return test.difference.interval(settings.confidence)


def _in_words(test: TrialTest, settings: PromotionSettings) -> str:
    interval = _interval(test, settings)
    percent = 100 * test.difference.mean / (test.champion_cost / test.rows) if test.champion_cost else 0.0
    return (
        f"{interval.units} units, {test.rows} decisions: cost per decision {interval.value:+.3f} "
        f"[{interval.low:+.3f}, {interval.high:+.3f}] against the champion ({percent:+.1f} %)"
    )


def _store(stores: Stores, trial: Trial, *, event: str = "") -> Trial:
    with stores.ledger.write() as tx:
        tx.trials.put(trial)
        if event:
            tx.events.add(_event(stores, trial, event, {"reason": trial.reason, "at_us": trial.ended_us}))
    return trial


def _event(stores: Stores, trial: Trial, kind: str, facts: dict[str, object]) -> Event:
    return Event(
        id=stores.ids(),
        project=stores.project,
        at_us=stores.clock.now_us(),
        actor=stores.actor,
        kind=kind,
        subject=node("model", trial.challenger),
        facts={"endpoint": trial.endpoint, "champion": trial.champion, **facts},
    )
