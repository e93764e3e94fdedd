from __future__ import annotations

import platform
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from clew.cli.main import main
from clew.cli.why import picture_of
from clew.core.clock import parse_us
from clew.core.errors import Invalid, NotFound
from clew.core.types.edge import Edge, Role, node
from clew.core.types.gate import Verdict
from clew.core.types.step import StepOutcome
from clew.loop.replay import ReplayVerdict
from clew.loop.why import Why, scored_here, why
from clew.registry.formats.format import Trust

ROWS: list[dict[str, Any]] = [{"hour": 5, "wind": 0.25}, {"hour": 20, "wind": -1.5}, {"hour": 13, "wind": 0.0}]


def test_a_decision_in_the_log(lived: Any) -> None:
    ids = lived.predict(ROWS, keys=["a", "b", "c"], id="mine")
    lived.compact()
    found = why(lived.stores, ids[1], trust=Trust())
    logged = found.prediction
    assert (logged.id, logged.key, logged.row, logged.rows) == (ids[1], "b", 1, 3)
    assert (logged.request, logged.time_us) == ("mine", parse_us("2013-02-01T05:00:00Z"))
    assert logged.inputs == ROWS[1]
    assert logged.batch.startswith("batch:")
    assert logged.decision is True
    assert found.endpoint.name == "late"
    assert found.model.reference == "delay@1"
    assert found.model.package == lived.versions[0].package
    assert found.model.threshold == 0.5
    assert not found.model.unsafe
    assert found.replay.verdict is ReplayVerdict.IDENTICAL
    assert found.replay.score == logged.score
    assert found.replay.rows == 3


def test_a_decision_made_a_moment_ago_is_found_in_the_journal(lived: Any) -> None:
    ids = lived.predict(ROWS)
    waiting = why(lived.stores, ids[2], trust=Trust())
    assert waiting.prediction.batch == ""
    assert waiting.replay.verdict is ReplayVerdict.IDENTICAL
    assert [shadow.model for shadow in waiting.shadows] == ["delay@2"]
    lived.compact()
    logged = why(lived.stores, ids[2], trust=Trust())
    assert msgspec.structs.replace(logged.prediction, batch="") == waiting.prediction
    assert logged.shadows == waiting.shadows


def test_the_run_behind_it(lived: Any) -> None:
    [first] = lived.predict(ROWS[:1])
    found = why(lived.stores, first, trust=Trust())
    run = found.run
    assert run is not None
    assert (run.id, run.name, run.created_by, run.params) == (lived.run, "baseline", "ann", {"C": 0.5})
    assert run.code is not None
    assert run.environment is not None
    assert run.environment.distributions > 20
    assert run.environment.python.startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert run.hardware is not None
    assert run.seeds is not None
    assert [(step.step, step.outcome, step.made_by) for step in found.steps] == [
        ("features", StepOutcome.EXECUTED, lived.run),
        ("fit", StepOutcome.EXECUTED, lived.run),
    ]


def test_the_data_behind_it_and_behind_that(lived: Any) -> None:
    [first] = lived.predict(ROWS[:1])
    found = why(lived.stores, first, trust=Trust())
    assert [(data.reference, data.message) for data in found.data] == [
        ("flights@2", "January"),
        ("raw@1", "as it came"),
    ]
    assert found.data[0].into == ["delay@1", "run baseline"]
    assert found.data[0].digest == lived.data[1].digest
    assert (found.data[0].out_of, found.data[1].into, found.data[1].out_of) == (["raw@1"], ["flights@2"], [])
    assert [(check.name, check.verdict) for check in found.checks] == [("data flights@2", Verdict.PASS)]


def test_data_of_other_tools_is_named(lived: Any) -> None:
    """By what stands behind the last @: names of data may have one."""
    [first] = lived.predict(ROWS[:1])
    mine = node("run", lived.run)
    with lived.stores.ledger.write() as tx:
        tx.edges.add(
            [Edge(source=node("external", "cancer@home@2645ac27"), target=mine, role=Role.INPUT, run=lived.run)]
        )
    found = why(lived.stores, first, trust=Trust())
    assert [(each.name, each.digest, each.into) for each in found.external] == [
        ("cancer@home", "2645ac27", ["run baseline"])
    ]
    assert "cancer@home@2645ac27, as another tool names it" in picture_of(found)
    assert [each.reference for each in found.data] == ["flights@2", "raw@1"]


def test_what_a_run_did_not_record_its_package_and_its_tags_may_say(lived: Any) -> None:
    """As of a run that came over MLflow's API."""
    [first] = lived.predict(ROWS[:1])
    assert why(lived.stores, first, trust=Trust()).model.environment is None
    with lived.stores.ledger.read() as tx:
        run = tx.runs.get(lived.run)
    tags = {"mlflow.source.git.branch": "nightly"}
    try:
        with lived.stores.ledger.write() as tx:
            tx.runs.put(msgspec.structs.replace(run, capture={}, commit="c0ffee", tags=tags))
        found = why(lived.stores, first, trust=Trust())
    finally:
        with lived.stores.ledger.write() as tx:
            tx.runs.put(run)
    assert found.run is not None
    assert found.run.environment is None
    assert found.run.code is not None
    assert (found.run.code.snapshot, found.run.code.commit, found.run.code.branch) == ("", "c0ffee", "nightly")
    assert found.model.environment is not None
    assert found.model.environment.python == platform.python_version()
    shown = picture_of(found)
    assert f"fitted with Python {platform.python_version()}, " in shown
    assert "code of which no file was kept, commit c0ffee, branch nightly" in shown


def test_who_promoted_it(lived: Any) -> None:
    [first] = lived.predict(ROWS[:1])
    promotion = why(lived.stores, first, trust=Trust()).promotion
    assert promotion is not None
    assert (promotion.alias, promotion.moved_by, promotion.reason) == ("champion", "ann", "the first one")
    assert promotion.gate is not None
    assert promotion.gate.passed
    assert promotion.gate.sealed
    assert promotion.next_us == 0


def test_drift_at_its_hour(lived: Any) -> None:
    ids = lived.predict([{"hour": 3, "wind": 40.0}] * 60, time="2013-03-01T07:10:00Z")
    lived.predict([{"hour": 3, "wind": 0.1}] * 30, time="2013-02-28T09:10:00Z")
    lived.compact()
    drift = why(lived.stores, ids[0], trust=Trust()).drift
    assert drift is not None
    assert (drift.hour.rows, drift.day.rows) == (60, 90)
    assert drift.hour.end_us == drift.day.end_us == parse_us("2013-03-01T08:00:00Z")
    assert "wind" in drift.hour.drifted
    assert drift.hour.columns[0].effect > 0.5
    assert drift.window is None


def test_labels_by_id_and_by_key(lived: Any) -> None:
    ids = lived.predict(ROWS, keys=["k1", "k2", "k3"])
    lived.compact()
    assert why(lived.stores, ids[0], trust=Trust()).label is None
    lived.ask("/labels", {"labels": [{"id": ids[0], "label": True}, {"key": "k2", "label": False}]})
    by_id, by_key = (why(lived.stores, each, trust=Trust()).label for each in ids[:2])
    assert by_id is not None
    assert by_key is not None
    assert (by_id.label, by_id.by, by_key.label, by_key.by) == (True, "id", False, "key")
    lived.compact()
    lived.ask("/labels", {"labels": [{"key": "k2", "label": True}, {"key": "k1", "label": False}]})
    by_id, by_key = (why(lived.stores, each, trust=Trust()).label for each in ids[:2])
    assert by_id is not None
    assert by_key is not None
    assert (by_id.label, by_key.label) == (True, True)
    assert why(lived.stores, ids[2], trust=Trust()).label is None


def test_the_same_label_before_and_after_compaction(lived: Any) -> None:
    ids = lived.predict(ROWS[:2], keys=["same1", "same2"])
    lived.ask("/labels", {"labels": [{"id": ids[0], "label": True}, {"key": "same2", "label": True}]})
    waiting = [why(lived.stores, each, trust=Trust()).label for each in ids]
    lived.compact()
    assert [why(lived.stores, each, trust=Trust()).label for each in ids] == waiting
    assert None not in waiting


def test_ids_may_be_shortened_while_they_are_unambiguous(lived: Any) -> None:
    [alone] = lived.predict(ROWS[:1])
    assert why(lived.stores, alone[:31], trust=Trust()).prediction.id == alone
    lived.compact()
    assert why(lived.stores, alone[:-1].upper(), trust=Trust()).prediction.id == alone
    dashed = f"{alone[:8]}-{alone[8:12]}-{alone[12:16]}-{alone[16:20]}-{alone[20:]}"
    assert why(lived.stores, dashed, trust=Trust()).prediction.id == alone
    with pytest.raises(Invalid, match="is the beginning of"):
        why(lived.stores, alone[:8], trust=Trust())


def test_a_key_finds_the_newest_decision_with_it(
    lived: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = lived.predict(ROWS, keys=["p1", "p2", "20130201"])
    assert why(lived.stores, "p2", trust=Trust()).prediction.id == old[1], "it waits in a journal"
    lived.compact()
    found = why(lived.stores, "p2", trust=Trust())
    assert (found.prediction.id, found.of_key) == (old[1], 1)
    new = lived.predict(ROWS[:2], keys=["p2", "p3"])
    for _ in range(2):
        found = why(lived.stores, "p2", trust=Trust())
        assert (found.prediction.id, found.of_key) == (new[0], 2)
        lived.compact()
    assert why(lived.stores, old[1], trust=Trust()).of_key == 0
    assert why(lived.stores, "20130201", trust=Trust()).prediction.id == old[2], "as short as an id may be"
    monkeypatch.chdir(lived.stores.folder.parent)
    assert main(["why", "p2"]) == 0
    assert "key p2, the newest of 2 decisions with it: name another by its id" in capsys.readouterr().out
    assert main(["why", "p1"]) == 0
    assert "key p1\n" in capsys.readouterr().out


def test_keys_are_looked_for_among_the_newest_decisions_only(lived: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kept", "new"):
        lived.predict(ROWS[:1], keys=[name])
        lived.compact()
    monkeypatch.setattr("clew.loop.why.key.MOST_ROWS", 1)
    assert why(lived.stores, "new", trust=Trust()).prediction.key == "new"
    with pytest.raises(Invalid, match="'kept' is no id of a prediction, and the key of none"):
        why(lived.stores, "kept", trust=Trust())


@pytest.mark.parametrize("text", ["", "0193", "zz" * 16, "0" * 33])
def test_what_is_no_id(lived: Any, text: str) -> None:
    with pytest.raises(Invalid, match="no id of a prediction"):
        why(lived.stores, text, trust=Trust())


def test_an_unknown_id(lived: Any) -> None:
    with pytest.raises(NotFound, match="prediction"):
        why(lived.stores, "f" * 32, trust=Trust())


def test_all_of_it_is_json(lived: Any) -> None:
    ids = lived.predict(ROWS)
    lived.compact()
    found = why(lived.stores, ids[0], trust=Trust())
    text = msgspec.json.encode(found)
    assert set(msgspec.json.decode(text)) == set(found.__struct_fields__) - {"asked", "of_key"}


def test_who_asks_a_server_scores_it_again(lived: Any) -> None:
    ids = lived.predict(ROWS)
    lived.compact()
    here, told = why(lived.stores, ids[1], trust=Trust()), why(lived.stores, ids[1], trust=None)
    assert told.replay.verdict is ReplayVerdict.CANNOT
    sent = msgspec.msgpack.decode(msgspec.msgpack.encode(told), type=Why)
    assert scored_here(sent, lived.stores.objects, trust=Trust()) == here
    assert scored_here(here, lived.stores.objects, trust=Trust()) is here


def test_a_replay_by_the_compiled_runtime_does_without_scikit_learn(lived: Any) -> None:
    ids = lived.predict(ROWS)
    lived.compact()
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from clew.loop.why import why\n"
        "from clew.registry.formats.format import Trust\n"
        "from clew.testing.project import open_stores\n"
        f"found = why(open_stores(Path({str(lived.stores.folder)!r})), {ids[0]!r}, trust=Trust())\n"
        "print(found.replay.verdict, sorted({'sklearn', 'skl2onnx', 'scipy', 'pandas', 'skops'} & set(sys.modules)))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "identical []\n"


def test_the_command_shows_a_tree(
    lived: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = lived.predict(ROWS, keys=["t1", "t2", "t3"])
    lived.ask("/labels", {"labels": [{"id": ids[1], "label": True}]})
    lived.compact()
    monkeypatch.chdir(lived.stores.folder.parent)
    assert main(["why", ids[1]]) == 0
    out = capsys.readouterr().out
    for words in (
        "replay: identical, bit for bit",
        "label: yes (as decided), by id",
        "row 2 of 3 of its request",
        "in shadow",
        "model delay@1",
        "champion since",
        "gate: pass",
        "run baseline",
        "step fit executed",
        "flights@2",
        "made of raw@1",
        "that hour",
    ):
        assert words in out
    assert main(["why", ids[0], "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["replay"]["verdict"] == "identical"
    assert main(["why", "nonsense"]) == 2
    assert main(["why", "f" * 32]) == 3
