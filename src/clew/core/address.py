"""Addresses as people type them: whether one is any, and its parts."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

__all__ = ["address_parts", "http_parts"]


def address_parts(address: str) -> SplitResult | None:
    """The parts of an address of any kind; None where it is none, as with brackets that do not close."""
    try:
        return urlsplit(address)
    except ValueError:
        return None


def http_parts(address: str) -> SplitResult | None:
    """The parts of an address with a host, and a port that can be one where it names one; None where it is none."""
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is no number
        return None
    return parts if sound else None
