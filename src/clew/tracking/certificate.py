"""Signed statements that a run was repeated, and how like the first time it was. Design: docs/design/certificate.md."""

from __future__ import annotations

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.contracts.services import EventService
from clew.core.errors import Corrupt, Invalid
from clew.core.ids import Digest
from clew.core.types.edge import node
from clew.store.signing import SigningKey, fingerprint, is_signed

__all__ = [
    "CERTIFICATE",
    "CERTIFICATE_TYPE",
    "Certificate",
    "Statement",
    "certificates_of",
    "make_certificate",
    "read_certificate",
]

CERTIFICATE = "certificate.json"
"""The artifact of a reproduction that holds its certificate."""

CERTIFICATE_TYPE = "application/x-clew-certificate"

_FORMAT = "clew.certificate/0"
_LARGEST_BYTES = 64 << 20


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed; docs/design/certificate.md says it of each field."""

    run: str
    name: str
    repeated: str
    verdict: str
    tolerance: float
    at_us: int
    by: str
    record: dict[str, Digest]
    data: dict[str, Digest]
    steps: dict[str, Digest]
    outputs: dict[str, Digest]
    metrics: dict[str, float | None]
    models: dict[str, Digest]
    differs: list[str]
    factors: list[dict[str, str]]
    environment: str
    python: str
    machine: dict[str, str]
    clew: str
    report: Digest


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A statement whose signature holds, and the key that it was signed with."""

    statement: Statement
    key: str
    fingerprint: str


class _File(msgspec.Struct, kw_only=True):
    """A certificate as it is written; the statement stays the bytes that were signed."""

    format: str
    statement: msgspec.Raw
    key: str
    signature: str


def make_certificate(key: SigningKey, statement: Statement) -> bytes:
    """A signed statement, as the bytes of its file."""
    said = msgspec.json.encode(statement, order="deterministic")
    signed = _File(format=_FORMAT, statement=msgspec.Raw(said), key=key.public, signature=key.sign(_FORMAT, said))
    return msgspec.json.encode(signed)


def read_certificate(data: bytes) -> Certificate:
    """The statement of a certificate, after its signature was checked.

    Raises:
        Invalid: that is no certificate, or one of a newer clew.
        Corrupt: the signature does not hold: the statement is not what was signed.
    """
    try:
        found = msgspec.json.decode(data[:_LARGEST_BYTES], type=_File)
        if found.format != _FORMAT:
            raise Invalid(f"the certificate has the format {found.format!r}", hint=f"this clew reads {_FORMAT}")
        said = bytes(found.statement)
        if not is_signed(found.key, found.signature, tag=_FORMAT, data=said):
            raise Corrupt(
                "the signature of the certificate does not hold: it was changed after it was signed",
                hint="files are signed byte for byte; get it anew from where it was made",
            )
        statement = msgspec.json.decode(said, type=Statement)
    except msgspec.DecodeError as error:
        raise Invalid(f"that is no certificate: {error}", hint="clew reproduce RUN makes one") from None
    return Certificate(statement=statement, key=found.key, fingerprint=fingerprint(found.key))


def certificates_of(events: EventService, objects: Objects, run: str) -> list[Certificate]:
    """The certificates of a run, newest first.

    Raises:
        Corrupt: one of them is not what was signed.
    """
    told = events.list(subject=node("run", run), kind="run.reproduced").items
    digests = [Digest(str(event.facts["certificate"])) for event in told if event.facts.get("certificate")]
    return [read_certificate(objects.get(digest)) for digest in digests]
