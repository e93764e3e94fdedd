"""Packages: a fitted model and everything that is known of it, written as objects and read back.

Nothing here touches the ledger: a package becomes a version in `clew.registry.models`, and is compiled before it
is built (`clew.serving.compile`). Layout: docs/design/package.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from clew.core.canonical import canonical
from clew.core.contracts.objects import Objects
from clew.core.errors import Corrupt, Denied, Invalid
from clew.core.ids import Digest
from clew.core.types.evaluation import Evaluation, decode_evaluation
from clew.core.types.package import (
    PACKAGE_VERSION,
    Compilation,
    DataReference,
    Decision,
    Environment,
    FileRole,
    ModelFormat,
    Package,
    PackageFile,
    RuntimeKind,
)
from clew.core.types.signature import Signature
from clew.registry.columns import Columns
from clew.registry.formats.choice import choose_format, format_named
from clew.registry.formats.format import Dump, Trust

__all__ = ["Draft", "build_package", "evaluation_of", "load_example", "load_model", "load_package"]

_MAX_MANIFEST_BYTES = 16 << 20
NOT_COMPILED = Compilation(chosen=RuntimeKind.ORIGINAL, reason="nobody tried")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a package is built from.

    Args:
        model: a fitted estimator, an ONNX model, or the path of one.
        signature: what it takes and gives.
        example: a few rows, kept to try the model with.
        environment: where it was fitted.
        compilation: what the attempt to compile it found.
        graph: the bytes of the compiled graph, when there is one.
        decision: how scores become decisions.
        profile: the training profile, as monitoring wrote it.
        evaluation: what the model is worth, as policy wrote it.
        run: id of the run that fitted it.
        data: the dataset versions that flowed into it.
        format: how to write it; when None the safest that fits: a pickle only where the policy allows it and skops
            does not hold the model.
    """

    model: object
    signature: Signature
    example: Columns
    environment: Environment
    compilation: Compilation = NOT_COMPILED
    graph: bytes | None = None
    decision: Decision = field(default_factory=Decision)
    profile: bytes | None = None
    evaluation: bytes | None = None
    run: str = ""
    data: tuple[DataReference, ...] = ()
    format: ModelFormat | None = None


def build_package(objects: Objects, draft: Draft, trust: Trust) -> Digest:
    """Write a package's files and its manifest, and return the manifest's digest. Survives *power*.

    Equal drafts give equal digests; nothing is visible to others until a version names the digest.

    Raises:
        Invalid: the model cannot be written in the format.
        Denied: the project's policy does not allow the format, or a type in the model.
    """
    chosen, dump = _dump(draft, trust)
    parts = [(FileRole.MODEL, chosen, dump.content)]
    if draft.graph is not None:
        parts.append((FileRole.COMPILED, ModelFormat.ONNX, draft.graph))
    parts.append((FileRole.EXAMPLE, ModelFormat.ROWS, canonical(draft.example.values)))
    for role, content in ((FileRole.PROFILE, draft.profile), (FileRole.EVALUATION, draft.evaluation)):
        if content is not None:
            parts.append((role, ModelFormat.OPAQUE, content))
    with objects.batch() as batch:
        files = [_file(role, kind, content, batch.put(content)) for role, kind, content in parts]
        files[0] = msgspec.structs.replace(files[0], types=dump.types)
        package = Package(
            estimator=_name(draft.model),
            signature=draft.signature,
            files=tuple(files),
            environment=draft.environment,
            compilation=draft.compilation,
            decision=draft.decision,
            run=draft.run,
            data=draft.data,
            unsafe=dump.unsafe,
        )
        return batch.put(canonical(package))


def _dump(draft: Draft, trust: Trust) -> tuple[ModelFormat, Dump]:
    """The model in the format that was asked for, or the safest one that holds it and that the policy allows."""
    chosen = draft.format or choose_format(draft.model)
    try:
        return chosen, format_named(chosen).dump(draft.model, trust)
    except (Denied, Invalid):
        if draft.format is not None or chosen is not ModelFormat.SKOPS or not trust.allow_pickle:
            raise
    return ModelFormat.PICKLE, format_named(ModelFormat.PICKLE).dump(draft.model, trust)


def load_package(objects: Objects, digest: Digest) -> Package:
    """The manifest under a digest.

    Raises:
        NotFound: there is no such object.
        Corrupt: it is no manifest.
        Invalid: a newer clew wrote it.
    """
    if not digest:
        hint = "register it from files that a run or a logged model of this project holds"
        raise Invalid("this version holds no model here: its files are where its source says", hint=hint)
    if objects.size(digest) > _MAX_MANIFEST_BYTES:
        raise Corrupt(f"object {digest[:12]} is too large to be a model package")
    try:
        package = msgspec.msgpack.decode(objects.get(digest), type=Package)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Corrupt(f"object {digest[:12]} is no model package: {error}") from error
    if package.version > PACKAGE_VERSION:
        hint = "install a newer clew"
        raise Invalid(f"package {digest[:12]} has version {package.version}, known is {PACKAGE_VERSION}", hint=hint)
    if package.find(FileRole.MODEL) is None:
        raise Corrupt(f"package {digest[:12]} holds no model")
    return package


def evaluation_of(objects: Objects, package: Package) -> Evaluation | None:
    """What the model was worth on the test rows that it was registered with; None without such rows.

    Raises:
        NotFound, Corrupt, Invalid: it is lost, damaged, or of a newer clew.
    """
    file = package.find(FileRole.EVALUATION)
    return None if file is None else decode_evaluation(objects.get(file.digest))


def load_model(objects: Objects, package: Package, trust: Trust) -> Any:
    """The fitted model of a package.

    Raises:
        Denied: it holds something that is not trusted, or is a pickle and the policy allows none.
        Corrupt: its bytes are damaged.
    """
    file = package.model
    return format_named(file.format).load(objects.get(file.digest), trust)


def load_example(objects: Objects, package: Package) -> dict[str, list[Any]]:
    """The example rows of a package, by column in the signature's order."""
    file = package.find(FileRole.EXAMPLE)
    if file is None:
        return {name: [] for name in package.signature.names}
    try:
        values = msgspec.msgpack.decode(objects.get(file.digest), type=dict[str, list[Any]])
        return {name: values[name] for name in package.signature.names}
    except (msgspec.DecodeError, KeyError) as error:
        raise Corrupt(f"the example of this model package cannot be read: {error}") from error


def _file(role: FileRole, format: ModelFormat, content: bytes, digest: Digest) -> PackageFile:
    return PackageFile(role=role, format=format, digest=digest, size_bytes=len(content))


def _name(model: object) -> str:
    """`Pipeline(ColumnTransformer, HistGradientBoostingClassifier)`, or the name of the type."""
    steps = getattr(model, "steps", None)
    name = type(model).__name__
    if not isinstance(steps, list):
        return name
    return f"{name}({', '.join(_name(step[1]) for step in steps)})"
