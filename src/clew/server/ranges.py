"""The `Range` header: one span of bytes (RFC 9110, section 14)."""

from __future__ import annotations

import re

from litestar.exceptions import HTTPException

__all__ = ["span_of"]

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def span_of(header: str, size: int) -> tuple[int, int] | None:
    """First and past-the-last byte of a range; None when the whole is asked for, or several ranges at once.

    Raises:
        HTTPException: 416, the range begins behind the end.
    """
    found = _ONE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, stop = max(0, size - int(found[2])), size
    else:
        start, stop = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
    if start >= stop:
        raise HTTPException(
            f"{header} is not within {size} bytes", status_code=416, headers={"content-range": f"bytes */{size}"}
        )
    return start, stop
