from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from clew.core.canonical import canonical
from clew.core.contracts.stores import Stores
from clew.core.errors import Denied, Invalid, NotFound
from clew.core.ids import Digest
from clew.core.types.edge import Role
from clew.core.types.model import Alias
from clew.core.types.package import DataReference, Environment, ModelFormat
from clew.core.types.reference import Reference
from clew.registry.columns import columns_of
from clew.registry.formats.format import Trust
from clew.registry.models import LedgerModels
from clew.registry.package import Draft, build_package, load_package
from clew.registry.reference import parse
from clew.registry.signature import infer_signature
from clew.testing.project import open_stores


def a_package(stores: Stores, seed: int = 0, trust: Trust = Trust(), **changes: Any) -> Digest:  # noqa: B008
    table = np.array([[0.0], [1.0], [2.0 + seed]])
    model = LinearRegression().fit(table, table[:, 0])
    rows = columns_of(table)
    draft = Draft(
        model=model,
        signature=infer_signature(model, rows),
        example=rows,
        environment=Environment(python="3.11", platform="linux", distributions={}),
        **changes,
    )
    return build_package(stores.objects, draft, trust)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    opened = open_stores(tmp_path)
    yield opened
    opened.ledger.close()


@pytest.fixture
def models(stores: Stores) -> LedgerModels:
    return LedgerModels(stores, Trust())


def test_packages_become_versions_in_order(stores: Stores, models: LedgerModels) -> None:
    first = models.register("delay", a_package(stores, 1), message="January")
    second = models.register("delay", a_package(stores, 2))
    assert (first.reference, second.reference) == ("delay@1", "delay@2")
    assert first.message == "January"
    assert [version.number for version in models.versions("delay").items] == [2, 1]
    assert [model.name for model in models.list()] == ["delay"]
    assert models.package(first) == load_package(stores.objects, first.package)


def test_the_same_package_is_registered_once(stores: Stores, models: LedgerModels) -> None:
    package = a_package(stores)
    assert models.register("delay", package) == models.register("delay", package)
    assert len(models.versions("delay").items) == 1
    with stores.ledger.read() as tx:
        assert len(tx.events.list(stores.project, kind="version.added").items) == 1


def test_lineage_and_events(stores: Stores, models: LedgerModels) -> None:
    data = (
        DataReference(version="d1", reference="flights@1", digest=Digest("a" * 64)),
        DataReference(version="d2", reference="flights@2", digest=Digest("b" * 64), role="evaluation"),
    )
    version = models.register("delay", a_package(stores, run="r1", data=data))
    with stores.ledger.read() as tx:
        edges = {(edge.source, edge.role, edge.run) for edge in tx.edges.up(f"model:{version.id}")}
        assert edges == {
            ("run:r1", Role.OUTPUT, "r1"),
            ("data:d1", Role.INPUT, "r1"),
            ("data:d2", Role.EVALUATION, "r1"),
        }
        (event,) = tx.events.list(stores.project, subject=f"model:{version.id}").items
    assert (event.kind, event.actor) == ("version.added", "ann")
    assert event.facts["reference"] == "delay@1"
    assert event.facts["package"] == version.package


def test_an_unsafe_package_needs_the_policy(stores: Stores, models: LedgerModels) -> None:
    trust = Trust(allow_pickle=True)
    package = a_package(stores, trust=trust, format=ModelFormat.PICKLE)
    with pytest.raises(Denied, match="is unsafe: pickle"):
        models.register("delay", package)
    assert models.list() == []
    assert LedgerModels(stores, trust).register("delay", package).unsafe


def test_a_package_whose_files_are_gone_is_refused(stores: Stores, models: LedgerModels) -> None:
    package = a_package(stores)
    stores.objects.delete([load_package(stores.objects, package).model.digest])
    with pytest.raises(Invalid, match="1 file of package"):
        models.register("delay", package)
    with pytest.raises(NotFound):
        models.register("delay", Digest("0" * 64))
    for name in ("", "a b", "-x", "a@b", "x" * 129):
        with pytest.raises(Invalid):
            models.register(name, package)


def test_references(stores: Stores, models: LedgerModels) -> None:
    versions = [models.register("delay", a_package(stores, seed)) for seed in (1, 2)]
    with stores.ledger.write() as tx:
        one = versions[0]
        move = Alias(
            model=one.model, alias="champion", position=1, number=1, version=one.id, moved_us=1, moved_by="ann"
        )
        tx.models.move_alias(move)
    found = {text: models.resolve(text).number for text in ("delay", "delay@latest", "delay@1", "delay@champion")}
    assert found == {"delay": 2, "delay@latest": 2, "delay@1": 1, "delay@champion": 1}
    assert models.aliases("delay") == [move]


@pytest.mark.parametrize(
    ("text", "kind", "near"),
    [
        ("dely@1", "model", ["delay"]),
        ("delay@7", "version", ["delay@1"]),
        ("delay@9", "version", ["delay@1"]),
        ("delay@champoin", "alias", ["delay@champion"]),
        ("delay@challenger", "alias", ["delay@1"]),
    ],
)
def test_what_is_not_there_is_named_with_what_is(
    stores: Stores, models: LedgerModels, text: str, kind: str, near: list[str]
) -> None:
    one = models.register("delay", a_package(stores))
    if "champ" in text or text == "delay@9":
        with stores.ledger.write() as tx:
            tx.models.move_alias(
                Alias(
                    model=one.model, alias="champion", position=1, number=1, version=one.id, moved_us=1, moved_by="ann"
                )
            )
    with pytest.raises(NotFound) as caught:
        models.resolve(text)
    assert (caught.value.kind, caught.value.near) == (kind, near)


def test_references_are_taken_apart() -> None:
    assert parse("delay@champion") == Reference("delay", "champion")
    assert str(parse("delay")) == "delay@latest"
    for text in ("", "@1", "delay@", "delay@a b", "delay@٣"):
        with pytest.raises(Invalid):
            parse(text)


def test_an_approval_names_the_package(stores: Stores, models: LedgerModels) -> None:
    version = models.register("delay", a_package(stores))
    approval = models.approve("delay@1", note="fine")
    assert approval.package == version.package
    assert canonical(approval)
    with pytest.raises(NotFound):
        models.approve("delay@2")
