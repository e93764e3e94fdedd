"""A server that never answers is asked once, for a few seconds."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from clew.core.errors import NotFound, Unavailable
from clew.tracking.patience import Patience


@pytest.fixture
def never() -> Iterator[threading.Event]:
    never = threading.Event()
    yield never
    never.set()


def test_an_answer_is_handed_on_be_it_an_error() -> None:
    patience = Patience()

    def nobody() -> str:
        raise NotFound("run", "one")

    assert patience.ask(lambda: "found") == "found"
    with pytest.raises(NotFound):
        patience.ask(nobody)
    assert patience.ask(lambda: None) is None


def test_who_does_not_answer_is_left_alone_for_a_while(never: threading.Event) -> None:
    now = [100.0]
    patience = Patience(0.01, 30, clock_s=lambda: now[0])
    with pytest.raises(Unavailable, match=r"within 0\.01 s"):
        patience.ask(never.wait)
    with pytest.raises(Unavailable):
        patience.ask(lambda: pytest.fail("is asked"))
    now[0] += 30
    patience._limit_s = 60.0  # a thread of a loaded machine begins late
    assert patience.ask(lambda: "back") == "back"
