"""What `run.save` stores for a value: bytes or a file, under a path and a media type."""

from __future__ import annotations

import io
import sys
from pathlib import Path, PurePosixPath
from pickle import PickleError
from typing import Any, NamedTuple

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.contracts.services import RunWriter
from clew.core.errors import Invalid
from clew.core.types.run import Artifact

__all__ = ["NOT_LOGGED", "Content", "Logged", "check_path", "content_of", "files_of", "keep", "media_type_of"]

_TYPES = {
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".gz": "application/gzip",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".npy": "application/x-npy",
    ".onnx": "application/onnx",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".py": "text/x-python",
    ".svg": "image/svg+xml",
    ".tar": "application/x-tar",
    ".toml": "application/toml",
    ".txt": "text/plain",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
}
_TORCH = (".pt", ".pth")
_LONGEST_PATH, _MOST_FILES = 500, 10_000
_OTHER = "application/octet-stream"


class Content(NamedTuple):
    """Bytes in memory, or the file that holds them."""

    data: bytes | Path
    media_type: str


class Logged(NamedTuple):
    """What a file of a run shows, where it was logged: key, step and form."""

    key: str = ""
    step: float | None = None
    form: str = ""


NOT_LOGGED = Logged()


def check_path(path: str) -> str:
    """A path of an artifact: relative, with forward slashes, inside of the run.

    Raises:
        Invalid: it is empty, too long, absolute, or leads out of the run.
    """
    pure = PurePosixPath(path)
    bad = not path or len(path) > _LONGEST_PATH or not path.isprintable() or "\\" in path or pure.is_absolute()
    if bad or ".." in pure.parts or pure == PurePosixPath("."):
        raise Invalid(f"{path!r} cannot name an artifact", hint="use a relative path such as 'plots/loss.png'")
    return str(pure)


def media_type_of(path: str) -> str:
    """The media type that the end of a path stands for; the machine's own tables play no part."""
    suffix = PurePosixPath(path).suffix.lower()
    return _TYPES.get(suffix, _OTHER)


def content_of(path: str, value: object) -> Content:
    """What to store for a value, in the form that the path's suffix asks for.

    Args:
        path: name of the artifact.
        value: bytes, text, a file's path, a dict or list (JSON), a polars frame (Parquet, CSV), a NumPy array
            or a tensor (`.npy`), what `torch.save` takes (`.pt`, `.pth`), or a figure, that is anything with `savefig`.

    Raises:
        Invalid: there is no form for this value under this name.
    """
    kind = media_type_of(path)
    if isinstance(value, Path):
        return Content(value, kind)
    if isinstance(value, bytes | bytearray | memoryview):
        return Content(bytes(value), kind)
    if isinstance(value, str):
        return Content(value.encode(), kind if kind != _OTHER else "text/plain")
    if hasattr(value, "savefig"):
        return Content(_figure(path, value), kind)
    if hasattr(value, "write_parquet"):
        return Content(_frame(path, value), kind if kind != _OTHER else _TYPES[".parquet"])
    if "torch" in sys.modules and PurePosixPath(path).suffix.lower() in _TORCH:
        return Content(_torch(path, value), kind)
    library = type(value).__module__.partition(".")[0]
    if hasattr(value, "requires_grad") or (library == "numpy" and hasattr(value, "dtype")):
        return Content(_array(value), _TYPES[".npy"])
    return Content(_json(path, value), _TYPES[".json"] if kind == _OTHER else kind)


def files_of(folder: Path) -> list[tuple[str, Path]]:
    """The files below a folder, each with the path of its artifact, which begins with the folder's name.

    Raises:
        Invalid: there are too many of them.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    if len(files) > _MOST_FILES:
        raise Invalid(f"{folder} holds {len(files):,} files", hint="make it a dataset: clew data add NAME FOLDER")
    return [(check_path(f"{folder.name}/{path.relative_to(folder).as_posix()}"), path) for path in files]


def keep(
    runs: RunWriter, objects: Objects, run: str, path: str, content: Content, *, at_us: int, logged: Logged = NOT_LOGGED
) -> Artifact:
    """Store content and name it as a file of a run."""
    data = content.data
    digest = objects.put_file(data) if isinstance(data, Path) else objects.put(data)
    artifact = Artifact(
        run=run,
        path=path,
        digest=digest,
        size_bytes=objects.size(digest),
        media_type=content.media_type,
        created_us=at_us,
        key=logged.key,
        step=logged.step,
        form=logged.form,
    )
    runs.add_artifact(artifact)
    return artifact


def _figure(path: str, figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=PurePosixPath(path).suffix.lstrip(".").lower() or "png")
    return buffer.getvalue()


def _frame(path: str, frame: Any) -> bytes:
    buffer = io.BytesIO()
    if PurePosixPath(path).suffix.lower() == ".csv":
        frame.write_csv(buffer)
    else:
        frame.write_parquet(buffer)
    return buffer.getvalue()


def _array(value: Any) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    try:
        array = value.detach().cpu().numpy() if hasattr(value, "requires_grad") else value
        np.save(buffer, array, allow_pickle=False)
    except (ValueError, TypeError) as error:
        raise Invalid(f"an array of {value.dtype} cannot be saved: {error}", hint="save it as JSON") from None
    return buffer.getvalue()


def _torch(path: str, value: object) -> bytes:
    buffer = io.BytesIO()
    try:
        sys.modules["torch"].save(value, buffer)
    except (PickleError, AttributeError, TypeError) as error:  # what pickle raises for what it cannot take
        raise Invalid(f"artifact {path!r} cannot be saved by PyTorch: {error}", hint="give a state_dict()") from None
    return buffer.getvalue()


def _json(path: str, value: object) -> bytes:
    try:
        return msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain), indent=2)
    except (TypeError, NotImplementedError, ValueError) as error:
        raise Invalid(
            f"artifact {path!r} is a {type(value).__name__}, which has no form here: {error}",
            hint="give bytes, text, a Path, a dict or list, a frame, an array or a figure",
        ) from None


def _plain(value: Any) -> object:
    if type(value).__module__.partition(".")[0] in ("numpy", "torch") and hasattr(value, "tolist"):
        return value.tolist()
    raise NotImplementedError(f"no JSON for a {type(value).__name__}")
