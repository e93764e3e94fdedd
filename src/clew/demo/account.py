"""What the endpoint's logs say of the year: each decision, what the version that is never retrained would have
decided, and the truth, once it is known.

It reads what is new since the last look and nothing twice, so that the replay can show the cost of the year so far;
a fresh account reads the whole year in a few seconds. It remembers nothing that is not in the logs.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from clew.core.contracts.stores import Stores
from clew.core.types.endpoint import Endpoint

if TYPE_CHECKING:
    import polars as pl

    from clew.serving.runtime import Runtime

__all__ = ["Account"]

_DECISION = ("id", "request", "key", "time_us", "version", "score", "decision", "latency_us")


class Account:
    """The labelled decisions of an endpoint, in pieces as they become known.

    A decision is given out once, when it has its label and the baseline's score of it: from the shadow log, or its own
    where the baseline itself answered.

    Args:
        stores: the project.
        endpoint: whose logs.
        baseline: id of the version that is never retrained.
    """

    def __init__(self, stores: Stores, endpoint: Endpoint, baseline: str) -> None:
        self._stores, self._endpoint, self._baseline = stores, endpoint, baseline
        self._read: dict[str, int] = {}
        self._waiting: pl.DataFrame | None = None
        self._shadows: pl.DataFrame | None = None
        self._labels: pl.DataFrame | None = None
        self.logged = 0
        """Decisions read so far."""

    @property
    def waiting(self) -> list[str]:
        """The keys of decisions that still lack their label or the baseline's score."""
        return self._waiting["key"].to_list() if self._waiting is not None else []

    def refresh(self) -> pl.DataFrame | None:
        """Read what is new in the logs.

        Returns:
            Decisions that became complete: `id`, `request`, `key`, `time_us`, `latency_us`, `version`, `score`,
            `decision`, `static_score`, `static_decision` and `late`; None when there are none.
        """
        import polars as pl

        fresh = self._news(self._endpoint.predictions, _DECISION)
        shadows = self._news(self._endpoint.shadows, ("id", "version", "score", "decision"))
        labels = self._news(self._endpoint.labels, ("key", "label", "received_us"))
        if fresh is not None:
            self.logged += fresh.height
        self._waiting = _both(self._waiting, fresh)
        if shadows is not None:
            ours = shadows.filter(pl.col("version") == self._baseline)
            self._shadows = _both(self._shadows, ours.select("id", static_score="score", static_decision="decision"))
        if labels is not None:
            self._labels = _both(self._labels, labels.select("key", "received_us", late=pl.col("label") == "true"))
        return self._complete()

    def score_missing(self, runtime: Runtime) -> int:
        """Ask the baseline itself about decisions that have no score of it in the log.

        That is so where a replica was killed between its answer and what ran in shadow behind it. The rows are those
        of the log, the runtime is the one that serves; the next `refresh` gives the decisions out.

        Returns:
            How many rows were scored.
        """
        import polars as pl

        if self._waiting is None or not self._waiting.height:
            return 0
        bare = self._waiting.filter(pl.col("version") != self._baseline)
        if self._shadows is not None:
            bare = bare.join(self._shadows, on="id", how="anti")
        if not bare.height:
            return 0
        rows = self._inputs(bare)
        columns = {name: rows["inputs"].struct.field(name).to_list() for name in rows["inputs"].struct.fields}
        scores, decisions = runtime.decide(columns)
        scored = pl.DataFrame({"id": rows["id"], "static_score": scores, "static_decision": decisions})
        self._shadows = _both(self._shadows, scored)
        return scored.height

    def _complete(self) -> pl.DataFrame | None:
        """Take out what has its label and the baseline's score."""
        import polars as pl

        if self._waiting is None or self._labels is None:
            return None
        truth = self._labels.sort("received_us", maintain_order=True).unique("key", keep="last")
        rows = self._waiting.join(truth.select("key", "late"), on="key", how="left", maintain_order="left")
        if self._shadows is None:
            rows = rows.with_columns(static_score=pl.lit(None, pl.Float64), static_decision=pl.lit(None, pl.Boolean))
        else:
            rows = rows.join(self._shadows.unique("id"), on="id", how="left", maintain_order="left")
        own = pl.col("version") == self._baseline
        rows = rows.with_columns(
            static_score=pl.when(own).then("score").otherwise("static_score"),
            static_decision=pl.when(own).then("decision").otherwise("static_decision"),
        )
        whole = pl.col("late").is_not_null() & pl.col("static_score").is_not_null()
        done, rest = rows.filter(whole), rows.filter(~whole)
        self._waiting = rest.select(_DECISION)
        if self._shadows is not None:
            self._shadows = self._shadows.join(done.select("id"), on="id", how="anti")
        self._labels = self._labels.join(done.select("key"), on="key", how="anti")
        return done if done.height else None

    def _news(self, log: str, columns: tuple[str, ...]) -> pl.DataFrame | None:
        """Rows of a log behind those that were read."""
        import polars as pl

        with self._stores.ledger.read() as tx:
            batches = tx.logs.list(log, after=self._read.get(log, 0))
        if not batches:
            return None
        self._read[log] = batches[-1].position
        objects = self._stores.objects
        frames = [pl.read_parquet(io.BytesIO(objects.get(batch.object)), columns=list(columns)) for batch in batches]
        return pl.concat(frames, how="vertical")

    def _inputs(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`id` and `inputs` of some decisions."""
        import polars as pl

        low, high = rows["id"].min(), rows["id"].max()
        with self._stores.ledger.read() as tx:
            batches = [
                batch
                for batch in tx.logs.list(self._endpoint.predictions)
                if batch.id_low <= str(high) and batch.id_high >= str(low)
            ]
        objects = self._stores.objects
        frames = [pl.read_parquet(io.BytesIO(objects.get(batch.object)), columns=["id", "inputs"]) for batch in batches]
        return pl.concat(frames, how="diagonal_relaxed").join(rows.select("id"), on="id", how="semi")


def _both(first: pl.DataFrame | None, second: pl.DataFrame | None) -> pl.DataFrame | None:
    import polars as pl

    if first is None or second is None:
        return second if first is None else first
    return pl.concat([first, second], how="vertical")
