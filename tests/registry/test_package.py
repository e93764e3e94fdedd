from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from clew.core.canonical import canonical
from clew.core.errors import Corrupt, Denied, Invalid, NotFound
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.core.types.package import (
    Compilation,
    DataReference,
    Decision,
    Environment,
    FileRole,
    Graph,
    ModelFormat,
    Package,
    PackageFile,
    Parity,
    RuntimeCost,
    RuntimeKind,
    Tensor,
)
from clew.core.types.signature import Container, Dtype, Field, Output, Scale, Signature, Task
from clew.registry.columns import columns_of
from clew.registry.environment import current_environment
from clew.registry.formats.format import Trust
from clew.registry.package import Draft, build_package, load_example, load_model, load_package
from clew.registry.signature import infer_signature
from clew.store.objects.memory import MemoryObjects

X = np.random.default_rng(0).normal(size=(50, 2))
ENVIRONMENT = Environment(python="3.11.4", platform="linux-x86_64", distributions={"scikit-learn": "1.9.1"})


class Own:
    def predict(self, rows: Any) -> Any:
        return np.zeros(len(rows))


def draft(**changes: Any) -> Draft:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X[:, 0] > 0)
    rows = columns_of(X, ["b", "a"])
    given = {
        "model": model,
        "signature": infer_signature(model, rows),
        "example": rows.take([0, 1]),
        "environment": ENVIRONMENT,
        **changes,
    }
    return Draft(**given)


def test_a_package_comes_back_as_it_was_built() -> None:
    objects = MemoryObjects()
    wanted = draft(
        profile=b"profile",
        evaluation=b"evaluation",
        graph=b"graph",
        decision=Decision(threshold=0.17),
        run="a" * 32,
        data=(DataReference(version="b" * 32, reference="flights@1", digest=Digest("c" * 64)),),
    )
    package = load_package(objects, build_package(objects, wanted, Trust()))
    assert package.signature == wanted.signature
    assert package.estimator == "Pipeline(StandardScaler, LogisticRegression)"
    assert package.decision.threshold == 0.17
    assert package.unsafe == ()
    assert [file.role for file in package.files] == [role for role in FileRole if role is not FileRole.PART]
    profile = package.find(FileRole.PROFILE)
    assert profile is not None
    assert objects.get(profile.digest) == b"profile"
    assert "sklearn.linear_model._logistic.LogisticRegression" in package.model.types
    again = load_model(objects, package, Trust())
    assert np.array_equal(again.predict_proba(X), wanted.model.predict_proba(X))  # type: ignore[attr-defined]


def test_the_example_comes_back_in_the_order_of_the_signature() -> None:
    objects = MemoryObjects()
    package = load_package(objects, build_package(objects, draft(), Trust()))
    example = load_example(objects, package)
    assert list(example) == ["b", "a"]
    assert example["b"] == X[:2, 0].tolist()


def test_equal_models_give_equal_packages() -> None:
    one, two = MemoryObjects(), MemoryObjects()
    assert build_package(one, draft(), Trust()) == build_package(two, draft(), Trust())
    assert set(one.list()) == set(two.list())


def test_a_refused_model_leaves_nothing_behind() -> None:
    objects = MemoryObjects()
    with pytest.raises(Denied):
        build_package(objects, draft(format=ModelFormat.PICKLE), Trust())
    assert list(objects.list()) == []


def test_an_allowed_pickle_is_marked() -> None:
    objects = MemoryObjects()
    trust = Trust(allow_pickle=True)
    package = load_package(objects, build_package(objects, draft(format=ModelFormat.PICKLE), trust))
    assert package.unsafe
    with pytest.raises(Denied):
        load_model(objects, package, Trust())
    assert load_model(objects, package, trust).predict_proba(X).shape == (50, 2)


def test_what_is_no_package_is_refused() -> None:
    objects = MemoryObjects()
    with pytest.raises(NotFound):
        load_package(objects, Digest("0" * 64))
    for content in (b"", b"{}", canonical({"kind": "clew.package"}), canonical({"kind": "other"})):
        with pytest.raises(Corrupt):
            load_package(objects, objects.put(content))
    newer = msgspec.structs.replace(frozen_package(), version=1)
    with pytest.raises(Invalid, match="has version 1, known is 0"):
        load_package(objects, objects.put(canonical(newer)))
    empty = msgspec.structs.replace(frozen_package(), files=())
    with pytest.raises(Corrupt, match="holds no model"):
        load_package(objects, objects.put(canonical(empty)))


def test_the_environment_names_what_is_installed() -> None:
    found = current_environment()
    assert found.distributions["scikit-learn"]
    assert list(found.distributions) == sorted(found.distributions)


def frozen_package() -> Package:
    parity = Parity(rows=3, probes=2, difference=1e-9, tolerance=1e-5, near=1, band=0.01, flips=0, batch_difference=0.0)
    graph = Graph(
        tensors=(Tensor(name="text", dtype=Dtype.STRING, columns=("carrier",)),),
        output="probabilities",
        null_text="None",
        closed={"carrier": ("AA", "UA")},
    )
    cost = RuntimeCost(runtime=RuntimeKind.COMPILED, name="onnxruntime-1.31.1", row_us=11.5, batch_us=130.0)
    compilation = Compilation(chosen=RuntimeKind.COMPILED, reason="agrees", graph=graph, parity=parity, costs=(cost,))
    signature = Signature(
        inputs=(Field(name="carrier", dtype=Dtype.STRING, nullable=True, categories=("AA", "UA")),),
        outputs=(Output(name="score", dtype=Dtype.FLOAT64), Output(name="label", dtype=Dtype.BOOL)),
        task=Task.BINARY,
        scale=Scale.PROBABILITY,
        classes=(False, True),
        container=Container.POLARS,
    )
    model = PackageFile(
        role=FileRole.MODEL, format=ModelFormat.SKOPS, digest=Digest("d" * 64), size_bytes=7, types=("a.B",)
    )
    return Package(
        estimator="Pipeline(A, B)",
        signature=signature,
        files=(model,),
        environment=ENVIRONMENT,
        compilation=compilation,
        decision=Decision(threshold=0.17),
        run="a" * 32,
        data=(DataReference(version="b" * 32, reference="flights@1", digest=Digest("c" * 64)),),
        unsafe=("pickle: reading the model runs the code in it",),
    )


def test_the_format_is_frozen() -> None:
    """When this fails, the layout of manifests has changed: give it a new version and keep reading the old one."""
    content = canonical(frozen_package())
    assert hash_bytes(content) == "8e0596420b3320e21d0029dba32d0f578ef9fe9c51b7aa3b2f6201704ce91fd7"
    objects = MemoryObjects()
    assert load_package(objects, objects.put(content)) == frozen_package()


def test_a_pickle_is_written_where_nothing_safer_holds_the_model_and_the_policy_says_so() -> None:
    objects, policy = MemoryObjects(), Trust(allow_pickle=True)
    safe = load_package(objects, build_package(objects, draft(), policy))
    assert (safe.model.format, safe.unsafe) == (ModelFormat.SKOPS, ())
    own = draft(model=Own())
    with pytest.raises(Denied, match="Own"):
        build_package(objects, own, Trust())
    package = load_package(objects, build_package(objects, own, policy))
    assert package.model.format is ModelFormat.PICKLE
    assert package.unsafe
    assert isinstance(load_model(objects, package, policy), Own)
