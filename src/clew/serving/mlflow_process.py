"""A model that MLflow logged, loaded by MLflow in a process of its own, which scores what it is handed.

Its code never runs in this process, and the Python that runs it may be another one, with the packages that the model
needs (`[policy] mlflow_python`). The process ends with this one: its input does.
"""

from __future__ import annotations

import math
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.errors import Corrupt, Invalid, Unavailable
from clew.core.types.package import ModelFormat, Package, RuntimeKind
from clew.core.types.signature import Container
from clew.registry.formats.format import Trust
from clew.registry.mlflow_package import refusal_of

if TYPE_CHECKING:
    from clew.serving.runtime import Prediction

__all__ = ["MlflowRuntime"]

_HEAD = struct.Struct(">I")
_CHILD = Path(__file__).with_name("mlflow_child.py")
_MODEL, _EMPTY = "model", "empty"
Values = Mapping[str, Sequence[Any]]


class MlflowRuntime:
    """A `clew.serving.runtime.Runtime` whose model is in another process. Threads may share one; they queue.

    Args:
        package: one of format `mlflow`.
        objects: where its files are.
        trust: what the project's policy allows.

    Raises:
        Denied: the policy lets no code of models run.
        Invalid: the model does not say what it takes, or gives several numbers a row.
        Unavailable: it cannot be loaded: mlflow, or a package that it needs, is not there.
    """

    kind = RuntimeKind.ORIGINAL

    def __init__(self, package: Package, objects: Objects, trust: Trust) -> None:
        refused = refusal_of(package, trust)
        if refused is not None:
            raise refused
        self.signature = package.signature
        self._frame = "numpy" if package.signature.container is Container.NUMPY else "pandas"
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="clew-mlflow-")
        folder = Path(self._folder.name)
        (folder / _EMPTY).mkdir()
        _unpack(package, objects, folder / _MODEL)
        self._process = _start(trust.mlflow_python or sys.executable, folder)
        self.id = f"mlflow-{self._greet(trust)}"

    def predict(self, values: Values) -> Prediction:
        """Score rows; see `Runtime`."""
        import numpy as np

        from clew.serving.runtime import Prediction

        return Prediction(np.array(self._scores(values), dtype=np.float64))

    def decide(self, values: Values) -> tuple[list[float], list[Any]]:
        """Score rows; the decision is the score. See `Runtime`."""
        scores = self._scores(values)
        return scores, list(scores)

    def decide_classes(self, values: Values) -> tuple[list[float], list[Any], list[list[float]]]:
        """Such a model has no classes, so that nobody asks; see `Runtime`."""
        return (*self.decide(values), [])

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # it has ended by itself, and what it was last told waits still
                    pipe.close()
        self._process.wait(timeout=30)
        self._folder.cleanup()

    def _greet(self, trust: Trust) -> str:
        """The version of mlflow that has loaded the model."""
        told = self._hear()
        version = told.get("version")
        if not isinstance(version, str):
            python = trust.mlflow_python or sys.executable
            self.close()
            raise Unavailable(
                f"{python} cannot load this model: {told.get('error', 'it ended')}",
                hint="install what the model needs there, or name another Python: [policy] mlflow_python in clew.toml",
            )
        return version

    def _scores(self, values: Values) -> list[float]:
        columns = {name: [_plain(value) for value in values[name]] for name in self.signature.names}
        with self._lock:
            self._say({"columns": columns, "container": self._frame})
            told = self._hear()
        if not told:
            raise _ended()
        if "scores" not in told:
            raise Invalid(f"the model refuses these rows: {told['error']}")
        return [float(score) for score in told["scores"]]

    def _say(self, message: dict[str, object]) -> None:
        body = msgspec.json.encode(message)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(_HEAD.pack(len(body)) + body)
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise _ended() from error

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        head = self._process.stdout.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return {}
        import json  # NaN is no JSON for msgspec, and models answer with it

        told: dict[str, Any] = json.loads(self._process.stdout.read(_HEAD.unpack(head)[0]))
        return told


def _ended() -> Unavailable:
    return Unavailable("the process of this model has ended", hint="start the endpoint again")


def _start(python: str, folder: Path) -> subprocess.Popen[bytes]:
    """The program as text, in an empty folder: nothing that lies beside it can pass for a module."""
    words = [python, "-c", _CHILD.read_text(encoding="utf-8"), str(folder / _MODEL)]
    try:
        return subprocess.Popen(  # noqa: S603 - the interpreter that the project's policy names
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder / _EMPTY
        )
    except OSError as error:
        raise Unavailable(f"{python} cannot be started: {error.strerror}", hint="[policy] mlflow_python") from error


def _unpack(package: Package, objects: Objects, folder: Path) -> None:
    """Write the files of a package as the folder that they were."""
    for file in package.files:
        if file.format is not ModelFormat.MLFLOW:
            continue
        pure = PurePosixPath(str(file.path or ""))
        if not file.path or pure.is_absolute() or ".." in pure.parts:
            raise Corrupt(f"a file of this package is called {file.path!r}")
        target = folder / pure
        target.parent.mkdir(parents=True, exist_ok=True)
        objects.save(file.digest, target)


def _plain(value: Any) -> Any:
    """A value as JSON has it; NaN counts as null."""
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
