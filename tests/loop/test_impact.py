from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from clew.cli.main import main
from clew.core.clock import parse_us
from clew.core.errors import Invalid, NotFound
from clew.core.types.dataset import Dataset, DatasetKind
from clew.core.types.edge import Edge, Role, node
from clew.core.types.endpoint import Window
from clew.core.types.model import Model
from clew.loop.impact import impact

ROWS: list[dict[str, Any]] = [{"hour": 5, "wind": 0.25}, {"hour": 20, "wind": -1.5}]


def decisions(stores: Any, reference: str) -> int:
    return impact(stores, reference).decisions


def test_from_bad_data_to_every_decision(lived: Any) -> None:
    before = impact(lived.stores, "raw@1")
    lived.predict(ROWS, time="2013-01-15T05:00:00Z")
    lived.compact()
    lived.predict(ROWS[:1], time="2013-12-15T05:00:00Z")
    found = impact(lived.stores, "raw@1")
    assert (found.subject, found.reference) == (node("data", lived.data[0].id), "raw@1")
    assert [each.reference for each in found.data] == ["flights@2"]
    assert [each.name for each in found.runs] == ["baseline"]
    assert [(each.reference, each.run) for each in found.models] == [("delay@1", lived.run), ("delay@2", lived.run)]
    assert [(each.model, each.alias, each.until_us) for each in found.aliases] == [
        ("delay@1", "champion", 0),
        ("delay@2", "challenger", 0),
    ]
    assert found.endpoints == ["late"]
    assert found.decisions == before.decisions + 3
    [counted] = found.models[0].decisions
    assert (counted.endpoint, counted.rows, counted.waiting) == ("late", found.decisions, 1)
    assert found.models[1].decisions == []
    assert found.first_us == parse_us("2013-01-15T05:00:00Z")
    assert found.last_us == parse_us("2013-12-15T05:00:00Z")
    assert set(msgspec.json.decode(msgspec.json.encode(found))) == set(found.__struct_fields__)


def test_decisions_count_once_whether_compacted_or_not(lived: Any) -> None:
    before = decisions(lived.stores, "delay@1")
    lived.predict(ROWS)
    assert decisions(lived.stores, "delay@1") == before + 2
    lived.compact()
    assert decisions(lived.stores, "delay@1") == before + 2


def test_labels_are_counted_as_far_as_monitors_have_looked(lived: Any) -> None:
    assert impact(lived.stores, "delay@1").labels == 0
    start_us = parse_us("2013-02-01T00:00:00Z")
    window = Window(
        endpoint=lived.endpoint.id,
        version=lived.versions[0].id,
        start_us=start_us,
        end_us=start_us + 86_400_000_000,
        rows=3,
        labels=2,
        profile=lived.versions[0].package,
        report={},
        revision=1,
        judged_us=1,
    )
    with lived.stores.ledger.write() as tx:
        tx.windows.put(window)
    lived.predict(ROWS[:1])
    assert impact(lived.stores, "delay@1").labels == 2


def test_the_walk_ends_at_endpoints(lived: Any) -> None:
    learned = Edge(source=node("endpoint", lived.endpoint.id), target=node("data", "0" * 32), role=Role.INPUT)
    with lived.stores.ledger.write() as tx:
        tx.edges.add([learned])
    assert impact(lived.stores, "delay@2").data == []


def test_what_was_only_triggered_is_not_touched(lived: Any) -> None:
    window = node("window", f"{lived.endpoint.id}/1")
    edges = [
        Edge(source=node("model", lived.versions[0].id), target=window, role=Role.LOGGED),
        Edge(source=window, target=node("run", "0" * 32), role=Role.TRIGGERED),
    ]
    with lived.stores.ledger.write() as tx:
        tx.edges.add(edges)
    assert impact(lived.stores, "delay@1").runs == []


@pytest.mark.parametrize("text", ["run:baseline", "baseline"])
def test_from_a_run(lived: Any, text: str) -> None:
    found = impact(lived.stores, text)
    assert found.subject == node("run", lived.run)
    assert [each.reference for each in found.models] == ["delay@1", "delay@2"]
    assert found.runs == []


def test_from_code(lived: Any) -> None:
    with lived.stores.ledger.read() as tx:
        snapshot = tx.runs.get(lived.run).capture["source"]
    for digits in (snapshot, snapshot[:12], snapshot[:6].upper()):
        found = impact(lived.stores, f"code:{digits}")
        assert ([each.id for each in found.runs], found.reference) == ([lived.run], f"code:{snapshot}")


def test_a_digest_that_nothing_has_is_no_harmless_one(lived: Any) -> None:
    for text in (f"code:{'0' * 64}", "environment:0000", "code:464b37…"):
        with pytest.raises(NotFound, match=r"no (code|environment) named"):
            impact(lived.stores, text)


def test_a_digest_of_several_asks_for_more_digits(lived: Any) -> None:
    with lived.stores.ledger.write() as tx:
        tx.edges.add([Edge(source=f"code:ee{n}", target="run:r", role=Role.CODE) for n in range(2)])
    with pytest.raises(Invalid, match="'ee' is the beginning of several code digests"):
        impact(lived.stores, "code:ee")


def test_other_ways_to_say_it(lived: Any) -> None:
    first = impact(lived.stores, "delay@1").subject
    for text in ("delay@champion", "model:delay@1", lived.versions[0].id, f"model:{lived.versions[0].id}"):
        assert impact(lived.stores, text).subject == first
    assert impact(lived.stores, "data:flights").reference == "flights@2"


def test_a_version_that_led_to_nothing(lived: Any) -> None:
    found = impact(lived.stores, "flights@1")
    assert (found.data, found.runs, found.models, found.endpoints) == ([], [], [], [])
    assert (found.decisions, found.first_us, found.last_us) == (0, 0, 0)


def test_a_name_of_several_things(lived: Any) -> None:
    stores = lived.stores
    dataset = Dataset(id=stores.ids(), project="p", name="twin", kind=DatasetKind.TABLE, created_us=1)
    model = Model(id=stores.ids(), project="p", name="twin", created_us=1)
    one, other = lived.data[1], lived.versions[0]
    with stores.ledger.write() as tx:
        tx.datasets.add(dataset)
        tx.datasets.add_version(replace(one, id=stores.ids(), dataset=dataset.id, name="twin", number=1))
        tx.models.add(model)
        tx.models.add_version(replace(other, id=stores.ids(), model=model.id, name="twin", number=1))
    with pytest.raises(Invalid, match="data, model") as caught:
        impact(stores, "twin@1")
    assert "model:twin@1" in caught.value.hint
    assert impact(stores, "data:twin@1").subject.startswith("data:")
    assert impact(stores, "model:twin@1").subject.startswith("model:")


@pytest.mark.parametrize("text", ["nothing@1", "data:nothing@1", "model:nothing", "run:nothing", "flight@1", "f" * 32])
def test_nothing_of_that_name(lived: Any, text: str) -> None:
    with pytest.raises(NotFound) as caught:
        impact(lived.stores, text)
    assert caught.value.near == (["flights"] if text == "flight@1" else [])


def test_the_command_shows_a_tree(
    lived: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lived.predict(ROWS)
    monkeypatch.chdir(lived.stores.folder.parent)
    assert main(["impact", "raw@1"]) == 0
    out = capsys.readouterr().out
    for words in ("1 run\n", "baseline (script, finished) by ann", "2 model versions", "champion since", "at late, "):
        assert words in out
    assert main(["impact", "flights@1"]) == 0
    assert "nothing came of it yet" in capsys.readouterr().out
    assert main(["impact", "flights@1", "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["decisions"] == 0


def test_the_command_says_which_of_several_runs_it_looked_at(
    lived: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with lived.stores.ledger.write() as tx:
        tx.runs.add(replace(tx.runs.get(lived.run), id=lived.stores.ids()))
    monkeypatch.chdir(lived.stores.folder.parent)
    assert main(["impact", "run:baseline"]) == 0
    assert "2 runs are named baseline; this is the newest" in capsys.readouterr().err
