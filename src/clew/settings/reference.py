"""The reference of `clew.toml` for people, from the descriptions beside each setting: `clew settings`, and a page.

    python -m clew.settings.reference > docs/reference/settings.md

A test holds the page equal to what this writes.
"""

from __future__ import annotations

import enum
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from clew.core.types.checks import Checks, ColumnCheck, RuleCheck
from clew.core.types.value import BinaryValue, MulticlassValue, RegressionValue
from clew.settings.environment import OVERRIDES
from clew.settings.render import render_value
from clew.settings.sections import (
    AuditSettings,
    CaptureSettings,
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
)

__all__ = ["TABLES", "Setting", "every_setting", "render_reference"]

TABLES: list[tuple[str, type[msgspec.Struct], str]] = [
    ("[project]", ProjectSettings, ""),
    ("[storage]", StorageSettings, "See [how to use PostgreSQL](../how-to/postgresql.md)."),
    ("[server]", ServerSettings, "See [a server for a team](../how-to/server.md)."),
    ("[policy]", PolicySettings, ""),
    ("[capture]", CaptureSettings, "See [how to record less](../how-to/runs.md#record-less)."),
    ("[audit]", AuditSettings, "See [how to audit](../how-to/audit.md)."),
    ("[checks.DATASET]", Checks, "See [data checks](../design/checks.md) for their exact meaning."),
    (
        "[checks.DATASET.columns]",
        ColumnCheck,
        'One line a column: `temp = { type = "number", min = -20, max = 110 }`.',
    ),
    ("rules of [checks.DATASET]", RuleCheck, "An entry of `rules` that is a table."),
    (
        '[value.MODEL], kind = "binary"',
        BinaryValue,
        "See [the value contract](../explanation/value-contract.md). Where there is none, every mistake costs 1.",
    ),
    ('[value.MODEL], kind = "multiclass"', MulticlassValue, ""),
    ('[value.MODEL], kind = "regression"', RegressionValue, ""),
    ("[gate.MODEL]", GateSettings, "See [the gate](../explanation/gate.md)."),
    ("[endpoints.ENDPOINT]", EndpointSettings, ""),
    ("[monitor.ENDPOINT]", MonitorSettings, ""),
    ("[retrain.MODEL]", RetrainSettings, ""),
    ("[retrain.MODEL.harvest]", HarvestSettings, ""),
    ("[retrain.MODEL.promotion]", PromotionSettings, ""),
]
"""Every table, in the order of the page: its title, its struct, and a remark."""

_OPENING = """\
# Settings

`clew.toml` stands in the folder of the project, beside `.clew`. It declares what must hold; Python says how. It is read
once when a command starts. Everything has a default but the costs of a value contract and the pipeline of a
retraining, so that this is enough for a model that is gated, served, watched and retrained:

```toml
[project]
name = "flights"

[value.delay]
kind = "binary"
missed_cost = 50
false_alarm_cost = 10
unit = "day"

[retrain.delay]
pipeline = "train.py:train"
data = { flights = "flights@latest" }
```

`clew settings` shows these tables on a terminal. A key that clew does not know, a value of the wrong type and a rule
that cannot be read are errors that name the table and the key. `DATASET`, `MODEL` and `ENDPOINT` stand for names.
"""

_ENVIRONMENT = """\
These variables stand above the file; an empty one sets nothing. `CLEW_ACTOR` says who acts, as events and approvals
name it; by default that is the name of the user. `CLEW_SIGNING_KEY` names the file of the key that certificates are
signed with; by default it is `clew/keys/signing.pem` below the user's configuration, made when it is first needed.
`CLEW_TOKEN` is what a server is shown; by default it is what `clew login` keeps in `clew/credentials.json` below the
user's configuration. `CLEW_OFFLINE=1` keeps what runs say on this machine until `clew sync`;
`0`, `false`, `no` and `off` do not."""

_REQUIRED = "required"
_WORDS = {bool: "true or false", int: "whole number", float: "number", str: "text"}


class Setting(NamedTuple):
    """One key of a table, in words."""

    table: str
    name: str
    type: str
    default: str
    says: str


def every_setting() -> list[Setting]:
    """All settings, in the order of the page."""
    return [setting for title, kind, _ in TABLES for setting in _settings_of(title, kind)]


def render_reference() -> str:
    """The whole page, as Markdown."""
    lines = [_OPENING]
    for title, kind, remark in TABLES:
        lines += [f"## `{title}`", "", *_about(kind, remark), ""]
        lines += ["| setting | type | default | what it says |", "|---|---|---|---|", *_rows(title, kind), ""]
    lines += ["## Environment", "", _ENVIRONMENT, ""]
    lines += ["| variable | sets | what it says |", "|---|---|---|"]
    lines += [f"| `{name}` | `{o.key}` in `[{o.section}…]` | {o.says} |" for name, o in OVERRIDES.items()]
    return "\n".join(lines) + "\n"


def _about(kind: type[msgspec.Struct], remark: str) -> list[str]:
    text = " ".join((kind.__doc__ or "").split())
    return [f"{text} {remark}".strip()]


def _rows(title: str, kind: type[msgspec.Struct]) -> Iterator[str]:
    for each in _settings_of(title, kind):
        default = f"`{each.default}`" if each.default and each.default != _REQUIRED else each.default
        yield f"| `{each.name}` | {each.type} | {default} | {each.says} |"


def _settings_of(table: str, kind: type[msgspec.Struct]) -> Iterator[Setting]:
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        says = next(meta.description for meta in typing.get_args(hints[field.name])[1:])
        yield Setting(table, field.name, _words(hints[field.name]), _default(field), says)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return _REQUIRED
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or isinstance(value, msgspec.Struct) or value in ("", [], {}):
        return ""
    return render_value(value)


def _words(kind: Any) -> str:
    """A type in the words of TOML."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _words(args[0])
    if origin in (typing.Union, types.UnionType):
        words = dict.fromkeys(
            _words(arg) for arg in args if arg is not types.NoneType and not (arg is int and float in args)
        )
        return " or ".join(words)
    if origin is dict:
        return f"table of {_words(args[1])}s" if args[1] in _WORDS else "table"
    if origin in (list, tuple):
        return f"list of: {_words(args[0])}"
    if isinstance(kind, type) and issubclass(kind, enum.StrEnum):
        return "word"
    return _WORDS.get(kind, "table")


if __name__ == "__main__":
    sys.stdout.write(render_reference())
