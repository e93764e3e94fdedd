from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from clew.core.errors import Denied, Invalid, Unavailable
from clew.core.ids import Digest
from clew.core.types.package import Compilation, Decision, Environment, RuntimeKind
from clew.core.types.signature import Scale, Signature, Task
from clew.registry.columns import columns_of
from clew.registry.formats.format import Trust
from clew.registry.package import Draft, build_package, load_example, load_package
from clew.registry.signature import infer_signature
from clew.serving.compile import compile_model
from clew.serving.runtime import _Rule, load_runtime
from clew.store.objects.local import LocalObjects
from clew.store.objects.memory import MemoryObjects

X = np.random.default_rng(0).normal(size=(200, 3))
Y = X[:, 0] > 0
ENVIRONMENT = Environment(python="3.11", platform="linux", distributions={})


def stored(objects: Any, model: Any, trust: Trust = Trust()) -> Digest:  # noqa: B008 (immutable)
    rows = columns_of(X)
    signature = infer_signature(model, rows)
    found = compile_model(model, signature, rows)
    draft = Draft(
        model=model,
        signature=signature,
        example=rows.take(range(3)),
        environment=ENVIRONMENT,
        compilation=found.compilation,
        graph=found.graph,
    )
    return build_package(objects, draft, trust)


def trees() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=5, early_stopping=False).fit(X, Y)


def test_both_runtimes_of_a_package() -> None:
    objects = MemoryObjects()
    model = trees()
    package = load_package(objects, stored(objects, model))
    chosen = load_runtime(package, objects)
    original = load_runtime(package, objects, kind=RuntimeKind.ORIGINAL)
    assert chosen.kind is RuntimeKind.COMPILED
    assert chosen.id.startswith("onnxruntime-")
    assert original.id.startswith("scikit-learn-")
    example = load_example(objects, package)
    scores, decisions = chosen.decide(example)
    assert scores == pytest.approx(model.predict_proba(X[:3])[:, 1].tolist(), abs=1e-12)
    assert decisions == original.decide(example)[1] == model.predict(X[:3]).tolist()


def test_a_replay_in_another_process_gives_the_same_bits_without_heavy_libraries(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    digest = stored(objects, trees())
    package = load_package(objects, digest)
    scores, _ = load_runtime(package, objects).decide(load_example(objects, package))
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from clew.registry.package import load_example, load_package\n"
        "from clew.serving.runtime import load_runtime\n"
        "from clew.store.objects.local import LocalObjects\n"
        f"objects = LocalObjects(Path({str(tmp_path)!r})); package = load_package(objects, {digest!r})\n"
        "print([score.hex() for score in load_runtime(package, objects).decide(load_example(objects, package))[0]])\n"
        "print(sorted({'sklearn', 'polars', 'skl2onnx', 'onnx', 'scipy', 'pandas', 'skops'} & set(sys.modules)))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == [str([score.hex() for score in scores]), "[]"]


def test_importing_the_runtime_is_cheap() -> None:
    code = (
        "import clew.serving.runtime, clew.serving.compile, clew.registry.package, sys; print('numpy' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_the_original_runtime_obeys_the_policy() -> None:
    objects = MemoryObjects()
    trust = Trust(types=frozenset({"numpy.nan_to_num"}))
    model = make_pipeline(FunctionTransformer(np.nan_to_num), LogisticRegression()).fit(X, Y)
    package = load_package(objects, stored(objects, model, trust))
    assert package.compilation.chosen is RuntimeKind.ORIGINAL
    with pytest.raises(Denied, match="nan_to_num"):
        load_runtime(package, objects)
    assert load_runtime(package, objects, trust=trust).kind is RuntimeKind.ORIGINAL
    with pytest.raises(Invalid, match="was not compiled") as caught:
        load_runtime(package, objects, kind=RuntimeKind.COMPILED, trust=trust)
    assert "because: not compiled" in caught.value.hint


def test_a_graph_that_cannot_be_run_says_so() -> None:
    objects = MemoryObjects()
    model = trees()
    rows = columns_of(X)
    signature = infer_signature(model, rows)
    found = compile_model(model, signature, rows)
    assert isinstance(found.compilation, Compilation)
    draft = Draft(
        model=model,
        signature=signature,
        example=rows,
        environment=ENVIRONMENT,
        compilation=found.compilation,
        graph=b"no graph",
    )
    package = load_package(objects, build_package(objects, draft, Trust()))
    with pytest.raises(Unavailable, match="cannot run this graph"):
        load_runtime(package, objects)


def test_the_model_refuses_rows_in_words() -> None:
    objects = MemoryObjects()
    package = load_package(objects, stored(objects, LogisticRegression().fit(X, Y)))
    original = load_runtime(package, objects, kind=RuntimeKind.ORIGINAL)
    with pytest.raises(Invalid, match="the model refuses these rows"):
        original.predict({"x0": [None], "x1": [1.0], "x2": [1.0]})


def test_a_row_with_a_score_that_is_none_is_not_decided_by_its_costs() -> None:
    signature = Signature(inputs=(), outputs=(), task=Task.MULTICLASS, scale=Scale.PROBABILITY, classes=("a", "b", "c"))
    rule = _Rule(signature, Decision(costs=((0.0, 1.0, 9.0), (1.0, 0.0, 9.0), (5.0, 5.0, 0.0))))
    scores, labels, _ = rule.decisions_of_classes(np.array([[0.2, float("nan"), 0.1], [0.2, 0.7, 0.1]]))
    assert np.isnan(scores[0])
    assert (scores[1], labels[1]) == (0.7, "b")
