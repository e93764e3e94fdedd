"""Data checks: one contract, inferred from a first version, compiled for tables and for single requests."""
