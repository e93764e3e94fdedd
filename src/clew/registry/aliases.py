"""Names that move over versions: `champion`, `challenger`, and the user's own. Only the gate lets a guarded one move.

The registry asks the gate itself, with evidence that it gathers itself, against the version that holds the name at
that moment; the move is made only if that one still holds it. A rollback returns to a version that held the name
before, and so passed before. Every move, and every refusal, is an event. Reasoning: docs/design/package.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from clew.core.canonical import canonical
from clew.core.contracts.gate import Gate
from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Corrupt, GateRefused
from clew.core.ids import Digest
from clew.core.types.edge import node
from clew.core.types.gate import Approval, Findings, GateReport
from clew.core.types.model import Alias, Model, ModelVersion
from clew.registry.evidence import gather
from clew.registry.models import approvals_of
from clew.registry.reference import checked_alias, find_model, holder, resolve, unknown_alias
from clew.store.account import row_digest

__all__ = ["MOVED", "REFUSED", "LedgerAliases", "take_away"]

MOVED, REFUSED = "alias.moved", "alias.refused"
_SHOWN = 3
NO_REPORT = Digest("")


@dataclass(frozen=True)
class _Scene:
    """Who wants the name and who has it, as one transaction saw it; `position` is that of the name's last move."""

    model: Model
    candidate: ModelVersion
    approvals: list[Approval]
    held: Alias | None
    champion: ModelVersion | None
    champion_approvals: list[Approval]
    position: int


class LedgerAliases:
    """The aliases of a project's models. Threads and processes may move the same one: one wins, others get `Conflict`.

    Args:
        stores: the project's stores.
        gate: who judges whether a guarded name may move.
    """

    def __init__(self, stores: Stores, gate: Gate) -> None:
        self._stores, self._gate = stores, gate

    def guarded(self, name: str) -> list[str]:
        """The names of a model that only a version which passes the gate may have."""
        return list(self._gate.guarded(name))

    def judge(self, reference: str, alias: str, findings: Findings | None = None) -> GateReport:
        """What the gate says of giving a name to a version; nothing is stored and nothing moves.

        Raises:
            NotFound: there is no such version.
        """
        return self._judge(self._look(reference, checked_alias(alias)), findings or Findings())

    def promote(
        self,
        reference: str,
        alias: str,
        *,
        reason: str = "",
        expected: int | None = None,
        findings: Findings | None = None,
    ) -> Alias:
        """Give a name to a version, if the gate lets it. Survives *power*.

        Giving it to the version that has it already changes nothing.

        Args:
            reference: the version.
            alias: the name.
            reason: why, in words, for the record.
            expected: the number of the version that the caller believes to hold the name now (0: nobody does).
            findings: what was measured beyond the packages.

        Raises:
            NotFound: there is no such version.
            Conflict: another version holds the name than `expected`, or somebody else moved it, or renamed or deleted
                the model, meanwhile.
            GateRefused: the version did not pass; the report is stored and named by an event, and nothing moved.
        """
        scene = self._look(reference, checked_alias(alias))
        _check_expected(scene.model, alias, scene.held, expected)
        if scene.held is not None and scene.held.version == scene.candidate.id:
            return scene.held
        report = NO_REPORT
        if alias in self._gate.guarded(scene.model.name):
            report = self._pass(scene, alias, findings or Findings())
        with self._stores.ledger.write() as tx:
            self._check_unmoved(tx, scene, alias)
            return self._move(tx, scene, alias, reason=reason, report=report)

    def rollback(self, name: str, alias: str, *, reason: str = "", expected: int | None = None) -> Alias:
        """Give a name back to the version that held it before. Survives *power*.

        Rolling back again goes further back. The gate is not asked: what held the name has passed.

        Args:
            name: the model's name.
            alias: the name that moves.
            reason: why, in words.
            expected: the number of the version that the caller believes to hold the name now.

        Raises:
            NotFound: there is no such model or alias.
            Conflict: nothing held the name before, what held it was deleted, or another version holds it than
                `expected`.
        """
        with self._stores.ledger.write() as tx:
            model = find_model(tx, self._stores.project, name)
            held = holder(tx, model, checked_alias(alias))
            if held is None:
                raise unknown_alias(tx, model, alias)
            _check_expected(model, alias, held, expected)
            before = _before(tx.models.moves(model.id, alias))
            if before is None:
                raise Conflict(f"no version held {name}@{alias} before {held.number}", hint=_other(name, alias))
            candidate = tx.models.version(before.version)
            scene = _Scene(model, candidate, [], held, None, [], held.position)
            return self._move(tx, scene, alias, reason=reason, report=before.report, returns=True)

    def remove(self, name: str, alias: str, *, reason: str = "") -> Alias:
        """Take a name away from the version that has it: a move to number 0. Survives *power*.

        Raises:
            NotFound: there is no such model, or nobody has the name.
            Conflict: an endpoint serves what has the name.
        """
        with self._stores.ledger.write() as tx:
            model = find_model(tx, self._stores.project, name)
            held = holder(tx, model, checked_alias(alias))
            if held is None:
                raise unknown_alias(tx, model, alias)
            return take_away(self._stores, tx, model, held, reason=reason)

    def moves(self, name: str, alias: str) -> list[Alias]:
        """Every move of one alias, oldest first."""
        with self._stores.ledger.read() as tx:
            return tx.models.moves(find_model(tx, self._stores.project, name).id, checked_alias(alias))

    def report(self, digest: Digest) -> GateReport:
        """A stored report, as `Alias.report` and the events name it.

        Raises:
            NotFound: there is none under this digest.
            Corrupt: these bytes are no report.
        """
        try:
            return msgspec.msgpack.decode(self._stores.objects.get(digest), type=GateReport)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Corrupt(f"object {digest[:12]} is no gate report: {error}") from error

    def _look(self, reference: str, alias: str) -> _Scene:
        with self._stores.ledger.read() as tx:
            candidate = resolve(tx, self._stores.project, reference)
            model = tx.models.get(candidate.model)
            held = holder(tx, model, alias)
            champion = tx.models.version(held.version) if held is not None else None
            return _Scene(
                model,
                candidate,
                approvals_of(tx, self._stores.project, candidate),
                held,
                champion,
                approvals_of(tx, self._stores.project, champion) if champion else [],
                _position(tx, model, alias),
            )

    def _judge(self, scene: _Scene, findings: Findings) -> GateReport:
        objects, champion = self._stores.objects, None
        candidate = gather(objects, scene.candidate, scene.approvals, findings)
        if scene.champion is not None and scene.champion.id != scene.candidate.id:
            champion = gather(objects, scene.champion, scene.champion_approvals, findings, as_champion=True)
        return self._gate.judge(candidate, champion, at_us=self._stores.clock.now_us())

    def _pass(self, scene: _Scene, alias: str, findings: Findings) -> Digest:
        """The digest of the stored report of a version that passed."""
        report = self._judge(scene, findings)
        digest = self._stores.objects.put(canonical(report))
        if report.passed:
            return digest
        facts = _facts(scene, alias, reason="", report=digest) | {
            "verdict": report.verdict.value,
            "checks": [f"{check.name}: {check.verdict.value}" for check in report.against],
        }
        with self._stores.ledger.write() as tx:
            self._stores.tell(tx, REFUSED, node("model", scene.candidate.id), facts)
        shown = "; ".join(f"{check.name}: {check.reason}" for check in report.against[:_SHOWN])
        raise GateRefused(
            f"{scene.candidate.reference} may not become {alias} ({report.verdict.words}): {shown}",
            verdict=report,
            hint=f"nothing moved; the whole report: clew model show {scene.candidate.reference}",
        )

    def _check_unmoved(self, tx: Transaction, scene: _Scene, alias: str) -> None:
        """The gate was asked about this name of the model, and its report holds against this champion only."""
        if tx.models.get(scene.model.id).name != scene.model.name:
            hint = "look again, and repeat the command"
            raise Conflict(f"{scene.model.name} was renamed or deleted meanwhile", hint=hint)
        if _position(tx, scene.model, alias) != scene.position:
            now = holder(tx, scene.model, alias)
            number = now.number if now else 0
            hint = "look again, and repeat the command if it still holds"
            raise Conflict(f"{scene.model.name}@{alias} moved to version {number} meanwhile", hint=hint)

    def _move(
        self, tx: Transaction, scene: _Scene, alias: str, *, reason: str, report: Digest, returns: bool = False
    ) -> Alias:
        if tx.models.version(scene.candidate.id).deleted_us:
            raise Conflict(f"{scene.candidate.reference} was deleted", hint=_other(scene.model.name, alias))
        move = Alias(
            model=scene.model.id,
            alias=alias,
            position=scene.position + 1,
            number=scene.candidate.number,
            version=scene.candidate.id,
            moved_us=self._stores.clock.now_us(),
            moved_by=self._stores.actor,
            reason=reason,
            report=report,
            rollback=returns,
        )
        tx.models.move_alias(move)
        facts = _facts(scene, alias, reason=reason, report=report)
        facts |= {"position": move.position, "rollback": returns, "row": row_digest(move)}
        self._stores.tell(tx, MOVED, node("model", scene.candidate.id), facts)
        return move


def take_away(stores: Stores, tx: Transaction, model: Model, held: Alias, *, reason: str = "") -> Alias:
    """Nobody has a name from now on that a version holds: a move to number 0.

    Raises:
        Conflict: an endpoint serves what has the name.
    """
    for endpoint in tx.endpoints.list(model.project):
        if endpoint.model == model.id and endpoint.alias == held.alias:
            hint = "serve it under another alias first, or promote another version"
            raise Conflict(f"endpoint {endpoint.name!r} serves {model.name}@{held.alias}", hint=hint)
    move = Alias(
        model=model.id,
        alias=held.alias,
        position=held.position + 1,
        number=0,
        version="",
        moved_us=stores.clock.now_us(),
        moved_by=stores.actor,
        reason=reason,
    )
    tx.models.move_alias(move)
    facts: dict[str, object] = {"model": model.name, "alias": held.alias, "from": held.number, "to": 0}
    facts |= {"reason": reason, "report": "", "position": move.position, "rollback": False, "row": row_digest(move)}
    stores.tell(tx, MOVED, node("model", held.version), facts)
    return move


def _other(model: str, alias: str) -> str:
    return f"promote another version: clew model promote {model}@NUMBER {alias}"


def _position(tx: Transaction, model: Model, alias: str) -> int:
    """That of the last move of a name, also where it took the name away."""
    moves = tx.models.moves(model.id, alias)
    return moves[-1].position if moves else 0


def _facts(scene: _Scene, alias: str, *, reason: str, report: Digest) -> dict[str, object]:
    return {
        "model": scene.model.name,
        "alias": alias,
        "from": scene.held.number if scene.held else 0,
        "to": scene.candidate.number,
        "reason": reason,
        "report": report,
    }


def _check_expected(model: Model, alias: str, held: Alias | None, expected: int | None) -> None:
    number = held.number if held else 0
    if expected is not None and expected != number:
        actual = f"is version {number}" if number else "is nobody's"
        hint = "see who moved it: clew events --kind alias"
        raise Conflict(f"{model.name}@{alias} {actual}, not version {expected}", hint=hint)


def _before(moves: list[Alias]) -> Alias | None:
    """The move to return to: promotions pile up, and each rollback takes the topmost away."""
    pile: list[Alias] = []
    for move in moves:
        if not move.number:
            pile.clear()
        elif move.rollback:
            pile.pop()
        else:
            pile.append(move)
    return pile[-2] if len(pile) > 1 else None
