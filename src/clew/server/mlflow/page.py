"""Pages of lists as MLflow cuts them: an offset in an opaque token."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TypeVar

from clew.server.mlflow.refusal import invalid

__all__ = ["cut", "offset_of", "token_of"]

T = TypeVar("T")


def token_of(offset: int) -> str:
    """The token of a page."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()


def offset_of(token: str) -> int:
    """Where the page of a token begins."""
    if not token:
        return 0
    try:
        decoded = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Invalid page token, could not base64-decode") from None
    try:
        parsed = json.loads(decoded)
        offset = int(parsed["offset"])
    except (ValueError, KeyError, TypeError):
        raise invalid(f"Invalid page token, decoded value={decoded!r}") from None
    if offset < 0:
        raise invalid(f"Invalid page token, parsed value={parsed}")
    return offset


def cut(found: list[T], most: int, token: str) -> tuple[list[T], dict[str, str]]:
    """One page of a list, and the field that names the next one."""
    start = offset_of(token)
    stop = start + most
    return found[start:stop], {"next_page_token": token_of(stop)} if stop < len(found) else {}
