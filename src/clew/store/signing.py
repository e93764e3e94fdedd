"""Ed25519 keys that statements are signed with, kept outside of every project.

One key per person and machine, so that who can write to a project's folder cannot sign in its owner's name. What is
signed, and where the signature is kept, is the caller's part. A signature proves that the holder of a key said
something; whose key it is, the reader has to know.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from clew.core.errors import Invalid, Unavailable
from clew.core.hashing import hash_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["KEY_VARIABLE", "SigningKey", "fingerprint", "is_signed", "key_path", "open_key"]

KEY_VARIABLE = "CLEW_SIGNING_KEY"
"""Environment variable: the file of the key to sign with."""

_FINGERPRINT_DIGITS = 32


class SigningKey:
    """A private key, loaded. `public` are the 64 hex digits that others check signatures with."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw().hex()

    @property
    def fingerprint(self) -> str:
        """The short name of the key."""
        return fingerprint(self.public)

    def sign(self, tag: str, data: bytes) -> str:
        """The signature of bytes, in hex.

        Args:
            tag: what kind of thing is signed, such as `clew.certificate/0`; a signature holds under its tag only.
            data: the bytes.
        """
        return self._private.sign(_framed(tag, data)).hex()


def key_path(variables: Mapping[str, str] | None = None) -> Path:
    """Where the key lies: `CLEW_SIGNING_KEY`, or `clew/keys/signing.pem` below the user's configuration."""
    around = os.environ if variables is None else variables
    if named := around.get(KEY_VARIABLE):
        return Path(named)
    base = around.get("XDG_CONFIG_HOME") or Path(around.get("HOME") or Path.home()) / ".config"
    return Path(base) / "clew" / "keys" / "signing.pem"


def open_key(path: Path | None = None) -> SigningKey:
    """The key in a file, made when there is none: only its owner can read it.

    Args:
        path: the file; `key_path()` when None.

    Raises:
        Invalid: the file holds no Ed25519 key, or others can read it.
        Unavailable: it can neither be read nor made.
    """
    path = path or key_path()
    try:
        if not path.exists():
            _make(path)
        others = path.stat().st_mode & 0o077
        data = path.read_bytes()
    except OSError as error:
        raise Unavailable(
            f"the signing key {path} cannot be used: {error.strerror}", hint=f"name another file in {KEY_VARIABLE}"
        ) from error
    if others:
        raise Invalid(f"the signing key {path} can be read by others", hint=f"chmod 600 {path}")
    return SigningKey(_decode(path, data))


def fingerprint(public: str) -> str:
    """The short name of a public key."""
    return hash_bytes(bytes.fromhex(public))[:_FINGERPRINT_DIGITS]


def is_signed(public: str, signature: str, *, tag: str, data: bytes) -> bool:
    """Whether the holder of a key signed these bytes under this tag.

    Args:
        public: the public key, 64 hex digits.
        signature: in hex.
        tag: as it was signed.
        data: as it was signed.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), _framed(tag, data))
    except (InvalidSignature, ValueError):
        return False
    return True


def _framed(tag: str, data: bytes) -> bytes:
    return tag.encode() + b"\0" + data


def _make(path: Path) -> None:
    """Write a new key under its name at once; where somebody else was faster, theirs stays."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as draft:  # readable by its owner only
        draft.write(text)
        draft.flush()
        os.fsync(draft.fileno())
        with suppress(FileExistsError):
            os.link(draft.name, path)


def _decode(path: Path, data: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise Invalid(f"{path} holds no key that can be read without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Invalid(f"{path} holds a key of another kind", hint="clew signs with Ed25519")
    return key
