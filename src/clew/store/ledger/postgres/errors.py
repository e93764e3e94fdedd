"""Errors of PostgreSQL as errors of clew. None of them repeats a password: libpq's own texts hold none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.core.errors import ClewError, Conflict, Corrupt, Invalid, Unavailable
from clew.store.ledger.postgres.address import Address

if TYPE_CHECKING:
    import psycopg

__all__ = ["not_reached", "translated"]

_REPEAT = "repeat the command"


def not_reached(error: psycopg.Error, address: Address) -> ClewError:
    """A connection that was not made."""
    said = _first_line(error)
    if "too many clients" in said or "remaining connection slots" in said:
        return Unavailable(f"the ledger {address} takes no more connections: {said}", hint="raise max_connections")
    if "database" in said and "does not exist" in said:
        return Unavailable(f"the ledger {address} is not there: {said}", hint="make it: createdb --encoding UTF8 NAME")
    if any(word in said for word in ("authentication", "password", "role", "pg_hba")):
        hint = "user and password come from the address, PGUSER and PGPASSWORD, or ~/.pgpass"
        return Unavailable(f"the ledger {address} lets nobody in: {said}", hint=hint)
    return Unavailable(
        f"the ledger {address} cannot be reached: {said}", hint="is the server running, and the address right?"
    )


def translated(error: psycopg.Error, address: Address) -> ClewError | psycopg.Error:
    """What happened within a transaction; an error that is a defect of clew stays as it is."""
    state, said = error.sqlstate or "", _first_line(error)
    if state == "55P03":
        return Unavailable(f"the ledger {address} is locked by another writer", hint=_REPEAT)
    if state == "25P03":
        return Unavailable(f"a change to the ledger {address} paused for too long and was undone", hint=_REPEAT)
    if state in ("40001", "40P01"):
        return Conflict(f"somebody else changed the same rows of the ledger {address}", hint=_REPEAT)
    if state == "25006":
        return Unavailable(f"the ledger {address} can only be read", hint="use the address of the primary server")
    if state == "42501":
        hint = 'let the user make the schema "clew" and its tables: CREATE SCHEMA clew AUTHORIZATION USER'
        return Invalid(f"the ledger {address} does not allow this: {said}", hint=hint)
    if state == "54000" or state.startswith("22") or (not state and _is_data(error)):
        return Invalid(f"the ledger cannot hold this: {said}", hint="use a shorter name, without odd characters")
    if state in ("53100", "53200"):
        return Unavailable(f"no room in the ledger {address}: {said}", hint="free some on the server and repeat")
    if state in ("XX001", "XX002"):
        return Corrupt(f"the ledger {address} is damaged: {said}", hint="restore it from a backup")
    if state[:2] in ("08", "53", "57", "58") or (not state and _is_operational(error)):
        return Unavailable(f"the ledger {address} went away: {said}", hint=_REPEAT)
    return error


def _is_operational(error: psycopg.Error) -> bool:
    return any(kind.__name__ in ("OperationalError", "InterfaceError") for kind in type(error).__mro__)


def _is_data(error: psycopg.Error) -> bool:
    return any(kind.__name__ == "DataError" for kind in type(error).__mro__)


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0]
