"""Text that is safe to print: what would act on a terminal is seen instead.

Names, parameters, tags and messages come from everybody who may write in a project. Printed as they are, an escape
sequence in one of them would colour, retitle or clear the terminal of whoever lists runs, and a mark that turns the
direction of writing would make a name look like another one. Not for JSON, which escapes by itself.
"""

from __future__ import annotations

__all__ = ["visible"]

_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
_TURNS = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SEEN = {code: f"\\x{code:02x}" for code in _CONTROLS if chr(code) not in "\n\t"} | {
    code: f"\\u{code:04x}" for code in _TURNS
}


def visible(text: str) -> str:
    """The text with `\\x1b` and the like in the place of such characters; line breaks and tabs stay."""
    return text.translate(_SEEN)
