"""Values as TOML, for the tables that clew adds to `clew.toml`. Not a general writer: it knows no datetimes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

from clew.core.errors import Invalid

__all__ = ["render_assignment", "render_header", "render_key", "render_value"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 100


def render_header(*names: str) -> str:
    """`[checks.flights]`."""
    return f"[{'.'.join(render_key(name) for name in names)}]"


def render_key(name: str) -> str:
    """A key, quoted when it must be."""
    return name if _BARE.fullmatch(name) else _text(name)


def render_assignment(name: str, value: object, *, pad: int = 0) -> str:
    """`name = value`, with the equals sign in column `pad`; a list that is too long for a line is wrapped."""
    return f"{render_key(name):<{pad}} = {render_value(value)}"


def render_value(value: object) -> str:
    """A value on one line; lists in it may break over several.

    Raises:
        Invalid: TOML has no such value.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{render_key(k)} = {render_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, Sequence):
        return _list([render_value(part) for part in value])
    raise Invalid(f"{value!r} cannot be written to clew.toml")


def _number(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _text(value: str) -> str:
    """A basic string: JSON's escapes are TOML's too, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(parts: list[str]) -> str:
    if sum(len(part) + 2 for part in parts) <= _WIDTH:
        return f"[{', '.join(parts)}]"
    lines, line = [], ""
    for part in parts:
        if line and len(line) + len(part) + 2 > _WIDTH:
            lines.append(line.rstrip())
            line = ""
        line += f"{part}, "
    return "[\n" + "\n".join(f"    {text}" for text in [*lines, line.rstrip()]) + "\n  ]"
