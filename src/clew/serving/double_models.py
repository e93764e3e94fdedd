"""Models that skl2onnx converts in single precision only, in double: linear classifiers and the imputer of numbers.

Converters that `clew.serving.convert` hands to skl2onnx, as `clew.serving.tree_models` does for trees.
"""

from __future__ import annotations

from typing import Any

from clew.core.errors import Invalid
from clew.core.extras import require
from clew.serving.part import Part, classifier_shapes

__all__ = ["double_converters"]


def double_converters() -> dict[type, tuple[Any, Any]]:
    """A converter and a shape calculator for each estimator class."""
    linear, impute = require("sklearn.linear_model"), require("sklearn.impute")
    return {
        linear.LogisticRegression: (_convert_logistic, classifier_shapes),
        linear.LogisticRegressionCV: (_convert_logistic, classifier_shapes),
        linear.RidgeClassifier: (_convert_margin, classifier_shapes),
        require("sklearn.svm").LinearSVC: (_convert_margin, classifier_shapes),
        impute.SimpleImputer: (_convert_imputer, _imputer_shapes),
    }


def _convert_logistic(scope: Any, operator: Any, container: Any) -> None:
    part = Part(scope, operator, container)
    _linear(part)
    part.give_probabilities()


def _convert_margin(scope: Any, operator: Any, container: Any) -> None:
    part = Part(scope, operator, container, gives_margin=True)
    _linear(part)
    part.give_as_scores()


def _linear(part: Part) -> None:
    part.as_double()
    part.apply("MatMul", part.constant(part.model.coef_.T))
    part.add(part.model.intercept_)


def _convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    import numpy as np

    if not _is_double(operator):
        require("skl2onnx.common._registration").get_converter(operator.type)(scope, operator, container)
        return
    part = Part(scope, operator, container)
    model = part.model
    plain = not model.add_indicator and model.missing_values is np.nan and model.statistics_.dtype.kind == "f"
    if not plain or len(operator.inputs) != 1 or np.isnan(model.statistics_).any():
        raise Invalid("an imputer with an indicator, of something else than NaN, or of empty columns is not converted")
    part.as_double()
    whole = part.name
    part.apply("IsNaN")
    part.apply("Where", part.constant(model.statistics_.reshape(1, -1)), whole)
    part.give()


def _is_double(operator: Any) -> bool:
    return isinstance(operator.inputs[0].type, require("skl2onnx.common.data_types").DoubleTensorType)


def _imputer_shapes(operator: Any) -> None:
    if not _is_double(operator):
        require("skl2onnx.common._registration").get_shape_calculator(operator.type)(operator)
        return
    types = require("skl2onnx.common.data_types")
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = types.DoubleTensorType([rows, len(operator.raw_operator.statistics_)])
