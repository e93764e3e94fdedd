"""Which addresses are such of HTTP."""

from __future__ import annotations

import pytest

from clew.core.address import address_parts, http_parts


@pytest.mark.parametrize("address", ["http://h", "https://h:443/a?b#c", "http://[::1]:80", "HTTP://H", "http://u:p@h"])
def test_addresses(address: str) -> None:
    parts = http_parts(address)
    assert parts is not None
    assert parts.geturl().lower() == address.lower()


@pytest.mark.parametrize(
    "address", ["", "h", "http://", "http:///a", "ftp://h", "http://[::1", "http://h:x", "http://h:99999", "http://h:0"]
)
def test_what_is_none(address: str) -> None:
    assert http_parts(address) is None


def test_addresses_of_any_kind() -> None:
    parts = address_parts("s3://bucket/a")
    assert parts is not None
    assert parts.scheme == "s3"
    assert address_parts("s3://[bucket") is None
