"""Names of objects: what may stand where one is expected, and several lists of them as one.

Digests come from rows and requests, and become paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby

from clew.core.errors import Invalid
from clew.core.ids import Digest

__all__ = ["checked", "in_order", "is_digest"]

_FORM = re.compile(r"[0-9a-f]{64}")


def checked(digest: Digest) -> Digest:
    """The digest itself.

    Raises:
        Invalid: it is not 64 lower-case hex digits.
    """
    if not is_digest(digest):
        raise Invalid(f"{digest!r} is no digest", hint="a digest is 64 lower-case hex digits")
    return digest


def is_digest(name: str) -> bool:
    """Whether a name is 64 lower-case hex digits."""
    return _FORM.fullmatch(name) is not None


def in_order(*lists: Iterable[Digest]) -> Iterator[Digest]:
    """What some lists have, each of them in order: in order too, and each once."""
    return (digest for digest, _ in groupby(merge(*lists)))
