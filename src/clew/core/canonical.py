"""One byte string for one value: what is hashed or signed must not depend on the order in which it was built.

Values are msgspec structs, dicts, lists, strings, integers, floats, booleans, None and bytes. Encoding is
MessagePack with sorted keys (`msgspec`'s deterministic order), behind a tag that names what is hashed and its
version, so that two kinds of thing never share a digest.
"""

from __future__ import annotations

import msgspec

from clew.core.hashing import hash_bytes
from clew.core.ids import Digest

__all__ = ["canonical", "digest_of"]

_encoder = msgspec.msgpack.Encoder(order="deterministic")


def canonical(value: object) -> bytes:
    """The canonical bytes of a value.

    Raises:
        TypeError: the value holds something that has no canonical form.
    """
    return _encoder.encode(value)


def digest_of(tag: str, value: object) -> Digest:
    """The digest of a value under a tag such as `clew.manifest/0`."""
    return hash_bytes(tag.encode() + b"\0" + _encoder.encode(value))
