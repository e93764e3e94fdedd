"""What the environment may override: the few settings that differ between machines, or that are secrets."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
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
"""Every variable that sets one, by name."""

_OTHERS = (
    "CLEW_ACTOR",
    "CLEW_COMPLETE",
    "CLEW_DEBUG",
    "CLEW_OFFLINE",
    "CLEW_RUN",
    "CLEW_SEEDS",
    "CLEW_SIGNING_KEY",
    "CLEW_TETHER",
    "CLEW_TOKEN",
)
"""What else clew reads, elsewhere."""


def overrides_of(environ: Mapping[str, str]) -> dict[str, dict[str, str | int]]:
    """What the environment sets, by section and key. An empty variable sets nothing.

    Raises:
        Invalid: a variable should be a whole number and is none; or its name is almost that of one that is read, and
            what it should have said would be passed over in silence.
    """
    _refuse_misspelt(environ)
    found: dict[str, dict[str, str | int]] = {}
    for variable, override in OVERRIDES.items():
        text = environ.get(variable, "")
        if text:
            found.setdefault(override.section, {})[override.key] = _whole(variable, text) if override.whole else text
    return found


def _refuse_misspelt(environ: Mapping[str, str]) -> None:
    known = [*OVERRIDES, *_OTHERS]
    for variable in environ:
        if not variable.startswith("CLEW_") or variable in known or variable.startswith(tuple(f"{k}_" for k in known)):
            continue
        near = get_close_matches(variable, known, n=1, cutoff=0.85)
        if near:
            raise Invalid(f"{variable} is no variable that clew reads", hint=f"did you mean {near[0]}?")


def _whole(variable: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Invalid(f"{variable} = {text!r} is no whole number") from None
