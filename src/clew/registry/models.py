"""Models and their versions, in place over the ledger: register, list, resolve, approve.

Nothing here moves an alias: that is `clew.registry.aliases`, and goes through the gate.
"""

from __future__ import annotations

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Denied, Invalid, NotFound
from clew.core.ids import Digest
from clew.core.numbers import counted
from clew.core.paging import Page
from clew.core.types.edge import node
from clew.core.types.gate import Approval
from clew.core.types.model import Alias, Model, ModelVersion
from clew.core.types.package import Package
from clew.core.types.reference import checked_name
from clew.registry.formats.format import Trust
from clew.registry.package import load_package
from clew.registry.reference import find_model, resolve
from clew.registry.revise import add_version
from clew.store.owner import check_mine

__all__ = ["LedgerModels", "approvals_of"]

APPROVED = "version.approved"
_MOST_APPROVALS = 1000


class LedgerModels:
    """The models of a project. Threads may share one.

    Args:
        stores: the project's stores.
        trust: what its policy allows in a package.
    """

    def __init__(self, stores: Stores, trust: Trust) -> None:
        self._stores, self._trust = stores, trust

    def register(self, name: str, package: Digest, *, message: str = "") -> ModelVersion:
        """Make a package the next version of a model, which is made when it is new. Survives *power*.

        The newest version is returned instead when it is this very package.

        Args:
            name: the model's name.
            package: the digest of a manifest that is stored, with all of its files.
            message: what is new, in words.

        Raises:
            Invalid: the name cannot be used, or a file of the package is not stored.
            NotFound: there is no such manifest.
            Denied: the package is unsafe, and the project's policy does not allow that.
        """
        checked_name("model", name)
        manifest = load_package(self._stores.objects, package)
        self._check(package, manifest)
        with self._stores.ledger.write() as tx:
            used = [node("data", data.version) for data in manifest.data]
            check_mine(tx, self._stores.project, [node("run", manifest.run), *used])
            model = self._model(tx, name)
            newest = tx.models.newest(model.id)
            if newest is not None and newest.package == package:
                return newest
            version = ModelVersion(
                id=self._stores.ids(),
                model=model.id,
                name=name,
                number=newest.number + 1 if newest else 1,
                package=package,
                run=manifest.run,
                created_us=self._stores.clock.now_us(),
                created_by=self._stores.actor,
                unsafe=bool(manifest.unsafe),
                message=message,
            )
            add_version(self._stores, tx, version, manifest.data)
        return version

    def approve(self, reference: str, *, note: str = "") -> Approval:
        """Stand for a version, as the gate may ask: for exactly its package.

        Raises:
            NotFound: there is no such version.
        """
        with self._stores.ledger.write() as tx:
            version = resolve(tx, self._stores.project, reference)
            at_us = self._stores.clock.now_us()
            approval = Approval(actor=self._stores.actor, package=version.package, at_us=at_us, note=note)
            facts: dict[str, object] = {"reference": version.reference, "package": version.package, "note": note}
            self._stores.tell(tx, APPROVED, node("model", version.id), facts)
        return approval

    def approvals(self, version: ModelVersion) -> list[Approval]:
        """Who stands for a version, the newest first."""
        with self._stores.ledger.read() as tx:
            return approvals_of(tx, self._stores.project, version)

    def find(self, name: str) -> Model | None:
        """The model of a name, if there is one."""
        with self._stores.ledger.read() as tx:
            return tx.models.find(self._stores.project, name)

    def resolve(self, reference: str) -> ModelVersion:
        """The version that `name@selector` means. `NotFound` names what looks alike."""
        with self._stores.ledger.read() as tx:
            return resolve(tx, self._stores.project, reference)

    def version(self, id: str) -> ModelVersion:
        """A version by its id."""
        with self._stores.ledger.read() as tx:
            found = tx.models.version(id)
            if tx.models.get(found.model).project != self._stores.project:
                raise NotFound("version", id)
            return found

    def versions(self, name: str, *, limit: int = 100, after: str = "") -> Page[ModelVersion]:
        """Versions of a model, newest first."""
        with self._stores.ledger.read() as tx:
            return tx.models.versions(find_model(tx, self._stores.project, name).id, limit=limit, after=after)

    def aliases(self, name: str) -> list[Alias]:
        """The move that holds for each alias of a model, by alias."""
        with self._stores.ledger.read() as tx:
            return tx.models.aliases(find_model(tx, self._stores.project, name).id)

    def package(self, version: ModelVersion) -> Package:
        """The manifest of a version."""
        return load_package(self._stores.objects, version.package)

    def _check(self, digest: Digest, manifest: Package) -> None:
        absent = self._stores.objects.missing([file.digest for file in manifest.files])
        if absent:
            what = f"{counted(len(absent), 'files')} of package {digest[:12]} not stored"
            raise Invalid(what, hint="put its objects first")
        if manifest.unsafe and not self._trust.allow_pickle:
            hint = "write it as skops or ONNX, or set allow_pickle = true under [policy] in clew.toml"
            raise Denied(f"package {digest[:12]} is unsafe: {'; '.join(manifest.unsafe)}", hint=hint)

    def _model(self, tx: Transaction, name: str) -> Model:
        """The model of a name, made when it is new."""
        model = tx.models.find(self._stores.project, name)
        if model is None:
            now_us = self._stores.clock.now_us()
            model = Model(id=self._stores.ids(), project=self._stores.project, name=name, created_us=now_us)
            tx.models.add(model)
        return model

    def list(self) -> list[Model]:
        """All models, by name."""
        with self._stores.ledger.read() as tx:
            return tx.models.list(self._stores.project)


def approvals_of(tx: Transaction, project: str, version: ModelVersion) -> list[Approval]:
    """Who stands for a version, the newest first."""
    events = tx.events.list(project, subject=node("model", version.id), kind=APPROVED, limit=_MOST_APPROVALS)
    return [
        Approval(
            actor=event.actor,
            package=Digest(str(event.facts.get("package", ""))),
            at_us=event.at_us,
            note=str(event.facts.get("note", "")),
        )
        for event in events.items
    ]
