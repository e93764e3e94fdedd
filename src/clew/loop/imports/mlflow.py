"""Which reader an MLflow tracking address needs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from clew.core.address import address_parts
from clew.core.errors import Invalid, NotFound
from clew.loop.imports.foreign import Source
from clew.loop.imports.mlflow_sql import MlflowDatabase

__all__ = ["open_mlflow"]


def open_mlflow(uri: str, *, artifacts: str = "") -> Source:
    """What is at an MLflow tracking address.

    Args:
        uri: `sqlite:///FILE`, the path of a database or of a folder `mlruns`, or `http(s)://HOST`.
        artifacts: the folder or bucket that a server kept files in, when its database is read.

    Raises:
        NotFound: there is nothing.
        Invalid: it is no tracking address, or of a kind that cannot be read.
    """
    parts = address_parts(uri)
    if parts is None:
        raise Invalid(f"{uri!r} is no address", hint="for example: http://localhost:5000, or the path of a database")
    if parts.scheme == "sqlite":
        return MlflowDatabase(Path(unquote(uri[len("sqlite:///") :])), artifacts=artifacts)
    if parts.scheme in ("http", "https"):
        from clew.loop.imports.mlflow_server import MlflowServer

        return MlflowServer(uri)
    if parts.scheme not in ("", "file"):
        raise Invalid(
            f"{uri} cannot be read: only SQLite databases, folders and servers can",
            hint="start a server on it, and import from that: mlflow server --backend-store-uri …",
        )
    path = Path(unquote(parts.path) if parts.scheme else uri)
    if path.is_file():
        return MlflowDatabase(path, artifacts=artifacts)
    if not path.is_dir():
        raise NotFound("file or folder", uri)
    from clew.loop.imports.mlflow_folder import MlflowFolder

    return MlflowFolder(path)
