"""Runs on a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clew.client.connection import Connection, named, quoted
from clew.core.ids import Digest
from clew.core.judging import FoundRun
from clew.core.paging import Page
from clew.core.types.edge import Node, Role
from clew.core.types.run import Artifact, Experiment, Run, RunStatus, Scalar
from clew.core.types.series import Sample, Series, SeriesBlock

__all__ = ["HttpRuns"]


class HttpRuns:
    """`clew.core.contracts.services.RunService` over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def create(self, run: Run, *, experiment: str) -> Run:
        return self._c.send("POST", "/runs", {"run": run, "experiment": experiment}, Run)

    def get(self, id: str) -> Run:
        return self._c.get(_path(id), Run)

    def append(self, blocks: Sequence[SeriesBlock]) -> None:
        self._c.pack("/blocks", blocks)

    def describe(
        self,
        run: str,
        *,
        params: Mapping[str, Scalar] | None = None,
        tags: Mapping[str, str] | None = None,
        capture: Mapping[str, Digest] | None = None,
        commit: str | None = None,
        name: str | None = None,
        experiment: str | None = None,
    ) -> Run:
        described = {
            "params": params,
            "tags": tags,
            "capture": capture,
            "commit": commit,
            "name": name,
            "experiment": experiment,
        }
        return self._c.send("PATCH", _path(run), described, Run)

    def add_artifact(self, artifact: Artifact) -> None:
        self._c.send("POST", f"{_path(artifact.run)}/artifacts", artifact)

    def link(self, run: str, node: Node, role: Role) -> None:
        self._c.send("POST", f"{_path(run)}/links", {"node": node, "role": role})

    def finish(self, run: str, status: RunStatus, *, ended_us: int, reason: str = "") -> Run:
        ended = {"status": status, "ended_us": ended_us, "reason": reason}
        return self._c.send("POST", f"{_path(run)}/end", ended, Run)

    def resume(self, run: str) -> Run:
        return self._c.send("POST", f"{_path(run)}/resume", {}, Run)

    def fork(self, run: str, *, of: str, step: float) -> Run:
        return self._c.send("POST", f"{_path(run)}/fork", {"of": of, "step": step}, Run)

    def beat(self, run: str) -> Run:
        return self._c.send("POST", f"{_path(run)}/beat", {}, Run)

    def summaries(self, runs: Sequence[str], *, keys: Sequence[str] = ()) -> list[Series]:
        return self._c.send("POST", "/summaries", {"runs": list(runs), "keys": list(keys)}, list[Series])

    def blocks(self, run: str, key: str) -> list[SeriesBlock]:
        return self._c.get("/blocks", list[SeriesBlock], run=run, key=key)

    def sample(
        self,
        runs: Sequence[str],
        key: str,
        *,
        width: int = 1000,
        low: float | None = None,
        high: float | None = None,
    ) -> list[Sample]:
        asked = {"runs": list(runs), "key": key, "width": width, "low": low, "high": high}
        return self._c.send("POST", "/samples", asked, list[Sample])

    def artifacts(self, run: str) -> list[Artifact]:
        return self._c.get(f"{_path(run)}/artifacts", list[Artifact])

    def experiments(self) -> list[Experiment]:
        return self._c.get("/experiments", list[Experiment])

    def list(self, *, experiment: str = "", parent: str = "", limit: int = 100, after: str = "") -> Page[Run]:
        return self._c.get("/runs", Page[Run], experiment=experiment, parent=parent, limit=limit, after=after)

    def search(
        self,
        *,
        where: str = "",
        sort: str = "",
        experiment: str = "",
        limit: int = 50,
        after: str = "",
        metrics: Sequence[str] | None = None,
    ) -> Page[FoundRun]:
        asked = {
            "where": where,
            "sort": sort,
            "experiment": experiment,
            "limit": limit,
            "after": after,
            "metrics": None if metrics is None else list(metrics),
        }
        return self._c.send("POST", "/runs/search", asked, Page[FoundRun])


def _path(run: str) -> str:
    return f"/runs/{quoted(named(run))}"
