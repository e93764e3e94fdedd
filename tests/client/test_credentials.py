"""Which server and project an address names."""

from __future__ import annotations

import pytest

from clew.client.credentials import address_of
from clew.core.errors import Invalid


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h/projects/flights", ("https://h", "flights")),
        ("https://h/clew/projects/a%20b/", ("https://h/clew", "a b")),
        ("http://[::1]:8080/", ("http://[::1]:8080", "given")),
    ],
)
def test_an_address_names_a_server_and_perhaps_a_project(url: str, expected: tuple[str, str]) -> None:
    assert address_of(url, "given") == expected


@pytest.mark.parametrize(
    "url", ["", "h", "ftp://h", "http://[::1", "http://h:x", "https://h?a=b", "https://h#a", "https://u:p@h"]
)
def test_what_names_none_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="address of a server"):
        address_of(url, "")
