from __future__ import annotations

from typing import Any

import msgspec
import pytest

from clew.core.types.package import Package, RuntimeKind
from clew.loop.replay import Asked, ReplayVerdict, replay, runtime_kind
from clew.registry.formats.format import Trust
from clew.registry.package import load_package
from clew.serving.runtime import load_runtime

COLUMNS: dict[str, list[Any]] = {"hour": [5, 20, 13], "wind": [0.25, -1.5, 0.0]}


@pytest.fixture(scope="module")
def package(lived: Any) -> Package:
    return load_package(lived.stores.objects, lived.versions[0].package)


def asked(lived: Any, package: Package, kind: RuntimeKind, **changes: Any) -> Asked:
    runtime = load_runtime(package, lived.stores.objects, kind=kind)
    scores, decisions = runtime.decide(COLUMNS)
    given = {"columns": COLUMNS, "scores": scores, "decisions": decisions, "runtime": runtime.id, "row": 1, **changes}
    return Asked(**given)


@pytest.mark.parametrize("kind", list(RuntimeKind))
def test_the_runtime_that_the_record_names_scores_again(lived: Any, package: Package, kind: RuntimeKind) -> None:
    logged = asked(lived, package, kind)
    found = replay(package, lived.stores.objects, logged, trust=Trust())
    assert (found.verdict, found.runtime, found.reason) == (ReplayVerdict.IDENTICAL, logged.runtime, "")
    assert (found.rows, found.differing) == (3, 0)
    assert (found.logged_score, found.score) == (logged.scores[1], logged.scores[1])


def test_one_bit_is_a_difference(lived: Any, package: Package) -> None:
    logged = asked(lived, package, RuntimeKind.COMPILED)
    scores = [logged.scores[0], logged.scores[1] * (1 + 2**-52), logged.scores[2]]
    other = asked(lived, package, RuntimeKind.COMPILED, scores=scores)
    found = replay(package, lived.stores.objects, other, trust=Trust())
    assert (found.verdict, found.differing, found.logged_score) == (ReplayVerdict.DIFFERENT, 1, scores[1])
    assert found.score == logged.scores[1] != scores[1]
    assert "the same runtime" in found.reason


def test_a_flipped_decision_is_a_difference(lived: Any, package: Package) -> None:
    decisions = [not each for each in asked(lived, package, RuntimeKind.COMPILED).decisions]
    other = asked(lived, package, RuntimeKind.COMPILED, decisions=decisions)
    assert replay(package, lived.stores.objects, other, trust=Trust()).differing == 3


def test_another_version_of_the_library_is_named(lived: Any, package: Package) -> None:
    other = asked(lived, package, RuntimeKind.COMPILED, runtime="onnxruntime-0.1")
    found = replay(package, lived.stores.objects, other, trust=Trust())
    assert found.verdict is ReplayVerdict.IDENTICAL
    assert "logged by onnxruntime-0.1" in found.reason


def test_why_a_request_cannot_be_scored_again(lived: Any, package: Package) -> None:
    missing = asked(lived, package, RuntimeKind.COMPILED, columns={"hour": [1]})
    found = replay(package, lived.stores.objects, missing, trust=Trust())
    assert (found.verdict, found.score) == (ReplayVerdict.CANNOT, None)
    assert "'wind' is missing" in found.reason
    uncompiled = msgspec.structs.replace(
        package, compilation=msgspec.structs.replace(package.compilation, graph=None, reason="nobody tried")
    )
    logged = asked(lived, package, RuntimeKind.COMPILED)
    assert "not compiled" in replay(uncompiled, lived.stores.objects, logged, trust=Trust()).reason


def test_kinds_of_runtimes() -> None:
    assert runtime_kind("onnxruntime-1.20.1") is RuntimeKind.COMPILED
    assert runtime_kind("scikit-learn-1.6.0") is RuntimeKind.ORIGINAL
