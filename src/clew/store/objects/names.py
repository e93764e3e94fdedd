"""What may stand where a digest is expected: digests come from rows and requests, and become paths."""

from __future__ import annotations

import re

from clew.core.errors import Invalid
from clew.core.ids import Digest

__all__ = ["checked"]

_FORM = re.compile(r"[0-9a-f]{64}")


def checked(digest: Digest) -> Digest:
    """The digest itself.

    Raises:
        Invalid: it is not 64 lower-case hex digits.
    """
    if not _FORM.fullmatch(digest):
        raise Invalid(f"{digest!r} is no digest", hint="a digest is 64 lower-case hex digits")
    return digest
