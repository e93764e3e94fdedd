"""The demo's own training script: whole days on one side, no dependence on the order of rows, and a better than chance
model of January."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from clew.demo.calendar import live_from_us
from clew.demo.flights import INPUTS, KEY, LABEL, month_start_us
from clew.demo.traffic import Year, load_year
from clew.loop.training import load_pipeline

DAY_US = 86_400_000_000


class Rows:
    """What a pipeline needs of a dataset."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def frame(self) -> pl.DataFrame:
        return self._frame


@pytest.fixture(scope="module")
def year() -> Year:
    return load_year()


@pytest.fixture(scope="module")
def january(year: Year) -> pl.DataFrame:
    return year.training(live_from_us())


@pytest.fixture(scope="module")
def train() -> Any:
    with as_file(files("clew.demo") / "project" / "train.py") as path:
        return load_pipeline("train.py:train", Path(path).parent)


@pytest.fixture(scope="module")
def model(train: Any, january: pl.DataFrame) -> Any:
    return train(Rows(january))


def nodes(model: Any) -> list[bytes]:
    return [tree.nodes.tobytes() for (tree,) in model.estimator[-1]._predictors]


def test_the_script_takes_the_inputs_of_the_example(model: Any) -> None:
    assert model.inputs == list(INPUTS)
    assert (model.name, model.label) == ("delay", LABEL)


def test_a_day_stands_on_one_side(model: Any, january: pl.DataFrame) -> None:
    days = [set((side["time_us"] // DAY_US).to_list()) for side in (model.train, model.test)]
    assert not days[0] & days[1]
    assert sorted([*model.train[KEY], *model.test[KEY]]) == sorted(january[KEY])
    assert len(days[1]) >= 5, "the gate asks for as many days"


def test_the_order_of_the_rows_changes_nothing(train: Any, january: pl.DataFrame) -> None:
    shuffled = january.sample(fraction=1, shuffle=True, seed=1)
    again, first = train(Rows(shuffled), trees=3), train(Rows(january), trees=3)
    assert nodes(again) == nodes(first)
    assert again.train.equals(first.train)


def test_january_ranks_february_better_than_chance(model: Any, year: Year) -> None:
    rows = year.training(month_start_us(4)).filter(pl.col("time_us").is_between(live_from_us(), month_start_us(3)))
    scores = model.estimator.predict_proba(rows.select(INPUTS))[:, 1]
    assert 0.6 < roc_auc_score(rows[LABEL].to_numpy(), scores) < 0.75


def test_an_unknown_airline_or_airport_is_answered(model: Any, january: pl.DataFrame) -> None:
    strange = january.head(3).with_columns(carrier=pl.lit("??"), dest=pl.lit(""))
    scores = model.estimator.predict_proba(strange.select(INPUTS))[:, 1]
    assert ((scores > 0) & (scores < 1)).all()
