"""Equal values have equal bytes, whatever order they were built in, and two kinds of thing never share a digest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.canonical import canonical, digest_of
from clew.core.hashing import hash_bytes

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), values, min_size=2))
def test_order_does_not_matter(value: dict[str, object]) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical(value) == canonical(turned)
    assert digest_of("clew.a/0", value) == digest_of("clew.a/0", turned) != digest_of("clew.b/0", value)


def test_the_tag_stands_apart_from_the_value() -> None:
    assert digest_of("t", None) == hash_bytes(b"t\0\xc0")


def test_what_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(TypeError):
        canonical(object())
