from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from clew.core.errors import Invalid
from clew.core.types.signature import Container, Dtype, Scale, Task
from clew.registry.columns import columns_of
from clew.registry.signature import infer_signature

X = np.random.default_rng(0).normal(size=(60, 2))
BINARY = X[:, 0] > 0


def test_a_binary_pipeline() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, BINARY)
    signature = infer_signature(model, columns_of(X, ["a", "b"]))
    assert signature.names == ("a", "b")
    assert (signature.task, signature.scale) == (Task.BINARY, Scale.PROBABILITY)
    assert signature.classes == (False, True)
    assert [(output.name, output.dtype) for output in signature.outputs] == [
        ("score", Dtype.FLOAT64),
        ("label", Dtype.BOOL),
    ]


def test_several_classes_have_a_score_each() -> None:
    labels = np.array(["x", "y", "z"])[np.digitize(X[:, 0], [-0.5, 0.5])]
    signature = infer_signature(RandomForestClassifier(3).fit(X, labels), columns_of(X))
    assert signature.task is Task.MULTICLASS
    assert signature.classes == ("x", "y", "z")
    assert signature.outputs[-1].width == 3


def test_a_regression_and_a_margin() -> None:
    assert infer_signature(LinearRegression().fit(X, X[:, 0]), columns_of(X)).scale is Scale.VALUE
    assert infer_signature(RidgeClassifier().fit(X, BINARY), columns_of(X)).scale is Scale.MARGIN


def test_nulls_and_categories_come_from_the_rows() -> None:
    frame = pl.DataFrame({"wind": [1.0, None] * 60, "carrier": ["UA", "AA", "B6", "UA"] * 30})

    class Model:
        classes_ = np.array([0, 1])

        def predict(self, rows: pl.DataFrame) -> list[int]:
            return [0] * len(rows)

        predict_proba = predict

    many = infer_signature(Model(), columns_of(frame))
    assert [field.nullable for field in many.inputs] == [True, False]
    assert many.inputs[1].categories == ("AA", "B6", "UA")
    assert many.container is Container.POLARS
    few = infer_signature(Model(), columns_of(frame.head(5)))
    assert few.inputs[1].categories == ()


def test_plain_columns_for_a_model_that_knows_names() -> None:
    frame = pl.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    model = LogisticRegression().fit(frame, BINARY)
    assert infer_signature(model, columns_of({"a": [1.0], "b": [2.0]})).container is Container.POLARS


def test_what_cannot_be_served() -> None:
    with pytest.raises(Invalid, match="cannot score its example: NotFittedError"):
        infer_signature(make_pipeline(StandardScaler(), LinearRegression()), columns_of(X))
    with pytest.raises(Invalid, match="cannot score its example"):
        infer_signature(LinearRegression().fit(X, X[:, 0]), columns_of(X[:, :1]))
    with pytest.raises(Invalid, match="2 outputs"):
        infer_signature(RandomForestClassifier(2).fit(X, np.c_[BINARY, ~BINARY]), columns_of(X))

    class Voter:
        classes_ = np.array([0, 1])
        predict = None

    with pytest.raises(Invalid, match="Voter classifies without scores"):
        infer_signature(Voter(), columns_of(X))
