"""Whose a node is, and that an edge never leads from project to project."""

from __future__ import annotations

import pytest

from clew.core.errors import NotFound
from clew.core.types.model import Model
from clew.store.ledger.memory import MemoryLedger
from clew.store.owner import check_mine, owner_of
from clew.testing.ledger.examples import a_dataset, a_model_version, a_run, a_version, an_endpoint

ENDPOINT = an_endpoint()


def test_nodes_have_the_owner_of_what_they_name() -> None:
    ledger = MemoryLedger()
    with ledger.write() as tx:
        tx.runs.add(a_run("0a", project="q"))
        tx.datasets.add(a_dataset())
        tx.datasets.add_version(a_version(1))
        tx.models.add(Model(id="m", project="q", name="delay", created_us=1))
        tx.models.add_version(a_model_version(1))
        tx.endpoints.add(ENDPOINT)
    with ledger.read() as tx:
        owners = {"run:0a": "q", "data:id-flights-1": "p", "model:v1": "q", "endpoint:e": "p"}
        assert {node: owner_of(tx, node) for node in owners} == owners
        for unknown in ("run:zz", "data:zz", "model:zz", "endpoint:zz", "code:abc", "run"):
            assert owner_of(tx, unknown) == ""
        check_mine(tx, "p", ["data:id-flights-1", "endpoint:e", "code:abc", "run:zz"])
        for foreign in ("run:0a", "model:v1"):
            with pytest.raises(NotFound, match=foreign.partition(":")[2]):
                check_mine(tx, "p", ["endpoint:e", foreign])
