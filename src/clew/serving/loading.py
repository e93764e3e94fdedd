"""Versions into memory: package, runtime, and the data checks of the columns that the model reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from clew.core.contracts.objects import Objects
from clew.core.types.check_report import Violation
from clew.core.types.checks import Checks, CheckSeverity
from clew.core.types.model import ModelVersion
from clew.data.checks.single import compile_request
from clew.registry.formats.format import Trust
from clew.registry.package import load_package
from clew.serving.endpoint import Load
from clew.serving.runtime import load_runtime
from clew.serving.slots import Served

__all__ = ["loader"]


def loader(objects: Objects, *, trust: Trust, checks: Checks | None) -> Load:
    """What loads versions for an endpoint.

    Args:
        objects: where packages are.
        trust: what the project's policy lets a model file hold.
        checks: the data checks of the training dataset, if it has any; only errors refuse a request.
    """

    def load(version: ModelVersion) -> Served:
        package = load_package(objects, version.package)
        runtime = load_runtime(package, objects, trust=trust)
        return Served(
            version=version,
            signature=package.signature,
            scorer=runtime,
            check=_check(checks, package.signature.names) if checks else _nothing_wrong,
        )

    return load


def _check(checks: Checks, names: Sequence[str]) -> Callable[[dict[str, list[Any]]], list[str]]:
    validate = compile_request(checks.only(names))

    def check(columns: dict[str, list[Any]]) -> list[str]:
        violations = validate(columns)
        return [_words(found) for found in violations if found.severity is CheckSeverity.ERROR] if violations else []

    return check


def _words(found: Violation) -> str:
    where = f"row {found.row}: " if found.row is not None else ""
    value = f", not {found.value}" if found.value else ""
    return f"{where}{found.says}{value}"


def _nothing_wrong(_: dict[str, list[Any]]) -> list[str]:
    return []
