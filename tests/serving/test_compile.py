"""Compiled models against the originals, over the kinds of pipelines that people train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from threadpoolctl import threadpool_limits

from clew.core.errors import Invalid
from clew.core.types.package import Compilation, Decision, RuntimeKind
from clew.registry.columns import Columns, columns_of
from clew.registry.signature import infer_signature
from clew.serving.compile import Compiled, compile_model
from clew.serving.runtime import CompiledRuntime, OriginalRuntime, Runtime


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Fits are small: threads that wait for each other would take most of the time."""
    with threadpool_limits(1):
        yield


ROWS = 600
RANDOM = np.random.default_rng(7)
TEXT, NUMBERS = ["carrier", "dest"], ["hour", "distance", "wind", "gust"]


def flights(*, nulls: bool = False) -> pl.DataFrame:
    dest = RANDOM.choice([f"D{at:02d}" for at in range(30)], ROWS).tolist()
    return pl.DataFrame(
        {
            "carrier": RANDOM.choice(["UA", "AA", "B6"], ROWS),
            "dest": [None if nulls and at % 40 == 0 else one for at, one in enumerate(dest)],
            "hour": RANDOM.integers(5, 24, ROWS),
            "distance": RANDOM.integers(80, 4000, ROWS).astype(float),
            "wind": RANDOM.normal(10, 5, ROWS).round(5),
            "gust": [
                None if at % 3 == 0 else round(float(one), 5) for at, one in enumerate(RANDOM.normal(20, 5, ROWS))
            ],
        }
    )


FLIGHTS = flights()
LATE = (FLIGHTS["hour"] + RANDOM.normal(0, 4, ROWS) > 14).to_numpy()
DELAY = FLIGHTS["hour"].to_numpy() * 2.0 + RANDOM.normal(0, 1, ROWS)
PERIOD = np.array(["morning", "noon", "night"])[
    np.digitize(FLIGHTS["hour"].to_numpy() + RANDOM.normal(0, 2, ROWS), [10, 17])
]


def pipeline(model: Any, *, encoder: Any = None, numbers: Any = "passthrough") -> Pipeline:
    front = ColumnTransformer([("text", encoder or ordinal(), TEXT), ("numbers", numbers, NUMBERS)])
    return Pipeline([("front", front), ("model", model)])


def ordinal() -> OrdinalEncoder:
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def dense() -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore", sparse_output=False)


def imputed() -> Pipeline:
    return make_pipeline(SimpleImputer(), StandardScaler())


def hist(**settings: Any) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=20, early_stopping=False, random_state=0, **settings)


MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "hist": lambda: (pipeline(hist()), LATE),
    "hist with categorical splits": lambda: (pipeline(hist(categorical_features=[0, 1])), LATE),
    "hist of three classes": lambda: (pipeline(hist()), PERIOD),
    "hist regression": lambda: (pipeline(HistGradientBoostingRegressor(max_iter=20)), DELAY),
    "hist of counts": lambda: (
        pipeline(HistGradientBoostingRegressor(max_iter=20, loss="poisson")),
        DELAY - DELAY.min(),
    ),
    "forest": lambda: (pipeline(RandomForestClassifier(20, max_depth=6), encoder=dense(), numbers=imputed()), LATE),
    "forest of three classes": lambda: (pipeline(RandomForestClassifier(10, max_depth=6), numbers=imputed()), PERIOD),
    "extra trees": lambda: (pipeline(ExtraTreesClassifier(10, max_depth=6), numbers=imputed()), LATE),
    "forest regression": lambda: (pipeline(RandomForestRegressor(10, max_depth=6), numbers=imputed()), DELAY),
    "boosted": lambda: (pipeline(GradientBoostingClassifier(n_estimators=20), numbers=imputed()), LATE),
    "boosted, exponential": lambda: (
        pipeline(GradientBoostingClassifier(n_estimators=20, loss="exponential"), numbers=imputed()),
        LATE,
    ),
    "boosted regression": lambda: (pipeline(GradientBoostingRegressor(n_estimators=20), numbers=imputed()), DELAY),
    "logistic": lambda: (pipeline(LogisticRegression(), encoder=dense(), numbers=imputed()), LATE),
    "logistic, sparse": lambda: (
        pipeline(LogisticRegression(), encoder=OneHotEncoder(handle_unknown="ignore"), numbers=imputed()),
        LATE,
    ),
    "logistic of three classes": lambda: (pipeline(LogisticRegression(), encoder=dense(), numbers=imputed()), PERIOD),
    "ridge": lambda: (pipeline(Ridge(), encoder=dense(), numbers=imputed()), DELAY),
    "margin": lambda: (pipeline(LinearSVC(), encoder=dense(), numbers=imputed()), LATE),
}


def compiled(model: Any, rows: Any, **settings: Any) -> tuple[Compiled, Runtime, Runtime, Columns]:
    sample = columns_of(rows)
    signature = infer_signature(model, sample)
    found = compile_model(model, signature, sample, **settings)
    assert found.graph is not None, found.compilation.reason
    assert found.compilation.graph is not None
    decision = settings.get("decision", Decision())
    ours = CompiledRuntime(found.graph, found.compilation.graph, signature, decision)
    return found, OriginalRuntime(model, signature, decision), ours, sample


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_does_what_the_model_does(name: str) -> None:
    model, target = MODELS[name]()
    found, original, ours, sample = compiled(model.fit(FLIGHTS, target), FLIGHTS)
    parity = found.compilation.parity
    assert parity is not None
    assert parity.rows == ROWS
    assert parity.probes > 20
    assert parity.flips == 0
    scale = max(1.0, float(np.abs(target).max())) if target.dtype == float else 1.0
    assert parity.difference <= 1e-11 * scale
    theirs, mine = original.predict(sample.values), ours.predict(sample.values)
    assert float(np.abs(theirs.score - mine.score).max()) <= parity.difference
    assert original.decide(sample.values)[1] == ours.decide(sample.values)[1] or target.dtype == float
    assert found.compilation.chosen is RuntimeKind.COMPILED
    assert [cost.runtime for cost in found.compilation.costs] == [RuntimeKind.ORIGINAL, RuntimeKind.COMPILED]


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (CalibratedClassifierCV(hist(), cv=2), LATE),
        (CalibratedClassifierCV(hist(), cv=2), PERIOD),
        (CalibratedClassifierCV(GradientBoostingClassifier(n_estimators=10), cv=2), LATE),
        (CalibratedClassifierCV(RandomForestClassifier(10, max_depth=6), cv=2), LATE),
        (VotingClassifier([("a", hist()), ("b", LogisticRegression())], voting="soft"), LATE),
    ],
    ids=["calibrated", "calibrated, three classes", "calibrated boosting", "calibrated forest", "soft votes"],
)
def test_models_around_models_are_compiled(model: Any, target: Any) -> None:
    found, original, ours, sample = compiled(pipeline(model, numbers=imputed()).fit(FLIGHTS, target), FLIGHTS)
    assert found.compilation.parity is not None
    assert found.compilation.parity.difference <= 1e-5
    assert original.decide(sample.values)[1] == ours.decide(sample.values)[1]


@pytest.mark.parametrize("name", ["hist", "hist with categorical splits", "forest", "logistic", "ridge", "boosted"])
def test_a_row_scores_the_same_alone_and_in_a_batch(name: str) -> None:
    model, target = MODELS[name]()
    found, _, ours, sample = compiled(model.fit(FLIGHTS, target), FLIGHTS)
    assert found.compilation.parity is not None
    assert found.compilation.parity.batch_difference == 0.0
    together = ours.predict(sample.take(range(64)).values).score
    alone = [float(ours.predict(sample.take([at]).values).score[0]) for at in range(64)]
    assert together.tolist() == alone


def test_equal_models_give_equal_graphs() -> None:
    contents = {compiled(pipeline(hist()).fit(FLIGHTS, LATE), FLIGHTS)[0].graph for _ in range(2)}
    assert len(contents) == 1


def test_null_text_is_a_category_of_its_own() -> None:
    rows = flights(nulls=True)
    found, original, ours, _ = compiled(
        pipeline(hist(min_samples_leaf=2)).fit(rows, rows["dest"].is_null().to_numpy()), rows
    )
    assert found.compilation.graph is not None
    row = columns_of(rows).take([1]).values
    for dest in (None, "None", "nan", ""):
        changed = {**row, "dest": [dest]}
        assert ours.predict(changed).score == pytest.approx(original.predict(changed).score, abs=1e-12)
    assert ours.decide({**row, "dest": [None]})[0][0] > 0.5 > ours.decide({**row, "dest": ["None"]})[0][0]


def test_a_category_that_the_model_refuses_is_refused_by_the_runtime() -> None:
    model = pipeline(LogisticRegression(), encoder=OneHotEncoder(), numbers=imputed()).fit(FLIGHTS, LATE)
    found, original, ours, sample = compiled(model, FLIGHTS)
    assert found.compilation.graph is not None
    assert set(found.compilation.graph.closed) == {"carrier", "dest"}
    changed = {**sample.take([0]).values, "dest": ["nowhere"]}
    for runtime in (original, ours):
        with pytest.raises(Invalid, match="nowhere"):
            runtime.predict(changed)


def test_single_precision_columns_enter_as_such() -> None:
    rows = FLIGHTS.with_columns(pl.col(NUMBERS).cast(pl.Float32))
    found, _, _, _ = compiled(pipeline(hist()).fit(rows, LATE), rows)
    assert found.compilation.graph is not None
    assert [tensor.dtype.value for tensor in found.compilation.graph.tensors] == ["string", "float32"]
    assert found.compilation.parity is not None
    assert found.compilation.parity.difference < 1e-12


def test_single_precision_goes_through_an_imputer() -> None:
    rows = FLIGHTS.with_columns(pl.col(NUMBERS).cast(pl.Float32))
    for model in (LogisticRegression(max_iter=5000), hist(), RandomForestClassifier(10)):
        found, _, _, _ = compiled(pipeline(model, encoder=dense(), numbers=SimpleImputer()).fit(rows, LATE), rows)
        assert found.compilation.parity is not None
        assert found.compilation.parity.difference < 1e-5


def test_columns_that_are_dropped_do_not_enter() -> None:
    front = ColumnTransformer([("numbers", "passthrough", ["wind", "hour"])])
    found, _, _, _ = compiled(Pipeline([("front", front), ("model", hist())]).fit(FLIGHTS, LATE), FLIGHTS)
    assert found.compilation.graph is not None
    assert found.compilation.graph.tensors[0].columns == ("wind", "hour")


def test_a_bare_estimator_on_an_array() -> None:
    table = FLIGHTS.select("hour", "distance", "wind").to_numpy()
    found, _, _, _ = compiled(hist(categorical_features=[0]).fit(table, LATE), table)
    assert found.compilation.parity is not None
    assert found.compilation.parity.difference < 1e-12


def test_fractions_in_a_column_of_categories_are_no_category() -> None:
    table = FLIGHTS.select(pl.col("hour") * 10.0).to_numpy()  # beyond what ONNX Runtime holds in a word
    _, original, ours, _ = compiled(hist(categorical_features=[0]).fit(table, LATE), table)
    odd = {"x0": [*np.arange(-3, 300, 0.25).tolist(), 1e300, -1e300]}
    assert ours.predict(odd).score == pytest.approx(original.predict(odd).score, abs=1e-12)


def thresholds_of(model: Any) -> list[float]:
    if hasattr(model, "_predictors"):
        nodes = np.concatenate([tree.nodes for stage in model._predictors for tree in stage])
        return sorted(set(nodes["num_threshold"][nodes["is_leaf"] == 0].tolist()))
    trees = np.ravel(model.estimators_)
    return sorted({value for tree in trees for value in tree.tree_.threshold[tree.tree_.feature >= 0].tolist()})


@pytest.mark.parametrize(
    "model",
    [hist(), GradientBoostingClassifier(n_estimators=20), RandomForestClassifier(10, max_depth=6)],
    ids=["hist", "boosted", "forest"],
)
def test_values_at_the_very_thresholds(model: Any) -> None:
    table = FLIGHTS.select("wind").to_numpy() / 3
    _, original, ours, _ = compiled(model.fit(table, LATE), table)
    at = np.array(thresholds_of(model))
    single = at.astype(np.float32)
    near = [at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf)]
    near += [np.nextafter(single, np.float32(np.inf)), np.nextafter(single, np.float32(-np.inf))]
    rows = {"x0": np.concatenate(near).tolist()}
    assert ours.predict(rows).score == pytest.approx(original.predict(rows).score, abs=1e-12)


def test_the_decision_rule_is_the_given_one() -> None:
    found, original, ours, sample = compiled(
        pipeline(hist()).fit(FLIGHTS, LATE), FLIGHTS, decision=Decision(threshold=0.17)
    )
    scores, decisions = ours.decide(sample.values)
    assert decisions == [score >= 0.17 for score in scores]
    assert decisions == original.decide(sample.values)[1]
    assert found.compilation.parity is not None
    assert found.compilation.parity.near > 0


def original_only(model: Any, rows: Any) -> Compilation:
    sample = columns_of(rows)
    found = compile_model(model, infer_signature(model, sample), sample)
    assert found.graph is None
    assert found.compilation.chosen is RuntimeKind.ORIGINAL
    assert found.compilation.costs[0].runtime is RuntimeKind.ORIGINAL
    return found.compilation


def test_what_cannot_be_converted_is_served_as_it_is() -> None:
    table = FLIGHTS.select("hour", "distance").to_numpy().astype(float)
    doubled = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(table, LATE)
    assert "not compiled (float64: " in original_only(doubled, table).reason
    vectors = SVC().fit(table, LATE)
    assert "not compiled (float64: " in original_only(vectors, table).reason
    times = FLIGHTS.select(pl.datetime(2013, 1, 1) + pl.duration(hours="hour"), "wind")
    front = ColumnTransformer([("numbers", "passthrough", ["wind"])])
    timed = Pipeline([("front", front), ("model", hist())]).fit(times, LATE)
    assert "is a time" in original_only(timed, times).reason


def test_a_graph_that_disagrees_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    from clew.serving import tree_models

    honest = tree_models.ensemble_attributes

    def dishonest(trees: Any, targets: int) -> dict[str, Any]:
        moved = [(tree._replace(threshold=[value + 0.5 for value in tree.threshold]), at) for tree, at in trees]
        return honest(moved, targets)

    monkeypatch.setattr(tree_models, "ensemble_attributes", dishonest)
    reason = original_only(pipeline(hist()).fit(FLIGHTS, LATE), FLIGHTS).reason
    assert "scores differ by" in reason


def test_the_report_can_be_stored() -> None:
    found, _, _, _ = compiled(pipeline(hist()).fit(FLIGHTS, LATE), FLIGHTS)
    content = msgspec.json.encode(found.compilation)
    assert msgspec.json.decode(content, type=Compilation) == found.compilation
