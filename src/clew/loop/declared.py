"""Names in `clew.toml` that name nothing: a table for a model that is not there, a pipeline that no file has.

A model may be declared before it is trained, so nothing here is an error. A table of no model that is called nearly
like a model without such a table is most likely a typo, after which the model is judged by the defaults.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from clew.core.contracts.services import Services

if TYPE_CHECKING:
    from clew.settings import Settings

__all__ = ["Doubt", "doubts", "doubts_of_names"]

_ALIKE = 0.75


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """Something in `clew.toml` that names nothing, and what was likely meant; `hint` is empty where nobody can say."""

    text: str
    hint: str = ""

    def __str__(self) -> str:
        return f"clew.toml: {self.text}" + (f"; {self.hint}" if self.hint else "")


def doubts(project: Services, settings: Settings, root: Path) -> list[Doubt]:
    """What is declared for models, endpoints and pipelines that are not there.

    Args:
        project: whose models and endpoints there are.
        settings: of the project.
        root: the folder of its `clew.toml`, in which pipelines are looked for.
    """
    models = [model.name for model in project.models.list()]
    found = list(doubts_of_names(settings, models))
    endpoints = {*models, *settings.endpoints, *(endpoint.name for endpoint in project.endpoints.list())}
    found += _unknown("monitor", settings.monitor, endpoints, "endpoint")
    for name, endpoint in settings.endpoints.items():
        model = endpoint.model or name
        if model not in models:
            found.append(Doubt(text=f"[endpoints.{name}] serves no model yet: {model}", hint=_guess(model, models)))
    for name, retrain in settings.retrain.items():
        found += _absent(f"[retrain.{name}]", retrain.pipeline, root)
    return found


def doubts_of_names(settings: Settings, models: Collection[str]) -> Iterator[Doubt]:
    """Tables for models that are not there."""
    tables: dict[str, Mapping[str, object]] = {
        "value": settings.value,
        "gate": settings.gate,
        "retrain": settings.retrain,
    }
    for section, table in tables.items():
        yield from _unknown(section, table, models, "model")


def _unknown(section: str, table: Mapping[str, object], known: Collection[str], noun: str) -> Iterator[Doubt]:
    without = [name for name in known if name not in table]
    for name in table:
        if name not in known:
            yield Doubt(text=f"[{section}.{name}] is for no {noun}", hint=_guess(name, without))


def _guess(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1, cutoff=_ALIKE)
    return f"did you mean {near[0]}?" if near else ""


def _absent(place: str, pipeline: str, root: Path) -> Iterator[Doubt]:
    """A file that is not there, or a function that it does not define; the file is read and not run."""
    file, _, function = pipeline.partition(":")
    said = f"{place} pipeline = {pipeline!r}: "
    try:
        tree = ast.parse((root / file).read_bytes())
    except OSError:
        near = get_close_matches(file, sorted(path.name for path in root.glob("*.py")), n=1)
        yield Doubt(text=f"{said}there is no file {file}", hint=f"did you mean {near[0]}?" if near else "")
    except (SyntaxError, ValueError):
        yield Doubt(text=f"{said}{file} is no Python")
    else:
        names = _names_in(tree)
        if function not in names and "*" not in names:
            near = get_close_matches(function, sorted(names), n=1)
            yield Doubt(text=f"{said}{file} has no {function}", hint=f"did you mean {near[0]}?" if near else "")


def _names_in(tree: ast.AST) -> set[str]:
    """What a file may define, wherever in it: functions, assigned names, and imports (`*` for all of a module)."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name)
    return found
