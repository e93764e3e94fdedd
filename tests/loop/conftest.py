"""One small project that has lived: data, a run with steps, a gated champion, an endpoint with decisions and labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from clew.core.clock import parse_us
from clew.core.contracts.stores import Stores
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.core.types.dataset import DatasetVersion
from clew.core.types.edge import Role, node
from clew.core.types.endpoint import Endpoint
from clew.core.types.gate import Evidence, GateCheck, GateReport, Verdict, seal_report, verdict_of
from clew.core.types.model import ModelVersion
from clew.core.types.package import DataReference
from clew.core.types.run import RunKind
from clew.core.types.step import StepOutcome, StepRun
from clew.data.add_table import add_table
from clew.data.origin import Origin
from clew.data.site import Site
from clew.loop.fitted import Model
from clew.loop.monitor import Deciders
from clew.loop.packing import Provenance, pack
from clew.monitoring.profile import counts_by_hour, encode_hours
from clew.registry.aliases import LedgerAliases
from clew.registry.formats.format import Trust
from clew.registry.models import LedgerModels
from clew.serving.app import EndpointApp
from clew.serving.compaction import compact, journal_folder
from clew.serving.endpoint import declare, load_slots
from clew.serving.journal import ReplicaJournal
from clew.serving.loading import loader
from clew.testing.project import open_stores
from clew.tracking.recorder import Recorder
from clew.tracking.start import start

HOUR = "2013-02-01T05:00:00Z"


class OpenGate:
    """Guards `champion`, and lets everything pass."""

    def guarded(self, model: str) -> tuple[str, ...]:
        return ("champion",)

    def judge(self, candidate: Evidence, champion: Evidence | None, *, at_us: int) -> GateReport:
        checks = [
            GateCheck(name="data flights@2", verdict=Verdict.PASS, reason="80 rows passed 3 checks"),
            GateCheck(name="evaluation", verdict=Verdict.PASS, reason="enough rows"),
        ]
        version = candidate.version
        return seal_report(
            GateReport(
                model=version.name,
                version=version.id,
                number=version.number,
                package=version.package,
                champion=champion.version.id if champion else "",
                policy=Digest("0" * 64),
                created_us=at_us,
                verdict=verdict_of(checks),
                checks=checks,
            )
        )


@dataclass
class Lived:
    """A project and what lives in it."""

    stores: Stores
    data: list[DatasetVersion]
    run: str
    versions: list[ModelVersion]
    endpoint: Endpoint
    app: EndpointApp

    def ask(self, path: str, body: object) -> Any:
        """What the endpoint answers."""
        content = json.dumps(body).encode()
        answer = self.app.answer("POST", path, content, 0.0)
        self.app.after(answer, "POST", 0.0)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def predict(self, rows: list[dict[str, Any]], **more: Any) -> list[str]:
        """The ids of decisions on some rows."""
        return [row["id"] for row in self.ask("/predict", {"rows": rows, "time": HOUR, **more})["predictions"]]

    def compact(self) -> None:
        """Bring everything from the journals into the logs."""
        deciders = Deciders(self.stores)

        def profile_of(version: str, frame: pl.DataFrame) -> bytes:
            profile = deciders(version).profile
            assert profile is not None
            return encode_hours(counts_by_hour(version, frame, profile))

        compact(
            self.stores,
            self.endpoint,
            signature_of=lambda version: deciders(version).package.signature,
            profile_of=profile_of,
        )


def rows_of(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Flights to decide."""
    rng = np.random.default_rng(seed)
    return [{"hour": int(rng.integers(0, 24)), "wind": float(rng.normal())} for _ in range(count)]


def fitted(frame: pl.DataFrame, strength: float) -> Model:
    features = frame.select("hour", "wind")
    estimator = make_pipeline(StandardScaler(), LogisticRegression(C=strength)).fit(features, frame["late"].to_numpy())
    return Model("delay", estimator, train=frame.drop("late"), features=["hour", "wind"])


@pytest.fixture(scope="package")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """Shared by the tests of a package: they may add decisions, and take nothing away."""
    folder: Path = tmp_path_factory.mktemp("lived")
    stores = open_stores(folder / ".clew")
    with stores.ledger.write() as tx:
        from clew.core.types.project import Project

        tx.projects.add(Project(id="p", name="flights", created_us=1))
    frame = pl.DataFrame(rows_of(80, seed=0)).with_columns(late=pl.col("hour") > 12)
    site = Site.of(stores)
    raw = add_table(site, "raw", frame.with_columns(tail=pl.lit("N1")), origin=Origin(message="as it came")).version
    add_table(site, "flights", frame.head(40), origin=Origin(message="half"))
    second = add_table(site, "flights", frame, origin=Origin(message="January", parents=[node("data", raw.id)])).version
    models = LedgerModels(stores, Trust())
    versions = []
    (folder / "train.py").write_text("# the script\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # not a snapshot of the checkout that the tests lie in
        started = start(Recorder.of(stores), "baseline", kind=RunKind.SCRIPT, params={"C": 0.5}, say=lambda _: None)
    with started as run:
        run.input(second)
        reference = DataReference(version=second.id, reference=second.reference, digest=second.digest)
        for strength in (0.5, 2.0):
            provenance = Provenance(run=run.id, data=(reference,))
            package = pack(
                fitted(frame, strength),
                stores.objects,
                contract=None,
                trust=Trust(),
                provenance=provenance,
                clock=stores.clock,
            )
            versions.append(models.register("delay", package, message=f"C = {strength}"))
        run.log(auc=0.75)
    with stores.ledger.write() as tx:
        tx.steps.record([a_step(run.id, 1, "features"), a_step(run.id, 2, "fit", inputs=[1])])
    aliases = LedgerAliases(stores, OpenGate())
    aliases.promote("delay@1", "champion", reason="the first one")
    aliases.promote("delay@2", "challenger", reason="to be tried")
    endpoint = declare(stores, "late", model="delay", alias="champion")
    slots = load_slots(stores, endpoint, shadows=["challenger"], load=loader(stores.objects, trust=Trust(), checks={}))
    with stores.ledger.write() as tx:
        from clew.core.types.edge import Edge

        tx.edges.add(
            Edge(source=node("model", each), target=node("endpoint", endpoint.id), role=Role.SERVED, at_us=1)
            for each in slots.versions
        )
    journal = ReplicaJournal(journal_folder(stores, endpoint.id) / "replica-1", stores.ids)
    app = EndpointApp("late", slots, journal=journal, clock=stores.clock, ids=stores.ids)
    yield Lived(stores, [raw, second], run.id, versions, endpoint, app)
    journal.close()
    stores.ledger.close()


def a_step(run: str, position: int, name: str, **changes: Any) -> StepRun:
    """A step that a run executed."""
    given: dict[str, Any] = {
        "run": run,
        "position": position,
        "step": name,
        "key": hash_bytes(f"key of {name}".encode()),
        "outcome": StepOutcome.EXECUTED,
        "output": hash_bytes(f"output of {name}".encode()),
        "started_us": parse_us(HOUR),
        "duration_us": 1000,
        **changes,
    }
    return StepRun(**given)
