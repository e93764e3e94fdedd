"""A retraining runs the project's own pipeline apart from the worker, and puts what is new on trial."""

from __future__ import annotations

import polars as pl
import pytest

from clew.core.errors import Failed, Invalid
from clew.core.types.edge import node
from clew.core.types.endpoint import TrialState
from clew.core.types.run import RunKind
from clew.data.add_table import TableRules, add_table
from clew.loop import retrain as retraining
from clew.loop.monitor import DAY_US
from clew.loop.retrain import Retrained, retrain_model
from clew.settings import HarvestSettings, RetrainSettings
from clew.testing.life import START_US, Life, flights

TRAIN = """
import os
import polars as pl
from sklearn.linear_model import LogisticRegression
import clew

@clew.step
def fit(rows: pl.DataFrame, strength: float) -> LogisticRegression:
    os.system("echo printed by a child")
    return LogisticRegression(C=strength).fit(rows.select("hour", "wind"), rows["late"].to_numpy())

@clew.pipeline
def train(flights: clew.Dataset, strength: float = 1.0):
    rows = flights.frame()
    print("training on", rows.height)
    model = fit(rows, strength)
    return {"other": 1, "model": clew.Model("delay", model, train=rows, test=rows, label="late")}
"""
HARVEST = HarvestSettings(dataset="flights", label="late", key="flight", time="time_us")


def retrain(life: Life, code: str, *, day: float = 1, **settings: object) -> Retrained:
    (life.workspace.root / "train.py").write_text(code)
    return retrain_model(
        life.monitor,
        life.workspace.aliases,
        RetrainSettings(pipeline="train.py:train", **settings),  # type: ignore[arg-type]
        root=life.workspace.root,
        now_us=START_US + int(day * DAY_US),
        reason="wind drifted",
    )


def standing(life: Life) -> tuple[object, ...]:
    """What a failed retraining must leave as it is."""
    return (life.workspace.models.aliases("delay"), life.workspace.models.versions("delay").items, life.trials)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('ready')\nraise ValueError('no such season')", "no such season"),
        ("import clew\n@clew.pipeline\ndef train():\n    raise ValueError('no rain')", "no rain"),
        ("import os\nos.kill(os.getpid(), 9)", "exit code -9"),
    ],
)
def test_a_pipeline_that_fails_changes_nothing(life: Life, code: str, words: str) -> None:
    before = standing(life)
    with pytest.raises(Failed, match=words):
        retrain(life, code)
    assert standing(life) == before


def test_a_training_that_somebody_kills_is_tried_again(life: Life) -> None:
    killer = """
import os, pathlib
first = pathlib.Path("first")
if not first.exists():
    first.touch()
    os.kill(os.getpid(), 9)
"""
    add_table(life.workspace.site, "flights", flights(200, seed=9))
    done = retrain(life, killer + TRAIN, data={"flights": "flights@latest"})
    assert (done.new, done.number) == (True, 4)


def test_a_pipeline_without_a_model_changes_nothing(life: Life) -> None:
    before = standing(life)
    with pytest.raises(Invalid, match=r"returned no clew\.Model, and nothing named 'delay'"):
        retrain(life, "import clew\n@clew.pipeline\ndef train():\n    return 5")
    assert standing(life) == before


def test_a_pipeline_of_another_model_changes_nothing(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    before = standing(life)
    other = life.workspace.models.register("other", life.version(1).package)
    monkeypatch.setattr(retraining, "_run", lambda *_: retraining._Answer(run="r", versions=[other]))
    with pytest.raises(Invalid, match="returned other@1, and nothing named 'delay'"):
        retrain(life, "")
    assert standing(life) == before


def test_a_new_version_is_trained_on_what_was_harvested_and_put_on_trial(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = flights(120, seed=3).with_columns(flight=pl.format("old {}", pl.int_range(120)))
    add_table(life.workspace.site, "flights", table, rules=TableRules(key=["flight"]))
    life.label(life.decide(0, 48), day=1)
    life.watch(1, trial=False)
    how = {"data": {"flights": "flights@latest"}, "params": {"strength": 0.5}, "harvest": HARVEST}

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:  # behind the training, before the trial
        killed.setattr(retraining, "begin_trial", dies)
        with pytest.raises(KeyboardInterrupt):
            retrain(life, TRAIN, **how)
    assert life.trials == []

    done = retrain(life, TRAIN, **how)
    assert (done.number, done.data, done.new) == (4, "", True)
    [trial] = life.trials
    assert (trial.champion, trial.challenger) == (life.version(1).id, life.version(4).id)
    assert (trial.state, trial.started_us) == (TrialState.RUNNING, START_US + DAY_US)
    aliases = {move.alias: (move.number, move.reason) for move in life.workspace.models.aliases("delay")}
    assert aliases["challenger"] == (4, "wind drifted")
    assert aliases["champion"][0] == 1
    data = life.workspace.datasets.resolve("flights@2")
    assert data.rows == 168
    with life.stores.ledger.read() as tx:
        run = tx.runs.get(done.run)
        sources = {edge.source for edge in tx.edges.up(node("run", done.run), depth=1)}
    assert run.kind is RunKind.RETRAIN
    assert run.params["strength"] == 0.5
    assert node("data", data.id) in sources

    answer = retraining._Answer(run=done.run, versions=[life.version(4)])
    monkeypatch.setattr(retraining, "_run", lambda *_: answer)
    assert not retrain(life, TRAIN, day=2).new
    assert len(life.trials) == 1


def test_the_model_that_answers_already_is_not_tried(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    before = standing(life)
    answer = retraining._Answer(run="r", versions=[life.version(1)])
    monkeypatch.setattr(retraining, "_run", lambda *_: answer)
    assert not retrain(life, "").new
    assert standing(life) == before
