"""scikit-learn's tree models as ONNX nodes: converters that `clew.serving.convert` hands to skl2onnx.

Thresholds are the fitted ones, and sums of leaves agree to the last digits with scikit-learn's. Every node works row
by row.
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
_MOST_CATEGORY = 2**31
_MOST_NODES = 1_000_000


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
    _blank_fractions(part)
    _sum(part, _hist_trees(part.model), part.model.n_trees_per_iteration_)
    part.add(part.model._baseline_prediction)
    part.give_probabilities(2.0 if type(part.model._loss).__name__ == "ExponentialLoss" else 1.0)


def _convert_hist_regressor(scope: Any, operator: Any, container: Any) -> None:
    part = Part(scope, operator, container)
    _blank_fractions(part)
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
            categories.append([_whole(float(category)) for category in known])
    for stage in model._predictors:
        for target, predictor in enumerate(stage):
            yield tree_of_predictor(predictor, columns, categories), target


def _whole(category: float) -> float:
    if category == category and (category % 1 or abs(category) >= _MOST_CATEGORY):
        raise Invalid(f"the category {category!r} is no integer of 32 bits, which ONNX Runtime cannot tell apart")
    return category


def _blank_fractions(part: Part) -> None:
    """Turn what is no integer in a categorical column into NaN: no category, where ONNX Runtime may round it."""
    import numpy as np

    if part.model.is_categorical_ is None:
        return
    part.as_double()
    whole = part.name
    part.apply("Round")
    part.apply("Equal", whole)
    flags = np.where(part.model.is_categorical_, np.nan, 0.0).reshape(1, -1)
    equal, blank = part.name, part.fresh("blank")
    part.container.add_node("Add", [whole, part.constant(flags)], [blank], op_domain="")
    part.name = equal
    part.apply("Where", whole, blank)


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
    classes = len(part.model.classes_)
    if classes == 2:
        _sum(part, _forest_trees(part.model, [1]), 1)
        _average(part)
        part.give_with_complement()
        return
    nodes = classes * sum(member.tree_.node_count for member in _members(part.model))
    if nodes > _MOST_NODES:
        raise Invalid(f"a {type(part.model).__name__} would grow to {nodes:,} nodes, one tree for each class")
    _sum(part, _forest_trees(part.model, range(classes)), classes)
    _average(part)
    part.give_as_scores()


def _convert_forest_regressor(scope: Any, operator: Any, container: Any) -> None:
    part = Part(scope, operator, container).as_single()
    if part.model.n_outputs_ != 1:
        raise Invalid(f"a {type(part.model).__name__} with {part.model.n_outputs_} outputs is not converted")
    _sum(part, _forest_trees(part.model, [0]), 1)
    _average(part)
    part.give()


def _members(model: Any) -> list[Any]:
    """The trees of a forest; a tree is a forest of one."""
    return list(getattr(model, "estimators_", [model]))


def _forest_trees(model: Any, columns: Iterable[int]) -> Iterable[tuple[Tree, int]]:
    """Each tree once for each column of its values: a leaf adds to one target only."""
    chosen = list(columns)
    for member in _members(model):
        for target, column in enumerate(chosen):
            yield tree_of_sklearn(member.tree_, column), target


def _average(part: Part) -> None:
    count = len(_members(part.model))
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
