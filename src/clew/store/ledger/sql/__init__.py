"""The ledger in SQL: one module per aggregate over the small seam in `connection`."""
