"""Which addresses are this machine's own, and which requests a browser sent for somebody else."""

from __future__ import annotations

import errno
import os

import pytest

from clew.core.loopback import is_foreign, is_loopback, unusable, url_of


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "example.org", "127.0.0.1.nip.io"]
)
def test_everything_else(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8470", ""),
        ("127.0.0.1", ""),
        ("[::1]:8470", "http://[::1]:8470"),
        ("LocalHost:1", "http://localhost:1"),
        ("127.0.0.1", "https://127.0.0.1"),
        ("", ""),
    ],
)
def test_requests_of_this_machine(host: str, origin: str) -> None:
    assert not is_foreign(host, origin)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("rebound.example.org:8470", ""),
        ("localhost.example.org", ""),
        ("localhost:8470", "https://example.org"),
        ("localhost:8470", "null"),
        ("localhost:8470", "http://localhost:3000"),
        ("localhost:8470", "http://localhost"),
        ("localhost:8470", "http://127.0.0.1:8470"),
        ("localhost:8470", "file://localhost:8470"),
        ("", "http://localhost:8470"),
        ("example.org", "https://example.org"),
        ("localhost:8470", "http://localhost@example.org"),
        ("localhost:8470", "http://[::1"),
        ("user@10.0.0.1", ""),
        ("[::1", ""),
        (":", ""),
    ],
)
def test_requests_of_others(host: str, origin: str) -> None:
    assert is_foreign(host, origin)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_what_is_told_is_local_too(host: str) -> None:
    url = url_of(host, 8470)
    assert not is_foreign(url.removeprefix("http://"), url)


@pytest.mark.parametrize(("number", "advice"), [(errno.EADDRINUSE, "--port"), (errno.EADDRNOTAVAIL, "--host")])
def test_what_to_change_about_an_address_is_said(number: int, advice: str) -> None:
    assert advice in unusable("10.9.8.7", 80, OSError(number, os.strerror(number))).hint
