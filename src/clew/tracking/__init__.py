"""Runs: the journal they log to, series, capture, comparison."""
