"""Ensembles of trees as one ONNX node, in double precision, with every threshold and category as fitted.

Needed because skl2onnx 1.20 cannot convert histogram gradient boosting beside a current protobuf, ignores its
categorical splits, and sums leaves in single precision. A `TreeEnsemble` (ai.onnx.ml 5) has neither limit. Not the
rest of the graph (`clew.serving.convert`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from clew.core.extras import require

__all__ = ["Tree", "ensemble_attributes", "tree_of_predictor", "tree_of_sklearn"]

_LEQ, _MEMBER = 0, 6


class Tree(NamedTuple):
    """One tree by node, node 0 the root; `left` is -1 in a leaf.

    A value goes left when it is at most the threshold, or one of `members` at the nodes that have them; `missing_left`
    says where NaN goes. `members` nodes send NaN and everything else to the right.
    """

    feature: list[int]
    threshold: list[float]
    left: list[int]
    right: list[int]
    missing_left: list[bool]
    value: list[float]
    members: Mapping[int, list[float]]


def tree_of_sklearn(tree: Any, column: int, weight: float = 1.0) -> Tree:
    """A tree of scikit-learn's `tree_`; leaves give `value[column] * weight`."""
    return Tree(
        feature=tree.feature.tolist(),
        threshold=tree.threshold.tolist(),
        left=tree.children_left.tolist(),
        right=tree.children_right.tolist(),
        missing_left=tree.missing_go_to_left.astype(bool).tolist(),
        value=(tree.value[:, 0, column] * weight).tolist(),
        members={},
    )


def tree_of_predictor(predictor: Any, columns: list[int], categories: list[list[float]]) -> Tree:
    """A tree of histogram gradient boosting.

    Args:
        predictor: its `TreePredictor`.
        columns: the input column behind each feature, because categorical features come first inside.
        categories: the known categories of each categorical feature, in the order of their codes.
    """
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool).tolist()
    left = [-1 if is_leaf else child for is_leaf, child in zip(leaf, nodes["left"].tolist(), strict=True)]
    right = nodes["right"].tolist()
    missing_left = nodes["missing_go_to_left"].astype(bool).tolist()
    members: dict[int, list[float]] = {}
    for at in (nodes["is_categorical"].astype(bool) & ~nodes["is_leaf"].astype(bool)).nonzero()[0].tolist():
        bits = predictor.raw_left_cat_bitsets[int(nodes["bitset_idx"][at])].tolist()
        inside, outside = _split_categories(bits, categories[int(nodes["feature_idx"][at])])
        if missing_left[at]:  # unknown and missing go left: turn the node round, so that they are not members
            left[at], right[at], inside = right[at], left[at], outside
            missing_left[at] = False
        members[at] = inside
    return Tree(
        feature=[columns[index] for index in nodes["feature_idx"].tolist()],
        threshold=nodes["num_threshold"].tolist(),
        left=left,
        right=right,
        missing_left=missing_left,
        value=nodes["value"].tolist(),
        members=members,
    )


def _split_categories(bits: list[int], known: list[float]) -> tuple[list[float], list[float]]:
    inside: list[float] = []
    outside: list[float] = []
    for code, category in enumerate(known):
        if not math.isnan(category):
            (inside if bits[code // 32] >> (code % 32) & 1 else outside).append(category)
    return inside, outside


class _Nodes:
    """The parallel lists of a `TreeEnsemble`, filled tree by tree."""

    def __init__(self) -> None:
        self.roots: list[int] = []
        self.feature: list[int] = []
        self.mode: list[int] = []
        self.split: list[float] = []
        self.yes: list[int] = []
        self.yes_leaf: list[int] = []
        self.no: list[int] = []
        self.no_leaf: list[int] = []
        self.missing_yes: list[int] = []
        self.members: list[float] = []
        self.leaf_target: list[int] = []
        self.leaf_weight: list[float] = []

    def add(self, tree: Tree, target: int) -> None:
        """Append a tree that adds to one target."""
        base, places, inner = len(self.feature), [], 0
        for at in range(len(tree.left)):
            if tree.left[at] < 0:
                places.append((len(self.leaf_weight), 1))
                self.leaf_target.append(target)
                self.leaf_weight.append(tree.value[at])
            else:
                places.append((base + inner, 0))
                inner += 1
        self.roots.append(base)
        if not inner:  # a tree must have a node: one whose both sides are the leaf
            self._node(0, _LEQ, 0.0, places[0], places[0], False)
        for at in range(len(tree.left)):
            if tree.left[at] >= 0:
                self._branch(tree, at, places)

    def _branch(self, tree: Tree, at: int, places: list[tuple[int, int]]) -> None:
        yes, no = places[tree.left[at]], places[tree.right[at]]
        if at in tree.members and not tree.members[at]:  # every number goes right
            self._node(tree.feature[at], _LEQ, -math.inf, yes, no, False)
        elif at in tree.members:
            self.members += [*tree.members[at], math.nan]  # NaN ends the list of one node
            self._node(tree.feature[at], _MEMBER, 0.0, yes, no, False)
        else:
            self._node(tree.feature[at], _LEQ, tree.threshold[at], yes, no, tree.missing_left[at])

    def _node(
        self, feature: int, mode: int, split: float, yes: tuple[int, int], no: tuple[int, int], missing_yes: bool
    ) -> None:
        self.feature.append(feature)
        self.mode.append(mode)
        self.split.append(split)
        self.yes.append(yes[0])
        self.yes_leaf.append(yes[1])
        self.no.append(no[0])
        self.no_leaf.append(no[1])
        self.missing_yes.append(int(missing_yes))


def ensemble_attributes(trees: Iterable[tuple[Tree, int]], targets: int) -> dict[str, Any]:
    """The attributes of a `TreeEnsemble` that sums trees.

    Args:
        trees: each with the target that its leaves add to.
        targets: how many there are.
    """
    import numpy as np

    tensor = require("onnx").numpy_helper.from_array
    nodes = _Nodes()
    for tree, target in trees:
        nodes.add(tree, target)
    attributes: dict[str, Any] = {
        "aggregate_function": 1,
        "post_transform": 0,
        "n_targets": targets,
        "tree_roots": nodes.roots,
        "nodes_featureids": nodes.feature,
        "nodes_modes": tensor(np.array(nodes.mode, dtype=np.uint8)),
        "nodes_splits": tensor(np.array(nodes.split, dtype=np.float64)),
        "nodes_truenodeids": nodes.yes,
        "nodes_trueleafs": nodes.yes_leaf,
        "nodes_falsenodeids": nodes.no,
        "nodes_falseleafs": nodes.no_leaf,
        "nodes_missing_value_tracks_true": nodes.missing_yes,
        "leaf_targetids": nodes.leaf_target,
        "leaf_weights": tensor(np.array(nodes.leaf_weight, dtype=np.float64)),
    }
    if nodes.members:
        attributes["membership_values"] = tensor(np.array(nodes.members, dtype=np.float64))
    return attributes
