"""Versions into memory: package, runtime, and the data checks of the columns that the model reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clew.core.contracts.objects import Objects
from clew.core.types.check_report import Violation
from clew.core.types.checks import Checks, CheckSeverity
from clew.core.types.model import ModelVersion
from clew.core.types.package import RuntimeKind
from clew.data.checks.single import compile_request
from clew.registry.formats.format import Trust
from clew.registry.package import load_package
from clew.serving.endpoint import Load
from clew.serving.runtime import load_runtime
from clew.serving.slots import Served

__all__ = ["loader"]


def loader(objects: Objects, *, trust: Trust, checks: Mapping[str, Checks], dataset: str = "") -> Load:
    """What loads versions for an endpoint.

    Args:
        objects: where packages are.
        trust: what the project's policy lets a model file hold.
        checks: the project's data checks by dataset; only errors refuse a request.
        dataset: whose checks requests must pass; those that the version was trained on when empty.
    """

    def load(version: ModelVersion) -> Served:
        package = load_package(objects, version.package)
        wanted = [dataset] if dataset else [used.reference.partition("@")[0] for used in package.data]
        runtime = load_runtime(package, objects, trust=trust)
        return Served(
            version=version,
            signature=package.signature,
            scorer=runtime,
            slow=runtime.kind is RuntimeKind.ORIGINAL,
            check=_check([checks[name] for name in wanted if name in checks], package.signature.names),
        )

    return load


def _check(checks: Sequence[Checks], names: Sequence[str]) -> Callable[[dict[str, list[Any]]], list[str]]:
    validators = [compile_request(each.only(names)) for each in checks]

    def check(columns: dict[str, list[Any]]) -> list[str]:
        violations = [found for validate in validators for found in validate(columns)]
        return [_words(found) for found in violations if found.severity is CheckSeverity.ERROR]

    return check


def _words(found: Violation) -> str:
    places = [f"column {found.column!r}" if found.column else "", f"row {found.row}" if found.row is not None else ""]
    where = ", ".join(place for place in places if place)
    value = f", not {found.value}" if found.value else ""
    return f"{where}: {found.says}{value}" if where else f"{found.says}{value}"
