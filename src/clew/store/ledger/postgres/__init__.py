"""The ledger in PostgreSQL. Design: docs/design/ledger.md."""

from clew.store.ledger.postgres.address import Address
from clew.store.ledger.postgres.condition import Condition
from clew.store.ledger.postgres.ledger import SCHEMA, VERSION_TABLE, PostgresLedger

__all__ = ["SCHEMA", "VERSION_TABLE", "Address", "Condition", "PostgresLedger"]
