"""Reads the settings of a project: `clew.toml`, then the environment over it. A file that is not there sets nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from clew.core.errors import Invalid
from clew.core.types.check_plan import plan_checks
from clew.settings.decode import decode_table
from clew.settings.environment import overrides_of
from clew.settings.sections import EndpointSettings, MonitorSettings
from clew.settings.settings import Settings
from clew.settings.toml import tables_of, text_of

__all__ = ["SETTINGS_FILE", "read_settings", "settings_of"]

SETTINGS_FILE = "clew.toml"


def read_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings in a file, with the overrides of the environment.

    Args:
        path: the `clew.toml` of the project; it may not exist.
        environ: usually `os.environ`.

    Raises:
        Invalid: it is no TOML, or says something that clew does not understand.
        Unavailable: it cannot be read.
    """
    text = text_of(path)
    settings = settings_of(text, where=path.name, environ=environ)
    if settings.project.name:
        return settings
    project = msgspec.structs.replace(settings.project, name=path.absolute().parent.name)
    return msgspec.structs.replace(settings, project=project)


def settings_of(text: str, *, where: str = SETTINGS_FILE, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in a text.

    Raises:
        Invalid: as `read_settings`.
    """
    tables = tables_of(text, where=where)
    settings = decode_table(tables, Settings, where=where)
    if settings.storage.has_password:
        hint = "put the address into CLEW_LEDGER, or the password into PGPASSWORD or ~/.pgpass"
        raise Invalid(f"{where}: [storage] ledger holds a password, and this file is copied with every run", hint=hint)
    for dataset, checks in settings.checks.items():
        _refuse_nonsense(f"{where}: [checks.{dataset}]", checks)
    for name, endpoint in settings.endpoints.items():
        if endpoint.checks and endpoint.checks not in settings.checks:
            what = (
                f"{where}: [endpoints.{name}] checks = {endpoint.checks!r}, but there is no [checks.{endpoint.checks}]"
            )
            raise Invalid(what, hint=f"known: {', '.join(sorted(settings.checks)) or 'none'}")
    return _overridden(settings, tables, overrides_of(environ or {}))


def _refuse_nonsense(place: str, checks: Any) -> None:
    try:
        plan_checks(checks)
    except Invalid as error:
        raise Invalid(f"{place} {error.what}", hint=error.hint) from None


def _overridden(settings: Settings, tables: dict[str, Any], overrides: dict[str, dict[str, str | int]]) -> Settings:
    """The settings with the environment over them."""
    if not overrides:
        return settings
    changed = dict(tables)
    for section, values in overrides.items():
        declared = changed.get(section, {})
        changed[section] = (
            {name: {**table, **values} for name, table in declared.items()}
            if section in ("endpoints", "monitor")
            else {**declared, **values}
        )
    settings = decode_table(changed, Settings, where="the environment")
    endpoint = decode_table(overrides.get("endpoints", {}), EndpointSettings, where="the environment")
    monitor = decode_table(overrides.get("monitor", {}), MonitorSettings, where="the environment")
    return msgspec.structs.replace(settings, endpoint_defaults=endpoint, monitor_defaults=monitor)
