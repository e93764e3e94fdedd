"""When a retraining is due: by drift, by lost value or by time, and never again before the cool-down is over."""

from __future__ import annotations

import msgspec
import pytest

from clew.core.types.endpoint import TrialState
from clew.loop.monitor import DAY_US
from clew.loop.trial import begin_trial
from clew.loop.trigger import Reason, due
from clew.loop.watch import watch_endpoint
from clew.settings import RetrainSettings, Trigger
from clew.testing.life import START_US, Life


def ask(life: Life, day: float, **settings: object) -> Reason | None:
    """Whether a retraining is due on a day, after a look."""
    life.watch(day, trial=False)
    retrain = RetrainSettings(pipeline="train.py:train", **settings)  # type: ignore[arg-type]
    return due(life.monitor, retrain, now_us=START_US + int(day * DAY_US))


def drift(life: Life, *, until: int = 8) -> None:
    """Some days on which the wind is stronger than ever in training, with labels at once."""
    for day in range(until):
        life.label(life.decide(day, 96, shift=1.5), day=day + 1)


def test_nothing_is_due_while_all_is_as_in_training(life: Life) -> None:
    for day in range(10):
        life.label(life.decide(day, 96), day=day + 1)
    for trigger in (Trigger.ANY, Trigger.DRIFT, Trigger.VALUE, Trigger.NEVER):
        assert ask(life, 10, trigger=trigger) is None


def test_drift(life: Life) -> None:
    drift(life)
    found = ask(life, 8, trigger=Trigger.DRIFT)
    assert found is not None
    assert (found.kind, found.at_us) == ("drift", START_US + 8 * DAY_US)
    assert "wind" in found.text
    assert ask(life, 8, trigger=Trigger.NEVER) is None


def test_lost_value(life: Life) -> None:
    life.workspace.promote("delay@2", "champion")
    for day in range(8):
        life.label(life.decide(day, 96, by=2), day=day + 1, wrong=True)
    found = ask(life, 8, trigger=Trigger.VALUE)
    assert found is not None
    assert found.kind == "value"
    assert "when it was evaluated" in found.text
    assert ask(life, 8, trigger=Trigger.DRIFT) is None
    assert (ask(life, 8, trigger=Trigger.ANY) or found).kind == "value"


def test_value_needs_some_windows(life: Life) -> None:
    life.workspace.promote("delay@2", "champion")
    for day in range(5):
        life.label(life.decide(day, 96, by=2), day=day + 1, wrong=True)
    assert ask(life, 5, trigger=Trigger.VALUE) is None


def test_only_the_version_that_answers_counts(life: Life) -> None:
    drift(life)
    life.workspace.promote("delay@2", "champion")
    assert ask(life, 8, trigger=Trigger.ANY) is None


@pytest.mark.parametrize(("every", "due_at"), [(3.0, 3), (90.0, 90)])
def test_by_time(life: Life, every: float, due_at: int) -> None:
    life.decide(0, 24)
    assert ask(life, due_at - 0.5, trigger=Trigger.PERIODIC, every_days=every) is None
    found = ask(life, due_at, trigger=Trigger.PERIODIC, every_days=every)
    assert found is not None
    assert found.kind == "periodic"
    assert found.text == f"{due_at} days since the last one"


def test_by_time_counts_from_the_last_one(life: Life) -> None:
    life.decide(0, 24)
    version = life.version(1).id
    begin_trial(life.stores, life.endpoint, champion=version, challenger=version, at_us=START_US + 2 * DAY_US)
    assert ask(life, 4, trigger=Trigger.PERIODIC, every_days=3) is None
    assert ask(life, 5, trigger=Trigger.PERIODIC, every_days=3) is not None


def test_an_endpoint_that_has_decided_nothing_needs_no_retraining(life: Life) -> None:
    assert ask(life, 100, trigger=Trigger.PERIODIC, every_days=3) is None
    assert ask(life, 100, trigger=Trigger.ANY) is None


def test_a_trial_and_its_end_begin_the_cool_down(life: Life) -> None:
    drift(life, until=20)
    champion, challenger = life.version(1).id, life.version(2).id
    trial = begin_trial(life.stores, life.endpoint, champion=champion, challenger=challenger, at_us=START_US)
    assert ask(life, 6, cooldown_days=7) is None
    assert ask(life, 7, cooldown_days=7) is not None
    ended = msgspec.structs.replace(trial, state=TrialState.REJECTED, ended_us=START_US + 10 * DAY_US)
    with life.stores.ledger.write() as tx:
        tx.trials.put(ended)
    assert ask(life, 16, cooldown_days=7) is None
    assert ask(life, 17, cooldown_days=7) is not None


def test_a_retraining_that_came_to_nothing_is_not_asked_for_again_at_once(life: Life) -> None:
    drift(life, until=18)
    days = [day for day in range(8, 19) if life.watch(day).retrain is not None]
    assert days == [8, 15]
    assert [reason.kind for reason in life.asked] == ["drift", "drift"]
    assert [alert.kind for alert in life.alerts].count("retrain") == 2


def test_no_alert_while_a_retraining_is_under_way_already(life: Life) -> None:
    drift(life)
    done = watch_endpoint(
        life.monitor,
        now_us=START_US + 8 * DAY_US,
        retrain=RetrainSettings(pipeline="train.py:train"),
        promote=lambda *_, **__: None,
        ask=lambda _: False,
    )
    assert done.retrain is None
    assert "retrain" not in [alert.kind for alert in life.alerts]
