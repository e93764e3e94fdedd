"""Trains the model of late flights. Plain polars and scikit-learn; clew is the decorators and the last line.

    clew run train.py:train flights=flights@latest          train, and register what comes out as a version of `delay`
    clew run train.py:train flights=flights@latest leaves=31
    clew explain train.py:train                              which steps would run again, and why

The table `flights` holds one row per flight: what was known at its scheduled departure, and `late`, what came of it.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from threadpoolctl import threadpool_limits

import clew

CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = ["hour", "weekday", "distance", "scheduled_in_hour", "scheduled_in_day"]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
FEATURES = [*CATEGORIES, *NUMBERS, *WEATHER]

DAY_US = 86_400_000_000


@clew.step
def split(flights: pl.DataFrame, every: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep every n-th day for the test, whole: the flights of one storm must not stand on both sides."""
    day = pl.col("time_us") // DAY_US
    return flights.filter(day % every != 0), flights.filter(day % every == 0)


@clew.step
def fit(rows: pl.DataFrame, trees: int, leaves: int) -> Pipeline:
    """Encoder and boosted trees as one pipeline, so that what is served is exactly what was fitted."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
    encode = ColumnTransformer(
        [("category", codes, CATEGORIES), ("number", "passthrough", [*NUMBERS, *WEATHER])],
        verbose_feature_names_out=False,
    )
    boost = HistGradientBoostingClassifier(
        max_iter=trees, max_leaf_nodes=leaves, min_samples_leaf=50, early_stopping=False, random_state=0
    )
    with threadpool_limits(1):  # on a busy machine several threads are slower, and the same every time is worth more
        return Pipeline([("encode", encode), ("boost", boost)]).fit(rows.select(FEATURES), rows["late"].to_numpy())


@clew.pipeline
def train(flights: clew.Dataset, every: int = 5, trees: int = 100, leaves: int = 15) -> clew.Model:
    """Fit on most days and test on the others; the threshold follows from the costs in clew.toml."""
    rows, test = split(flights.frame().sort("time_us", "flight_id"), every)
    return clew.Model("delay", fit(rows, trees, leaves), train=rows, test=test, label="late", features=FEATURES)
