"""scikit-learn's tree models as ONNX nodes: converters that `clew.serving.convert` hands to skl2onnx.

Thresholds are the fitted ones, and sums of leaves agree to the last digits with scikit-learn's. Every node works row
by row. More than two classes in one leaf are left to skl2onnx.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from clew.core.errors import Invalid
from clew.core.extras import require
from clew.serving.ensemble import Tree, ensemble_attributes, tree_of_predictor, tree_of_sklearn
from clew.serving.part import Part, classifier_shapes, regressor_shapes

__all__ = ["tree_converters"]

_DECLARED_OPSET = 3
"""What skl2onnx is told: it knows no later one. `clew.serving.convert` writes the true one into the model."""


def tree_converters() -> dict[type, tuple[Any, Any]]:
    """A converter and a shape calculator for each estimator class."""
    ensemble, tree = require("sklearn.ensemble"), require("sklearn.tree")
    forests = (ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier, tree.DecisionTreeClassifier)
    numbers = (ensemble.RandomForestRegressor, ensemble.ExtraTreesRegressor, tree.DecisionTreeRegressor)
    return {
        ensemble.HistGradientBoostingClassifier: (_convert_hist_classifier, classifier_shapes),
        ensemble.HistGradientBoostingRegressor: (_convert_hist_regressor, regressor_shapes),
        ensemble.GradientBoostingClassifier: (_convert_boosted_classifier, classifier_shapes),
        ensemble.GradientBoostingRegressor: (_convert_boosted_regressor, regressor_shapes),
        **dict.fromkeys(forests, (_convert_forest_classifier, classifier_shapes)),
        **dict.fromkeys(numbers, (_convert_forest_regressor, regressor_shapes)),
    }


def _convert_hist_classifier(scope: Any, operator: Any, container: Any) -> None:
    part = Part(scope, operator, container)
    _sum(part, _hist_trees(part.model), part.model.n_trees_per_iteration_)
    part.add(part.model._baseline_prediction)
    part.give_probabilities(2.0 if type(part.model._loss).__name__ == "ExponentialLoss" else 1.0)


def _convert_hist_regressor(scope: Any, operator: Any, container: Any) -> None:
    part = Part(scope, operator, container)
    _sum(part, _hist_trees(part.model), 1)
    part.add(part.model._baseline_prediction)
    link = type(part.model._loss.link).__name__
    if link == "LogLink":
        part.apply("Exp")
    elif link != "IdentityLink":
        raise Invalid(f"the link {link} of a {type(part.model).__name__} is not converted")
    part.give()


def _hist_trees(model: Any) -> Iterable[tuple[Tree, int]]:
    columns, categories = list(range(model.n_features_in_)), []
    if model._preprocessor is not None:
        flags = model.is_categorical_.astype(bool)
        columns = [*flags.nonzero()[0].tolist(), *(~flags).nonzero()[0].tolist()]
        for known in model._preprocessor.named_transformers_["encoder"].categories_:
            if known.dtype.kind not in "iufb":
                raise Invalid("categories that are text are converted only behind an encoder of their own")
            categories.append([float(category) for category in known])
    for stage in model._predictors:
        for target, predictor in enumerate(stage):
            yield tree_of_predictor(predictor, columns, categories), target


def _convert_boosted_classifier(scope: Any, operator: Any, container: Any) -> None:
    part = Part(scope, operator, container).as_single()
    _sum(part, _boosted_trees(part.model), part.model.n_trees_per_iteration_)
    part.add(_boosted_start(part.model))
    part.give_probabilities(2.0 if part.model.loss == "exponential" else 1.0)


def _convert_boosted_regressor(scope: Any, operator: Any, container: Any) -> None:
    part = Part(scope, operator, container).as_single()
    _sum(part, _boosted_trees(part.model), 1)
    part.add(_boosted_start(part.model))
    part.give()


def _boosted_trees(model: Any) -> Iterable[tuple[Tree, int]]:
    for stage in model.estimators_:
        for target, member in enumerate(stage):
            yield tree_of_sklearn(member.tree_, 0, model.learning_rate), target


def _boosted_start(model: Any) -> Any:
    import numpy as np

    if model.init is not None and model.init != "zero":
        raise Invalid(f"a {type(model).__name__} that starts from a model of its own is not converted")
    return model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))


def _convert_forest_classifier(scope: Any, operator: Any, container: Any) -> None:
    part = Part(scope, operator, container).as_single()
    if len(part.model.classes_) != 2 or isinstance(part.model.classes_, list):
        raise Invalid(f"a {type(part.model).__name__} of more than two classes is left to skl2onnx")
    _sum(part, _forest_trees(part.model, 1), 1)
    _average(part)
    part.give_with_complement()


def _convert_forest_regressor(scope: Any, operator: Any, container: Any) -> None:
    part = Part(scope, operator, container).as_single()
    if part.model.n_outputs_ != 1:
        raise Invalid(f"a {type(part.model).__name__} with {part.model.n_outputs_} outputs is not converted")
    _sum(part, _forest_trees(part.model, 0), 1)
    _average(part)
    part.give()


def _forest_trees(model: Any, column: int) -> Iterable[tuple[Tree, int]]:
    for member in getattr(model, "estimators_", [model]):
        yield tree_of_sklearn(member.tree_, column), 0


def _average(part: Part) -> None:
    count = len(getattr(part.model, "estimators_", [part.model]))
    if count > 1:
        part.apply("Div", part.constant([[float(count)]]))


def _sum(part: Part, trees: Iterable[tuple[Tree, int]], targets: int) -> None:
    """Sum trees: (rows, targets)."""
    part.as_double()
    fresh = part.fresh("sums")
    part.container.add_node(
        "TreeEnsemble",
        [part.name],
        [fresh],
        op_domain="ai.onnx.ml",
        op_version=_DECLARED_OPSET,
        **ensemble_attributes(trees, targets),
    )
    part.name = fresh
