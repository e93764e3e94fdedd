"""Whatever happens to a ledger, in whatever order, SQLite and PostgreSQL answer what the ledger in memory answers.

Memory is the oracle: it shares no code with the others. A history is a list of blocks of changes and questions, each
committed or failed, with the ledgers opened anew between some; behind each block all that is stored is asked for. Ids
are given once, as they are outside (UUIDs, digests); everything else may come twice.
"""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from clew.core.contracts.ledger import Durability, Ledger
from clew.core.errors import ClewError
from clew.core.types.account import Member, ProjectRole, Token, User
from clew.core.types.edge import Edge, Role
from clew.core.types.endpoint import Endpoint, Trial, TrialState
from clew.core.types.job import Job, JobState
from clew.core.types.logged_model import LoggedMetric, LoggedModel, LoggedModelStatus
from clew.core.types.model import Model
from clew.core.types.project import Project
from clew.core.types.run import Artifact, Experiment, RunStatus
from clew.core.types.run_input import RunInput
from clew.core.types.step import StepOutcome
from clew.store.ledger.memory import MemoryLedger
from clew.store.ledger.postgres import PostgresLedger
from clew.store.ledger.sqlite import SqliteLedger
from clew.testing.ledger import examples as some
from clew.testing.postgres import PostgresServer

NEW = "?"


class Call(NamedTuple):
    """A verb of one repository, and what it is given."""

    repository: str
    verb: str
    args: tuple[Any, ...]
    options: dict[str, Any]

    def numbered(self, number: int) -> Call:
        """The same with an id of its own where one is wanted; a job has the key of its number for life."""
        if not self.args or getattr(self.args[0], "id", None) != NEW:
            return self
        key = {"key": key_of(number)} if isinstance(self.args[0], Job) else {}
        new = msgspec.structs.replace(self.args[0], id=f"{self.args[0].project}{number}", **key)
        return self._replace(args=(new, *self.args[1:]))

    def answer(self, tx: Any) -> str:
        """What came back or was raised, as text: two NaN are the same there, and 1 and 1.0 are not."""
        try:
            found = getattr(getattr(tx, self.repository), self.verb)(*self.args, **self.options)
        except ClewError as error:
            return repr(error)
        return repr(sorted(found) if isinstance(found, set) else found)


Drawn = tuple[str, st.SearchStrategy[Call]]
"""Calls of one repository, with its name."""


def call(where: str, *args: st.SearchStrategy[Any], **options: st.SearchStrategy[Any]) -> Drawn:
    """`repository.verb` with arguments drawn."""
    repository, verb = where.split(".")
    drawn = st.fixed_dictionaries(options)
    return repository, st.builds(Call, st.just(repository), st.just(verb), st.tuples(*args), drawn)


def ask(where: str, *args: st.SearchStrategy[Any], **options: st.SearchStrategy[Any]) -> Drawn:
    """The same, where each of the options may be left out."""
    repository, verb = where.split(".")
    drawn = st.fixed_dictionaries({}, optional=options)
    return repository, st.builds(Call, st.just(repository), st.just(verb), st.tuples(*args), drawn)


def changed(make: Callable[..., Any], *args: st.SearchStrategy[Any], **fields: st.SearchStrategy[Any]) -> Any:
    """Structs of `clew.testing.ledger.examples` with fields drawn."""
    return st.builds(
        lambda given, values: msgspec.structs.replace(make(*given), **values),
        st.tuples(*args),
        st.fixed_dictionaries(fields),
    )


PROJECT = st.sampled_from("pq")
TRASHED = st.sampled_from([None, False, True])
NAME = st.sampled_from(["a", "B", "ä", "a b"])
HEX = st.sampled_from(["0a", "0b", "0b1", "1c", "f"])
SMALL = st.integers(0, 4)
LIMIT = st.integers(1, 3)
TIME = st.integers(-2, 4) | st.just(2**53 + 1)
NUMBER = st.sampled_from([0.0, -1.0, 2.5, 1e300, -math.inf, math.inf, math.nan])
AFTER = st.sampled_from(["", "2", "0b", "x", "9" * 30])
EVENT_ID = st.builds("{}{}".format, PROJECT, SMALL)
NODE = st.sampled_from(["data:1", "run:1", "model:1", "run:2"])
STATUS = st.sampled_from(list(RunStatus))
USER = st.builds(
    lambda name, **rest: User(id=f"u-{name}", name=name, **rest), NAME, created_us=SMALL, admin=st.booleans()
)
TOKEN = st.builds(
    lambda key, **rest: Token(id=key, hash=f"h-{key}", user="u-a", **rest),
    HEX,
    name=NAME,
    created_us=SMALL,
    revoked_us=SMALL,
)
MEMBER = st.builds(Member, project=PROJECT, user=HEX, role=st.sampled_from(list(ProjectRole)))


def named(kind: type, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Things that stay in their project, which their id tells."""
    return st.builds(
        lambda project, key, name, rest: kind(id=f"{project}{key}", project=project, name=name, created_us=1, **rest),
        PROJECT,
        HEX,
        NAME | st.just("default"),
        st.fixed_dictionaries(fields),
    )


def endpoint(project: str, name: str, key: str, alias: str) -> Endpoint:
    return some.an_endpoint(f"{project}{key}", project=project, name=name, alias=alias)


TRASH = st.sampled_from([0, 5])
EXPERIMENT = named(Experiment, deleted_us=TRASH)
REGISTERED = named(Model, deleted_us=TRASH)
LOGGED = named(
    LoggedModel,
    experiment=st.sampled_from("ef"),
    run=HEX,
    status=st.sampled_from(list(LoggedModelStatus)),
    deleted_us=TRASH,
)
MEASURED = st.builds(
    LoggedMetric,
    model=HEX,
    key=NAME,
    value=st.sampled_from([0.5, -1.0, math.inf, math.nan]),
    step=SMALL,
    time_us=TIME,
    run=HEX,
    dataset=NAME,
    digest=HEX,
)
VERSION = changed(some.a_model_version, SMALL, message=NAME, deleted_us=TRASH)
INPUT = st.builds(
    RunInput, run=HEX, role=st.sampled_from([Role.INPUT, Role.OUTPUT]), name=NAME, digest=HEX, model=HEX, step=SMALL
)
BATCH = changed(
    some.a_batch,
    st.sampled_from(["r@0", "r@5", "r0@0", "s@0"]),
    dataset=st.sampled_from(["log", "other"]),
    rows=SMALL,
    time_low_us=TIME,
    time_high_us=TIME,
    id_low=HEX,
    id_high=HEX,
    source_end=SMALL,
)
BLOCK = changed(
    some.a_block,
    st.sampled_from(["j@1", "j@2", "j@3"]),
    NUMBER,
    run=st.sampled_from(["0a", "0b"]),
    key=st.sampled_from("aB"),
    last_step=st.sampled_from([-math.inf, 0.5, 1.0]),
    last_time_us=st.integers(1, 2),
    last=NUMBER,
    total=NUMBER.filter(math.isfinite) | st.just(math.nan),
)
RUN = changed(
    some.a_run,
    HEX,
    experiment=st.sampled_from("ef"),
    name=NAME | HEX,
    status=STATUS,
    parent=st.sampled_from(["", "0a"]),
    deleted_us=TRASH,
    ended_us=TIME,
    params=st.dictionaries(NAME, st.none() | st.booleans() | st.integers(-(2**63), 2**63) | NAME, max_size=2),
)
ENTRY = changed(some.an_entry, HEX, step=NAME, project=PROJECT, created_us=TIME)
STEP = changed(some.a_step, SMALL, st.sampled_from(list(StepOutcome)), run=HEX)
EDGE = st.builds(
    Edge, source=NODE, target=NODE, role=st.sampled_from(list(Role)), run=st.sampled_from(["", "1"]), at_us=TIME
)
TRIAL = st.builds(
    lambda key, state: Trial(
        id=key, endpoint="e", champion="v1", challenger="v2", state=state, started_us=1, ended_us=0, test={"sum": 0.25}
    ),
    HEX,
    st.sampled_from(list(TrialState)),
)
ARTIFACT = st.builds(
    Artifact,
    run=HEX,
    path=NAME | st.sampled_from(["a/b", "a/b/c", "a b/c"]),
    digest=st.just(some.NO_DIGEST),
    size_bytes=SMALL,
    media_type=NAME,
    created_us=TIME,
)


FINISHED = st.builds(
    lambda project, number, rest: msgspec.structs.replace(
        some.a_job(f"{project}{number}"), project=project, key=key_of(number), **rest
    ),
    PROJECT,
    SMALL,
    st.fixed_dictionaries({"fence": SMALL, "state": st.sampled_from(list(JobState)), "holder": NAME}),
)
QUEUED = changed(lambda: some.a_job(NEW), project=PROJECT, due_us=SMALL)
EVENT = changed(
    lambda: some.an_event(NEW),
    project=PROJECT,
    kind=st.sampled_from(["a", "a.b", "a.c", "ab", "b"]),
    subject=NODE,
    facts=st.dictionaries(NAME, NAME, max_size=2),
)
ALERT = changed(lambda number: some.an_alert(f"{number}", key=f"k{number % 3}", at_us=0), SMALL, at_us=TIME)


def several(one: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(one, max_size=4)


CHANGES = [
    call("accounts.add_user", USER),
    call("accounts.put_user", USER),
    call("accounts.put_token", TOKEN),
    call("accounts.put_member", MEMBER),
    call("accounts.remove_member", PROJECT, HEX),
    call("projects.add", st.builds(lambda name: Project(id=f"p-{name}", name=name, created_us=1), NAME)),
    call("datasets.add", changed(lambda name, project: some.a_dataset(name, project), NAME, PROJECT)),
    call("datasets.add_version", changed(some.a_version, SMALL, created_us=TIME)),
    call("datasets.put_version", changed(some.a_version, SMALL, created_us=TIME, rows=SMALL)),
    call("logs.append", several(BATCH)),
    call("experiments.add", EXPERIMENT),
    call("experiments.put", EXPERIMENT),
    call("runs.add", RUN),
    call("runs.put", RUN),
    call("beats.add", HEX, st.just("p"), at_us=TIME),
    call("beats.remove", HEX),
    call("series.append", several(BLOCK)),
    call("series.remove", HEX),
    call("artifacts.put", ARTIFACT),
    call("artifacts.remove", HEX, several(NAME)),
    call("inputs.put", several(INPUT)),
    call("logged_models.add", LOGGED),
    call("logged_models.put", LOGGED),
    call("logged_models.measure", several(MEASURED)),
    call("logged_models.forget_metrics", HEX),
    call("steps.put", several(ENTRY)),
    call("steps.record", several(STEP)),
    call("steps.forget", HEX),
    call("models.add", REGISTERED),
    call("models.put", REGISTERED),
    call("models.put_version", VERSION),
    call("models.add_version", VERSION),
    call("models.move_alias", st.builds(some.a_move, SMALL, SMALL, NAME)),
    call("endpoints.add", st.builds(endpoint, PROJECT, NAME, HEX, NAME)),
    call("endpoints.put", st.builds(endpoint, PROJECT, NAME, HEX, NAME)),
    call("windows.put", st.builds(some.a_window, SMALL, NAME, SMALL)),
    call("trials.put", TRIAL),
    call("alerts.raise_", ALERT),
    call("jobs.queue", QUEUED),
    call("jobs.lease", PROJECT, holder=NAME, now_us=SMALL, until_us=SMALL),
    call("jobs.renew", FINISHED, until_us=SMALL),
    call("jobs.finish", FINISHED),
    call("events.add", EVENT),
    call("events.seal", PROJECT, limit=LIMIT),
    call("edges.add", several(EDGE)),
]
QUESTIONS = [
    ask("datasets.newest", st.just("id-flights"), until_us=TIME),
    ask("datasets.versions", st.just("id-flights"), limit=LIMIT, after=AFTER),
    ask("logs.between", st.just("log"), TIME, TIME),
    ask("logs.holding", st.just("log"), HEX),
    ask("logs.list", st.just("log"), after=SMALL, until=SMALL),
    ask("runs.find", PROJECT, NAME | HEX),
    ask("runs.among", PROJECT, several(HEX)),
    ask("runs.list", PROJECT, experiment=NAME, status=STATUS, parent=HEX, limit=LIMIT, after=HEX, deleted=TRASHED),
    ask("series.summaries", several(HEX), keys=several(NAME)),
    ask("series.blocks", HEX, NAME, after=SMALL, limit=LIMIT),
    ask("steps.newest", PROJECT, NAME, limit=LIMIT),
    ask("models.versions", st.just("m"), limit=LIMIT, after=AFTER),
    ask("windows.list", st.just("e"), low_us=SMALL, high_us=SMALL, version=NAME),
    ask("alerts.list", st.just("e"), low_us=TIME, limit=LIMIT),
    ask("jobs.list", PROJECT, state=st.sampled_from(list(JobState)), limit=LIMIT),
    ask("events.list", PROJECT, subject=NODE, kind=st.sampled_from(["a", "a.b", "ab"]), limit=LIMIT, after=EVENT_ID),
    ask("events.sealed", PROJECT, after=SMALL, limit=LIMIT),
    ask("experiments.find_number", PROJECT, SMALL),
    ask("logged_models.list", PROJECT, experiments=several(st.sampled_from("ef")), run=HEX),
    ask("artifacts.list", HEX, under=NAME),
    ask("logged_models.metrics", several(HEX), key=NAME),
    ask("edges.up", NODE, depth=SMALL),
    ask("edges.down", NODE, depth=SMALL),
]


def everything() -> Iterator[Call]:
    """Questions whose answers are the whole state."""

    def of(where: str, *args: Any, **options: Any) -> Call:
        repository, verb = where.split(".")
        return Call(repository, verb, args, options)

    names, hexes, nodes = (
        ["a", "B", "ä", "a b"],
        ["0a", "0b", "0b1", "1c", "f"],
        ["data:1", "run:1", "model:1", "run:2"],
    )
    yield from (of("accounts.users"), of("accounts.tokens", "u-a"), of("projects.list"))
    yield from (of("logs.list", dataset) for dataset in ("log", "other"))
    yield from (of(f"logs.{verb}", "log") for verb in ("position", "rows"))
    yield from (of("logs.drained", "log", journal) for journal in ("r", "r0", "t"))
    yield from (of("datasets.versions", "id-flights"), of("models.versions", "m"), of("models.aliases", "m"))
    yield from (of("models.moves", "m", name) for name in names)
    yield from (of("windows.list", "e"), of("trials.list", "e"), of("alerts.list", "e", low_us=-9))
    yield from (of("series.summaries", hexes), of("inputs.list", hexes), of("logged_models.metrics", hexes))
    yield from (of("series.blocks", run, key) for run, key in itertools.product(hexes, names))
    for name in names:
        yield from (of("accounts.find_user", name), of("projects.find", name), of("projects.get", name))
    for key in hexes:
        yield from (of("accounts.find_token", f"h-{key}"), of("runs.get", key), of("trials.get", key))
        yield from (of("artifacts.list", key), of("steps.of_run", key), of("endpoints.get", f"p{key}"))
        yield from (of("experiments.get", f"p{key}"), of("models.get", f"p{key}"), of("logged_models.get", f"p{key}"))
    for node in nodes:
        yield from (of("edges.up", node), of("edges.down", node))
    for project in "pq":
        for repository in ("datasets", "experiments", "models", "endpoints", "runs", "events", "jobs", "logged_models"):
            yield of(f"{repository}.list", project)
        yield from (of("runs.list", project, deleted=None), of("beats.list", project))
        for verb in ("count", "tail", "sealed", "waiting"):
            yield of(f"events.{verb}", project)
        yield from (of("accounts.members", project), of("runs.count", project), of("jobs.due", project, now_us=3))
        yield from (of("steps.newest", project, name) for name in names)
        yield from (of("steps.find", project, key) for key in hexes)
        yield from (of("endpoints.find", project, name) for name in names)


WHOLE = list(everything())
REPOSITORIES = sorted({repository for repository, _ in CHANGES})


class Block(NamedTuple):
    """What happens between two moments at which others can look."""

    calls: list[Call]
    fails: bool
    anew: bool


def key_of(number: int) -> str:
    """What a job is for; others are for the same."""
    return f"k{number % 3}"


class BlockFails(Exception):
    """Raised within a block, to have it rolled back."""


def histories(focus: str) -> st.SearchStrategy[list[Block]]:
    """Blocks of calls to one repository, or to all of them where `focus` is empty."""
    drawn = [one for repository, one in [*CHANGES, *CHANGES, *QUESTIONS] if repository.startswith(focus)]
    block = st.builds(Block, st.lists(st.one_of(drawn), min_size=1, max_size=12), st.booleans(), st.booleans())
    return st.lists(block, min_size=1, max_size=4)


def answers_in(ledger: Ledger, block: Block, first: int) -> list[str]:
    """What a ledger says within a block; new ids count from `first`."""
    found = []
    with suppress(BlockFails), ledger.write(Durability.KILL) as tx:
        found = [one.numbered(number).answer(tx) for number, one in enumerate(block.calls, first)]
        if block.fails:
            raise BlockFails
    return found


def state_of(ledger: Ledger, focus: str) -> list[str]:
    """What a ledger holds."""
    with ledger.read() as tx:
        return [one.answer(tx) for one in WHOLE if one.repository.startswith(focus)]


def compare(history: list[Block], opens: list[Callable[[], Ledger]], focus: str) -> None:
    """Let several ledgers live through the same, and hold them to the first."""
    ledgers, first = [opened() for opened in opens], 0
    try:
        for block in history:
            for found in zip(*(answers_in(ledger, block, first) for ledger in ledgers), block.calls, strict=True):
                assert found[1:-1] == found[:1] * (len(opens) - 1), found[-1]
            if block.anew:
                for ledger in ledgers[1:]:
                    ledger.close()
                ledgers[1:] = [opened() for opened in opens[1:]]
            oracle, *others = (state_of(ledger, focus) for ledger in ledgers)
            assert others == [oracle] * len(others)
            first += len(block.calls)
    finally:
        for ledger in ledgers:
            ledger.close()


@pytest.mark.parametrize("focus", [*REPOSITORIES, ""])
def test_every_ledger_answers_what_memory_answers(focus: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    postgres: PostgresServer = request.getfixturevalue("postgres")
    url: str = request.getfixturevalue("postgres_url")
    SqliteLedger(tmp_path / "empty.db").close()

    @given(history=histories(focus))
    @settings(max_examples=20, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # to shrink takes minutes
    def holds(history: list[Block]) -> None:
        path = Path(shutil.copy(tmp_path / "empty.db", tmp_path / "ledger.db"))
        postgres.empty(url)
        compare(history, [MemoryLedger, lambda: SqliteLedger(path), lambda: PostgresLedger(url, project="p")], focus)

    holds()


def test_a_ledger_that_forgets_is_noticed() -> None:
    event = Call("events", "add", (msgspec.structs.replace(some.an_event(NEW), project="p"),), {})
    with pytest.raises(AssertionError):
        compare([Block([event], fails=False, anew=True)], [MemoryLedger, MemoryLedger], "events")
