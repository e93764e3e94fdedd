"""Some ONNX nodes in a row, from the input of one scikit-learn operator to its outputs.

What the converters of `clew.serving.tree_models` and `clew.serving.double_models` are written with, inside of
skl2onnx. Everything computes in double precision.
"""

from __future__ import annotations

from typing import Any

from clew.core.extras import require

__all__ = ["Part", "classifier_shapes", "regressor_shapes"]


class Part:
    """Nodes in a row; `name` is the tensor at their end so far."""

    def __init__(self, scope: Any, operator: Any, container: Any, *, gives_margin: bool = False) -> None:
        self.scope, self.operator, self.container = scope, operator, container
        self.model = operator.raw_operator
        self.name: str = operator.inputs[0].full_name
        self._double = require("onnx").TensorProto.DOUBLE
        classifies = hasattr(self.model, "classes_") and not gives_margin
        self._raw = classifies and bool(container.get_options(self.model, {"raw_scores": False})["raw_scores"])

    def apply(self, op: str, *others: str, out: str = "", **attributes: Any) -> None:
        """Add a node that takes the tensor so far, and others."""
        fresh = out or self.fresh(op.lower())
        self.container.add_node(op, [self.name, *others], [fresh], op_domain="", **attributes)
        self.name = fresh

    def fresh(self, stem: str) -> str:
        """A name that no tensor has."""
        name: str = self.scope.get_unique_variable_name(stem)
        return name

    def as_single(self) -> Part:
        """Round to single precision."""
        self.apply("Cast", to=require("onnx").TensorProto.FLOAT)
        return self

    def as_double(self) -> Part:
        """Go on in double precision."""
        self.apply("Cast", to=self._double)
        return self

    def constant(self, array: Any) -> str:
        """The name of a constant of double precision."""
        import numpy as np

        values = np.asarray(array, dtype=np.float64)
        name = self.fresh("constant")
        self.container.add_initializer(name, self._double, list(values.shape), values.ravel().tolist())
        return name

    def add(self, row: Any) -> None:
        """Add a constant row."""
        import numpy as np

        self.apply("Add", self.constant(np.asarray(row, dtype=np.float64).reshape(1, -1)))

    def give(self) -> None:
        """The tensor is the output of a regressor or a transformer."""
        self.apply("Identity", out=self.operator.outputs[0].full_name)

    def give_probabilities(self, scale: float = 1.0) -> None:
        """The tensor holds raw sums: one of the second of two classes, or one for each class.

        Inside of a model that wants them raw, as calibration does, they stay what they are.
        """
        out = self.operator.outputs[1].full_name
        if len(self.model.classes_) == 2:
            # both classes at once: an even number of values is worked on alike, however many rows there are
            self.apply("Mul", self.constant([[-1.0, 1.0] if self._raw else [-scale, scale]]))
            self.apply("Identity" if self._raw else "Sigmoid", out=out)
        elif self._raw:
            self.apply("Identity", out=out)
        else:
            self.apply("Softmax", out=out, axis=1)
        self._label()

    def give_with_complement(self) -> None:
        """The tensor is the probability of the second of two classes: give both."""
        second, first = self.name, self.fresh("first")
        self.container.add_node("Sub", [self.constant([[1.0]]), second], [first], op_domain="")
        self.name = first
        self.apply("Concat", second, out=self.operator.outputs[1].full_name, axis=1)
        self._label()

    def give_as_scores(self) -> None:
        """The tensor holds the probability of each class, or the margins."""
        self.apply("Identity", out=self.operator.outputs[1].full_name)
        self._label()

    def _label(self) -> None:
        """The position of the class; nobody reads it, but skl2onnx wants a classifier to have it."""
        self.apply("ArgMax", out=self.operator.outputs[0].full_name, axis=1, keepdims=0)


def classifier_shapes(operator: Any) -> None:
    """Tell skl2onnx what a classifier gives: a label, and a probability for each class."""
    types = require("skl2onnx.common.data_types")
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = types.Int64TensorType([rows])
    operator.outputs[1].type = types.DoubleTensorType([rows, len(operator.raw_operator.classes_)])


def regressor_shapes(operator: Any) -> None:
    """Tell skl2onnx what a regressor gives: one number."""
    types = require("skl2onnx.common.data_types")
    operator.outputs[0].type = types.DoubleTensorType([operator.inputs[0].get_first_dimension(), 1])
