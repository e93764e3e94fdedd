"""What PostgreSQL says, as errors of clew: what failed, and what to do next. Errors of clew's own SQL stay defects."""

from __future__ import annotations

import psycopg
import pytest

from clew.core.errors import ClewError, Conflict, Corrupt, Invalid, Unavailable
from clew.store.ledger.postgres import Address
from clew.store.ledger.postgres.errors import not_reached, translated

ADDRESS = Address("postgresql://ann:secret@host:5433/db")


def said(text: str, state: str | None = None, kind: type[psycopg.Error] = psycopg.Error) -> psycopg.Error:
    error = kind(f"{text}\nDETAIL: more")
    error.sqlstate = state
    return error


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("FATAL: sorry, too many clients already", "takes no more connections", "max_connections"),
        ("FATAL: remaining connection slots are reserved", "takes no more connections", "max_connections"),
        ('FATAL: database "db" does not exist', "is not there", "createdb"),
        ('FATAL: role "ann" does not exist', "lets nobody in", "PGPASSWORD"),
        ("FATAL: password authentication failed", "lets nobody in", "pgpass"),
        ("FATAL: no pg_hba.conf entry", "lets nobody in", "PGUSER"),
        ("connection refused", "cannot be reached", "is the server running"),
    ],
)
def test_why_a_connection_was_not_made(text: str, what: str, hint: str) -> None:
    error = not_reached(said(text), ADDRESS)
    assert isinstance(error, Unavailable)
    assert what in error.what
    assert hint in error.hint
    assert "secret" not in str(error)
    assert "DETAIL" not in str(error)


@pytest.mark.parametrize(
    ("state", "kind", "what"),
    [
        ("55P03", Unavailable, "locked by another writer"),
        ("25P03", Unavailable, "paused for too long"),
        ("40001", Conflict, "somebody else"),
        ("40P01", Conflict, "somebody else"),
        ("25006", Unavailable, "can only be read"),
        ("42501", Invalid, "does not allow this"),
        ("54000", Invalid, "cannot hold this"),
        ("22P05", Invalid, "cannot hold this"),
        ("53100", Unavailable, "no room"),
        ("53200", Unavailable, "no room"),
        ("XX001", Corrupt, "is damaged"),
        ("XX002", Corrupt, "is damaged"),
        ("08006", Unavailable, "went away"),
        ("53300", Unavailable, "went away"),
        ("57P01", Unavailable, "went away"),
        ("58030", Unavailable, "went away"),
    ],
)
def test_what_happened_in_a_transaction(state: str, kind: type[ClewError], what: str) -> None:
    error = translated(said("it failed", state), ADDRESS)
    assert type(error) is kind
    assert what in error.what
    assert "secret" not in str(error)


def test_errors_without_a_state_go_by_their_kind() -> None:
    for kind, expected in (
        (psycopg.OperationalError, Unavailable),
        (psycopg.InterfaceError, Unavailable),
        (psycopg.DataError, Invalid),
    ):
        assert type(translated(said("it failed", None, kind), ADDRESS)) is expected


@pytest.mark.parametrize(("state", "kind"), [("42601", psycopg.Error), ("23505", psycopg.Error), (None, psycopg.Error)])
def test_a_defect_of_clew_stays_one(state: str | None, kind: type[psycopg.Error]) -> None:
    error = said("syntax error", state, kind)
    assert translated(error, ADDRESS) is error
