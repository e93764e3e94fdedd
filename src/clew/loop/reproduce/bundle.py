"""One file with everything that it takes to repeat a run without its project. Format: docs/design/bundle.md."""

from __future__ import annotations

import re

import msgspec

from clew.core.ids import Digest
from clew.core.types.dataset import Dataset, DatasetVersion
from clew.core.types.edge import Edge
from clew.core.types.model import Alias, Model, ModelVersion
from clew.core.types.run import Artifact, Run
from clew.core.types.series import SeriesBlock
from clew.core.types.step import StepEntry, StepRun
from clew.tracking.capture import SourceFile

__all__ = ["FORMAT", "MANIFEST", "OBJECTS", "PACKAGES", "ROWS", "WHEEL_NAME", "Blob", "Manifest", "Rows"]

FORMAT = "clew.bundle/0"
MANIFEST = "bundle.json"
ROWS = "rows.msgpack"
OBJECTS = "objects/"
PACKAGES = "packages/"
WHEEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]{0,250}\.whl")


class Blob(msgspec.Struct, frozen=True, kw_only=True):
    """Some bytes: how many, and which."""

    size_bytes: int
    digest: Digest


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle holds. `inside` is where the project lies below the root of the source."""

    format: str
    clew: str
    run: str
    name: str
    inside: str
    rows: Blob
    objects: dict[Digest, int]
    packages: dict[str, Blob]
    files: list[SourceFile]
    certificate: Digest
    missing: list[str]

    def entries(self) -> dict[str, int]:
        """Size by name of every entry of the archive but the manifest's own."""
        return {
            ROWS: self.rows.size_bytes,
            **{f"{OBJECTS}{digest}": size for digest, size in self.objects.items()},
            **{f"{PACKAGES}{name}": blob.size_bytes for name, blob in self.packages.items()},
        }


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of the ledger that hang on the run."""

    run: Run
    experiment: str
    steps: list[StepRun]
    entries: list[StepEntry]
    blocks: list[SeriesBlock]
    artifacts: list[Artifact]
    edges: list[Edge]
    datasets: list[Dataset]
    versions: list[DatasetVersion]
    models: list[Model]
    model_versions: list[ModelVersion]
    moves: list[Alias]
