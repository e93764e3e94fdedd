from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sklearn.linear_model import LinearRegression

from clew.core.clock import SystemClock
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Corrupt, GateRefused, Invalid, NotFound
from clew.core.ids import Digest, Ids
from clew.core.types.gate import Evidence, Findings, GateCheck, GateReport, Verdict, seal_report
from clew.core.types.model import ModelVersion
from clew.core.types.package import Environment
from clew.registry.aliases import LedgerAliases
from clew.registry.columns import columns_of
from clew.registry.formats.format import Trust
from clew.registry.models import LedgerModels
from clew.registry.package import Draft, build_package
from clew.registry.revise import describe_version
from clew.registry.signature import infer_signature
from clew.store.account import row_digest
from clew.store.ledger.memory import MemoryLedger
from clew.store.objects.memory import MemoryObjects
from clew.testing.project import open_stores


class Judge:
    """A gate with an answer that the test sets; it keeps what it was shown."""

    def __init__(self) -> None:
        self.verdict = Verdict.PASS
        self.shown: list[tuple[Evidence, Evidence | None]] = []
        self.meanwhile: Any = None

    def guarded(self, model: str) -> tuple[str, ...]:
        return ("champion",)

    def judge(self, candidate: Evidence, champion: Evidence | None, *, at_us: int) -> GateReport:
        self.shown.append((candidate, champion))
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        check = GateCheck(name="value", verdict=self.verdict, reason="it was told to say so")
        return seal_report(
            GateReport(
                model=candidate.version.name,
                version=candidate.version.id,
                number=candidate.version.number,
                package=candidate.version.package,
                champion=champion.version.id if champion else "",
                policy=Digest("0" * 64),
                created_us=at_us,
                verdict=self.verdict,
                checks=[check],
            )
        )


def a_package(stores: Stores, seed: int) -> Digest:
    table = np.array([[0.0], [1.0], [2.0 + seed]])
    model = LinearRegression().fit(table, table[:, 0])
    rows = columns_of(table)
    draft = Draft(
        model=model,
        signature=infer_signature(model, rows),
        example=rows,
        environment=Environment(python="3.11", platform="linux", distributions={}),
    )
    return build_package(stores.objects, draft, Trust())


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    opened = open_stores(tmp_path)
    yield opened
    opened.ledger.close()


@pytest.fixture
def models(stores: Stores) -> LedgerModels:
    registry = LedgerModels(stores, Trust())
    for seed in range(3):
        registry.register("delay", a_package(stores, seed))
    return registry


def events(stores: Stores, kind: str) -> list[dict[str, Any]]:
    with stores.ledger.read() as tx:
        return [event.facts for event in tx.events.list(stores.project, kind=kind).items]


def test_a_version_that_passes_gets_the_name(stores: Stores, models: LedgerModels) -> None:
    gate = Judge()
    aliases = LedgerAliases(stores, gate)
    move = aliases.promote("delay@2", "champion", reason="cheaper")
    assert (move.number, move.position, move.moved_by, move.reason) == (2, 1, "ann", "cheaper")
    assert models.resolve("delay@champion").number == 2
    report = aliases.report(move.report)
    assert report.sealed
    assert report.version == move.version
    assert gate.shown[0][1] is None
    assert events(stores, "alias.moved") == [
        {
            "model": "delay",
            "alias": "champion",
            "from": 0,
            "to": 2,
            "reason": "cheaper",
            "report": move.report,
            "position": 1,
            "rollback": False,
            "row": row_digest(move),
        }
    ]


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.CANNOT_TELL])
def test_a_version_that_does_not_pass_changes_nothing_but_the_record(
    stores: Stores, models: LedgerModels, verdict: Verdict
) -> None:
    gate = Judge()
    aliases = LedgerAliases(stores, gate)
    first = aliases.promote("delay@1", "champion")
    gate.verdict = verdict
    with pytest.raises(GateRefused, match=r"delay@2 may not become champion .*value: it was told") as caught:
        aliases.promote("delay@2", "champion")
    assert aliases.moves("delay", "champion") == [first]
    (refused,) = events(stores, "alias.refused")
    assert refused["verdict"] == verdict.value
    assert refused["checks"] == [f"value: {verdict.value}"]
    assert aliases.report(refused["report"]) == caught.value.verdict


def test_the_gate_sees_both_versions_approvals_and_findings(stores: Stores, models: LedgerModels) -> None:
    gate = Judge()
    aliases = LedgerAliases(stores, gate)
    aliases.promote("delay@1", "champion")
    models.approve("delay@2", note="looked at the slices")
    aliases.promote("delay@2", "champion", findings=Findings(data=()))
    candidate, champion = gate.shown[-1]
    assert champion is not None
    assert (candidate.version.number, champion.version.number) == (2, 1)
    assert [(one.actor, one.package, one.note) for one in candidate.approvals] == [
        ("ann", candidate.version.package, "looked at the slices")
    ]
    assert champion.approvals == []
    assert candidate.package == models.package(candidate.version)


def test_judging_moves_and_stores_nothing(stores: Stores, models: LedgerModels) -> None:
    before = set(stores.objects.list())
    report = LedgerAliases(stores, Judge()).judge("delay@latest", "champion")
    assert report.number == 3
    assert set(stores.objects.list()) == before
    assert events(stores, "alias") == []


def test_an_unguarded_name_moves_freely_and_is_recorded(stores: Stores, models: LedgerModels) -> None:
    gate = Judge()
    aliases = LedgerAliases(stores, gate)
    assert aliases.promote("delay@1", "challenger").report == ""
    assert gate.shown == []
    assert events(stores, "alias.moved")[0]["alias"] == "challenger"


def test_the_holder_is_not_moved_onto_itself(stores: Stores, models: LedgerModels) -> None:
    gate = Judge()
    aliases = LedgerAliases(stores, gate)
    move = aliases.promote("delay@1", "champion")
    assert aliases.promote("delay@1", "champion") == move
    assert len(gate.shown) == 1


def test_a_caller_that_expects_another_holder_is_told(stores: Stores, models: LedgerModels) -> None:
    aliases = LedgerAliases(stores, Judge())
    with pytest.raises(Conflict, match="is nobody's, not version 1"):
        aliases.promote("delay@2", "champion", expected=1)
    aliases.promote("delay@2", "champion", expected=0)
    with pytest.raises(Conflict, match="is version 2, not version 1"):
        aliases.promote("delay@3", "champion", expected=1)
    with pytest.raises(Conflict, match="is version 2, not version 3"):
        aliases.rollback("delay", "champion", expected=3)
    assert len(aliases.moves("delay", "champion")) == 1


def test_a_report_against_a_champion_that_is_none_any_more_moves_nothing(stores: Stores, models: LedgerModels) -> None:
    gate = Judge()
    aliases = LedgerAliases(stores, gate)
    gate.meanwhile = lambda: aliases.promote("delay@3", "champion")
    with pytest.raises(Conflict, match="moved to version 3 meanwhile"):
        aliases.promote("delay@2", "champion")
    assert models.resolve("delay@champion").number == 3


@pytest.mark.parametrize("alias", ["champion", "mine"])
def test_a_model_that_was_renamed_meanwhile_gets_no_name(
    stores: Stores, models: LedgerModels, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename() -> None:
        with stores.ledger.write() as tx:
            model = tx.models.find(stores.project, "delay")
            assert model is not None
            tx.models.put(msgspec.structs.replace(model, name="late"))

    gate = Judge()
    gate.meanwhile = rename
    if alias == "mine":  # no gate judges it: the name changes while that is found out
        monkeypatch.setattr(gate, "guarded", lambda model: rename() or ())
    with pytest.raises(Conflict, match="delay was renamed or deleted meanwhile"):
        LedgerAliases(stores, gate).promote("delay@2", alias)
    assert LedgerAliases(stores, gate).moves("late", alias) == []


def test_of_many_writers_one_wins(stores: Stores, models: LedgerModels) -> None:
    aliases = LedgerAliases(stores, Judge())
    won, lost, start = [], [], threading.Barrier(4)

    def write(number: int) -> None:
        start.wait()
        try:
            won.append(aliases.promote(f"delay@{number % 3 + 1}", "champion", expected=0).number)
        except Conflict:
            lost.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moves = aliases.moves("delay", "champion")
    assert len(moves) == 1
    assert set(won) == {moves[0].number}
    assert len(won) + len(lost) == 4


def test_a_rollback_returns_to_what_passed_before(stores: Stores, models: LedgerModels) -> None:
    gate = Judge()
    aliases = LedgerAliases(stores, gate)
    first = aliases.promote("delay@1", "champion")
    aliases.promote("delay@2", "champion")
    gate.verdict = Verdict.FAIL
    back = aliases.rollback("delay", "champion", reason="it costs more")
    assert (back.number, back.position, back.report) == (1, 3, first.report)
    assert events(stores, "alias.moved")[0] | {"report": ""} == {
        "model": "delay",
        "alias": "champion",
        "from": 2,
        "to": 1,
        "reason": "it costs more",
        "report": "",
        "position": 3,
        "rollback": True,
        "row": row_digest(back),
    }
    with pytest.raises(Conflict, match="no version held delay@champion before 1"):
        aliases.rollback("delay", "champion")
    with pytest.raises(NotFound, match="delay@challenger"):
        aliases.rollback("delay", "challenger")


def delete(stores: Stores, version: ModelVersion) -> None:
    """As MLflow's clients do."""
    with stores.ledger.write() as tx:
        describe_version(stores, tx, version, msgspec.structs.replace(version, deleted_us=9))


def test_a_version_that_was_deleted_gets_no_name(stores: Stores, models: LedgerModels) -> None:
    gate = Judge()
    aliases = LedgerAliases(stores, gate)
    aliases.promote("delay@1", "champion")
    aliases.promote("delay@2", "champion")
    delete(stores, models.resolve("delay@1"))
    with pytest.raises(Conflict, match="delay@1 was deleted"):
        aliases.rollback("delay", "champion")
    gate.meanwhile = lambda: delete(stores, models.resolve("delay@3"))
    with pytest.raises(Conflict, match="delay@3 was deleted"):
        aliases.promote("delay@3", "champion")
    assert models.resolve("delay@champion").number == 2


def test_rolling_back_again_goes_further_back(stores: Stores, models: LedgerModels) -> None:
    aliases = LedgerAliases(stores, Judge())
    for number in (1, 2, 3):
        aliases.promote(f"delay@{number}", "champion")
    assert [aliases.rollback("delay", "champion").number for _ in range(2)] == [2, 1]
    aliases.promote("delay@3", "champion")
    assert aliases.rollback("delay", "champion").number == 1


def test_a_promotion_back_is_no_rollback(stores: Stores, models: LedgerModels) -> None:
    aliases = LedgerAliases(stores, Judge())
    for number in (1, 2, 1):
        aliases.promote(f"delay@{number}", "favourite")
    assert aliases.rollback("delay", "favourite").number == 2
    assert aliases.rollback("delay", "favourite").number == 1


def test_what_is_no_alias_or_report(stores: Stores, models: LedgerModels) -> None:
    aliases = LedgerAliases(stores, Judge())
    for alias in ("latest", "12", "", "a b", "x" * 65):
        with pytest.raises(Invalid):
            aliases.promote("delay@1", alias)
    with pytest.raises(Corrupt):
        aliases.report(stores.objects.put(b"no report"))


class Names(RuleBasedStateMachine):
    """A name against a plain pile: promotions put a version on top, rollbacks take the top away."""

    @initialize()
    def start(self) -> None:
        clock = SystemClock()
        self.stores = Stores(
            ledger=MemoryLedger(),
            objects=MemoryObjects(),
            clock=clock,
            ids=Ids(clock),
            project="p",
            actor="ann",
            folder=Path(),
        )
        self.gate, models = Judge(), LedgerModels(self.stores, Trust())
        self.aliases = LedgerAliases(self.stores, self.gate)
        self.versions: list[ModelVersion] = [models.register("m", a_package(self.stores, seed)) for seed in range(3)]
        self.pile: list[int] = []
        self.moves = 0

    @rule(number=st.integers(1, 3), passes=st.booleans())
    def promote(self, number: int, passes: bool) -> None:
        self.gate.verdict = Verdict.PASS if passes else Verdict.FAIL
        holds = bool(self.pile) and self.pile[-1] == number
        if passes or holds:
            self.aliases.promote(f"m@{number}", "champion")
            self.pile += [] if holds else [number]
            self.moves += not holds
        else:
            with pytest.raises(GateRefused):
                self.aliases.promote(f"m@{number}", "champion")

    @rule()
    def rollback(self) -> None:
        if len(self.pile) > 1:
            self.aliases.rollback("m", "champion")
            self.pile.pop()
            self.moves += 1
        else:
            with pytest.raises((Conflict, NotFound)):
                self.aliases.rollback("m", "champion")

    @invariant()
    def holds_what_is_on_top(self) -> None:
        moves = self.aliases.moves("m", "champion")
        assert len(moves) == self.moves
        assert [move.position for move in moves] == list(range(1, self.moves + 1))
        assert [move.number for move in moves[-1:]] == self.pile[-1:]


Names.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
TestNames = Names.TestCase
