"""Reads a folder of TensorBoard: one run for each folder below it that has event files.

Scalars become points. Texts, images and histograms become files of the run, hyper-parameters its parameters. The id of
a run is made of its name and the time of its first event, so that the same folder is the same run wherever it lies.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
from array import array
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from clew.core.errors import Corrupt, Invalid, NotFound
from clew.core.hashing import hash_bytes
from clew.core.types.run import Experiment, Run, RunKind, RunStatus, Scalar
from clew.loop.imports.event_file import ODD, Event, Value, fields, read_events
from clew.loop.imports.foreign import ForeignFile, ForeignLogged, ForeignModel, ForeignRun
from clew.store.objects.disk import disk_errors
from clew.tracking.params import scalar_of
from clew.tracking.series import Points

__all__ = ["TensorBoardFolder"]

_SCALARS, _IMAGES, _TEXTS, _HISTOGRAMS, _HPARAMS = "scalars", "images", "text", "histograms", "hparams"
_SIMPLE, _IMAGE, _HISTOGRAM, _TENSOR = 2, 4, 5, 8
_FORMS = {1: "<f", 2: "<d", 3: "<i", 9: "<q"}
_SUFFIXES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"RIFF": ".webp"}
_SUCCESS, _FAILURE = 1, 2


class TensorBoardFolder:
    """`clew.loop.imports.foreign.Source` over a log folder, which is only read.

    Args:
        root: the folder that TensorBoard is started with.
        experiment: where its runs go; the name of the folder when it is empty.

    Raises:
        NotFound: there is no such folder.
        Invalid: nothing below it has event files.
    """

    name = "tensorboard"

    def __init__(self, root: Path, *, experiment: str = "") -> None:
        if not root.is_dir():
            raise NotFound("folder", str(root))
        self._root = root
        self._experiment = experiment or root.resolve().name
        self._folders = sorted({path.parent for path in root.rglob("*tfevents*") if path.is_file()})
        if not self._folders:
            raise Invalid(f"{root} is no folder of TensorBoard: nothing below it has event files")

    def close(self) -> None:
        """Nothing is open."""

    def counts(self) -> dict[str, int]:
        return {"runs": len(self._folders)}

    def experiments(self) -> list[Experiment]:
        first = min(_first_time(folder) for folder in self._folders)
        return [Experiment(id="", project="", name=self._experiment, created_us=first)]

    def runs(self) -> Iterator[ForeignRun]:
        for folder in self._folders:
            name = folder.relative_to(self._root).as_posix()
            with tempfile.TemporaryFile() as kept:
                found = _Folder(kept)
                for file in _files(folder):
                    _see_all(found, file)
                yield found.run(self._experiment if name == "." else name, self._experiment)

    def logged_models(self) -> Iterator[ForeignLogged]:
        """TensorBoard knows none."""
        return iter(())

    def models(self) -> Iterator[ForeignModel]:
        """TensorBoard knows none."""
        return iter(())


class _Folder:
    """What the events of one folder come to; the contents of its files lie in `kept`, one behind the other."""

    def __init__(self, kept: IO[bytes]) -> None:
        self._kept = kept
        self._points: dict[str, tuple[array[int], array[int], array[float]]] = {}
        self._plugins: dict[str, str] = {}
        self._histograms: dict[str, list[dict[str, object]]] = {}
        self._files: dict[str, tuple[int, int]] = {}
        self._params: dict[str, Scalar] = {}
        self._status, self._first_us, self._last_us = RunStatus.FINISHED, 0, 0

    def see(self, event: Event) -> None:
        """Take in one event."""
        self._first_us = self._first_us or event.time_us
        self._last_us = max(self._last_us, event.time_us)
        for value in event.values:
            self._see(event, value)

    def run(self, name: str, experiment: str) -> ForeignRun:
        """The run."""
        digest = hash_bytes(f"tensorboard\0{name}\0{self._first_us}".encode())
        run_id = f"{self._first_us // 1000:012x}7{digest[:3]}8{digest[3:18]}"
        for tag, steps in self._histograms.items():
            lines = "".join(f"{json.dumps(each)}\n" for each in steps)
            self._keep(f"histograms/{_path(tag)}.jsonl", lines.encode())
        return ForeignRun(
            run=Run(
                id=run_id,
                project="",
                experiment="",
                name=name,
                kind=RunKind.SCRIPT,
                status=self._status,
                created_us=self._first_us,
                created_by="",
                ended_us=self._last_us,
                params=self._params,
                tags={"imported": "tensorboard"},
            ),
            experiment=experiment,
            series={key: _series(*columns) for key, columns in self._points.items()},
            files=self._foreign,
        )

    def _see(self, event: Event, value: Value) -> None:
        tag = value.tag
        plugin = self._plugins.setdefault(tag, value.plugin) or value.plugin
        if value.plugin == _HPARAMS:
            self._hparams(value.added)
        elif value.kind == _SIMPLE:
            self._add(event, tag, value.content)
        elif value.kind == _IMAGE:
            self._image(event, tag, dict(fields(value.content)).get(4, b""))
        elif value.kind == _HISTOGRAM:
            self._histograms.setdefault(tag, []).append(_at(event) | _histogram(value.content))
        elif value.kind == _TENSOR:
            self._tensor(event, tag, plugin, value.content)

    def _tensor(self, event: Event, tag: str, plugin: str, data: bytes) -> None:
        if plugin == _TEXTS:
            for place, text in enumerate(_strings(data)):
                self._keep(_file(_TEXTS, tag, event.step, place, ".txt"), text)
        elif plugin == _IMAGES:
            for place, image in enumerate(_strings(data)[2:]):  # width and height come first
                self._image(event, tag, image, place)
        elif plugin == _HISTOGRAMS:
            numbers = _numbers(data)
            bins = [numbers[at : at + 3] for at in range(0, len(numbers), 3)]
            told = {"limits": [high for _, high, _ in bins], "counts": [count for *_, count in bins]}
            self._histograms.setdefault(tag, []).append(_at(event) | told)
        elif plugin in (_SCALARS, ""):
            numbers = _numbers(data)
            if len(numbers) == 1:
                self._add(event, tag, numbers[0])

    def _add(self, event: Event, tag: str, value: float) -> None:
        steps, times, values = self._points.setdefault(tag, (array("q"), array("q"), array("d")))
        steps.append(event.step)
        times.append(event.time_us)
        values.append(value)

    def _image(self, event: Event, tag: str, image: bytes, place: int = 0) -> None:
        suffix = next((suffix for head, suffix in _SUFFIXES.items() if image.startswith(head)), ".bin")
        self._keep(_file(_IMAGES, tag, event.step, place, suffix), image)

    def _keep(self, path: str, content: bytes) -> None:
        with disk_errors(f"set {path} aside"):
            self._files[path] = (self._kept.seek(0, os.SEEK_END), len(content))
            self._kept.write(content)

    def _foreign(self) -> Iterator[ForeignFile]:
        for path, (offset, length) in self._files.items():
            yield ForeignFile(path, partial(self._copy, offset, length), length)

    def _copy(self, offset: int, length: int, out: IO[bytes]) -> None:
        self._kept.seek(offset)
        out.write(self._kept.read(length))

    def _hparams(self, content: bytes) -> None:
        """What the plugin calls the start and the end of a session."""
        for number, part in fields(content):
            if number == 3:
                for field, entry in fields(part):
                    if field == 1:
                        pair = dict(fields(entry))
                        self._params[pair[1].decode()] = _plain(pair.get(2, b""))
            elif number == 4:
                status = dict(fields(part)).get(1, _SUCCESS)
                self._status = RunStatus.FAILED if status == _FAILURE else RunStatus.FINISHED


def _see_all(found: _Folder, file: Path) -> None:
    try:
        for event in read_events(file):
            found.see(event)
    except ODD as error:
        hint = "move the file away to import the others"
        raise Corrupt(f"{file} has an event that no TensorBoard writes: {error}", hint=hint) from error


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*tfevents*") if path.is_file())


def _first_time(folder: Path) -> int:
    return next((event.time_us for file in _files(folder) for event in read_events(file)), 1)


def _series(steps: array[int], times: array[int], values: array[float]) -> Points:
    import numpy as np

    return Points(np.array(steps, dtype=np.int64), np.array(times, dtype=np.int64), np.array(values, dtype=np.float64))


def _at(event: Event) -> dict[str, object]:
    return {"step": event.step, "time_us": event.time_us}


def _file(kind: str, tag: str, step: int, place: int, suffix: str) -> str:
    return f"{kind}/{_path(tag)}/{step}{f'-{place}' if place else ''}{suffix}"


def _path(tag: str) -> str:
    """A tag as a path of a file."""
    parts = [part for part in tag.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "".join(c if c.isprintable() else "_" for c in "/".join(parts)) or "_"


def _plain(data: bytes) -> Scalar:
    """A `google.protobuf.Value`; whole numbers are whole again."""
    for number, value in fields(data):
        if number == 2:
            real = float(struct.unpack("<d", value)[0])
            return int(real) if real.is_integer() and abs(real) < 1 << 53 else scalar_of(real)
        if number == 3:
            return str(value.decode())
        if number == 4:
            return bool(value)
    return None


def _histogram(data: bytes) -> dict[str, object]:
    names = {1: "min", 2: "max", 3: "count", 4: "sum", 5: "sum_squares", 6: "limits", 7: "counts"}
    found: dict[str, object] = {}
    for number, value in fields(data):
        if number in (6, 7):
            found[names[number]] = [each for (each,) in struct.iter_unpack("<d", value)]
        elif number in names:
            found[names[number]] = struct.unpack("<d", value)[0]
    return found


def _strings(data: bytes) -> list[bytes]:
    return [value for number, value in fields(data) if number == 8]


def _numbers(data: bytes) -> list[Any]:
    """The numbers of a tensor, whichever field has them; none for kinds of numbers that no scalar has."""
    kind, content, listed = 0, b"", []
    forms = {5: "<f", 6: "<d"}
    for number, value in fields(data):
        if number == 1:
            kind = value
        elif number == 4:
            content = value
        elif number in forms:
            listed += [each for (each,) in struct.iter_unpack(forms[number], value)]
        elif number in (7, 10) and isinstance(value, int):
            listed.append(value)
    if content and kind in _FORMS:
        return [each for (each,) in struct.iter_unpack(_FORMS[kind], content)]
    return listed
