"""Ledgers. Contract: clew.core.contracts.ledger; design: docs/design/ledger.md."""
