"""Datasets: add, checkout, diff, query, checks. One verb per file."""
