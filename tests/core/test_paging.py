"""Pages end with ids, and nothing else is handed back for more."""

from __future__ import annotations

import pytest

from clew.core.errors import Invalid
from clew.core.paging import Page, checked_after, items_of


def test_a_page_is_the_last_one_unless_it_says_otherwise() -> None:
    assert Page([1, 2]).next == ""
    assert Page([1], next="a").items == [1]


def test_tokens_are_ids_or_nothing() -> None:
    assert checked_after("") == ""
    assert checked_after("0" * 32) == "0" * 32
    for token in ("x", "0" * 31, "next"):
        with pytest.raises(Invalid, match="no page token"):
            checked_after(token)


@pytest.mark.parametrize("pages", [[[]], [[1, 2]], [[1], [], [2, 3]]])
def test_items_of_all_pages_come_in_order_as_they_are_asked_for(pages: list[list[int]]) -> None:
    read: list[str] = []

    def page(*, after: str) -> Page[int]:
        read.append(after)
        place = int(after or 0)
        return Page(pages[place], next=str(place + 1) if place + 1 < len(pages) else "")

    items = items_of(page)
    assert read == []
    assert list(items) == [item for items in pages for item in items]
    assert len(read) == len(pages)
