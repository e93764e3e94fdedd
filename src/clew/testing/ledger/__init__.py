"""The suite that every ledger must pass. Subclass `LedgerContract` and give a `ledger` fixture that starts empty.

Rows to store are in `clew.testing.ledger.examples`.
"""

from __future__ import annotations

from clew.testing.ledger.suite import LedgerContract

__all__ = ["LedgerContract"]
