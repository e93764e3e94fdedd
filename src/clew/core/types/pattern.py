"""Patterns: the regular expressions that data checks may use, as a tree.

A pattern always speaks of the whole text. The language is the part that is truly regular (no backreferences, no
look-around) and means the same in every engine: `d`, `w` and `s` classes are ASCII, `.` is anything but a newline. So
it can be compiled for a table and for a single request with equal results, and matched in linear time. This is not a
matcher. Reasoning: docs/design/checks.md.
"""

from __future__ import annotations

import msgspec

from clew.core.errors import Invalid

__all__ = [
    "MAX_MATCHED_CHARACTERS",
    "Characters",
    "Choice",
    "PatternNode",
    "Ranges",
    "Repeat",
    "Sequence",
    "parse_pattern",
]

MAX_MATCHED_CHARACTERS = 2_000
"""Longer texts never match a pattern."""

_MAX_TEXT = 500
_MAX_POSITIONS = 500
_MAX_DEPTH = 20
_TOP = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]


class Characters(msgspec.Struct, frozen=True):
    """One character out of sorted, separate, inclusive ranges of code points."""

    ranges: Ranges


class Sequence(msgspec.Struct, frozen=True):
    """Parts one after another; none at all is the empty text."""

    parts: tuple[PatternNode, ...]


class Choice(msgspec.Struct, frozen=True):
    """One of several."""

    parts: tuple[PatternNode, ...]


class Repeat(msgspec.Struct, frozen=True):
    """A part `low` to `high` times; `high` None is without end."""

    part: PatternNode
    low: int
    high: int | None


PatternNode = Characters | Sequence | Choice | Repeat


def parse_pattern(text: str) -> PatternNode:
    """The tree of a pattern.

    Raises:
        Invalid: it is not a pattern, uses what the language leaves out, or is too large.
    """
    if len(text) > _MAX_TEXT:
        raise Invalid(f"a pattern of {len(text)} characters is too long", hint=f"at most {_MAX_TEXT}")
    start = 1 if text.startswith("^") else 0
    end = len(text) - 1 if text.endswith("$") and not _escaped(text, len(text) - 1) else len(text)
    parser = _Parser(text, start, max(start, end))
    node = parser.choice(0)
    if parser.at < parser.end:
        raise parser.error("an unopened ')'")
    if _positions(node) > _MAX_POSITIONS:
        raise parser.error("too many repetitions", hint=f"it must unroll to {_MAX_POSITIONS} characters at most")
    return node


def _escaped(text: str, index: int) -> bool:
    slashes = len(text[:index]) - len(text[:index].rstrip("\\"))
    return slashes % 2 == 1


def _positions(node: PatternNode) -> int:
    if isinstance(node, Characters):
        return 1
    if isinstance(node, Repeat):
        return max(1, node.low if node.high is None else node.high) * _positions(node.part)
    return max(1, sum(_positions(part) for part in node.parts))


def _merge(ranges: list[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _complement(ranges: Ranges) -> Ranges:
    result, low = [], 0
    for first, last in ranges:
        if low < first:
            result.append((low, first - 1))
        low = last + 1
    if low <= _TOP:
        result.append((low, _TOP))
    return tuple(result)


def _of(*spans: str) -> Ranges:
    return _merge([(ord(span[0]), ord(span[-1])) for span in spans])


_CLASSES = {"d": _of("09"), "w": _of("09", "AZ", "az", "_"), "s": _of(" ", "\t\r")}
_CLASSES |= {letter.upper(): _complement(ranges) for letter, ranges in _CLASSES.items()}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r"}
_NOT_NEWLINE = _complement(_of("\n"))


class _Parser:
    """Reads a pattern from left to right, one method to a level of precedence."""

    def __init__(self, text: str, at: int, end: int) -> None:
        self.text, self.at, self.end = text, at, end

    def error(self, what: str, *, hint: str = "") -> Invalid:
        return Invalid(f"pattern {self.text!r} has {what} at character {self.at + 1}", hint=hint)

    def peek(self) -> str:
        return self.text[self.at] if self.at < self.end else ""

    def take(self) -> str:
        char = self.peek()
        if not char:
            raise self.error("an unfinished part")
        self.at += 1
        return char

    def choice(self, depth: int) -> PatternNode:
        if depth > _MAX_DEPTH:
            raise self.error("groups nested too deeply")
        parts = [self.sequence(depth)]
        while self.peek() == "|":
            self.at += 1
            parts.append(self.sequence(depth))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def sequence(self, depth: int) -> PatternNode:
        parts = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeat(self.atom(depth)))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def repeat(self, node: PatternNode) -> PatternNode:
        bounds = self.bounds()
        if bounds is None:
            return node
        if self.peek() in ("?", "+", "*", "{") and self.peek():
            raise self.error("a second repetition", hint="write a group: (a+)?; lazy and possessive ones are left out")
        low, high = bounds
        if high is not None and high < low:
            raise self.error("a repetition with its bounds the wrong way round")
        return Repeat(node, low, high)

    def bounds(self) -> tuple[int, int | None] | None:
        char = self.peek()
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if char in simple:
            self.at += 1
            return simple[char]
        if char != "{":
            return None
        close = self.text.find("}", self.at, self.end)
        low, comma, high = self.text[self.at + 1 : max(close, 0)].partition(",")
        if close < 0 or not _is_count(low) or (comma and high and not _is_count(high)):
            raise self.error("a '{' that is no repetition", hint=r"write {3}, {2,} or {2,5}, and \{ for the character")
        self.at = close + 1
        return int(low), int(high) if high else (None if comma else int(low))

    def atom(self, depth: int) -> PatternNode:
        char = self.take()
        if char == "(":
            return self.group(depth)
        if char == "[":
            return Characters(self.bracket())
        if char == ".":
            return Characters(_NOT_NEWLINE)
        if char == "\\":
            return Characters(self.escape())
        if char in "*+?{":
            raise self.error(f"nothing to repeat before {char!r}")
        if char in "^$":
            raise self.error(f"{char!r} in the middle", hint="a pattern always speaks of the whole text")
        return Characters(_of(char))

    def group(self, depth: int) -> PatternNode:
        if self.text.startswith("?:", self.at):
            self.at += 2
        elif self.peek() == "?":
            raise self.error("a group of a kind that is left out", hint="only (…) and (?:…) are known")
        node = self.choice(depth + 1)
        if self.peek() != ")":
            raise self.error("an unclosed '('")
        self.at += 1
        return node

    def escape(self) -> Ranges:
        char = self.take()
        if char in _CLASSES:
            return _CLASSES[char]
        if char in _CONTROLS:
            return _of(_CONTROLS[char])
        if char.isalnum() or not char.isascii():
            raise self.error(
                f"the unknown escape '\\{char}'", hint=r"known: \d \w \s \D \W \S \t \n \r and punctuation"
            )
        return _of(char)

    def bracket(self) -> Ranges:
        negated = self.peek() == "^"
        self.at += negated
        ranges: list[tuple[int, int]] = []
        while self.peek() != "]":
            low = self.member()
            if self.peek() == "-" and self.text[self.at + 1 : self.at + 2] != "]":
                self.at += 1
                high = self.member()
                if len(low) > 1 or len(high) > 1 or low[0][0] != low[0][1] or high[0][0] < low[0][0]:
                    raise self.error("a range that is none")
                low = ((low[0][0], high[0][0]),)
            ranges += low
        self.at += 1
        merged = _merge(ranges)
        result = _complement(merged) if negated else merged
        if not ranges or not result:
            raise self.error("an empty '[]'")
        return result

    def member(self) -> Ranges:
        char = self.take()
        if char == "[":
            raise self.error("a '[' inside of '[…]'", hint=r"write \[ for the character")
        return self.escape() if char == "\\" else _of(char)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4
