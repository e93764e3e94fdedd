"""What the environment may override: the few settings that differ between machines, or that are secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from clew.core.errors import Invalid

__all__ = ["OVERRIDES", "Override", "overrides_of"]


class Override(NamedTuple):
    """One variable: the section and key that it sets, in every table of the section."""

    section: str
    key: str
    says: str
    whole: bool = False


OVERRIDES = {
    "CLEW_PROJECT": Override("project", "name", "Name of the project."),
    "CLEW_LEDGER": Override("storage", "ledger", "Where rows are kept. The address may hold a password here."),
    "CLEW_OBJECTS": Override("storage", "objects", "Where bytes are kept."),
    "CLEW_SERVER": Override("server", "url", "Project on a server, as https://HOST/projects/NAME; see CLEW_TOKEN."),
    "CLEW_HOST": Override("endpoints", "host", "Address on which every endpoint listens."),
    "CLEW_PORT": Override("endpoints", "port", "Port on which an endpoint listens.", whole=True),
    "CLEW_WEBHOOK": Override("monitor", "webhook", "URL that the alerts of every endpoint are sent to."),
}
"""Every variable that is read, by name."""


def overrides_of(environ: Mapping[str, str]) -> dict[str, dict[str, str | int]]:
    """What the environment sets, by section and key. An empty variable sets nothing.

    Raises:
        Invalid: a variable should be a whole number and is none.
    """
    found: dict[str, dict[str, str | int]] = {}
    for variable, override in OVERRIDES.items():
        text = environ.get(variable, "")
        if text:
            found.setdefault(override.section, {})[override.key] = _whole(variable, text) if override.whole else text
    return found


def _whole(variable: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Invalid(f"{variable} = {text!r} is no whole number") from None
