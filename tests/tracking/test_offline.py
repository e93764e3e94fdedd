"""When runs stay on this machine."""

from __future__ import annotations

import pytest

from clew.tracking.offline import is_offline


@pytest.mark.parametrize(
    ("said", "offline"),
    [
        ("1", True),
        ("true", True),
        ("yes", True),
        ("", False),
        ("0", False),
        ("false", False),
        ("No", False),
        ("off", False),
    ],
)
def test_a_no_is_a_no(said: str, offline: bool) -> None:
    assert is_offline({"CLEW_OFFLINE": said}) is offline
    assert not is_offline({})
