"""Tokens of servers on this machine: one file that only its owner can read, outside of every project.

Not in `clew.toml`, which is committed and copied with runs. `CLEW_TOKEN` stands above the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from clew.core.address import http_parts
from clew.core.errors import Invalid, Unavailable

__all__ = ["ADDRESS_HINT", "address_of", "credentials_file", "forget_token", "keep_token", "servers_of", "token_for"]

TOKEN = "CLEW_TOKEN"  # noqa: S105 - the name of a variable
ADDRESS_HINT = "for example https://clew.example.org/projects/flights"


def address_of(url: str, project: str) -> tuple[str, str]:
    """The server and the project that an address names: `https://HOST/projects/NAME`, or the project given.

    Raises:
        Invalid: that is no address.
    """
    parts = http_parts(url)
    if parts is None or parts.query or parts.fragment:
        raise Invalid(f"{url!r} is no address of a server", hint=ADDRESS_HINT)
    if parts.username or parts.password:
        raise Invalid("the address of a server holds no user and no password", hint=f"set {TOKEN}, or clew login URL")
    path, found, name = parts.path.rstrip("/").rpartition("/projects/")
    base = f"{parts.scheme}://{parts.netloc}{(path if found else parts.path).rstrip('/')}"
    return base, unquote(name) if found else project


def credentials_file(environ: Mapping[str, str]) -> Path:
    """Where tokens are kept: `clew/credentials.json` below the user's configuration."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "clew" / "credentials.json"


def token_for(server: str, environ: Mapping[str, str]) -> str:
    """The token to show a server; "" where there is none."""
    return environ.get(TOKEN, "").strip() or _read(credentials_file(environ)).get(server, "")


def servers_of(environ: Mapping[str, str]) -> list[str]:
    """The servers that a token is kept for, in the order in which they came."""
    return list(_read(credentials_file(environ)))


def keep_token(server: str, token: str, environ: Mapping[str, str]) -> Path:
    """Keep a token for a server, in place of the one that is kept; returns the file."""
    file = credentials_file(environ)
    _write(file, {**_read(file), server: token})
    return file


def forget_token(server: str, environ: Mapping[str, str]) -> bool:
    """Forget the token of a server; False when none is kept."""
    file = credentials_file(environ)
    kept = _read(file)
    if kept.pop(server, None) is None:
        return False
    _write(file, kept)
    return True


def _read(file: Path) -> dict[str, str]:
    try:
        held = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Unavailable(f"{file} cannot be read: {error.strerror}") from error
    except ValueError:
        held = None
    if not isinstance(held, dict) or not all(isinstance(token, str) for token in held.values()):
        raise Invalid(f"{file} is not what clew login wrote", hint="remove it, and log in again")
    return held


def _write(file: Path, tokens: Mapping[str, str]) -> None:
    fresh = file.with_suffix(f".{os.getpid()}.new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as open_file:
            json.dump(dict(tokens), open_file, indent=1)
        fresh.replace(file)
    except OSError as error:
        raise Unavailable(f"{file} cannot be written: {error.strerror}") from error
