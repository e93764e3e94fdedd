"""Pages end with ids, and nothing else is handed back for more."""

from __future__ import annotations

import pytest

from clew.core.errors import Invalid
from clew.core.paging import Page, checked_after


def test_a_page_is_the_last_one_unless_it_says_otherwise() -> None:
    assert Page([1, 2]).next == ""
    assert Page([1], next="a").items == [1]


def test_tokens_are_ids_or_nothing() -> None:
    assert checked_after("") == ""
    assert checked_after("0" * 32) == "0" * 32
    for token in ("x", "0" * 31, "next"):
        with pytest.raises(Invalid, match="no page token"):
            checked_after(token)
