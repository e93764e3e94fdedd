"""Factors that are changed on purpose: `--using threads=4` asks what would have come out with four threads."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from clew.core.errors import Invalid, NotFound
from clew.core.types.dataset import DatasetVersion
from clew.loop.reproduce.pin import COUNTED
from clew.tracking.capture import Environment, Source
from clew.tracking.capture.ignore import ALWAYS

__all__ = ["Using", "overlay", "parse_using"]

_FORMS = "source=FOLDER, data:NAME=VERSION, package:NAME=VERSION, parameter:NAME=VALUE, threads=N, seed=N"
_PAIRS = {"data": "data", "package": "packages", "parameter": "parameters", "variable": "variables"}
_LARGEST_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Using:
    """What is not to be as it was; nothing of it by default.

    `source` is a folder with the source as it should be, `data` a reference by name of dataset, `packages` a version by
    name, `parameters` values of a pipeline by name, `variables` environment variables.
    """

    source: Path | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()

    def environment(self, recorded: Environment | None) -> Environment | None:
        """The recorded environment with the packages that were asked for."""
        if recorded is None or not self.packages:
            return recorded
        return msgspec.structs.replace(recorded, packages={**recorded.packages, **self.packages})

    def instead(
        self, inputs: Sequence[DatasetVersion], resolved: Mapping[str, DatasetVersion]
    ) -> dict[str, DatasetVersion]:
        """By id of a version that the run used, the one to put in its place.

        Args:
            inputs: what the run used.
            resolved: the versions that were asked for, by name of the dataset.

        Raises:
            NotFound: the run did not use such a dataset.
        """
        used = {version.name for version in inputs}
        for name in resolved:
            if name not in used:
                raise NotFound("dataset of the run", name, hint=f"it used {', '.join(sorted(used)) or 'none'}")
        return {version.id: resolved[version.name] for version in inputs if version.name in resolved}


def parse_using(words: Sequence[str]) -> Using:
    """Changes as they are written on the command line.

    Raises:
        Invalid: a word that is no change.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in _PAIRS.values()}
    source = None
    for word in words:
        key, equals, value = word.partition("=")
        kind, colon, name = key.partition(":")
        if equals and value and kind in _PAIRS and name:
            found[_PAIRS[kind]][name] = _value(value) if kind == "parameter" else value
        elif equals and not colon and kind == "source":
            source = _folder(value)
        elif equals and not colon and kind == "threads" and value.isdecimal() and int(value):
            found["variables"] |= dict.fromkeys((*COUNTED, "POLARS_MAX_THREADS"), value)
        elif equals and not colon and kind == "seed" and value.isdecimal():
            found["variables"]["PYTHONHASHSEED"] = value
        else:
            raise Invalid(
                f"--using {word!r} changes nothing that is known", hint=f"one of {_FORMS}, variable:NAME=VALUE"
            )
    return Using(source=source, words=tuple(words), **found)


def overlay(changed: Path, source: Source, folder: Path) -> None:
    """Make the source in a clean folder what it is in another folder.

    Files of the snapshot are replaced, or removed where they are gone; Python files that are new are added.

    Args:
        changed: the folder with the source as it should be.
        source: the snapshot that was laid out.
        folder: where.
    """
    known = {file.path for file in source.files}
    there = {str(path.relative_to(changed)) for path in _files(changed)}
    for name in known - there:
        (folder / name).unlink(missing_ok=True)
    for name in there:
        if name in known or name.endswith(".py"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(changed / name, folder / name)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in ALWAYS or path.is_symlink():
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file() and path.stat().st_size <= _LARGEST_BYTES:
            yield path


def _folder(text: str) -> Path:
    path = Path(text).resolve()
    if not path.is_dir():
        raise NotFound("folder", text, hint="--using source=FOLDER, with the source as it should be")
    return path


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
