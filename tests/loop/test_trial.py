"""Trials: a better challenger is promoted through the gate, a worse one rejected, and no trial goes on for ever."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clew.core.errors import Conflict, GateRefused
from clew.core.types.edge import node
from clew.core.types.endpoint import Endpoint, Trial, TrialState
from clew.core.types.interval import Interval
from clew.loop.in_place import InPlace
from clew.loop.monitor import DAY_US, EARLY_LABEL_US
from clew.loop.trial import TrialTest, _units, _verdict, begin_trial, continue_trial, running_trial
from clew.loop.watch import Watched
from clew.monitoring.logged import LogReader
from clew.settings import SETTINGS_FILE, PromotionSettings
from clew.testing.life import SETTINGS, START_US, Life
from clew.workspace import Workspace

QUICK = PromotionSettings(min_units=5, max_units=20, confidence=0.8)


def try_out(life: Life, challenger: int, *, day: float = 0) -> Trial:
    champion = life.version(1).id
    return begin_trial(
        life.stores,
        life.endpoint,
        champion=champion,
        challenger=life.version(challenger).id,
        at_us=START_US + int(day * DAY_US),
    )


def live(life: Life, days: range, challenger: int, **more: Any) -> list[str]:
    """Some days with the challenger in shadow, whose labels come a day later."""
    names: list[str] = []
    for day in days:
        names += life.decide(day, 48, shadows=[challenger], **more)
        life.label(names[-48:], day=day + 1)
    return names


def declare(life: Life, text: str) -> None:
    root = life.workspace.root
    (root / SETTINGS_FILE).write_text(SETTINGS + text)
    life.workspace.settings = Workspace(root).settings


def held(life: Life) -> int:
    [number] = [move.number for move in life.workspace.models.aliases("delay") if move.alias == "champion"]
    return number


def the_test(trial: Trial) -> TrialTest:
    return msgspec.convert(trial.test, TrialTest)


def test_a_better_challenger_is_promoted_and_the_record_says_why(life: Life) -> None:
    try_out(life, 2)
    for day in range(30):
        live(life, range(day, day + 1), 2)
        done = life.watch(day + 1)
        if done.trial is not None and done.trial.state is not TrialState.RUNNING:
            break
    [trial] = life.trials
    assert trial.state is TrialState.PROMOTED
    assert held(life) == 2
    assert trial.ended_us == START_US + (day + 1) * DAY_US
    assert f"{the_test(trial).difference.units} units" in trial.reason
    assert running_trial(life.stores, life.endpoint) is None
    with life.stores.ledger.read() as tx:
        events = tx.events.list(life.stores.project, subject=node("model", trial.challenger)).items
    assert {"trial.began", "trial.promoted", "alias.moved"} <= {event.kind for event in events}
    [move] = [event for event in events if event.kind == "alias.moved"]
    assert trial.reason == move.facts["reason"]


def test_a_worse_challenger_is_rejected(life: Life) -> None:
    try_out(life, 3)
    live(life, range(30), 3)
    done = life.watch(31)
    assert done.trial is not None
    assert done.trial.state is TrialState.REJECTED
    assert the_test(done.trial).difference.lower(0.025) > 0
    assert held(life) == 1


def test_the_difference_is_that_of_the_same_decisions(life: Life) -> None:
    try_out(life, 2)
    live(life, range(3), 2)
    done = life.watch(4)
    assert done.trial is not None
    test, monitor = the_test(done.trial), life.monitor
    cost = {1: 0.0, 2: 0.0}
    for number, rows in (
        (1, life.logs.decisions(monitor.endpoint, START_US, START_US + 3 * DAY_US)),
        (2, life.logs.shadows(monitor.endpoint, START_US, START_US + 3 * DAY_US, version=life.version(2).id)),
    ):
        assert rows is not None
        keys = life.logs.decisions(monitor.endpoint, START_US, START_US + 3 * DAY_US)
        assert keys is not None
        for key, said in zip(keys["key"], rows["decision"], strict=True):
            cost[number] += 50 * (life.truths[key] and not said) + 10 * (said and not life.truths[key])
    assert (test.rows, test.difference.units, test.looked) == (3 * 48, 3, 3)
    assert test.champion_cost == pytest.approx(cost[1])
    assert test.challenger_cost == pytest.approx(cost[2])
    assert test.difference.mean == pytest.approx((cost[2] - cost[1]) / (3 * 48))


def test_one_look_at_the_end_decides_as_a_look_a_day_does(life: Life, grown: Path, tmp_path: Path) -> None:
    other = Life(Path(shutil.copytree(grown, tmp_path / "other")))
    for one in (life, other):
        one.workspace.settings = msgspec.structs.replace(one.workspace.settings, retrain={})
        try_out(one, 2)
    for day in range(15):
        for one in (life, other):
            live(one, range(day, day + 1), 2)
        life.watch(day + 1)
        if trial := running_trial(life.stores, life.endpoint):
            continue_trial(life.monitor, trial, now_us=START_US + (day + 1) * DAY_US, settings=QUICK, promote=nobody)
    other.watch(15)
    continue_trial(other.monitor, other.trials[0], now_us=START_US + 15 * DAY_US, settings=QUICK, promote=nobody)
    [ours], [theirs] = life.trials, other.trials
    assert (ours.state, ours.ended_us, ours.test, ours.reason) == (
        theirs.state,
        theirs.ended_us,
        theirs.test,
        theirs.reason,
    )
    assert ours.state is TrialState.PROMOTED
    other.close()


def test_a_look_after_many_units_reads_the_labels_once(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each unit may have the last label of the log: one by one they would read it anew for each."""
    trial = try_out(life, 2)
    live(life, range(6), 2)
    life.watch(7, trial=False)
    reads: list[int] = []
    real = LogReader.labels

    def counted(self: LogReader, endpoint: Endpoint, low_us: int, **more: Any) -> Any:
        reads.append(low_us)
        return real(self, endpoint, low_us, **more)

    monkeypatch.setattr(LogReader, "labels", counted)
    done = continue_trial(life.monitor, trial, now_us=START_US + 7 * DAY_US, settings=QUICK, promote=nobody)
    assert (the_test(done).looked, the_test(done).rows) == (6, 6 * 48)
    assert reads == [START_US - EARLY_LABEL_US]


def nobody(version: str, *, reason: str, trial: Interval | None = None) -> None:
    """Promotes nothing."""


def test_a_unit_waits_for_the_rest_of_its_labels_for_a_while(life: Life) -> None:
    try_out(life, 2)
    names = life.decide(0, 48, shadows=[2])
    life.label(names[:47], day=1)
    live(life, range(1, 3), 2)

    def looked(done: Watched) -> int:
        assert done.trial is not None
        return the_test(done.trial).looked

    assert looked(life.watch(3)) == 0
    assert looked(life.watch(14)) == 0
    assert looked(life.watch(15.1)) == 3
    assert the_test(life.trials[0]).rows == 3 * 48 - 1


def test_a_unit_goes_on_as_soon_as_its_last_label_is_there(life: Life) -> None:
    try_out(life, 2)
    names = life.decide(0, 48, shadows=[2])
    life.label(names[:47], day=1)
    life.watch(3)
    life.label(names[47:], day=3)
    done = life.watch(3.1)
    assert done.trial is not None
    assert the_test(done.trial).rows == 48


def test_an_undecided_challenger_is_given_up(life: Life) -> None:
    declare(life, "\n[retrain.delay.promotion]\nmin_units = 3\nmax_units = 6\neffect = 0.9\n")
    try_out(life, 2)
    live(life, range(8), 2)
    done = life.watch(9)
    assert done.trial is not None
    assert (done.trial.state, the_test(done.trial).looked) == (TrialState.REJECTED, 6)
    assert done.trial.ended_us == START_US + 6 * DAY_US


def test_a_challenger_that_nobody_has_in_shadow_is_given_up(life: Life) -> None:
    declare(life, "\n[retrain.delay.promotion]\nmin_units = 3\nmax_units = 6\n")
    try_out(life, 2)
    for day in range(7):
        life.label(life.decide(day, 24), day=day + 1)
    done = life.watch(8)
    assert done.trial is not None
    assert done.trial.state is TrialState.REJECTED
    assert done.trial.reason == "no labelled decision of both versions in 6 units"


def test_a_refusal_of_the_gate_ends_the_trial(life: Life) -> None:
    declare(life, "\n[policy]\napprovals = 1\n")
    life.workspace.services = InPlace(life.stores, life.workspace.settings)  # whose gate knows what is declared now
    try_out(life, 2)
    live(life, range(32), 2)
    done = life.watch(33)
    assert done.trial is not None
    assert done.trial.state is TrialState.REJECTED
    assert "the gate refused it" in done.trial.reason
    assert "approv" in done.trial.reason
    assert held(life) == 1


def test_what_the_gate_is_told_is_what_the_trial_found(life: Life) -> None:
    trial = try_out(life, 2)
    live(life, range(12), 2)
    life.watch(13, trial=False)
    told: list[Interval | None] = []

    def promote(version: str, *, reason: str, trial: Interval | None = None) -> None:
        told.append(trial)
        raise GateRefused("no", verdict=None)

    ended = continue_trial(life.monitor, trial, now_us=START_US + 13 * DAY_US, settings=QUICK, promote=promote)
    assert ended.state is TrialState.REJECTED
    [interval] = told
    assert interval is not None
    assert interval.high < 0
    assert interval.units == the_test(ended).difference.units


def test_a_process_that_dies_behind_the_promotion_ends_the_trial_next_time(life: Life) -> None:
    trial = try_out(life, 2)
    live(life, range(12), 2)
    life.watch(13, trial=False)

    def dies(version: str, *, reason: str, trial: Interval | None = None) -> None:
        life.workspace.promote("delay@2", "champion", reason=reason)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        continue_trial(life.monitor, trial, now_us=START_US + 13 * DAY_US, settings=QUICK, promote=dies)
    assert life.trials[0].state is TrialState.RUNNING
    declare(life, "\n[retrain.delay.promotion]\nmin_units = 5\nconfidence = 0.8\n")
    done = life.watch(14)
    assert done.trial is not None
    assert done.trial.state is TrialState.PROMOTED


def test_a_promotion_that_somebody_else_made_meanwhile_is_tried_again(life: Life) -> None:
    trial = try_out(life, 2)
    live(life, range(12), 2)
    life.watch(13, trial=False)

    def slow(version: str, *, reason: str, trial: Interval | None = None) -> None:
        raise Conflict("delay@champion moved to version 3 meanwhile")

    with pytest.raises(Conflict):
        continue_trial(life.monitor, trial, now_us=START_US + 13 * DAY_US, settings=QUICK, promote=slow)
    assert life.trials[0].state is TrialState.RUNNING


def test_a_trial_ends_when_its_champion_does_not_answer_any_more(life: Life) -> None:
    try_out(life, 3)
    live(life, range(2), 3)
    life.workspace.promote("delay@2", "champion", reason="by hand")
    done = life.watch(3)
    assert done.trial is not None
    assert done.trial.state is TrialState.SUPERSEDED
    assert done.trial.reason == "version 2 became champion"


def test_a_trial_ends_when_its_challenger_is_promoted_by_hand(life: Life) -> None:
    try_out(life, 2)
    live(life, range(2), 2)
    life.workspace.promote("delay@2", "champion", reason="by hand")
    done = life.watch(3)
    assert done.trial is not None
    assert done.trial.state is TrialState.SUPERSEDED
    assert "by hand" in done.trial.reason


def test_a_new_trial_supersedes_the_one_that_runs(life: Life) -> None:
    try_out(life, 3)
    try_out(life, 2, day=4)
    assert [trial.state for trial in life.trials] == [TrialState.SUPERSEDED, TrialState.RUNNING]
    assert life.trials[0].ended_us == START_US + 4 * DAY_US


def test_units_are_those_of_the_contract_where_windows_are_shorter(life: Life) -> None:
    declare(life, '\n[monitor.late]\nwindow = "hour"\n')
    trial = try_out(life, 2, day=0.5)
    live(life, range(3), 2)
    life.watch(3.5, trial=False)
    units = _units(life.monitor, trial, trial.started_us, START_US + int(3.5 * DAY_US))
    assert [(start - START_US) // DAY_US for start, _, _ in units] == [1, 2]
    assert [len(windows) for _, _, windows in units] == [24, 24]


def test_units_are_windows_where_those_are_longer(life: Life) -> None:
    declare(life, '\n[monitor.late]\nwindow = "week"\n')
    trial = try_out(life, 2)
    live(life, range(15), 2)
    life.watch(15, trial=False)
    units = _units(life.monitor, trial, trial.started_us, START_US + 15 * DAY_US)
    assert [(start - START_US) // DAY_US for start, _, _ in units] == [0, 7]


def test_a_share_of_a_champion_that_earns_is_a_share_all_the_same() -> None:
    """With gains the champion's cost is below 0, and a share of it must not turn into a licence to be worse."""
    test = TrialTest(champion_cost=-1000.0, rows=100, looked=7)
    for at in range(7):
        test = msgspec.structs.replace(test, difference=test.difference.update(-0.1 + 0.01 * (-1) ** at))
    assert _verdict(test, PromotionSettings(effect=0.5, min_units=5, confidence=0.8)) is None


def test_a_trial_that_another_worker_has_begun_goes_on(life: Life) -> None:
    """A worker whose lease ran out finishes its retraining beside the one that took it over."""
    pair = {"champion": life.version(1).id, "challenger": life.version(2).id}
    first = begin_trial(life.stores, life.endpoint, at_us=START_US, **pair)
    assert begin_trial(life.stores, life.endpoint, at_us=START_US + 5, **pair) == first
    assert [(trial.id, trial.state) for trial in life.trials] == [(first.id, TrialState.RUNNING)]
    assert len(life.events("trial.began")) == 1
    assert life.events("trial.superseded") == []


def test_a_trial_that_another_worker_has_ended_stays_ended(life: Life) -> None:
    pair = {"champion": life.version(1).id, "challenger": life.version(2).id}
    stale = begin_trial(life.stores, life.endpoint, at_us=START_US, **pair)
    begin_trial(life.stores, life.endpoint, at_us=START_US, champion=pair["champion"], challenger=life.version(3).id)
    with pytest.raises(Conflict, match="has ended the trial"):
        continue_trial(
            life.monitor, stale, now_us=START_US, settings=PromotionSettings(), promote=lambda *_, **__: None
        )
    assert [trial.state for trial in life.trials] == [TrialState.SUPERSEDED, TrialState.RUNNING]
