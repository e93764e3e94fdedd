"""A project's rows, copied from ledger to ledger of either kind: all of them, no others, and the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clew.core.contracts.ledger import Ledger
from clew.core.errors import Conflict
from clew.core.types.account import Member, ProjectRole, Token, User
from clew.core.types.edge import Edge, Role
from clew.core.types.endpoint import Trial, TrialState
from clew.core.types.filter import Comparison, Field, Search
from clew.core.types.logged_model import LoggedMetric, LoggedModel, LoggedModelStatus
from clew.core.types.model import Model
from clew.core.types.project import Project
from clew.core.types.run import Artifact, Experiment
from clew.store.ledger.postgres import PostgresLedger
from clew.store.ledger.sql import rows as of_project
from clew.store.ledger.sql import search_plan
from clew.store.ledger.sql.migrate import migrations
from clew.store.ledger.sql.rows import ACCOUNTS, COLUMNS, DERIVED, TABLES
from clew.store.ledger.sqlite import SqliteLedger
from clew.testing.ledger import examples as some

OTHER = "q"
LOGGED = LoggedModel(id="l", project="p", experiment="x", name="tree", status=LoggedModelStatus.READY, created_us=1)


def fill(ledger: Ledger, project: str) -> None:
    """Something of everything; ids have the name of the project."""

    def own(row: object, **fields: object) -> object:
        names = row.__struct_fields__  # type: ignore[attr-defined]
        given = {"project": project, "id": f"{project}-{getattr(row, 'id', '')}", **fields}
        return some.change(row, **{name: value for name, value in given.items() if name in names})

    run, dataset, model, endpoint = (f"{project}-{what}" for what in ("0a", "d", "m", "e"))
    with ledger.write() as tx:
        tx.projects.add(Project(id=project, name=f"the {project}", created_us=1))
        tx.accounts.add_user(User(id=f"u-{project}", name=f"ann of {project}", created_us=1))
        tx.accounts.put_token(Token(id=f"t-{project}", user=f"u-{project}", name="laptop", hash=project, created_us=1))
        tx.accounts.put_member(Member(project=project, user=f"u-{project}", role=ProjectRole.ADMIN))
        tx.experiments.add(Experiment(id=f"{project}-x", project=project, name="trees", created_us=1))
        tx.runs.add(own(some.a_run("0a", experiment=f"{project}-x")))
        tx.runs.add(own(some.a_run("0b", deleted_us=7)))
        tx.series.append([own(some.a_block(f"j/{at}", float(at), step=at), run=run) for at in range(700)])
        tx.artifacts.put(Artifact(run=run, path="p", digest=some.NO_DIGEST, size_bytes=1, media_type="", created_us=1))
        tx.steps.put([own(some.an_entry("k"))])
        tx.steps.record([own(some.a_step(1), run=run)])
        tx.beats.add(run, project, at_us=3)
        tx.datasets.add(own(some.a_dataset(), id=dataset))
        tx.datasets.add_version(some.a_version(1, dataset=dataset))
        tx.logs.append([own(some.a_batch("j/1"), dataset=dataset)])
        tx.models.add(Model(id=model, project=project, name="delay", created_us=1))
        tx.models.add_version(own(some.a_model_version(1), model=model))
        tx.models.move_alias(own(some.a_move(1, 1), model=model))
        tx.logged_models.add(own(LOGGED))
        tx.logged_models.measure([LoggedMetric(model=f"{project}-l", key="acc", value=0.5, step=1, time_us=1, run=run)])
        tx.endpoints.add(some.an_endpoint(endpoint, project=project))
        tx.windows.put(own(some.a_window(10), endpoint=endpoint))
        tx.trials.put(
            Trial(
                id=f"{project}-t",
                endpoint=endpoint,
                champion="a",
                challenger="b",
                state=TrialState.RUNNING,
                started_us=1,
                ended_us=0,
                test={},
            )
        )
        tx.alerts.raise_(own(some.an_alert("1", key="a", at_us=1), endpoint=endpoint))
        tx.jobs.queue(own(some.a_job("1")))
        for name in "312":
            tx.events.add(own(some.an_event(name)))
        tx.edges.add([Edge(source=f"data:{dataset}-1", target=f"run:{run}", role=Role.INPUT, run=run)])
    with ledger.write() as tx:
        tx.events.seal(project, limit=2)


@pytest.fixture(params=["sqlite to sqlite", "sqlite to postgresql", "postgresql to sqlite"])
def ledgers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Ledger, Ledger]]:
    opens: dict[str, Callable[[str], Ledger]] = {
        "sqlite": lambda name: SqliteLedger(tmp_path / f"{name}.db"),
        "postgresql": lambda _: PostgresLedger(request.getfixturevalue("postgres_url")),
    }
    one, two = (opens[kind](f"{at}") for at, kind in enumerate(request.param.split(" to ")))
    yield one, two
    one.close()
    two.close()


def copy(source: Ledger, target: Ledger) -> tuple[dict[str, int], list[int]]:
    told: list[int] = []
    with source.read() as here, target.write() as there:
        rows = here.rows_of("p")  # type: ignore[attr-defined]
        return rows.copy_to(there.rows_of("p"), tell=told.append), told  # type: ignore[attr-defined]


@pytest.mark.parametrize("at_once", [500, 1])
def test_all_rows_of_a_project_are_copied_and_no_others(
    ledgers: tuple[Ledger, Ledger], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_project, "_AT_ONCE", at_once)
    source, target = ledgers
    for project in ("p", OTHER):
        fill(source, project)
    copied, told = copy(source, target)
    assert {table for table, count in copied.items() if not count} == {"run_inputs", "series_sources"}
    assert (copied["series_blocks"], copied["events"], copied["edges"], copied["users"]) == (700, 3, 1, 1)
    assert told == sorted(told)
    assert told[-1] == sum(copied.values())
    digests = []
    for ledger in ledgers:
        with ledger.read() as tx:
            digests.append(tx.rows_of("p").digests())  # type: ignore[attr-defined]
    assert digests[0] == digests[1]
    with target.read() as tx:
        assert tx.rows_of("p").count() == sum(copied[table] for table in TABLES)  # type: ignore[attr-defined]
        assert (tx.runs.count(OTHER), tx.projects.find("the q"), tx.accounts.find_user("ann of q")) == (0, None, None)
        assert [event.id for event in tx.events.list("p").items] == ["p-2", "p-1", "p-3"]
        assert (tx.events.tail("p").position, len(tx.events.waiting("p"))) == (2, 1)
        wanted = Comparison(Field("metric", "loss", "last"), ">", (600,))
        [found] = tx.runs.search("p", Search(filter=wanted)).items
        assert (found.run.id, found.experiment, found.data) == ("p-0a", "trees", {"flights": 1})
        assert tx.runs.list("p", deleted=True).items[0].id == "p-0b"


def test_a_member_whose_name_another_user_has_is_told(ledgers: tuple[Ledger, Ledger]) -> None:
    source, target = ledgers
    fill(source, "p")
    with target.write() as tx:
        tx.accounts.add_user(User(id="other", name="ann of p", created_us=1))
    with pytest.raises(Conflict, match="other users named ann of p"):
        copy(source, target)
    with target.read() as tx:
        assert tx.projects.list() == []
    with source.write() as tx:
        tx.accounts.remove_member("p", "u-p")
    copy(source, target)
    with target.read() as tx:
        assert [(user.id, tx.accounts.tokens(user.id)) for user in tx.accounts.users()] == [("other", [])]


def test_what_differs_is_seen(ledgers: tuple[Ledger, Ledger]) -> None:
    source, target = ledgers
    fill(source, "p")
    copy(source, target)
    with target.write() as tx:
        tx.runs.put(some.change(tx.runs.get("p-0a"), name="another"))
    digests = []
    for ledger in ledgers:
        with ledger.read() as tx:
            digests.append(tx.rows_of("p").digests())  # type: ignore[attr-defined]
    assert {table for table in digests[0] if digests[0][table] != digests[1][table]} == {"runs"}


def test_a_place_is_cleared_of_one_project(ledgers: tuple[Ledger, Ledger]) -> None:
    source, target = ledgers
    for project in ("p", OTHER):
        fill(source, project)
        fill(target, project)
    with target.write() as tx:
        tx.rows_of("p").clear()  # type: ignore[attr-defined]
    with target.read() as tx, source.read() as other:
        assert tx.rows_of("p").count() == 1, "the edge of the other project"  # type: ignore[attr-defined]
        assert tx.rows_of(OTHER).digests() == other.rows_of(OTHER).digests()  # type: ignore[attr-defined]
        assert tx.runs.search("p", Search(deleted=None)).items == []
        assert len(tx.runs.search(OTHER, Search(deleted=None)).items) == 2
        assert tx.accounts.find_user("ann of p") is not None, "accounts are everybody's"
    with target.write() as tx:  # what was cleared can be filled again
        tx.projects.add(Project(id="p", name="the p", created_us=1))


@pytest.fixture
def by_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches are answered by what a process keeps of all runs."""
    monkeypatch.setattr(search_plan, "_RARE", 0)
    monkeypatch.setattr(search_plan, "_STEPS", ())


def named(ledger: Ledger, project: str, name: str) -> list[str]:
    """The runs of a name, by a search."""
    with ledger.read() as tx:
        wanted = Search(filter=Comparison(Field("name"), "=", (name,)), deleted=None)
        return [one.run.id for one in tx.runs.search(project, wanted).items]


def arrive_again(source: Ledger, target: Ledger) -> None:
    """Replace a project by a later state of itself: one run has another name, and one came whose id is the first."""
    with source.write() as tx:
        tx.runs.put(some.change(tx.runs.get("p-0a"), name="changed"))
        tx.runs.add(some.a_run("p-00", name="late"))
    with source.read() as here, target.write() as there:
        rows = there.rows_of("p")  # type: ignore[attr-defined]
        rows.clear()
        here.rows_of("p").copy_to(rows, tell=lambda _: None)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("by_columns")
def test_who_searched_before_finds_what_arrived_again(ledgers: tuple[Ledger, Ledger]) -> None:
    source, target = ledgers
    fill(source, "p")
    copy(source, target)
    assert named(target, "p", "run 0a") == ["p-0a"]
    arrive_again(source, target)
    found = {name: named(target, "p", name) for name in ("run 0a", "run 0b", "changed", "late")}
    assert found == {"run 0a": [], "run 0b": ["p-0b"], "changed": ["p-0a"], "late": ["p-00"]}


@pytest.mark.usefixtures("by_columns")
def test_what_arrives_again_hides_no_changes_of_others(ledgers: tuple[Ledger, Ledger]) -> None:
    source, target = ledgers
    fill(source, "p")
    fill(target, OTHER)
    copy(source, target)
    for _ in range(9):
        with target.write() as tx:
            tx.runs.put(some.change(tx.runs.get("p-0a"), name="for a while"))
    assert named(target, OTHER, "run 0a") == ["q-0a"]
    arrive_again(source, target)
    with target.write() as tx:
        tx.runs.put(some.change(tx.runs.get("q-0a"), name="changed"))
    assert named(target, OTHER, "changed") == ["q-0a"]


def test_runs_that_did_not_come_back_are_not_found(ledgers: tuple[Ledger, Ledger]) -> None:
    source, target = ledgers
    for ledger in ledgers:
        fill(ledger, "p")
    with target.write() as tx:
        tx.runs.add(some.a_run("p-00", name="late"))
    with source.read() as here, target.write() as there:
        there.rows_of("p").clear()  # type: ignore[attr-defined]
        here.rows_of("p").copy_to(there.rows_of("p"), tell=lambda _: None)  # type: ignore[attr-defined]
        assert [one.run.id for one in there.runs.search("p", Search(deleted=None, limit=2)).items] == ["p-0b", "p-0a"]
        assert not there.runs.search("p", Search(deleted=None, limit=2)).next
    assert named(target, "p", "late") == []


def test_every_table_has_its_place() -> None:
    assert set(TABLES) | set(ACCOUNTS) == set(COLUMNS)
    assert DERIVED.isdisjoint(COLUMNS)
    assert all(table in "".join(migrations().values()) for table in {*COLUMNS, *DERIVED})
