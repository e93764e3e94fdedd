"""MLflow's searches that the index answers find what judging every run finds, in the same order and pages."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from clew.core.contracts.ledger import Durability, Ledger
from clew.core.types.edge import Role
from clew.core.types.filter import parts_of
from clew.core.types.run import Experiment, Run, RunKind, RunStatus, Scalar
from clew.core.types.run_input import RunInput
from clew.core.types.series import SeriesBlock
from clew.server.mlflow import searched_runs
from clew.server.mlflow.filters import parse_filter
from clew.server.mlflow.search_runs import GRAMMAR, Search, search_runs
from clew.server.mlflow.translate import translate_filter
from clew.store.ledger.memory import MemoryLedger
from clew.store.ledger.sql import search_plan
from clew.store.ledger.sqlite import SqliteLedger

SCALARS: list[Scalar] = [None, True, False, 0, 1, 6, 6.0, 2.5, 1e16, 10**20, 10**400, math.inf, math.nan]
SCALARS += ["6", "6.0", "True", "None", "nan", "adam", "Adam", "a%", "", "1e16", "inf"]
TEXTS = ["6", "6.0", "1", "True", "None", "nan", "inf", "adam", "ADAM", "a", "", "1e+16", "1" + "0" * 20, "ann", "x"]
PATTERNS = ["%", "_", "6%", "%e", "T%", "n_n", "fal\N{LATIN SMALL LETTER LONG S}e", "A%", "%a_", "adam", "", "ınf"]
NUMBERS = [0.0, -0.0, 1.0, 2.5, 6.0, -3.0, 1e300, math.inf, -math.inf, math.nan]
CORNERS = [
    "user_id != 'x'",
    "user_id LIKE '%'",
    "params.p ILIKE 'fal\N{LATIN SMALL LETTER LONG S}e'",
    "params.p != '6'",
]
TAGS = ["team", "mlflow.runName", "mlflow.parentRunId", "mlflow.user"]
IDS = [f"{number:032x}" for number in (0x1A, 0x2B, 0x3C)]


def a_number(pick: random.Random) -> str:
    return pick.choice(["0", "1", "2.5", "6", "-3", "1e300", "1e400", "-1e400"])


def a_clause(pick: random.Random) -> str:
    kind = pick.choice(["metric", "param", "param", "tag", "attribute", "status", "time", "dataset", "ids"])
    if kind in ("metric", "time"):
        name = (
            f"metrics.{pick.choice('mn')}" if kind == "metric" else pick.choice(["start_time", "end_time", "created"])
        )
        return f"{name} {pick.choice(['=', '!=', '<', '<=', '>', '>='])} {a_number(pick)}"
    if kind == "ids":
        ids = ", ".join(f"'{each}'" for each in pick.sample(IDS, 2))
        return f"run_id {pick.choice(['IN', 'NOT IN'])} ({ids})"
    named = {
        "param": [f"params.{name}" for name in "pq"],
        "tag": [f"tags.`{name}`" for name in TAGS],
        "attribute": ["run_id", "run_name", "user_id", "artifact_uri"],
        "status": ["status"],
        "dataset": ["datasets.name", "datasets.digest", "datasets.context"],
    }[kind]
    name = pick.choice(named)
    if kind in ("param", "tag") and pick.random() < 0.3:
        return f"{name} IS {pick.choice(['', 'NOT '])}NULL"
    op = pick.choice(["=", "!=", "LIKE", "ILIKE"])
    values = [*TEXTS, *IDS, "RUNNING", "KILLED", "one", "train"]
    patterns = [*PATTERNS, "%ING", "killed", "%1a", "o%", "%/artifacts"]
    return f"{name} {op} '{pick.choice(values if op in ('=', '!=') else patterns)}'"


def an_order(pick: random.Random) -> list[str]:
    fields = ["metrics.m", "metrics.n", "start_time", "end_time", "run_id", "run_name", "tags.team", "params.p"]
    fields += ["status", "user_id", "tags.`mlflow.runName`", "tags.`mlflow.parentRunId`"]
    return [f"{field} {pick.choice(['ASC', 'DESC'])}" for field in pick.sample(fields, pick.choice([0, 1, 1, 2]))]


def a_run(pick: random.Random, number: int) -> Run:
    created = pick.choice([0, 1000, 1500, 2_000_000, 2_000_300, 6_000_000])
    tags = {name: pick.choice(["x", "adam", "", *IDS]) for name in TAGS if name != TAGS[1] and pick.random() < 0.4}
    return Run(
        id=IDS[number] if number < len(IDS) else f"{pick.randrange(16**8):032x}",
        project="p",
        experiment=pick.choice(["id-0", "id-1"]),
        name=pick.choice(["one", "two", "adam"]),
        kind=RunKind.SCRIPT,
        status=pick.choice(list(RunStatus)),
        created_us=created,
        created_by=pick.choice(["ann", "bob", ""]),
        ended_us=pick.choice([0, 1, created + 999, created + 5000]),
        parent=pick.choice(["", "", *IDS]),
        params={name: pick.choice(SCALARS) for name in "pq" if pick.random() < 0.8},
        tags=tags,
        deleted_us=pick.choice([0, 0, 0, 1]),
    )


def a_point(run: str, key: str, value: float) -> SeriesBlock:
    return SeriesBlock(
        **dict.fromkeys(("low", "high", "total", "first", "last"), value),
        **dict.fromkeys(("last_step", "step_low", "step_high"), 0.0),
        **dict.fromkeys(("last_time_us", "time_low_us", "time_high_us"), 1),
        run=run,
        key=key,
        source="j:1-1",
        count=1,
        nans=int(math.isnan(value)),
        points=b"a point",
    )


def an_input(run: str, pick: random.Random) -> RunInput:
    tags = {"mlflow.data.context": pick.choice(["train", "x"])} if pick.random() < 0.5 else {}
    return RunInput(run=run, role=Role.INPUT, name=pick.choice(["adam", "x"]), digest=pick.choice("16"), tags=tags)


def fill(ledger: Ledger, pick: random.Random) -> None:
    with ledger.write(Durability.KILL) as tx:
        for number in range(2):
            name = "default" if not number else "other"
            tx.experiments.add(Experiment(id=f"id-{number}", project="p", name=name, created_us=1))
        for number in range(40):
            run = a_run(pick, number)
            tx.runs.add(run)
            tx.series.append([a_point(run.id, key, pick.choice(NUMBERS)) for key in "mn" if pick.random() < 0.7])
            tx.inputs.put([an_input(run.id, pick)] if pick.random() < 0.5 else [])


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    made: Ledger = MemoryLedger() if request.param == "memory" else SqliteLedger(tmp_path / "ledger.db")
    yield made
    made.close()


def found_by(ledger: Ledger, asked: Search) -> list[Any]:
    call: Any = SimpleNamespace(stores=SimpleNamespace(ledger=ledger, project="p"))
    pages: list[Any] = []
    while True:
        told: Any = search_runs(call, asked)
        pages.append(told["runs"])
        if "next_page_token" not in told:
            return pages
        asked = msgspec.structs.replace(asked, page_token=told["next_page_token"])


@pytest.mark.parametrize("plan", [(512, (256, 2048)), (0, ())])
@pytest.mark.parametrize("seed", range(3))
def test_the_index_finds_what_judging_every_run_finds(
    ledger: Ledger, seed: int, plan: tuple[int, tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_plan, "_RARE", plan[0])
    monkeypatch.setattr(search_plan, "_STEPS", plan[1])
    pick = random.Random(seed)
    fill(ledger, pick)
    some = 0
    filters = [" AND ".join(a_clause(pick) for _ in range(pick.choice([0, 1, 1, 2]))) for _ in range(60)]
    for text in [*CORNERS, *filters]:
        asked = Search(
            experiment_ids=pick.choice([["0"], ["0", "1"], ["1", "7"]]),
            filter=text,
            order_by=an_order(pick),
            max_results=pick.choice([3, 7, 1000]),
            run_view_type=pick.choice(["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]),
        )
        found = found_by(ledger, asked)
        with monkeypatch.context() as judged:
            judged.setattr(searched_runs, "translate_filter", lambda clauses: (None, list(clauses)))
            judged.setattr(searched_runs, "translate_order", lambda orders: None)
            expected = found_by(ledger, asked)
        assert [[run["info"]["run_id"] for run in page] for page in found] == [
            [run["info"]["run_id"] for run in page] for page in expected
        ], asked
        assert repr(found) == repr(expected)
        some += bool(expected[0])
    assert some > 30


@pytest.mark.parametrize(
    "text",
    [
        "metrics.loss < 0.5 AND metrics.acc >= 0.1",
        "params.optimizer = 'adam' AND params.optimizer LIKE 'ad%'",
        "tags.team != 'risk' AND tags.team IS NULL",
        "status = 'FINISHED' AND start_time > 5 AND run_id IN ('a', 'b')",
        "tags.`mlflow.parentRunId` = 'a' AND user_id = 'ann' AND run_name ILIKE 'x%'",
    ],
)
def test_the_index_answers_whole(text: str) -> None:
    asked, rest = translate_filter(parse_filter(text, GRAMMAR))
    assert len(parts_of(asked)) == text.count(" AND ") + 1
    assert rest == []


@pytest.mark.parametrize(
    "text", ["params.depth = '6'", "params.depth != 'x'", "params.x IS NULL", "params.x LIKE '1%'"]
)
def test_the_index_narrows_what_has_to_be_judged(text: str) -> None:
    asked, rest = translate_filter(parse_filter(text, GRAMMAR))
    assert asked is not None
    assert len(rest) == 1
