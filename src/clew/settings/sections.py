"""What `clew.toml` may say, as frozen structs: one to a kind of table. Every default stands here and nowhere else.

`[checks.…]` is `clew.core.types.checks`, `[value.…]` is `clew.core.types.value`. Reference for users:
docs/reference/settings.md, which is made from the descriptions here.
"""

from __future__ import annotations

import re
import reprlib
from enum import StrEnum
from typing import Annotated
from urllib.parse import parse_qs

import msgspec

from clew.core.address import http_parts
from clew.core.errors import Invalid
from clew.core.types.run import Scalar

__all__ = [
    "AuditSettings",
    "CaptureSettings",
    "EndpointSettings",
    "GateSettings",
    "HarvestSettings",
    "MonitorSettings",
    "PolicySettings",
    "ProjectSettings",
    "PromotionSettings",
    "RetrainSettings",
    "SQLITE",
    "ServerSettings",
    "StorageSettings",
    "Trigger",
    "Window",
]

SQLITE = "sqlite"
POSTGRESQL = "for example: postgresql://USER@HOST/DATABASE"

_says = msgspec.Meta
_PLACE = re.compile(r"(/|file:///|(s3|s3a|gs|az|azure|abfs|abfss)://[^/]).*")
_CENTURY_DAYS = 36_500
"""Spans beyond this are a slip, and in microseconds at some point no number that a database takes."""

_MOST = 10**12
"""Other numbers beyond this are a slip, and at some point none that can be reckoned with or written down."""

_ENTRY = re.compile(r"[^:]+:[A-Za-z_][A-Za-z0-9_]*")


def _inside(name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        raise Invalid(f"{name} = {value} is not between {low:g} and {high:g}")


def _at_least(name: str, value: float, low: float, *, most: float = _MOST) -> None:
    if not low <= value <= most:
        raise Invalid(f"{name} = {reprlib.repr(value)} is no number from {low:g} to {most:g}")


class Section(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One table of `clew.toml`."""


class ProjectSettings(Section, frozen=True, kw_only=True):
    """Which project this folder is."""

    name: Annotated[str, _says(description="Name of the project. Default: the name of the folder.")] = ""


class StorageSettings(Section, frozen=True, kw_only=True):
    """Where rows and bytes are kept."""

    ledger: Annotated[
        str,
        _says(
            description="`sqlite`: a file in `.clew`. Or a PostgreSQL database that projects share, as "
            "`postgresql://USER@HOST/DATABASE`; never with a password in it: see CLEW_LEDGER."
        ),
    ] = SQLITE
    objects: Annotated[
        str,
        _says(
            description="`folder`: the folder `.clew`, or where they were moved. Or a bucket that projects and "
            "machines share, as `s3://BUCKET/PREFIX`, `gs://…` or `az://…`, with credentials from the environment as "
            "the tools of that store take them; or the path of a folder, such as a mounted one."
        ),
    ] = "folder"
    cache_gb: Annotated[
        float, _says(description="How many GB of a bucket are kept on this machine, at most, about.")
    ] = 10.0

    def __post_init__(self) -> None:
        _at_least("cache_gb", self.cache_gb, 0)
        if self.objects != "folder" and not _PLACE.fullmatch(self.objects):
            raise Invalid(
                f"objects = {self.objects!r} is neither folder, nor an absolute path, nor the address of a bucket",
                hint="for example: s3://BUCKET/PREFIX, or /mnt/disk/clew",
            )
        if self.ledger != SQLITE and not self.ledger.startswith(("postgresql://", "postgres://")):
            raise Invalid("ledger is neither sqlite nor the address of a PostgreSQL database", hint=POSTGRESQL)

    @property
    def has_password(self) -> bool:
        """Whether the address holds one."""
        place, _, query = self.ledger.partition("://")[2].partition("?")
        user = place.partition("/")[0].rpartition("@")[0]
        return bool(user.partition(":")[2]) or "password" in parse_qs(query)


class ServerSettings(Section, frozen=True, kw_only=True):
    """Where the project is, when it is not in this folder."""

    url: Annotated[
        str,
        _says(
            description="A project on a server, as `https://HOST/projects/NAME`; this folder then holds journals and "
            "caches only. Without `/projects/NAME` it is the project of this name. Default: this folder."
        ),
    ] = ""

    def __post_init__(self) -> None:
        if self.url and http_parts(self.url) is None:
            raise Invalid(f"url = {self.url!r} is no address of a server", hint="https://HOST/projects/NAME")


class CaptureSettings(Section, frozen=True, kw_only=True):
    """What runs record by themselves, beside seeds, threads and command, which change numbers."""

    source: Annotated[
        bool,
        _says(
            description="Keep the source files, or the executed cells of a notebook. Without them a run cannot be "
            "repeated; the git commit is recorded in any case."
        ),
    ] = True
    packages: Annotated[
        bool, _says(description="Record Python, the system, and the versions of the installed packages.")
    ] = True
    hardware: Annotated[bool, _says(description="Record host, processors, memory and accelerators.")] = True
    console: Annotated[bool, _says(description="Keep what a run prints.")] = True
    system: Annotated[
        bool, _says(description="Record what processor, memory, disk, network and accelerators do, as `system.*`.")
    ] = True


class PolicySettings(Section, frozen=True, kw_only=True):
    """What this project allows."""

    allow_pickle: Annotated[
        bool,
        _says(description="Whether models may be stored as pickles. Reading one runs whatever code is in it."),
    ] = False
    trusted_types: Annotated[
        list[str],
        _says(description="Types beyond the usual ones that a skops file may hold, as `package.module.Type`."),
    ] = []
    mlflow_python: Annotated[
        str,
        _says(
            description="The Python that loads models which MLflow logged, such as `.venv-mlflow/bin/python`: a path "
            "starts in the folder of clew.toml. It needs mlflow and what the model needs. Default: the one that clew "
            "runs in."
        ),
    ] = ""
    approvals: Annotated[
        int,
        _says(description="How many people other than its author must approve a model version before it may pass."),
    ] = 0

    def __post_init__(self) -> None:
        _at_least("approvals", self.approvals, 0)


class AuditSettings(Section, frozen=True, kw_only=True):
    """Where the worker sends signed checkpoints of the chain of events."""

    checkpoint_to: Annotated[
        list[str],
        _says(
            description="Files, or `git:PATH` of repositories, that checkpoints are added to. Relative paths start at "
            "`clew.toml`. Keep them where those cannot write who can write the project."
        ),
    ] = []
    every_hours: Annotated[float, _says(description="Hours between two checkpoints of a place.")] = 24.0

    def __post_init__(self) -> None:
        _inside("every_hours", self.every_hours, 0, 24 * _CENTURY_DAYS)


class GateSettings(Section, frozen=True, kw_only=True):
    """What a version of the model must show before a name may move to it."""

    aliases: Annotated[tuple[str, ...], _says(description="The names that only a version that passes may have.")] = (
        "champion",
    )
    margin: Annotated[
        float,
        _says(
            description="How much more than the champion a version may cost, as a share of the champion's cost. "
            "The whole interval of the difference must lie below it."
        ),
    ] = 0.05
    confidence: Annotated[float, _says(description="Coverage of the intervals that are judged.")] = 0.95
    min_rows: Annotated[int, _says(description="Fewest rows that an evaluation must rest on.")] = 100
    min_units: Annotated[
        int, _says(description="Fewest units (days, customers; see `unit` in `[value.MODEL]`) it must rest on.")
    ] = 5
    beat_trivial: Annotated[
        bool,
        _says(
            description="Whether it must surely cost less than deciding always or never (or any constant). "
            "Otherwise it is enough that it may cost less."
        ),
    ] = False
    min_auc: Annotated[float | None, _says(description="Least area under the ROC curve. Default: not judged.")] = None
    max_latency_ms: Annotated[
        float | None, _says(description="Most milliseconds for one row, as measured at registration. Default: any.")
    ] = None
    slices: Annotated[
        list[str], _says(description="Columns whose values are judged one by one, such as a region.")
    ] = []
    slice_margin: Annotated[
        float,
        _says(description="How much more than the champion's a slice may cost, as a share, before it fails the gate."),
    ] = 0.10
    data_checks: Annotated[
        bool, _says(description="Whether the data that it was trained on must pass its `[checks.…]`.")
    ] = True

    def __post_init__(self) -> None:
        _inside("confidence", self.confidence, 0, 1)
        _at_least("margin", self.margin, 0)
        _at_least("slice_margin", self.slice_margin, 0)
        _at_least("min_rows", self.min_rows, 1)
        _at_least("min_units", self.min_units, 2)
        if self.min_auc is not None:
            _inside("min_auc", self.min_auc, 0, 1)
        if self.max_latency_ms is not None:
            _inside("max_latency_ms", self.max_latency_ms, 0, _MOST)


class EndpointSettings(Section, frozen=True, kw_only=True):
    """A served model."""

    model: Annotated[str, _says(description="Which model it serves. Default: the one of the endpoint's name.")] = ""
    alias: Annotated[str, _says(description="The name whose version answers.")] = "champion"
    shadow: Annotated[
        tuple[str, ...], _says(description="Names whose versions are scored beside it and never answer.")
    ] = ("challenger",)
    host: Annotated[
        str, _says(description="Address to listen on; beyond loopback only once the endpoint has keys.")
    ] = "127.0.0.1"
    port: Annotated[int, _says(description="Port to listen on; 0 takes any free one.")] = 8470
    checks: Annotated[
        str,
        _says(
            description="Dataset whose `[checks.…]` every request must pass, as far as they speak of the model's "
            "columns. Default: those of the data that the version was trained on."
        ),
    ] = ""
    max_rows: Annotated[int, _says(description="Most rows in one request.")] = 1024

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise Invalid(f"port = {reprlib.repr(self.port)} is no port")
        _at_least("max_rows", self.max_rows, 1)


class Window(StrEnum):
    """How much of an endpoint's life is compared at once."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class MonitorSettings(Section, frozen=True, kw_only=True):
    """How an endpoint is watched. Nothing needs to be set: the model carries the profile of its training data."""

    window: Annotated[Window, _says(description="`hour`, `day` or `week`, of the decisions' time in UTC.")] = Window.DAY
    webhook: Annotated[
        str, _says(description="URL that alerts are sent to as JSON. It often holds a secret: see CLEW_WEBHOOK.")
    ] = ""
    thresholds: Annotated[
        dict[str, float],
        _says(description="Effect sizes from which a column has drifted, instead of those learned in training."),
    ] = {}

    def __post_init__(self) -> None:
        for column, effect in self.thresholds.items():
            _at_least(f"thresholds.{column}", effect, 0)
        if self.webhook and http_parts(self.webhook) is None:
            raise Invalid("webhook is no http:// or https:// address")


class Trigger(StrEnum):
    """What starts a retraining."""

    NEVER = "never"
    PERIODIC = "periodic"
    DRIFT = "drift"
    VALUE = "value"
    ANY = "any"


class PromotionSettings(Section, frozen=True, kw_only=True):
    """How a challenger in shadow becomes champion: by a test that may be looked at after every unit."""

    effect: Annotated[
        float, _says(description="Least improvement worth a change, as a share of the champion's cost.")
    ] = 0.0
    confidence: Annotated[float, _says(description="How sure the test must be, over all looks together.")] = 0.95
    min_units: Annotated[int, _says(description="Fewest units (days, customers) before it may decide.")] = 7
    max_units: Annotated[int, _says(description="Units after which an undecided challenger is given up.")] = 60

    def __post_init__(self) -> None:
        _inside("confidence", self.confidence, 0, 1)
        _at_least("effect", self.effect, 0)
        _at_least("min_units", self.min_units, 1)
        _at_least("max_units", self.max_units, 1)
        if self.max_units < self.min_units:
            raise Invalid(f"max_units = {self.max_units} is below min_units = {self.min_units}")


class HarvestSettings(Section, frozen=True, kw_only=True):
    """How labelled decisions become training data: before a retraining they are appended to a table."""

    dataset: Annotated[str, _says(description="Table that they are appended to, as a new version. Required.")]
    label: Annotated[str, _says(description="Column of the table that gets the label. Required.")]
    key: Annotated[str, _says(description="Column that gets the caller's key of the decision. Default: none.")] = ""
    time: Annotated[
        str,
        _says(description="Column that gets the time of the decision, microseconds since 1970 UTC. Default: none."),
    ] = ""


class RetrainSettings(Section, frozen=True, kw_only=True):
    """How the model is trained again."""

    pipeline: Annotated[
        str, _says(description="The pipeline that trains it, as `file.py:function` from this folder. Required.")
    ]
    data: Annotated[
        dict[str, str],
        _says(description='Which dataset each of its inputs gets, such as `{ flights = "flights@latest" }`.'),
    ] = {}
    params: Annotated[dict[str, Scalar], _says(description="Its other parameters.")] = {}
    trigger: Annotated[
        Trigger,
        _says(
            description="`drift` in an input or the score, lost `value`, `any` of the two, `periodic` (every "
            "`every_days`), or `never` but by hand."
        ),
    ] = Trigger.ANY
    every_days: Annotated[float, _says(description="Days between two retrainings when `trigger` is `periodic`.")] = 30.0
    cooldown_days: Annotated[
        float, _says(description="Days after a retraining in which nothing triggers another one.")
    ] = 7.0
    harvest: Annotated[
        HarvestSettings | None,
        _says(description="Labelled decisions as training data; see `[retrain.MODEL.harvest]`. Default: none."),
    ] = None
    promotion: Annotated[
        PromotionSettings, _says(description="When a challenger becomes champion; see `[retrain.MODEL.promotion]`.")
    ] = PromotionSettings()

    def __post_init__(self) -> None:
        if not _ENTRY.fullmatch(self.pipeline):
            raise Invalid(f"pipeline = {self.pipeline!r} names no function", hint="for example: train.py:train")
        _inside("every_days", self.every_days, 0, _CENTURY_DAYS)
        _at_least("cooldown_days", self.cooldown_days, 0, most=_CENTURY_DAYS)
