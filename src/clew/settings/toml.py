"""TOML from a file that a person wrote: everything that it can be wrong in is said, not thrown."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

from clew.core.errors import Invalid, Unavailable

__all__ = ["tables_of", "text_of"]


def text_of(path: Path) -> str:
    """The text of a file; nothing where there is none.

    Raises:
        Invalid: it is not UTF-8.
        Unavailable: it cannot be read, or is no file.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise Unavailable(f"{path} is no file", hint="move it away, or write the settings into a file")
        return path.read_bytes().decode()
    except FileNotFoundError:
        if path.is_symlink():
            raise Unavailable(f"{path} is a link to {path.readlink()}, which is not there") from None
        return ""
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not UTF-8: byte {error.start} does not fit", hint="save it as UTF-8") from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}", hint="look at its permissions") from error


def tables_of(text: str, *, where: str) -> dict[str, Any]:
    """The tables in a text.

    Raises:
        Invalid: it is no TOML.
    """
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except ValueError as error:  # TOMLDecodeError is one, and so is a number of too many digits
        raise Invalid(f"{where} is no TOML: {error}", hint="mend it there") from None
    except RecursionError:
        raise Invalid(f"{where} is no TOML of ours: it is nested too deeply", hint="mend it there") from None
