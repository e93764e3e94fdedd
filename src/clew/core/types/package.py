"""The model package: one manifest that names every byte of a model version, and says what is known of it.

A package is immutable and named by the digest of its manifest. It says nothing about aliases, stages or approval:
those are rows of the ledger. Layout, ordering and threats: docs/design/package.md. Format version 0.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from clew.core.ids import Digest
from clew.core.types.signature import Dtype, Signature

__all__ = [
    "Compilation",
    "DataReference",
    "Decision",
    "Environment",
    "FileRole",
    "Graph",
    "ModelFormat",
    "PACKAGE_VERSION",
    "Package",
    "PackageFile",
    "Parity",
    "RuntimeCost",
    "RuntimeKind",
    "Tensor",
]

PACKAGE_VERSION = 0


class FileRole(StrEnum):
    """What a file of a package is for."""

    MODEL = "model"
    PART = "part"
    COMPILED = "compiled"
    EXAMPLE = "example"
    PROFILE = "profile"
    EVALUATION = "evaluation"


class ModelFormat(StrEnum):
    """How the bytes of a file are written. `pickle` runs code when it is read, and so may `mlflow`."""

    SKOPS = "skops"
    ONNX = "onnx"
    PICKLE = "pickle"
    ROWS = "rows"
    MLFLOW = "mlflow"
    OPAQUE = "opaque"


class PackageFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file. `types` are the dotted names that reading it would import, sorted (skops only); `path` is its place in
    a folder that belongs together (mlflow only; elsewhere it is not written at all)."""

    role: FileRole
    format: ModelFormat
    digest: Digest
    size_bytes: int
    types: tuple[str, ...] = ()
    path: str | msgspec.UnsetType = msgspec.UNSET


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where the model was fitted: Python, platform, and the versions of the installed distributions by name."""

    python: str
    platform: str
    distributions: dict[str, str]


class DataReference(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset version that flowed into the model."""

    version: str
    reference: str
    digest: Digest
    role: str = "train"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """How a score becomes a decision: binary, `classes[1]` when `score >= threshold`; several classes, the greatest
    score, or the decision with the least expected cost where there are `costs`; the first of equals. Regression decides
    nothing.

    `costs` are `[truth][decision]` in the order of the classes; without them the field is not written at all.
    """

    threshold: float = 0.5
    costs: tuple[tuple[float, ...], ...] | msgspec.UnsetType = msgspec.UNSET


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """One input of a compiled graph: a matrix (rows, columns), or a vector when `vector` is set."""

    name: str
    dtype: Dtype
    columns: tuple[str, ...]
    vector: bool = False


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """How columns enter an ONNX graph and where its scores come out.

    `null_text` stands for null in text tensors; a text that happens to be equal to it is passed on as something else,
    so that it can never be taken for null. `closed` are the columns in which the model refuses a category that it does
    not know, with those that it knows: a graph cannot refuse, so the runtime does.
    """

    tensors: tuple[Tensor, ...]
    output: str
    null_text: str = ""
    closed: dict[str, tuple[str, ...]] = {}


class RuntimeKind(StrEnum):
    """Which implementation of the model answers: its own library, or the compiled graph."""

    ORIGINAL = "original"
    COMPILED = "compiled"


class RuntimeCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a call costs, measured where the package was built: median microseconds of one row and of 64 rows."""

    runtime: RuntimeKind
    name: str
    row_us: float
    batch_us: float


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """The original and the compiled runtime, side by side.

    `rows` were replayed from the sample and `probes` made up (nulls, new categories, extremes). `difference` is the
    largest absolute one of any score, and must not exceed `tolerance`. `near` rows had an original score within
    `band` of the threshold; `flips` rows would have been decided otherwise, which must not happen. `batch_difference`
    is the largest one between a row scored alone and in a batch of 64 by the chosen runtime.
    """

    rows: int
    probes: int
    difference: float
    tolerance: float
    near: int
    band: float
    flips: int
    batch_difference: float


class Compilation(msgspec.Struct, frozen=True, kw_only=True):
    """Which runtime serves the model, and why. `graph` and `parity` are None when nothing could be compiled."""

    chosen: RuntimeKind
    reason: str
    graph: Graph | None = None
    parity: Parity | None = None
    costs: tuple[RuntimeCost, ...] = ()


class Package(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="clew.package"):
    """The manifest. `estimator` is for people; `unsafe` lists what a policy may refuse, in words, and is empty
    for a package that can be read without running code of its own."""

    estimator: str
    signature: Signature
    files: tuple[PackageFile, ...]
    environment: Environment
    compilation: Compilation
    decision: Decision = Decision()
    run: str = ""
    data: tuple[DataReference, ...] = ()
    unsafe: tuple[str, ...] = ()
    version: int = PACKAGE_VERSION

    def find(self, role: FileRole) -> PackageFile | None:
        """The file with this role, if there is one."""
        return next((file for file in self.files if file.role is role), None)

    @property
    def model(self) -> PackageFile:
        """The fitted model as its library wrote it: the file that says whether two packages hold the same model."""
        return next(file for file in self.files if file.role is FileRole.MODEL)
