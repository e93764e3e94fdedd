"""BLAKE3 of bytes and of files, against the vector that its authors publish."""

from __future__ import annotations

from pathlib import Path

from clew.core.hashing import hash_bytes, hash_file

OF_NOTHING = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_bytes_and_files_have_one_digest(tmp_path: Path) -> None:
    assert hash_bytes(b"") == OF_NOTHING
    for size in (0, 1, 100_000):
        content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        (tmp_path / "file").write_bytes(content)
        assert hash_file(tmp_path / "file") == hash_bytes(content) == hash_bytes(bytearray(content))
