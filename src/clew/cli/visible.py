"""Text that is safe to print: what would act on a terminal is seen instead.

Names, parameters, tags and messages come from everybody who may write in a project. Printed as they are, an escape
sequence in one of them would colour, retitle or clear the terminal of whoever lists runs, and a mark that turns the
direction of writing would make a name look like another one.
"""

from __future__ import annotations

__all__ = ["in_json", "visible"]

_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
_TURNS = [0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
"""Two that break lines among them."""

_SEEN = {code: f"\\x{code:02x}" for code in _CONTROLS if chr(code) not in "\n\t"} | {
    code: f"\\u{code:04x}" for code in _TURNS
}
_ESCAPED = {code: f"\\u{code:04x}" for code in (*_CONTROLS, *_TURNS) if code > 0x1F}


def visible(text: str) -> str:
    """The text with `\\x1b` and the like in the place of such characters; line breaks and tabs stay."""
    return text.translate(_SEEN)


def in_json(document: str) -> str:
    """A document of JSON that says the same, with those that JSON itself leaves as they are written `\\u009b`."""
    return document.translate(_ESCAPED)
