"""Random trees, walked in Python and run by ONNX Runtime, must agree."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from clew.serving.ensemble import Tree, ensemble_attributes, tree_of_predictor
from clew.serving.runtime import open_session

FEATURES, CATEGORICAL = 3, 2
CATEGORIES = [-40.0, -1.0, 0.0, 1.0, 2.0, 3.0, 31.0, 32.0, 33.0, 63.0, 64.0, 65.0, 100_000.0, 2147483647.0]
VALUES = st.sampled_from([*CATEGORIES, -2.0, -0.5, 0.1, 62.33, math.nan, 1e300, -1e300, 4294967297.0])


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    tree = Tree([], [], [], [], [], [], {})
    members: dict[int, list[float]] = {}

    def grow(depth: int) -> int:
        at = len(tree.left)
        is_leaf = depth == 0 or draw(st.booleans())
        tree.feature.append(draw(st.integers(0, FEATURES - 1)))
        tree.threshold.append(draw(VALUES.filter(math.isfinite)))
        tree.missing_left.append(draw(st.booleans()))
        tree.value.append(draw(st.integers(-8, 8)) / 4)
        tree.left.append(-1)
        tree.right.append(-1)
        if not is_leaf:
            if tree.feature[at] == CATEGORICAL:
                members[at] = draw(st.lists(st.sampled_from(CATEGORIES), unique=True, max_size=5))
            tree.left[at] = grow(depth - 1)
            tree.right[at] = grow(depth - 1)
        return at

    grow(3)
    return tree._replace(members=members)


def walk(tree: Tree, row: Sequence[float]) -> float:
    at = 0
    while tree.left[at] >= 0:
        value = row[tree.feature[at]]
        if at in tree.members:
            goes_left = value in tree.members[at]
        elif math.isnan(value):
            goes_left = tree.missing_left[at]
        else:
            goes_left = value <= tree.threshold[at]
        at = tree.left[at] if goes_left else tree.right[at]
    return tree.value[at]


def run(model: list[tuple[Tree, int]], targets: int, rows: Sequence[Sequence[float]]) -> np.ndarray:
    node = helper.make_node("TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", **ensemble_attributes(model, targets))
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, FEATURES])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [None, targets])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 5)], ir_version=9)
    onnx.checker.check_model(proto)
    return open_session(proto.SerializeToString()).run(None, {"x": np.array(rows)})[0]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(trees(), st.integers(0, 1)), min_size=1, max_size=4),
    st.lists(st.tuples(VALUES, VALUES, VALUES.filter(lambda value: not value % 1)), min_size=1, max_size=5),
)
def test_the_graph_walks_as_the_trees_do(model: list[tuple[Tree, int]], rows: list[tuple[float, float, float]]) -> None:
    wanted = [[sum(walk(tree, row) for tree, at in model if at == target) for target in (0, 1)] for row in rows]
    assert np.array_equal(run(model, 2, rows), wanted)


def test_a_categorical_node_that_sends_missing_left_is_turned_round() -> None:
    class Predictor:
        nodes = np.array(
            [(0, 1, 1, 0, 1, 2, 0.0, 0.0, 0), (1, 0, 0, 0, 0, 0, 0.0, 5.0, 0), (1, 0, 0, 0, 0, 0, 0.0, 7.0, 0)],
            dtype=[
                ("is_leaf", "u1"),
                ("is_categorical", "u1"),
                ("missing_go_to_left", "u1"),
                ("feature_idx", "i8"),
                ("left", "u4"),
                ("right", "u4"),
                ("num_threshold", "f8"),
                ("value", "f8"),
                ("bitset_idx", "u4"),
            ],
        )
        raw_left_cat_bitsets = np.array([[0b001, 0, 0, 0, 0, 0, 0, 0]], dtype=np.uint32)

    tree = tree_of_predictor(Predictor(), [2, 0, 1], [[10.0, 20.0, 30.0]])
    rows = [[0.0, 0.0, category] for category in (10.0, 20.0, 30.0, 40.0, math.nan)]
    assert [walk(tree, row) for row in rows] == [5.0, 7.0, 7.0, 5.0, 5.0]
    assert run([(tree, 0)], 1, rows).ravel().tolist() == [5.0, 7.0, 7.0, 5.0, 5.0]
