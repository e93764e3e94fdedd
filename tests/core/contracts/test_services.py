"""The contracts are met by what stands in place and by what goes over HTTP, verb by verb."""

from __future__ import annotations

import inspect

import pytest

from clew.core.contracts.gate import Gate
from clew.core.contracts.services import RunService, RunWriter, StepService
from clew.policy.gate import DeclaredGate
from clew.tracking.runs import LedgerRuns


def verbs_of(contract: type) -> list[str]:
    return [name for name, one in vars(contract).items() if inspect.isfunction(one) and not name.startswith("_")]


@pytest.mark.parametrize(
    ("contract", "made"), [(RunService, LedgerRuns), (RunWriter, LedgerRuns), (Gate, DeclaredGate)]
)
def test_what_is_made_has_every_verb_with_its_arguments(contract: type, made: type) -> None:
    assert verbs_of(contract)
    for name in verbs_of(contract):
        theirs, ours = (inspect.signature(getattr(one, name)).parameters for one in (contract, made))
        assert list(theirs) == list(ours), name


def test_contracts_are_small() -> None:
    for contract in (RunService, RunWriter, StepService, Gate):
        assert len(verbs_of(contract)) <= 12
