"""Matching: both engines agree with Python's `re` on the language of patterns, and none can be held up."""

from __future__ import annotations

import re
from importlib import import_module

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.types.pattern import MAX_MATCHED_CHARACTERS, parse_pattern
from clew.data.checks.match import Matcher, regex_of

ATOMS = ["a", "b", ".", r"\d", r"\w", r"\S", "[a-c]", "[^a]", r"[\d_-]", r"\.", "é", "\n"]
PATTERNS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}"])).map(lambda p: f"(?:{p[0]}){p[1]}"),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(pattern=PATTERNS, texts=st.lists(st.text("abc1_-.é\n ", max_size=7), min_size=1, max_size=8))
def test_both_matchers_agree_with_python(pattern: str, texts: list[str]) -> None:
    tree = parse_pattern(pattern)
    expected = [re.fullmatch(pattern, text, re.ASCII) is not None for text in texts]
    matches = Matcher(tree)
    assert [matches(text) for text in texts] == expected
    assert pl.Series(texts).str.contains(regex_of(tree)).to_list() == expected


def test_a_text_that_would_take_a_backtracking_engine_forever_is_matched() -> None:
    assert not Matcher(parse_pattern("((a|a)*)*b"))("a" * MAX_MATCHED_CHARACTERS)


def test_longer_texts_never_match() -> None:
    matches = Matcher(parse_pattern(".*"))
    assert matches("a" * MAX_MATCHED_CHARACTERS)
    assert not matches("a" * (MAX_MATCHED_CHARACTERS + 1))


def test_nothing_is_forgotten_when_kept_steps_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("clew.data.checks.match"), "_MAX_KEPT", 2)
    matches = Matcher(parse_pattern("(ab|cd)+"))
    assert [matches(text) for text in ("abcd", "ab", "abc", "cdab")] == [True, True, False, True]
