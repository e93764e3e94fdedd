"""Bounds of decision trees that come from a file.

scikit-learn walks trees without looking at bounds, so that a crafted file can make the process read memory that is
not its own. skops therefore does not trust its tree types; clew does, after this. Other estimators in C (support
vector machines, neighbours) are not checked. Reasoning: docs/design/package.md.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from clew.core.errors import Corrupt
from clew.registry.formats.archive import Archive

__all__ = ["check_counts", "check_trees"]


def check_counts(archive: Archive) -> None:
    """Check, before anything is built, that each tree has as many nodes as it says.

    Raises:
        Corrupt: one has not.
    """
    import numpy as np

    for node in archive.nodes():
        if node["__loader__"] != "TreeNode":
            continue
        try:
            state = node["content"]["content"]
            nodes = np.load(io.BytesIO(archive.files[state["nodes"]["file"]]), allow_pickle=False)
            count = int(state["node_count"]["content"])
        except (KeyError, TypeError, ValueError) as error:
            raise Corrupt(f"a tree of this model cannot be read: {error}") from error
        if nodes.ndim != 1 or count != len(nodes) or count < 1:
            raise Corrupt(f"a tree of this model says {count} nodes and has {nodes.shape}")


def check_trees(model: object) -> None:
    """Check every tree that can be reached from a model that was just built.

    Raises:
        Corrupt: a child or a feature of a node lies outside of the tree or of the input.
    """
    for part in _parts(model, set()):
        features = getattr(part, "n_features_in_", None)
        if type(part).__name__ == "TreePredictor":
            _check_predictor(part, None)
        elif hasattr(part, "_predictors"):
            for predictor in (tree for stage in part._predictors for tree in stage):
                _check_predictor(predictor, features)
        elif type(getattr(part, "tree_", None)).__name__ == "Tree":
            _check_tree(part.tree_, features)


def _check_tree(tree: Any, features: int | None) -> None:
    leaf = tree.children_left == -1
    if features is not None and tree.n_features != features:
        raise Corrupt(f"a tree of this model is for {tree.n_features} features, its estimator for {features}")
    _check_nodes(leaf, tree.children_left, tree.children_right, tree.feature, tree.n_features)


def _check_predictor(tree: Any, features: int | None) -> None:
    nodes = tree.nodes
    leaf = nodes["is_leaf"].astype(bool)
    _check_nodes(leaf, nodes["left"], nodes["right"], nodes["feature_idx"], features)
    split = nodes["is_categorical"].astype(bool) & ~leaf
    if split.any() and int(nodes["bitset_idx"][split].max()) >= len(tree.raw_left_cat_bitsets):
        raise Corrupt("a tree of this model names categories that it does not have")


def _check_nodes(leaf: Any, left: Any, right: Any, feature: Any, features: int | None) -> None:
    """Children stand after their parent and inside of the tree, so that every walk ends."""
    import numpy as np

    if not len(leaf):
        raise Corrupt("a tree of this model has no nodes")
    split = ~leaf
    here = np.arange(len(leaf))[split]
    for child in (left[split].astype(np.int64), right[split].astype(np.int64)):
        if (child <= here).any() or (child >= len(leaf)).any():
            raise Corrupt("a node of a tree of this model has a child outside of the tree")
    used = feature[split].astype(np.int64)
    if (used < 0).any() or (features is not None and (used >= features).any()):
        raise Corrupt(f"a node of a tree of this model asks for a feature beyond {features}")


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    import numpy as np

    waiting = [value]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, str | bytes | int | float | type(None)):
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list | tuple | set):
            waiting += part
        elif isinstance(part, np.ndarray):
            waiting += part.ravel().tolist() if part.dtype == object else []
        else:
            yield part
            waiting += vars(part).values() if hasattr(part, "__dict__") else []
