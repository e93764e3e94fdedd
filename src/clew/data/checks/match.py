"""Matches texts against patterns, for single requests and for tables.

In Python: Glushkov's automaton, run as sets of positions in the bits of one integer, with the steps that occurred kept
(Glushkov 1961; Navarro and Raffinot, "Flexible Pattern Matching in Strings", 2002, ch. 5). Time is linear in the text
whatever the text is, which `re` does not promise, and requests come from strangers. For tables: the same pattern
written for the linear-time engine of polars.
"""

from __future__ import annotations

from clew.core.types.pattern import (
    MAX_MATCHED_CHARACTERS,
    Characters,
    Choice,
    PatternNode,
    Ranges,
    Repeat,
    Sequence,
)

__all__ = ["Matcher", "regex_of"]

_START = 1
_MAX_KEPT = 20_000
_SURROGATES = (0xD800, 0xDFFF)

Part = tuple[bool, int, int]
"""Of a part of a pattern: whether it matches nothing, and the positions that can be its first and its last."""


class Matcher:
    """Says whether a whole text matches. Threads may share one: what it keeps is only ever added or dropped."""

    def __init__(self, pattern: PatternNode) -> None:
        self._classes: list[Ranges] = []
        self._follow: list[int] = [0]
        empty, first, last = self._add(pattern)
        self._follow[0] = first
        self._accepting = last | (_START if empty else 0)
        self._steps: dict[tuple[int, str], int] = {}

    def __call__(self, text: str) -> bool:
        """Whether the whole text matches."""
        if len(text) > MAX_MATCHED_CHARACTERS:
            return False
        state, steps = _START, self._steps
        for char in text:
            following = steps.get((state, char))
            state = self._step(state, char) if following is None else following
            if not state:
                return False
        return bool(state & self._accepting)

    def _step(self, state: int, char: str) -> int:
        reachable, code, following = 0, ord(char), 0
        for position, follow in enumerate(self._follow):
            if state >> position & 1:
                reachable |= follow
        for index, ranges in enumerate(self._classes, 1):
            if reachable >> index & 1 and any(low <= code <= high for low, high in ranges):
                following |= 1 << index
        if len(self._steps) >= _MAX_KEPT:
            self._steps.clear()
        self._steps[state, char] = following
        return following

    def _add(self, node: PatternNode) -> Part:
        if isinstance(node, Characters):
            self._classes.append(node.ranges)
            self._follow.append(0)
            position = 1 << len(self._classes)
            return False, position, position
        if isinstance(node, Repeat):
            return self._add_repeat(node)
        parts = [self._add(part) for part in node.parts]
        return self._either(parts) if isinstance(node, Choice) else self._chain(parts)

    def _add_repeat(self, node: Repeat) -> Part:
        needed = [self._add(node.part) for _ in range(node.low)]
        if node.high is None:
            loop = needed[-1] if needed else self._add(node.part)
            self._link(loop[2], loop[1])
            return self._chain(needed) if needed else (True, loop[1], loop[2])
        optional: list[Part] = [(True, *self._add(node.part)[1:]) for _ in range(node.high - node.low)]
        return self._chain([*needed, *optional])

    def _chain(self, parts: list[Part]) -> Part:
        empty, first, last = True, 0, 0
        for part_empty, part_first, part_last in parts:
            self._link(last, part_first)
            first |= part_first if empty else 0
            last = part_last | (last if part_empty else 0)
            empty = empty and part_empty
        return empty, first, last

    def _either(self, parts: list[Part]) -> Part:
        first = last = 0
        for _, part_first, part_last in parts:
            first, last = first | part_first, last | part_last
        return any(part[0] for part in parts), first, last

    def _link(self, last: int, first: int) -> None:
        """Let every position of `first` follow every position of `last`."""
        for position in range(last.bit_length()):
            if last >> position & 1:
                self._follow[position] |= first


def regex_of(pattern: PatternNode) -> str:
    """The pattern for the regular expressions of polars (Rust's `regex`), for a whole text."""
    return rf"\A(?:{_regex(pattern)})\z"


def _regex(node: PatternNode) -> str:
    if isinstance(node, Characters):
        return "[" + "".join(f"\\x{{{low:x}}}-\\x{{{high:x}}}" for low, high in _encodable(node.ranges)) + "]"
    if isinstance(node, Sequence):
        return "".join(f"(?:{_regex(part)})" for part in node.parts)
    if isinstance(node, Choice):
        return "|".join(f"(?:{_regex(part)})" for part in node.parts)
    return f"(?:{_regex(node.part)}){{{node.low},{'' if node.high is None else node.high}}}"


def _encodable(ranges: Ranges) -> Ranges:
    """The ranges without surrogates, which no text of a table can hold."""
    low, high = _SURROGATES
    parts = [((a, min(b, low - 1)), (max(a, high + 1), b)) for a, b in ranges]
    return tuple(span for pair in parts for span in pair if span[0] <= span[1])
