"""Serving: models compiled and run, and what answers requests.

Design: docs/design/package.md, docs/design/serving.md.
"""
