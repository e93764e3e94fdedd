"""The settings of a project as a whole: `clew.toml`, with the overrides of the environment, read once and frozen."""

from __future__ import annotations

from typing import Annotated

import msgspec

from clew.core.types.checks import Checks
from clew.core.types.value import ValueContract
from clew.settings.sections import (
    AuditSettings,
    CaptureSettings,
    EndpointSettings,
    GateSettings,
    MonitorSettings,
    PolicySettings,
    ProjectSettings,
    RetrainSettings,
    ServerSettings,
    StorageSettings,
)

__all__ = ["NOT_DECLARED", "Settings"]

_says = msgspec.Meta
NOT_DECLARED = msgspec.Meta(extra={"declared": False})
"""Marks what cannot stand in `clew.toml`: the defaults as the environment overrides them."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Everything that is declared. What is not declared has its default: use the `…_of` methods."""

    project: Annotated[ProjectSettings, _says(description="Which project this folder is.")] = ProjectSettings()
    storage: Annotated[StorageSettings, _says(description="Where rows and bytes are kept.")] = StorageSettings()
    server: Annotated[ServerSettings, _says(description="The server that has the project, if one has.")] = (
        ServerSettings()
    )
    policy: Annotated[PolicySettings, _says(description="What this project allows.")] = PolicySettings()
    capture: Annotated[CaptureSettings, _says(description="What runs record by themselves.")] = CaptureSettings()
    audit: Annotated[AuditSettings, _says(description="Where checkpoints of the chain of events go.")] = AuditSettings()
    checks: Annotated[dict[str, Checks], _says(description="What must hold for the rows of a dataset.")] = {}
    value: Annotated[
        dict[str, ValueContract], _says(description="What right and wrong decisions of a model are worth.")
    ] = {}
    gate: Annotated[dict[str, GateSettings], _says(description="What a version of a model must show.")] = {}
    endpoints: Annotated[dict[str, EndpointSettings], _says(description="Served models.")] = {}
    monitor: Annotated[dict[str, MonitorSettings], _says(description="How endpoints are watched.")] = {}
    retrain: Annotated[dict[str, RetrainSettings], _says(description="How models are trained again.")] = {}

    endpoint_defaults: Annotated[EndpointSettings, NOT_DECLARED] = EndpointSettings()
    monitor_defaults: Annotated[MonitorSettings, NOT_DECLARED] = MonitorSettings()

    def gate_of(self, model: str) -> GateSettings:
        """What a version of the model must show."""
        return self.gate.get(model, GateSettings())

    def endpoint_of(self, name: str) -> EndpointSettings:
        """How an endpoint serves; `model` is filled in."""
        found = self.endpoints.get(name, self.endpoint_defaults)
        return found if found.model else msgspec.structs.replace(found, model=name)

    def monitor_of(self, endpoint: str) -> MonitorSettings:
        """How an endpoint is watched."""
        return self.monitor.get(endpoint, self.monitor_defaults)
