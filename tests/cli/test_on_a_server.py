"""What a person asks of a project that is on a server is answered as it is where the server runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clew.testing.life import ENDPOINT, Life
from clew.testing.serving import serving
from clew.worker.worker import queue

Say = Callable[..., Any]


@pytest.fixture
def lived(life: Life) -> Life:
    """Two days of decisions, labels, windows; two jobs that wait."""
    names = [name for day in range(2) for name in life.decide(day, 24, shadows=[2])]
    life.label(names[:20], day=1)
    life.end_replica()
    life.watch(3.0)
    for key in ("watch/late", "retrain/delay"):
        queue(life.stores, key.partition("/")[0], key, {}, due_us=1 << 60)
    (life.workspace.root / "outcomes.csv").write_text(f"flight,late\n{names[30]},true\n{names[31]},false\n")
    return life


@pytest.fixture
def url(lived: Life) -> Iterator[str]:
    """The project on a server, in a process of its own."""
    with serving(lived.workspace.root, open=True) as (address, _):
        yield f"{address}/projects/flights"


def test_the_thread_and_the_audit_are_read_from_afar(
    lived: Life, say: Say, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lived.stores.ledger.read() as tx:
        prediction = tx.logs.list(lived.endpoint.predictions)[0].id_low
    monkeypatch.chdir(lived.workspace.root)
    say("audit", "checkpoint", "--to", str(tmp_path / "records.jsonl"))
    questions = [
        ["impact", "delay@1"],
        ["audit", "verify"],
        ["audit", "verify", "--checkpoint", str(tmp_path / "records.jsonl")],
        ["jobs", "list"],
    ]
    here, why = [say(*each) for each in questions], say("why", prediction)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("CLEW_SERVER", url)
    assert [say(*each) for each in questions] == here
    assert here[2]["checkpoints"] == 1
    assert say("why", prediction) == why
    assert why["replay"]["verdict"] == "identical"
    assert "no id of a prediction" in say("why", "nothing", code=2)
    assert "no id of a prediction" in say("why", "", code=2)
    assert say("why", why["prediction"]["key"])["prediction"] == why["prediction"]
    assert "error" in say("impact", "nothing@1", code=3)
    records = tmp_path / "records.jsonl"
    records.write_text(records.read_text().replace('"size":', '"size": 9'))
    assert say("audit", "verify", "--checkpoint", str(records), code=1)["problems"]


def test_labels_come_and_jobs_go_from_afar(
    lived: Life, say: Say, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(lived.workspace.root / "outcomes.csv")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("CLEW_SERVER", url)
    words = ["labels", "add", ENDPOINT, file, "--label", "late", "--key", "flight"]
    assert [say(*words)["added"], say(*words)["added"]] == [2, 0]
    assert "minutes" in say("labels", "add", ENDPOINT, file, "--label", "minutes", "--key", "flight", code=2)
    waiting = say("jobs", "list", "--state", "queued")["items"]
    assert {job["key"] for job in waiting} == {"watch/late", "retrain/delay"}
    assert say("jobs", "cancel", waiting[0]["id"])["state"] == "cancelled"
    assert [job["id"] for job in say("jobs", "list", "--state", "queued")["items"]] == [waiting[1]["id"]]
    assert say("events", "--kind", "job")["items"][0]["facts"]["key"] == waiting[0]["key"]
