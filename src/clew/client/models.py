"""Models on a server, and the names that move over their versions: the gate judges there."""

from __future__ import annotations

import msgspec

from clew.client.connection import Connection, named, quoted
from clew.core.contracts.objects import Objects
from clew.core.errors import Corrupt
from clew.core.ids import Digest
from clew.core.paging import Page
from clew.core.types.gate import Approval, Findings, GateReport
from clew.core.types.model import Alias, Model, ModelVersion

__all__ = ["HttpAliases", "HttpModels"]


class HttpModels:
    """`clew.core.contracts.services.ModelService` over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def register(self, name: str, package: Digest, *, message: str = "") -> ModelVersion:
        return self._c.send("POST", "/models", {"name": name, "package": package, "message": message}, ModelVersion)

    def approve(self, reference: str, *, note: str = "") -> Approval:
        version = self.resolve(reference)
        return self._c.send("POST", f"/model-versions/{version.id}/approvals", {"note": note}, Approval)

    def approvals(self, version: ModelVersion) -> list[Approval]:
        return self._c.get(f"/model-versions/{quoted(version.id)}/approvals", list[Approval])

    def find(self, name: str) -> Model | None:
        return next(iter(self._c.get("/models", list[Model], name=name)), None) if name else None

    def resolve(self, reference: str) -> ModelVersion:
        return self._c.get("/model-versions", ModelVersion, reference=named(reference))

    def version(self, id: str) -> ModelVersion:
        return self._c.get(f"/model-versions/{quoted(id)}", ModelVersion)

    def versions(self, name: str, *, limit: int = 100, after: str = "") -> Page[ModelVersion]:
        return self._c.get(f"{_path(name)}/versions", Page[ModelVersion], limit=limit, after=after)

    def aliases(self, name: str) -> list[Alias]:
        return self._c.get(f"{_path(name)}/aliases", list[Alias])

    def list(self) -> list[Model]:
        return self._c.get("/models", list[Model])


class HttpAliases:
    """`clew.core.contracts.services.AliasService` over HTTP."""

    def __init__(self, connection: Connection, objects: Objects) -> None:
        self._c, self._objects = connection, objects

    def guarded(self, name: str) -> list[str]:
        return self._c.get(f"{_path(name)}/guarded", list[str])

    def judge(self, reference: str, alias: str, findings: Findings | None = None) -> GateReport:
        wanted = {"reference": reference, "alias": alias, "findings": findings}
        return self._c.pack("/gate", wanted, GateReport)

    def promote(
        self,
        reference: str,
        alias: str,
        *,
        reason: str = "",
        expected: int | None = None,
        findings: Findings | None = None,
    ) -> Alias:
        wanted = {
            "reference": reference,
            "alias": alias,
            "reason": reason,
            "expected": expected,
            "findings": findings,
        }
        return self._c.pack("/aliases", wanted, Alias)

    def rollback(self, name: str, alias: str, *, reason: str = "", expected: int | None = None) -> Alias:
        """Says which version holds the name, so that a request whose answer was lost does not go back twice."""
        if expected is None:
            moves = self.moves(name, alias)
            expected = moves[-1].number if moves else None
        return self._c.send("POST", f"{_of(name, alias)}/rollback", {"reason": reason, "expected": expected}, Alias)

    def remove(self, name: str, alias: str, *, reason: str = "") -> Alias:
        return self._c.send("POST", f"{_of(name, alias)}/remove", {"reason": reason}, Alias)

    def moves(self, name: str, alias: str) -> list[Alias]:
        return self._c.get(_of(name, alias), list[Alias])

    def report(self, digest: Digest) -> GateReport:
        try:
            return msgspec.msgpack.decode(self._objects.get(digest), type=GateReport)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Corrupt(f"object {digest[:12]} is no gate report: {error}") from error


def _path(name: str) -> str:
    return f"/models/{quoted(named(name))}"


def _of(name: str, alias: str) -> str:
    return f"{_path(name)}/aliases/{quoted(named(alias))}"
