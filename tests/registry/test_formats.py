from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_limits

from clew.core.errors import Corrupt, Denied, Invalid
from clew.core.types.package import ModelFormat
from clew.registry.formats.archive import read_archive
from clew.registry.formats.choice import choose_format, format_named
from clew.registry.formats.format import Trust
from clew.registry.formats.onnx import OnnxModel
from clew.registry.formats.skops import SkopsFormat


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Fits are small: threads that wait for each other would take most of the time."""
    with threadpool_limits(1):
        yield


X = np.random.default_rng(0).normal(size=(200, 3))
Y = X[:, 0] + X[:, 1] > 0
SKOPS = SkopsFormat()
MODELS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "forest": lambda: RandomForestClassifier(5, random_state=0),
    "boosted": lambda: GradientBoostingClassifier(n_estimators=5, random_state=0),
    "hist": lambda: HistGradientBoostingClassifier(max_iter=5, random_state=0, early_stopping=False),
    "hist with categories": lambda: HistGradientBoostingClassifier(
        max_iter=5, random_state=0, categorical_features=[2], early_stopping=False
    ),
}


def fitted(name: str) -> Any:
    table = np.c_[X[:, :2], np.arange(len(X)) % 7]
    return MODELS[name]().fit(table, Y)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_survives_and_its_bytes_do_not_depend_on_how_it_came_about(name: str) -> None:
    model = fitted(name)
    content = SKOPS.dump(model, Trust()).content
    again = SKOPS.load(content, Trust())
    table = np.c_[X[:, :2], np.arange(len(X)) % 7]
    assert np.array_equal(again.predict_proba(table), model.predict_proba(table))  # type: ignore[attr-defined]
    assert SKOPS.dump(again, Trust()).content == content
    assert SKOPS.dump(fitted(name), Trust()).content == content


def test_another_process_with_other_threads_and_hashes_writes_the_same_bytes() -> None:
    code = (
        "import sys, hashlib; from pathlib import Path\n"
        "import importlib.util as u\n"
        f"spec = u.spec_from_file_location('formats_test', {str(Path(__file__))!r})\n"
        "module = u.module_from_spec(spec); sys.modules['formats_test'] = module; spec.loader.exec_module(module)\n"
        "print(module.digests())"
    )
    env = {**os.environ, "PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "2"}
    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == digests()


def digests() -> str:
    return " ".join(hashlib.sha256(SKOPS.dump(fitted(name), Trust()).content).hexdigest()[:16] for name in MODELS)


def test_the_types_are_listed() -> None:
    types = SKOPS.dump(fitted("logistic"), Trust()).types
    assert "sklearn.linear_model._logistic.LogisticRegression" in types
    assert list(types) == sorted(types)


def test_an_untrusted_type_is_refused_by_name_when_written_and_when_read() -> None:
    model = make_pipeline(FunctionTransformer(os.path.join), LogisticRegression())
    with pytest.raises(Denied, match=r"posixpath\.join") as caught:
        SKOPS.dump(model, Trust())
    assert "trusted_types = ['posixpath.join']" in caught.value.hint
    trusting = Trust(types=frozenset({"posixpath.join"}))
    content = SKOPS.dump(model, trusting).content
    assert SKOPS.load(content, trusting) is not None
    with pytest.raises(Denied, match=r"posixpath\.join"):
        SKOPS.load(content, Trust())


def test_a_trusted_partial_does_not_make_its_function_trusted() -> None:
    model = FunctionTransformer(functools.partial(os.system, "true"))
    with pytest.raises(Denied, match=r"posix\.system"):
        SKOPS.dump(model, Trust())


def edited(content: bytes, edit: Callable[[dict[str, Any], dict[str, bytes]], None]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        files = {name: source.read(name) for name in source.namelist()}
    schema = json.loads(files.pop("schema.json"))
    edit(schema, files)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("schema.json", json.dumps(schema))
        for name, data in files.items():
            target.writestr(name, data)
    return buffer.getvalue()


def tree_files(schema: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("__loader__") == "TreeNode" or value.get("__class__") == "TreePredictor":
                found.append(value)
            for child in value.values():
                walk(child)
        elif isinstance(value, list):
            for child in value:
                walk(child)

    walk(schema)
    return found


def overwrite(files: dict[str, bytes], name: str, field: str, value: int) -> None:
    array = np.load(io.BytesIO(files[name]))
    array[field][0] = value
    buffer = io.BytesIO()
    np.save(buffer, array)
    files[name] = buffer.getvalue()


@pytest.mark.parametrize(
    ("model", "field", "value", "words"),
    [
        ("forest", "left_child", 10_000, "child outside"),
        ("forest", "right_child", 0, "child outside"),
        ("forest", "feature", 3, "feature beyond"),
        ("hist", "left", 10_000, "child outside"),
        ("hist", "right", 0, "child outside"),
        ("hist", "feature_idx", 900, "feature beyond"),
        ("hist with categories", "bitset_idx", 900, "categories that it does not have"),
    ],
)
def test_a_tree_that_would_read_beyond_its_bounds_is_refused(model: str, field: str, value: int, words: str) -> None:
    def edit(schema: dict[str, Any], files: dict[str, bytes]) -> None:
        for tree in tree_files(schema):
            name = tree["content"]["content"]["nodes"]["file"]
            if field == "bitset_idx":
                overwrite(files, name, "is_categorical", 1)
            overwrite(files, name, field, value)

    with pytest.raises(Corrupt, match=words):
        SKOPS.load(edited(SKOPS.dump(fitted(model), Trust()).content, edit), Trust())


def test_a_tree_that_lies_about_its_size_is_refused_before_it_is_built() -> None:
    def edit(schema: dict[str, Any], files: dict[str, bytes]) -> None:
        tree_files(schema)[0]["content"]["content"]["node_count"]["content"] = "1000000"

    with pytest.raises(Corrupt, match="says 1000000 nodes"):
        SKOPS.load(edited(SKOPS.dump(fitted("forest"), Trust()).content, edit), Trust())


def test_a_tree_for_more_features_than_its_estimator_checks_is_refused() -> None:
    def edit(schema: dict[str, Any], files: dict[str, bytes]) -> None:
        for tree in tree_files(schema):
            tree["__reduce__"]["args"]["content"][0]["content"] = "900"

    with pytest.raises(Corrupt, match="is for 900 features"):
        SKOPS.load(edited(SKOPS.dump(fitted("forest"), Trust()).content, edit), Trust())


def test_hidden_and_swollen_archives_are_refused() -> None:
    content = SKOPS.dump(fitted("logistic"), Trust()).content
    squeezed = io.BytesIO()
    with zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("schema.json", b"{}")
    with pytest.raises(Corrupt, match="compressed"):
        SKOPS.load(squeezed.getvalue(), Trust())

    def two_under_one_id(schema: dict[str, Any], files: dict[str, bytes]) -> None:
        schema["__id__"] = 1
        schema["content"]["__id__"] = 1

    with pytest.raises(Corrupt, match="two different nodes under one id"):
        SKOPS.load(edited(content, two_under_one_id), Trust())

    def stands_for_another(schema: dict[str, Any], files: dict[str, bytes]) -> None:
        schema["content"]["__loader__"] = "CachedNode"

    with pytest.raises(Corrupt, match="stands for another"):
        SKOPS.load(edited(content, stands_for_another), Trust())
    with pytest.raises(Corrupt):
        SKOPS.load(b"PK no zip", Trust())
    with pytest.raises(Corrupt):
        SKOPS.load(content[:-200], Trust())


def test_our_archive_is_read_by_skops_itself() -> None:
    content = SKOPS.dump(fitted("hist"), Trust()).content
    names = skops.io.get_untrusted_types(data=content)
    assert names == ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
    assert skops.io.loads(content, trusted=names).n_features_in_ == 3


def test_arrays_that_are_equal_are_stored_once() -> None:
    content = SKOPS.dump([np.zeros(1000), np.zeros(1000)], Trust()).content
    assert len(read_archive(content).files) == 1
    first, second = SKOPS.load(content, Trust())  # type: ignore[misc]
    first[0] = 1.0
    assert second[0] == 0.0


def test_what_is_shared_stays_shared() -> None:
    shared = np.zeros(3)
    first, second = SKOPS.load(SKOPS.dump([shared, shared], Trust()).content, Trust())  # type: ignore[misc]
    assert first is second


def test_pickle_only_where_the_policy_allows_it() -> None:
    pickles = format_named(ModelFormat.PICKLE)
    model = fitted("logistic")
    with pytest.raises(Denied, match="does not allow pickle"):
        pickles.dump(model, Trust())
    dump = pickles.dump(model, Trust(allow_pickle=True))
    assert dump.unsafe
    with pytest.raises(Denied):
        pickles.load(dump.content, Trust())
    assert isinstance(pickles.load(dump.content, Trust(allow_pickle=True)), type(model))
    with pytest.raises(Corrupt):
        pickles.load(b"", Trust(allow_pickle=True))
    with pytest.raises(Invalid, match="cannot be pickled"):
        pickles.dump(lambda: 1, Trust(allow_pickle=True))


def test_what_no_other_process_would_find_is_not_written() -> None:
    model = make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression()).fit(X, Y)
    name = f"{__name__}.<lambda>"
    for trust in (Trust(), Trust(types=frozenset({name}))):
        with pytest.raises(Invalid, match="cannot be read again elsewhere"):
            SKOPS.dump(model, trust)


def test_code_that_is_not_here_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("mine")
    exec(
        "class Scale:\n    def fit(self, X, y=None):\n        return self\n    predict = transform = fit",
        module.__dict__,
    )
    monkeypatch.setitem(sys.modules, "mine", module)
    trust = Trust(types=frozenset({"mine.Scale"}), allow_pickle=True)
    for form in (SKOPS, format_named(ModelFormat.PICKLE)):
        content = form.dump(module.Scale(), trust).content
        assert type(form.load(content, trust)) is module.Scale
        with monkeypatch.context() as patched:
            patched.delitem(sys.modules, "mine")
            with pytest.raises(Invalid, match="No module named 'mine'"):
                form.load(content, trust)


def test_a_pickle_is_not_run_when_it_is_refused(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "boom",))

    content = pickle.dumps(Bomb())
    for name in (ModelFormat.PICKLE, ModelFormat.SKOPS):
        with pytest.raises((Denied, Corrupt)):
            format_named(name).load(content, Trust())
    assert not (tmp_path / "boom").exists()


def test_the_choice_of_a_format() -> None:
    assert choose_format(fitted("logistic")) is ModelFormat.SKOPS
    assert choose_format(OnnxModel(b"x")) is ModelFormat.ONNX
    assert choose_format(Path("model.onnx")) is ModelFormat.ONNX
    with pytest.raises(Invalid, match="is no model"):
        choose_format(object())
    with pytest.raises(Invalid, match="cannot read the ONNX file"):
        format_named(ModelFormat.ONNX).dump(Path("nothing.onnx"), Trust())
    with pytest.raises(Invalid):
        format_named(ModelFormat.ROWS)
