"""A folder that MLflow wrote as a model, as a package: its files as they are, and what its `MLmodel` says of them.

The signature is what the folder declares; what it does not say stays out of it. Loading such a model runs the code in
it: that happens in a process of its own (`clew.serving.mlflow_process`), never here. Nothing here imports mlflow.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from clew.core.canonical import canonical
from clew.core.contracts.objects import Objects
from clew.core.errors import ClewError, Denied, Invalid
from clew.core.extras import require
from clew.core.ids import Digest
from clew.core.types.package import (
    Compilation,
    Environment,
    FileRole,
    ModelFormat,
    Package,
    PackageFile,
    RuntimeKind,
)
from clew.core.types.signature import Container, Dtype, Field, Output, Scale, Signature, Task
from clew.registry.formats.format import Trust

__all__ = ["DESCRIPTION", "Part", "package_folder", "refusal_of"]

DESCRIPTION = "MLmodel"
_MOST_BYTES = 4 << 20
_UNSAFE = "mlflow: loading the model runs the code in it"
_COLUMNS = {
    "boolean": Dtype.BOOL,
    "integer": Dtype.INT64,
    "long": Dtype.INT64,
    "float": Dtype.FLOAT64,
    "double": Dtype.FLOAT64,
    "string": Dtype.STRING,
    "datetime": Dtype.TIME,
}
_PINNED = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;#]+)")


class Part(NamedTuple):
    """One file of the folder: its path there, and its bytes by name."""

    path: str
    digest: Digest
    size_bytes: int


def package_folder(objects: Objects, parts: Sequence[Part], *, run: str) -> tuple[Digest, bool]:
    """Write the manifest of a model's folder; its files are stored already.

    Args:
        objects: where the files are.
        parts: all of them.
        run: id of the run that logged it, or empty.

    Returns:
        The manifest's digest, and whether it is unsafe; an empty digest where the folder holds no model.
    """
    by_path = {part.path: part for part in parts}
    description = by_path.get(DESCRIPTION)
    if description is None or description.size_bytes > _MOST_BYTES:
        return Digest(""), False
    told = _read(objects, description)
    package = Package(
        estimator=_estimator(told),
        signature=_signature(told),
        files=(_file(description, FileRole.MODEL), *(_file(p, FileRole.PART) for p in parts if p.path != DESCRIPTION)),
        environment=_environment(objects, told, by_path),
        compilation=Compilation(chosen=RuntimeKind.ORIGINAL, reason="MLflow's own loader answers for it"),
        run=run,
        unsafe=(_UNSAFE,),
    )
    return objects.put(canonical(package)), True


def _file(part: Part, role: FileRole) -> PackageFile:
    return PackageFile(
        role=role, format=ModelFormat.MLFLOW, digest=part.digest, size_bytes=part.size_bytes, path=part.path
    )


def _read(objects: Objects, part: Part) -> dict[str, Any]:
    require("yaml")
    try:
        told = msgspec.yaml.decode(objects.get(part.digest))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Invalid(f"{DESCRIPTION} of this model cannot be read: {error}") from error
    if not isinstance(told, dict):
        raise Invalid(f"{DESCRIPTION} of this model says nothing")
    return told


def _estimator(told: Mapping[str, Any]) -> str:
    """The flavours that the folder declares, the generic one last: `sklearn (mlflow 3.17.2)`."""
    flavors = told.get("flavors")
    names = [_short(name) for name in flavors if name != "python_function"] if isinstance(flavors, dict) else []
    return f"{', '.join(names) or 'python_function'} (mlflow {_short(told.get('mlflow_version')) or '?'})"


def _short(value: object) -> str:
    """A version as text. YAML can say the same list a billion times in a line; whoever prints that never ends."""
    return str(value) if isinstance(value, str | int | float) else ""


def _signature(told: Mapping[str, Any]) -> Signature:
    declared = told.get("signature")
    inputs, container = _inputs(_listed(declared, "inputs"))
    return Signature(
        inputs=inputs,
        outputs=(Output(name="score", dtype=Dtype.FLOAT64, width=_width(_listed(declared, "outputs"))),),
        task=Task.REGRESSION,
        scale=Scale.VALUE,
        container=container,
    )


def _listed(declared: object, name: str) -> list[dict[str, Any]]:
    """A part of the signature, which is JSON in a text; empty where it is none that we know."""
    text = declared.get(name) if isinstance(declared, dict) else None
    try:
        found = msgspec.json.decode(text) if isinstance(text, str) else []
    except msgspec.DecodeError:
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _inputs(columns: list[dict[str, Any]]) -> tuple[tuple[Field, ...], Container]:
    """Named columns of a frame, or the columns of one matrix, which have no names and get their numbers."""
    if len(columns) == 1 and columns[0].get("type") == "tensor":
        spec = columns[0].get("tensor-spec", {})
        shape = spec.get("shape", []) if isinstance(spec, dict) else []
        if isinstance(shape, list) and len(shape) == 2 and isinstance(shape[1], int) and 0 < shape[1] <= 10_000:
            dtype = _tensor_dtype(str(spec.get("dtype", "")))
            return tuple(Field(name=f"x{n}", dtype=dtype, nullable=True) for n in range(shape[1])), Container.NUMPY
        return (), Container.NUMPY
    fields = []
    for place, column in enumerate(columns):
        dtype_of = _COLUMNS.get(str(column.get("type")))
        if dtype_of is None:
            return (), Container.PANDAS
        nullable = dtype_of in (Dtype.FLOAT64, Dtype.STRING) or not column.get("required", True)
        fields.append(Field(name=str(column.get("name", f"x{place}")), dtype=dtype_of, nullable=nullable))
    return tuple(fields), Container.PANDAS


def _width(columns: list[dict[str, Any]]) -> int:
    """How many numbers it answers with for a row; 1 where it does not say."""
    if len(columns) == 1 and columns[0].get("type") == "tensor":
        spec = columns[0].get("tensor-spec", {})
        shape = spec.get("shape", []) if isinstance(spec, dict) else []
        sizes = [size for size in shape[1:] if isinstance(size, int) and size > 0] if isinstance(shape, list) else []
        return math.prod(sizes)
    return max(len(columns), 1)


def _tensor_dtype(name: str) -> Dtype:
    if name.startswith(("int", "uint")):
        return Dtype.INT64
    return Dtype.BOOL if name == "bool" else Dtype.FLOAT64


def _environment(objects: Objects, told: Mapping[str, Any], by_path: Mapping[str, Part]) -> Environment:
    found: dict[str, str] = {}
    requirements = by_path.get("requirements.txt")
    if requirements is not None and requirements.size_bytes <= _MOST_BYTES:
        for line in objects.get(requirements.digest).decode("utf-8", "replace").splitlines():
            pinned = _PINNED.match(line)
            if pinned is not None:
                found[pinned[1].lower().replace("_", "-")] = pinned[2]
    flavors = told.get("flavors")
    generic = flavors.get("python_function", {}) if isinstance(flavors, dict) else {}
    python = _short(generic.get("python_version")) if isinstance(generic, dict) else ""
    return Environment(python=python, platform="", distributions=dict(sorted(found.items())))


def refusal_of(package: Package, trust: Trust) -> ClewError | None:
    """Why no endpoint serves a package, as far as its manifest says; None where it says nothing against it.

    Args:
        package: of any format; only one of MLflow's may have come here without these questions.
        trust: whether the policy lets code of models run.
    """
    if package.model.format is not ModelFormat.MLFLOW:
        return None
    if not trust.allow_pickle:
        what = "loading this model runs the code in it, and this project does not allow that"
        return Denied(what, hint=trust.to_allow)
    if not package.signature.inputs:
        return Invalid(
            "this model declares no columns that clew can check: it has no signature, or not one of plain columns",
            hint="log it with a signature: mlflow.models.infer_signature(X, y), or input_example=X[:5]",
        )
    numbers = package.signature.outputs[0].width
    if numbers > 1:
        return Invalid(
            f"this model answers with {numbers} numbers a row, and an endpoint with one",
            hint="log one whose predict gives the class, or one probability (docs/how-to/from-mlflow.md)",
        )
    return None
