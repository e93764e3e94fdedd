"""How certificates of reproductions are shown to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.cli.output import cell
from clew.cli.picture import Branch, tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.tracking.certificate import Certificate

__all__ = ["picture_of_certificate", "rows_of_certificates", "words_of_certificate"]

_DIGITS = 12


def rows_of_certificates(certificates: Sequence[Certificate]) -> list[dict[str, object]]:
    """The rows of a table."""
    return [
        {
            "verdict": each.statement.verdict,
            "at_us": each.statement.at_us,
            "by": each.statement.by,
            "machine": each.statement.machine.get("host", ""),
            "key": each.fingerprint[:_DIGITS],
        }
        for each in certificates
    ]


def words_of_certificate(certificate: Certificate) -> str:
    """One line."""
    said = certificate.statement
    key = certificate.fingerprint[:_DIGITS]
    return f"{said.verdict}, {cell('at_us', said.at_us)}, by {said.by}, signed with key {key}"


def picture_of_certificate(certificate: Certificate, *, own: bool, known: str) -> str:
    """The whole statement.

    Args:
        certificate: its signature holds.
        own: whether it was signed with the key of this user.
        known: what the project here says of the run; empty where there is none.
    """
    said = certificate.statement
    whose = "the key of this user" if own else "compare it with one that you got in another way"
    lines = [
        f"signed with key {certificate.fingerprint}: {whose}",
        f"run {said.run}, repeated as {said.repeated[:_DIGITS]}",
        f"{cell('at_us', said.at_us)}, by {said.by}, with clew {said.clew or '?'} and Python {said.python}",
        f"machine {said.machine.get('host', '?')}: {said.machine.get('processor', '?')}",
        f"packages {'made anew as recorded' if said.environment == 'recorded' else 'as they were there'}",
        *(f"data {name} {digest[:_DIGITS]}" for name, digest in said.data.items()),
        *(f"model {name} {digest[:_DIGITS]}" for name, digest in said.models.items()),
        *(f"not the same: {name}" for name in said.differs),
        *(f"changed: {each['kind']} {each['name']}: {each['recorded']} → {each['now']}" for each in said.factors),
        *([known] if known else []),
    ]
    return tree(Branch(f"{said.verdict}: run {said.name}", tuple(Branch(line) for line in lines)))
