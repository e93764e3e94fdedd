"""The settings of a project: typed, read once, frozen. For users: docs/reference/settings.md."""

from clew.settings.edit import append_tables
from clew.settings.read import SETTINGS_FILE, read_settings, settings_of
from clew.settings.sections import (
    SQLITE,
    EndpointSettings,
    GateSettings,
    HarvestSettings,
    MonitorSettings,
    PolicySettings,
    ProjectSettings,
    PromotionSettings,
    RetrainSettings,
    ServerSettings,
    StorageSettings,
    Trigger,
    Window,
)
from clew.settings.settings import Settings

__all__ = [
    "SETTINGS_FILE",
    "SQLITE",
    "EndpointSettings",
    "GateSettings",
    "HarvestSettings",
    "MonitorSettings",
    "PolicySettings",
    "ProjectSettings",
    "PromotionSettings",
    "RetrainSettings",
    "ServerSettings",
    "Settings",
    "StorageSettings",
    "Trigger",
    "Window",
    "append_tables",
    "read_settings",
    "settings_of",
]
