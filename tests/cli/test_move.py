"""`clew move` as a person runs it, with a project that has lived: up, down, into a server, and what is refused."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.core.types.run import RunStatus
from clew.testing.life import ENDPOINT, Life, flights
from clew.testing.serving import serving
from clew.tracking.start import start
from clew.workspace import init_project, open_workspace

Say = Callable[..., Any]
UNTIL = "2013-02-13"


@pytest.fixture
def lived(life: Life, monkeypatch: pytest.MonkeyPatch, say: Say) -> Life:
    """Data, runs, a model in three versions, decisions in the log and in a journal, labels, windows."""
    monkeypatch.chdir(life.workspace.root)
    names = [name for day in range(2) for name in life.decide(day, 48, shadows=[2])]
    life.label(names[:20], day=1)
    life.end_replica()
    flights(100, seed=7).with_row_index("id").write_csv(life.workspace.root / "flights.csv")
    say("data", "add", "flights", "flights.csv", "--key", "id")
    with start(life.workspace.recorder, "scored", capture=False, say=lambda _: None) as run:
        run.log(loss=0.5, step=1)
    say("watch", ENDPOINT, "--until", UNTIL)
    life.decide(2, 24)
    life.end_replica()
    return life


def known(say: Say, prediction: str) -> dict[str, Any]:
    """What a person asks of a project."""
    why = say("why", prediction)
    assert why["replay"]["verdict"] == "identical"
    events = [event for event in say("events", "--limit", "1000")["items"] if event["kind"] != "project.moved"]
    return {
        "why": why,
        "runs": say("runs", "list"),
        "models": say("model", "list"),
        "data": say("data", "list"),
        "impact": say("impact", "delay@1"),
        "events": [{**event, "position": 0} for event in events],
    }


def a_prediction(life: Life) -> str:
    with life.stores.ledger.read() as tx:
        batch = tx.logs.list(life.endpoint.predictions)[0]
    return str(batch.id_low)


def sound(say: Say) -> None:
    assert say("audit", "verify")["problems"] == []
    assert [each for each in say("doctor")["items"] if each["level"] == "problem"] == []


def test_up_to_a_database_and_a_bucket_and_back(
    lived: Life, say: Say, postgres_url: str, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prediction = a_prediction(lived)
    lived.close()
    before = known(say, prediction)
    done = {part["what"]: part for part in say("move", "--to", postgres_url, "--to", s3_bucket)["items"]}
    assert done["runs"]["here"] == done["runs"]["there"] == 4
    assert done["objects"]["there"] > 20
    assert say("move", "--to", postgres_url, "--to", s3_bucket)["items"] == []  # as after a kill that came too late
    assert "keeps its ledger in postgresql" in say("runs", "list", code=2)
    monkeypatch.setenv("CLEW_LEDGER", postgres_url)
    assert known(say, prediction) == before
    sound(say)
    assert say("gc", "--young-hours", "0")["live"] > 20
    say("gc", "--young-hours", "0", "--grace-days", "0")
    assert known(say, prediction) == before
    sound(say)
    say("watch", ENDPOINT, "--until", "2013-02-14")  # the decisions that waited come home to the new place
    assert say("impact", "delay@1")["decisions"] == before["impact"]["decisions"] == 120
    say("move", "--to", "folder")
    assert say("move", "--to", "folder")["items"] == []
    assert "not in PostgreSQL" in say("runs", "list", code=2)
    monkeypatch.delenv("CLEW_LEDGER")
    after = known(say, prediction)
    assert (after["why"], after["runs"], after["models"]) == (before["why"], before["runs"], before["models"])
    sound(say)


def test_into_a_server_with_a_database_and_a_bucket(
    lived: Life, say: Say, postgres_url: str, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, prediction = lived.workspace.root, a_prediction(lived)
    lived.close()
    refused = say("move", "--to", "http://127.0.0.1:9", code=4)
    assert "decisions of an endpoint wait" in refused
    assert f"not served any more, which ends {ENDPOINT}: " in refused.partition("decisions of")[0]
    say("watch", ENDPOINT, "--until", "2013-02-14")
    before = known(say, prediction)
    shown = say("data", "show", "flights")
    environ = {"CLEW_LEDGER": postgres_url, "CLEW_OBJECTS": s3_bucket}
    team = init_project(root.parent / "team", name="team", environ={**os.environ, **environ})
    with serving(team, environ=environ) as (url, token):
        monkeypatch.setenv("CLEW_TOKEN", token)
        done = {part["what"]: part for part in say("move", "--to", url, "--name", "trains")["items"]}
        assert done["runs"]["here"] == done["runs"]["there"] == 4
        assert say("move", "--to", url)["items"] == say("move", "--to", url, "--name", "trains")["items"] == []
        assert "is on a server" in say("runs", "list", code=2)
        for words in (["serve", "delay"], ["worker", "--once"], ["watch", ENDPOINT]):
            refused = say(*words, code=7)
            assert "is not served any more" in refused
            assert "CLEW_SERVER" not in refused
        monkeypatch.setenv("CLEW_SERVER", f"{url}/projects/trains")
        assert say("audit", "verify")["problems"] == []
        why = say("why", prediction)
        assert {**why, "replay": before["why"]["replay"]} == before["why"]
        for question in ("runs", "models"):
            assert say(question.removesuffix("s") if question == "models" else question, "list") == before[question]
        assert say("impact", "delay@1") == before["impact"]
        assert say("data", "show", "flights") == shown
        with open_workspace() as workspace:
            with start(workspace.recorder, "after", capture=False, say=lambda _: None) as run:
                run.log(loss=0.5)
            assert workspace.runs.get("after").status is RunStatus.FINISHED
    [settings] = (team / ".clew" / "projects").glob("*/clew.toml")
    assert settings.read_text() == (root / "clew.toml").read_text()


def test_what_cannot_be_is_said(
    grown: Path,
    tmp_path: Path,
    say: Say,
    postgres_url: str,
    s3_bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import shutil

    root = Path(shutil.copytree(grown, tmp_path / "flights"))
    monkeypatch.chdir(root)
    before = say("runs", "list")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        assert "cannot be reached" in say("move", "--to", f"postgresql://clew@127.0.0.1:{port}/clew", code=7)
        assert "cannot be reached" in say("move", "--to", f"http://127.0.0.1:{port}", code=7)
    wrong = postgres_url.replace("postgres:", "nobody:").replace("//postgres", "//nobody")
    assert "nobody" in say("move", "--to", wrong, code=7)
    bucket = s3_bucket.replace("bucket-", "no-bucket-")
    assert "there is no bucket" in say("move", "--to", bucket, code=7)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "")
    init_project(tmp_path / "other", name="flights", environ={**os.environ, "CLEW_LEDGER": postgres_url})
    assert "--name" in say("move", "--to", postgres_url, code=4)
    (tmp_path / "file").write_text("")
    assert "file" in say("move", "--to", str(tmp_path / "file"), code=7)
    assert say("runs", "list") == before
    assert not (root / ".clew" / "objects.json").exists()
    say("move", "--to", postgres_url, "--name", "trains")
    monkeypatch.setenv("CLEW_LEDGER", postgres_url)
    assert say("runs", "list") == before
