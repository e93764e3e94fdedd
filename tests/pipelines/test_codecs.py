"""Codecs are faithful (the same value with the same types comes back) and deterministic (one value, the same bytes)."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import io
import subprocess
import sys
import uuid
import warnings
import zoneinfo
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from clew.core.errors import Corrupt, Invalid
from clew.core.hashing import hash_bytes
from clew.pipelines.codecs import decode, encode, objects_of
from clew.pipelines.codecs.codec import NO_FILES
from clew.store.objects import MemoryObjects


class Colour(enum.Enum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: object


@dataclasses.dataclass(frozen=True)
class Box:
    size: int
    held: list[Any] = dataclasses.field(default_factory=list)


class Pair(msgspec.Struct, frozen=True):
    left: object
    right: object = None


def there_and_back(value: object) -> object:
    name, data = encode(value, NO_FILES)
    again = decode(name, data, NO_FILES)
    assert type(again) is type(value)
    assert encode(again, NO_FILES) == (name, data)
    return again


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary()
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner, max_size=4)
    ),
    max_leaves=12,
)


def same(left: object, right: object) -> bool:
    return repr(left) == repr(right)


@given(TREES)
def test_trees_of_plain_values(value: object) -> None:
    assert same(there_and_back(value), value)


@given(st.sets(st.integers() | st.text()))
def test_sets_do_not_depend_on_their_order(value: set[object]) -> None:
    other: set[object] = set()
    for item in sorted(value, key=repr, reverse=True):
        other.add(item)
    assert encode(value, NO_FILES) == encode(other, NO_FILES)
    assert there_and_back(value) == value


@given(dataframes(max_cols=3, max_size=8))
def test_frames(frame: pl.DataFrame) -> None:
    again = there_and_back(frame)
    assert isinstance(again, pl.DataFrame)
    assert again.schema == frame.schema
    assert again.equals(frame)
    half = len(frame) // 2
    pieces = pl.concat([frame[:half], frame[half:]], rechunk=False)
    assert encode(pieces, NO_FILES) == encode(frame, NO_FILES)


def test_what_lies_under_nulls_does_not_count() -> None:
    hidden = pl.DataFrame({"a": [1, 99, 3]}).select(pl.when(pl.Series([True, False, True])).then("a"))
    plain = pl.DataFrame({"a": [1, None, 3]})
    assert encode(hidden, NO_FILES) == encode(plain, NO_FILES)


@pytest.mark.parametrize("rows", [0, 3])
def test_a_frame_without_columns_keeps_its_height(rows: int) -> None:
    frame = pl.DataFrame({"a": list(range(rows))}).drop("a")
    again = there_and_back(frame)
    assert isinstance(again, pl.DataFrame)
    assert again.shape == frame.shape


RECORDS = np.zeros(3, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True))
ARRAYS = {
    "numbers": np.arange(6).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "strided": np.arange(10)[::2],
    "empty": np.zeros((0, 3)),
    "no dimensions": np.array(1.5),
    "text": np.array(["a", "bc"]),
    "bytes": np.array([b"a", b"bc"]),
    "times": np.array(["2020-01-01"], dtype="datetime64[s]"),
    "records": RECORDS,
    "truth": np.array([True, False]),
    "complex": np.array([1j]),
    "large end first": np.arange(3, dtype=">i4"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str) -> None:
    value = ARRAYS[name]
    again = there_and_back(value)
    assert isinstance(again, np.ndarray)
    assert again.dtype == value.dtype
    assert again.shape == value.shape
    assert again.tobytes() == value.tobytes()
    assert again.flags.f_contiguous == (value.flags.f_contiguous or value.ndim <= 1)


def test_gaps_between_the_fields_of_records_do_not_count() -> None:
    dirty = np.frombuffer(bytes(range(48)), dtype=RECORDS.dtype).copy()
    clean = np.zeros_like(dirty)
    for name in ("a", "b"):
        clean[name] = dirty[name]
    assert encode(dirty, NO_FILES) == encode(clean, NO_FILES)


PANDAS = {
    "mixed": pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [True, False], "d": [1.5, None]}),
    "extension types": pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None], "boolean")}),
    "times": pd.DataFrame({"a": pd.to_datetime(["2020-01-01", None]), "b": pd.to_timedelta(["1D", "2D"])}),
    "zones": pd.DataFrame({"a": pd.to_datetime(["2020-01-01", "2021-07-01"]).tz_localize("Europe/Paris")}),
    "categories": pd.DataFrame({"a": pd.Categorical(["u", None, "v"], ["v", "u"], ordered=True)}),
    "index": pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="k")),
    "time index": pd.DataFrame({"a": [1, 2]}, index=pd.to_datetime(["2020-01-01", "2021-01-01"])),
    "several levels": pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("a", 1)], names=["x", "y"])),
    "levels of columns": pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
    "same column twice": pd.DataFrame([[1, "a"]], columns=["a", "a"]),
    "no columns": pd.DataFrame(index=[1, 2]),
    "no rows": pd.DataFrame({"a": []}),
    "nothing": pd.DataFrame(),
}


@pytest.mark.parametrize("name", PANDAS)
def test_pandas_frames(name: str) -> None:
    pd.testing.assert_frame_equal(there_and_back(PANDAS[name]), PANDAS[name])


def test_pandas_series() -> None:
    for value in (pd.Series([1.0, None], name="s"), pd.Series(["a"], index=[3], name=("a", 1)), pd.Series([1, 2])):
        pd.testing.assert_series_equal(there_and_back(value), value)


OBJECTS = {
    "enum": Colour.RED,
    "named tuple": Point(1, [2]),
    "dataclass": Box(1, [Box(2)]),
    "struct": Pair(1, Pair(2)),
    "frozen set": frozenset({1, "a"}),
    "time": datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.UTC),
    "zone": datetime.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
    "day": datetime.date(2020, 1, 1),
    "clock": datetime.time(1, 2, 3),
    "span": datetime.timedelta(-1, 2, 3),
    "decimal": decimal.Decimal("1.20"),
    "uuid": uuid.UUID(int=7),
    "complex": complex(1, -0.0),
    "bytearray": bytearray(b"a"),
    "scalar": np.float32(1.5),
    "numpy text": np.str_("a"),
    "series": pl.Series("a", [1, None]),
    "frames in a tuple": (pl.DataFrame({"a": [1]}), {"b": np.arange(3)}),
    "frame in a dataclass": Box(1, [pl.DataFrame({"a": [1]})]),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_and_what_holds_them(name: str) -> None:
    assert same(there_and_back(OBJECTS[name]), OBJECTS[name])


REFUSED: dict[str, object] = {
    "object": object(),
    "function": len,
    "set of objects": {object()},
    "ordered dict": collections.OrderedDict(a=1),
    "array of objects": np.array([object()]),
    "frame of objects": pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)}),
    "pandas frame of objects": pd.DataFrame({"a": [object()]}),
    "object in a list": [1, {"a": object()}],
    "lazy frame": pl.LazyFrame({"a": [1]}),
    "a path to nothing": Path("/nowhere/at/all"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        encode(REFUSED[name], MemoryObjects())
    assert refused.value.hint


def test_the_refusal_names_the_option_that_helps() -> None:
    with pytest.raises(Invalid, match="codec="):
        encode(object(), NO_FILES)


@pytest.mark.parametrize("name", ["json", "tree", "numpy", "polars", "pandas", "pandas-series", "path", "skops"])
def test_broken_bytes_are_said_to_be_corrupt(name: str) -> None:
    for data in (b"", b"\x91\xa5other", b"\xc1garbage", b"PK\x03\x04"):
        with pytest.raises(Corrupt):
            decode(name, data, MemoryObjects())


def test_an_unknown_codec_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="nothing of the kind"):
        decode("nothing of the kind", b"", NO_FILES)


ESTIMATOR = """
import sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from clew.core.hashing import hash_bytes
from clew.pipelines.codecs import decode, encode, objects_of
from clew.pipelines.codecs.codec import NO_FILES

rng = np.random.RandomState(0)
X, y = rng.rand(60, 3), rng.rand(60) > 0.5
X[:, 2] = X[:, 2].round()
columns = ColumnTransformer([("n", StandardScaler(), [0, 1]), ("c", OneHotEncoder(), [2])])
for model in (
    make_pipeline(columns, LogisticRegression()),
    RandomForestClassifier(3, random_state=0),
    HistGradientBoostingClassifier(max_iter=3, random_state=0),
):
    model.fit(X, y)
    name, data = encode(model, NO_FILES)
    again = decode(name, data, NO_FILES)
    assert name == "skops" and type(again) is type(model)
    assert (again.predict_proba(X) == model.predict_proba(X)).all()
    assert encode(again, NO_FILES) == (name, data)
    print(hash_bytes(data))
"""


def test_estimators_give_the_same_bytes_in_every_process() -> None:
    there = subprocess.run([sys.executable, "-c", ESTIMATOR], capture_output=True, text=True, check=True).stdout
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()) as here:
        exec(ESTIMATOR, {})
    assert there == here.getvalue()
    assert len(there.split()) == 3


def test_a_file_comes_back_where_it_was(tmp_path: Path) -> None:
    objects = MemoryObjects()
    path = tmp_path / "deep" / "a.bin"
    path.parent.mkdir()
    path.write_bytes(b"content")
    path.chmod(0o755)
    name, data = encode(path, objects)
    path.unlink()
    path.parent.rmdir()
    assert decode(name, data, objects) == path
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o111
    path.write_bytes(b"other")
    decode(name, data, objects)
    assert path.read_bytes() == b"content"


def test_a_folder_comes_back_with_all_that_is_in_it(tmp_path: Path) -> None:
    objects = MemoryObjects()
    root = tmp_path / "out"
    (root / "a" / "empty").mkdir(parents=True)
    (root / "a" / "b.txt").write_text("b")
    (root / "c.txt").write_text("c")
    name, data = encode(root, objects)
    (root / "a" / "b.txt").unlink()
    (root / "a" / "empty").rmdir()
    (root / "other.txt").write_text("stays")
    assert decode(name, data, objects) == root
    assert (root / "a" / "b.txt").read_text() == "b"
    assert (root / "a" / "empty").is_dir()
    assert (root / "other.txt").exists()


def test_the_objects_that_an_output_needs_are_told(tmp_path: Path) -> None:
    objects = MemoryObjects()
    path = tmp_path / "a.txt"
    path.write_text("a")
    for value, count in ((path, 1), (tmp_path, 1), ([{"a": (path,)}, 1], 1), ([1, "leaf"], 0), (pl.DataFrame(), 0)):
        name, data = encode(value, objects)
        assert objects_of(name, data) == [hash_bytes(b"a")] * count


def test_a_path_never_leads_out_of_its_folder(tmp_path: Path) -> None:
    objects = MemoryObjects()
    digest = objects.put(b"evil")
    for name in ("../evil", "/evil", "a/../../evil", ""):
        data = msgspec.msgpack.encode([str(tmp_path / "out"), True, [], [[name, digest, False]]])
        with pytest.raises(Corrupt):
            decode("path", data, objects)
    assert not (tmp_path / "evil").exists()


def test_equal_values_of_other_types_have_other_digests() -> None:
    values = [1, 1.0, True, "1", b"1", [1], (1,), {1}, frozenset({1}), {1: 1}, {"1": 1}, np.int64(1), np.array([1])]
    digests = {hash_bytes(repr(encode(value, NO_FILES)).encode()) for value in values}
    assert len(digests) == len(values)
