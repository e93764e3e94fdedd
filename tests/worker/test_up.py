"""`clew up` as real processes: the whole loop on PostgreSQL, and one supervisor to a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.request import Request, urlopen

from clew.core.clock import format_us
from clew.core.types.endpoint import TrialState
from clew.core.types.job import Job, JobState
from clew.loop.monitor import DAY_US
from clew.loop.why import why
from clew.serving.server import find_address
from clew.settings import SETTINGS_FILE
from clew.testing.commands import Commands
from clew.testing.life import INPUTS, MODEL, SETTINGS, START_US, TRAIN, Life, flights
from clew.worker.handlers import RETRAIN, WATCH, queue_watch
from clew.worker.supervisor import alone

DATABASES = ["postgresql"]

LOOP = """
[retrain.delay]
pipeline = "train.py:train"
trigger = "drift"
data = { flights = "flights@latest" }
harvest = { dataset = "flights", label = "late", key = "flight", time = "time_us" }

[endpoints.late]
model = "delay"
port = 0
"""


def ask(url: str, path: str, body: object) -> Any:
    request = Request(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)


def live(url: str, days: Sequence[int], *, shift: float) -> None:
    """Decide flights over HTTP day by day, and say what came of them the day after."""
    for day in days:
        table = flights(96, seed=day + 1000, shift=shift)
        keys = [f"flight {day} {row}" for row in range(table.height)]
        for hour in range(0, 24, 6):
            part = table[hour * 4 : (hour + 6) * 4]
            rows = part.select(INPUTS).to_dicts()
            at = format_us(START_US + day * DAY_US + hour * 3_600_000_000)
            ask(url, "/predict", {"rows": rows, "keys": keys[hour * 4 : (hour + 6) * 4], "time": at})
        labels = [{"key": key, "label": late} for key, late in zip(keys, table["late"].to_list(), strict=True)]
        ask(url, "/labels", {"labels": labels, "time": format_us(START_US + (day + 1) * DAY_US)})


def over(life: Life, kind: str) -> Job | None:
    """A job of a kind that is done, or has failed."""
    return next((job for job in life.jobs(kind) if job.state in (JobState.DONE, JobState.FAILED)), None)


def test_the_loop_closes_by_itself(life: Life, commands: Commands) -> None:
    life.teach(TRAIN, settings=SETTINGS.partition("[retrain")[0] + LOOP)
    commands.start("up")
    url = commands.until(lambda: find_address(life.stores, life.endpoint)).url
    commands.until(lambda: over(life, WATCH))  # the scheduled look: as of today, every day of 2013 is over
    live(url, range(3), shift=-1.5)
    code, said = commands.run("watch", "late", "--until", format_us(START_US + 3 * DAY_US))
    assert code == 0, said
    done = commands.until(lambda: over(life, RETRAIN))
    assert (done.state, done.result["number"]) == (JobState.DONE, 4), done.reason
    commands.until(lambda: True if serving(url)["shadows"] == [4] else None)
    live(url, range(3, 16), shift=-1.5)
    commands.until(lambda: promoted(life))
    commands.until(lambda: True if serving(url)["version"] == 4 else None)
    assert [trial.state for trial in life.trials] == [TrialState.PROMOTED]
    assert len(life.events("trial.promoted")) == 1
    moves = [event.facts["to"] for event in life.events("alias.moved") if event.facts["alias"] == "champion"]
    assert sorted(moves) == [1, 4]
    answer = ask(url, "/predict", {"rows": [{"hour": 3, "wind": 1.0}]})
    assert answer["version"] == 4
    found = why(life.stores, answer["predictions"][0]["id"], trust=life.workspace.trust)
    assert found.model is not None
    assert found.model.reference == f"{MODEL}@4"


def serving(url: str) -> Any:
    with urlopen(f"{url}/health", timeout=60) as answer:
        return json.load(answer)


def promoted(life: Life) -> bool | None:
    queue_watch(life.workspace, "late", until_us=START_US + 17 * DAY_US)
    return True if any(trial.state is TrialState.PROMOTED for trial in life.trials) else None


def test_a_second_up_is_refused_and_the_first_goes_on(life: Life, commands: Commands) -> None:
    settings = SETTINGS.partition("[retrain")[0] + '[endpoints.late]\nmodel = "delay"\nport = 0\n'
    (life.workspace.root / SETTINGS_FILE).write_text(settings)
    first = commands.start("up")
    address = commands.until(lambda: find_address(life.stores, life.endpoint))
    code, said = commands.run("up")
    assert code == 4
    assert f"runs in {life.workspace.root} already, as process {first.pid}" in said
    assert first.poll() is None
    assert find_address(life.stores, life.endpoint) == address

    first.kill()  # its lock dies with it, and so do those whom it started
    first.wait()
    commands.until(lambda: True if find_address(life.stores, life.endpoint) is None else None)
    with alone(life.workspace.folder):
        pass


def test_an_endpoint_waits_for_its_model_without_a_word_more(life: Life, commands: Commands) -> None:
    settings = SETTINGS.partition("[retrain")[0] + '[endpoints.late]\nmodel = "delay"\nalias = "fresh"\nport = 0\n'
    (life.workspace.root / SETTINGS_FILE).write_text(settings)
    commands.start("up")
    said = life.workspace.root / "said-0"
    commands.until(lambda: True if "clew model promote delay@latest fresh" in said.read_text() else None)
    life.workspace.promote("delay@1", "fresh")
    commands.until(lambda: find_address(life.stores, life.endpoint))
    assert said.read_text().count("delay@latest") == 1
    assert "started again" not in said.read_text()


def test_what_no_restart_mends_is_not_started_again(life: Life, commands: Commands) -> None:
    settings = SETTINGS.partition("[retrain")[0] + '[endpoints.late]\nmodel = "delay"\nhost = "0.0.0.0"\nport = 0\n'
    (life.workspace.root / SETTINGS_FILE).write_text(settings)
    code, said = commands.run("up")
    assert code == 7, said
    assert "has no keys" in said
    assert "endpoint late cannot be started" in said
    (life.workspace.root / SETTINGS_FILE).write_text('[server]\nurl = "http://127.0.0.1:9/projects/late"\n')
    code, said = commands.run("up")
    assert code == 7
    assert said.count("needs the ledger") == 1
    assert "started again" not in said
