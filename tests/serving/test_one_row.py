"""A single row through memory that is bound once: the same bits as by the ordinary way, which others still go."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from clew.core.errors import Invalid
from clew.core.types.package import Decision, Graph, Tensor
from clew.core.types.signature import Dtype
from clew.registry.columns import columns_of
from clew.registry.signature import infer_signature
from clew.serving.compile import compile_model
from clew.serving.one_row import one_row
from clew.serving.runtime import CompiledRuntime

RNG = np.random.default_rng(3)
X = RNG.normal(size=(300, 4))
TWO, THREE = X[:, 0] > 0, np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])
MODELS: dict[str, Any] = {
    "logistic": lambda: LogisticRegression().fit(X, TWO),
    "three classes": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(X, THREE),
    "boosted": lambda: HistGradientBoostingClassifier(max_iter=10, early_stopping=False).fit(X, TWO),
    "forest of three": lambda: RandomForestClassifier(10, random_state=1).fit(X, THREE),
    "line": lambda: LinearRegression().fit(X, X @ [1.0, 2.0, 3.0, 4.0]),
    "one column": lambda: LogisticRegression().fit(X[:, :1], TWO),
}


def compiled(name: str) -> CompiledRuntime:
    model = MODELS[name]()
    rows = columns_of(X[:, : model.n_features_in_])
    signature = infer_signature(model, rows)
    found = compile_model(model, signature, rows)
    assert found.graph is not None, found.compilation.reason
    assert found.compilation.graph is not None
    return CompiledRuntime(found.graph, found.compilation.graph, signature, Decision())


@pytest.fixture(scope="module", params=list(MODELS))
def runtime(request: pytest.FixtureRequest) -> CompiledRuntime:
    return compiled(request.param)


finite = st.floats(-1e300, 1e300)


@given(st.lists(finite | st.integers(-(2**53), 2**53), min_size=4, max_size=4))
def test_one_row_is_the_same_to_the_bit(runtime: CompiledRuntime, row: list[float]) -> None:
    assert runtime._one is not None
    names = runtime.signature.names
    values = {name: [value] for name, value in zip(names, row, strict=False)}
    found = runtime.predict(values)
    scores, decisions = runtime.decide(values)
    assert np.array(scores).tobytes() == found.score.tobytes()
    classes = runtime.signature.classes
    assert decisions == (scores if found.label is None else [classes[at] for at in found.label.tolist()])


def test_what_is_no_row_of_numbers_goes_the_ordinary_way() -> None:
    runtime = compiled("boosted")
    names, one = runtime.signature.names, runtime._one
    assert one is not None
    two = {name: [0.1, 0.2] for name in names}
    uneven = dict(zip(names, ([1.0], [1.0, 2.0], [1.0], [1.0]), strict=True))
    null = {name: [None] for name in names}
    for values in (two, null, {name: [0.1] for name in names[1:]}, uneven):
        assert one(values, lambda scores: scores) is None
    assert len(runtime.decide(two)[0]) == 2
    assert runtime.decide(null)[0] == runtime.predict({name: [np.nan] for name in names}).score.tolist()
    with pytest.raises(Invalid, match="is missing"):
        runtime.decide({name: [0.1] for name in names[1:]})


@pytest.mark.parametrize(
    "graph",
    [
        Graph(tensors=(Tensor(name="t", dtype=Dtype.STRING, columns=("a",)),), output="y"),
        Graph(tensors=(Tensor(name="n", dtype=Dtype.FLOAT64, columns=("a",), vector=True),), output="y"),
        Graph(tensors=(Tensor(name="n", dtype=Dtype.INT64, columns=("a",)),), output="y"),
        Graph(tensors=(Tensor(name="n", dtype=Dtype.FLOAT64, columns=("a",)),) * 2, output="y"),
        Graph(tensors=(Tensor(name="n", dtype=Dtype.FLOAT64, columns=("a",)),), output="y", closed={"a": ("x",)}),
        Graph(tensors=(Tensor(name="n", dtype=Dtype.FLOAT64, columns=("a",)),), output="no such output"),
    ],
)
def test_graphs_that_only_the_ordinary_way_serves(graph: Graph) -> None:
    assert one_row(compiled("one column")._session, graph) is None


def test_threads_that_share_a_runtime_get_answers_of_their_own() -> None:
    runtime = compiled("boosted")
    asked = [dict(zip(runtime.signature.names, ([value] for value in row), strict=True)) for row in X.tolist()]
    wanted = [runtime.predict(values).score.tolist() for values in asked]
    wrong: list[int] = []

    def ask(first: int) -> None:
        wrong.extend(at for at in range(first, len(asked), 4) if runtime.decide(asked[at])[0] != wanted[at])

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
