"""Labels from files: joined by id or by key, added once, and refused where they cannot be meant."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clew.core.errors import Invalid, NotFound
from clew.loop.labelling import add_labels, count_unknown, read_label_file
from clew.serving.endpoint import declare
from clew.testing.life import ENDPOINT, MODEL, START_US, Life


def add(life: Life, rows: pl.DataFrame, **how: Any) -> int:
    return add_labels(life.stores, life.endpoint, rows, label="late", **how)


def read(life: Life, path: Path) -> pl.DataFrame:
    return read_label_file(life.stores, life.endpoint, path, label="late", name="flight")


def logged(life: Life) -> list[tuple[str, str]]:
    """Every label in the log by its key."""
    with life.stores.ledger.read() as tx:
        batches = tx.logs.list(life.endpoint.labels)
    frames = [pl.read_parquet(io.BytesIO(life.stores.objects.get(batch.object))) for batch in batches]
    return [row for frame in frames for row in frame.select("key", "label").rows()]


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


def test_what_was_corrected_can_be_put_back(life: Life) -> None:
    names = life.decide(0, 24)
    right = outcomes(life, names)
    wrong = right.with_columns(~pl.col("late"))
    for rows in (right, wrong, right):
        assert add(life, rows, by_key="flight") == 24
        assert add(life, rows, by_key="flight") == 0
    assert add(life, wrong[:1], by_key="flight") == 1
    assert add(life, right, by_key="flight") == 24
    assert [label for key, label in logged(life) if key == names[0]][-1] == str(life.truths[names[0]]).lower()
    with life.stores.ledger.read() as tx:
        batches = tx.logs.list(life.endpoint.labels)
    assert [batch.rows for batch in batches] == [24, 24, 24, 1, 24]


def test_labels_that_came_otherwise_may_contradict(life: Life) -> None:
    """A decision is called by its id in one place, and by its key in the other."""
    names = life.decide(0, 24)
    life.watch(1)
    with life.stores.ledger.read() as tx:
        batches = tx.logs.list(life.endpoint.predictions)
    ids = dict(row for frame in life.logs.names(batches) for row in frame.select("key", "id").rows())
    life.truths |= {ids[name]: life.truths[name] for name in names}
    rows = outcomes(life, names)
    assert add(life, rows, by_key="flight") == 24
    life.label([ids[name] for name in names], day=1, wrong=True, by_id=True)
    life.watch(2)
    assert add(life, rows, by_key="flight") == 24
    assert add(life, rows, by_key="flight") == 0


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
    assert add(life, read(life, path), by_key="flight") == 2
    assert labels_of(life) == [2]


def test_from_parquet(life: Life, tmp_path: Path) -> None:
    names = life.decide(0, 24)
    outcomes(life, names).write_parquet(tmp_path / "outcomes.parquet")
    assert add(life, read(life, tmp_path / "outcomes.parquet"), by_key="flight") == 24


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("broken.parquet", b"nothing", r"broken\.parquet cannot be read"),
        ("empty.csv", b"", "cannot be read: it is empty"),
        ("header.csv", b"flight,late\n", "holds no rows"),
        ("latin.csv", "flight,late\nZ\xfcrich,1\n".encode("latin-1"), "line 2 is not UTF-8"),
        ("wide.csv", "flight,late\na,1\n".encode("utf-16"), "cannot be read"),
        ("short.csv", b"flight,day,late\na,1,1\nb,2\n", "line 3 has 2 fields"),
        ("long.csv", b"flight,late\na,1,1\n", "line 2 has 3 fields"),
        ("open.csv", b'flight,late\n"a,1\n', "cannot be read"),
        ("twice.csv", b"flight,late,late\na,1,0\n", "several columns named 'late'"),
        ("labels.xlsx", b"PK", "is no table"),
    ],
)
def test_files_that_are_none(life: Life, tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Invalid, match=words):
        read(life, tmp_path / name)


def test_a_file_that_is_not_there(life: Life, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read(life, tmp_path / "none.csv")


def test_names_in_a_csv_stay_the_texts_that_they_are(life: Life, tmp_path: Path) -> None:
    path = tmp_path / "outcomes.csv"
    names = ["007", "1e3", "99999999999999999999999999", "1.50", "true", "2013-02-11", " a", "NaN"]
    path.write_text("flight,late\n" + "".join(f"{name},1\n" for name in names))
    assert add(life, read(life, path), by_key="flight") == len(names)
    assert [key for key, _ in logged(life)] == names


@pytest.mark.parametrize(
    ("rows", "how", "words"),
    [
        ({"flight": ["a"], "late": [True]}, {}, "ids or of keys, one of them"),
        ({"flight": ["a"], "late": [True]}, {"by_id": "flight", "by_key": "flight"}, "one of them"),
        ({"flight": ["a"], "late": [True]}, {"by_key": "tail"}, "no column 'tail'"),
        ({"flight": ["a"]}, {"by_key": "flight"}, "no column 'late'"),
        ({"flight": [None, "b"], "late": [True, True]}, {"by_key": "flight"}, "empty in 1 row"),
        ({"flight": ["", "b"], "late": [True, True]}, {"by_key": "flight"}, "empty in 1 row"),
        ({"flight": [1.5], "late": [True]}, {"by_key": "flight"}, "holds Float64, which names no decision"),
        ({"flight": [["a"]], "late": [True]}, {"by_key": "flight"}, "which names no decision"),
        ({"flight": [b"\xff"], "late": [True]}, {"by_key": "flight"}, "holds Binary, which names no decision"),
        ({"flight": ["a"], "late": [[1]]}, {"by_key": "flight"}, r"holds List\(Int64\), which is no label"),
        ({"flight": ["a"], "late": [date(2013, 2, 1)]}, {"by_key": "flight"}, "holds Date, which is no label"),
        ({"flight": ["a"], "late": [2**64 - 1]}, {"by_key": "flight"}, "nothing that late decides"),
        ({"flight": ["a"], "late": [float("inf")]}, {"by_key": "flight"}, "nothing that late decides"),
        ({"flight": ["a", "a", "b"], "late": [1, 0, 0]}, {"by_key": "flight"}, "1 decisions have two labels .* 'a'"),
        ({"flight": ["a"], "late": [True]}, {"by_id": "flight"}, "'a' is no id of a prediction"),
        ({"flight": ["a", "b"], "late": ["yes", "no"]}, {"by_key": "flight"}, '2 labels .* the first one "yes"'),
        ({"flight": ["a", "b"], "late": [1, 2]}, {"by_key": "flight"}, "1 label .* the first one 2"),
    ],
)
def test_labels_that_cannot_be_meant(life: Life, rows: dict[str, Any], how: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        add(life, pl.DataFrame(rows), **how)
    with life.stores.ledger.read() as tx:
        assert tx.logs.rows(life.endpoint.labels) == 0


def test_keys_that_are_numbers(life: Life) -> None:
    assert add(life, pl.DataFrame({"flight": [12, 13], "late": [True, False]}), by_key="flight") == 2


def test_a_label_that_is_said_twice_alike_is_one(life: Life) -> None:
    names = life.decide(0, 24)
    rows = pl.DataFrame({"flight": [names[0], names[0], names[1]], "late": ["1", "true", "0"]})
    assert add(life, rows, by_key="flight") == 3
    assert labels_of(life) == [2]


def test_labels_are_held_to_the_model_also_while_no_version_answers(life: Life) -> None:
    life.endpoint = declare(life.stores, ENDPOINT, model=MODEL, alias="nobody")
    with pytest.raises(Invalid, match="nothing that late decides"):
        add(life, pl.DataFrame({"flight": ["a"], "late": ["perhaps"]}), by_key="flight")
    assert logged(life) == []


def test_labels_of_no_decision_are_counted_also_of_those_that_wait(life: Life) -> None:
    names = life.decide(0, 24)
    rows = outcomes(life, names[:3])
    rows = pl.concat([rows, pl.DataFrame({"flight": ["UA-1", "UA-2", "UA-3"], "late": [True, False, None]})])
    asked = {"label": "late", "by_key": "flight"}
    assert count_unknown(life.stores, life.endpoint, rows, **asked) == 2
    life.watch(2)
    assert count_unknown(life.stores, life.endpoint, rows, **asked) == 2
    known = pl.DataFrame({"id": [names[0]], "late": [True]})
    assert count_unknown(life.stores, life.endpoint, known, label="late", by_id="id") == 1
