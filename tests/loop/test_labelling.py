"""Labels from files: joined by id or by key, added once, and refused where they cannot be meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clew.core.errors import Invalid, NotFound
from clew.loop.labelling import add_labels, read_label_file
from clew.testing.life import START_US, Life


def add(life: Life, rows: pl.DataFrame, **how: Any) -> int:
    return add_labels(life.stores, life.endpoint, rows, label="late", **how)


def outcomes(life: Life, names: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"flight": names, "late": [life.truths[name] for name in names]})


def labels_of(life: Life) -> list[int]:
    life.watch(2)
    return [window.labels for window in life.windows]


def test_by_key(life: Life) -> None:
    names = life.decide(0, 24)
    assert add(life, outcomes(life, names), by_key="flight") == 24
    assert labels_of(life) == [24]


def test_by_id(life: Life) -> None:
    names = life.decide(0, 24, keys=False)
    assert add(life, outcomes(life, names), by_id="flight") == 24
    assert labels_of(life) == [24]


def test_the_same_again_adds_nothing(life: Life) -> None:
    names = life.decide(0, 24)
    assert add(life, outcomes(life, names), by_key="flight", time_us=START_US) == 24
    assert add(life, outcomes(life, names), by_key="flight") == 0
    assert add(life, outcomes(life, names[:5]), by_key="flight") == 5
    with life.stores.ledger.read() as tx:
        assert tx.logs.rows(life.endpoint.labels) == 29
    assert labels_of(life) == [24]


def test_what_is_not_known_is_no_label(life: Life) -> None:
    names = life.decide(0, 24)
    rows = outcomes(life, names).with_columns(
        late=pl.when(pl.int_range(24) < 3).then(None).when(pl.int_range(24) < 5).then(float("nan")).otherwise("late")
    )
    assert add(life, rows, by_key="flight") == 19
    assert labels_of(life) == [19]
    assert add(life, rows.with_columns(late=pl.lit(None)), by_key="flight") == 0


@pytest.mark.parametrize(
    "text", ["flight,late\na,True\nb,False\nc,\n", "flight,late\na,1\nb,0\nc,\n", "flight,late\na,1.0\nb,0.0\nc,\n"]
)
def test_from_a_csv(life: Life, tmp_path: Path, text: str) -> None:
    names = life.decide(0, 24)
    path = tmp_path / "outcomes.csv"
    path.write_text(text.replace("a,", f"{names[0]},").replace("b,", f"{names[1]},").replace("c,", f"{names[2]},"))
    assert add(life, read_label_file(path), by_key="flight") == 2
    assert labels_of(life) == [2]


def test_from_parquet(life: Life, tmp_path: Path) -> None:
    names = life.decide(0, 24)
    outcomes(life, names).write_parquet(tmp_path / "outcomes.parquet")
    assert add(life, read_label_file(tmp_path / "outcomes.parquet"), by_key="flight") == 24


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_label_file(tmp_path / "none.csv")
    (tmp_path / "broken.parquet").write_bytes(b"nothing")
    with pytest.raises(Invalid, match=r"broken\.parquet cannot be read"):
        read_label_file(tmp_path / "broken.parquet")
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(Invalid, match=r"empty\.csv cannot be read"):
        read_label_file(tmp_path / "empty.csv")
    (tmp_path / "latin.csv").write_bytes("flight,late\nZ\xfcrich,1\n".encode("latin-1"))
    with pytest.raises(Invalid, match=r"latin\.csv cannot be read"):
        read_label_file(tmp_path / "latin.csv")


@pytest.mark.parametrize(
    ("rows", "how", "words"),
    [
        ({"flight": ["a"], "late": [True]}, {}, "ids or of keys, one of them"),
        ({"flight": ["a"], "late": [True]}, {"by_id": "flight", "by_key": "flight"}, "one of them"),
        ({"flight": ["a"], "late": [True]}, {"by_key": "tail"}, "no column 'tail'"),
        ({"flight": ["a"]}, {"by_key": "flight"}, "no column 'late'"),
        ({"flight": [None, "b"], "late": [True, True]}, {"by_key": "flight"}, "null in 1 rows"),
        ({"flight": ["a"], "late": [True]}, {"by_id": "flight"}, "'a' is no id of a prediction"),
        ({"flight": ["a", "b"], "late": ["yes", "no"]}, {"by_key": "flight"}, '2 labels .* the first one "yes"'),
        ({"flight": ["a", "b"], "late": [1, 2]}, {"by_key": "flight"}, "1 labels .* the first one 2"),
    ],
)
def test_labels_that_cannot_be_meant(life: Life, rows: dict[str, Any], how: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        add(life, pl.DataFrame(rows), **how)
    with life.stores.ledger.read() as tx:
        assert tx.logs.rows(life.endpoint.labels) == 0


def test_keys_that_are_numbers(life: Life) -> None:
    assert add(life, pl.DataFrame({"flight": [12, 13], "late": [True, False]}), by_key="flight") == 2
