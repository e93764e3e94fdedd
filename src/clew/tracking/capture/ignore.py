"""Which files ignore files (`.gitignore`, `.clewignore`) leave out, for folders that git does not know.

The rules of gitignore(5): the last matching line decides, `!` takes back, a slash anchors, a trailing slash means
folders, `**` crosses folders. Not a walk (`source` does that).
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["ALWAYS", "IGNORE_FILES", "Rule", "ignored", "read_rules"]

IGNORE_FILES = (".gitignore", ".clewignore")
ALWAYS = frozenset(
    {
        ".clew",
        ".git",
        ".hg",
        ".svn",
        ".venv",
        "venv",
        "node_modules",
        "__pycache__",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".tox",
        ".DS_Store",
    }
)
"""Names that are never source, whatever ignore files say."""

_LARGEST = 100_000
_GLOB = re.compile(r"/\*\*/|^\*\*/|/\*\*$|\*+|\?|\[!?\]?[^\]]*\]|\\.|.", re.DOTALL)


class Rule:
    """One line of an ignore file.

    Args:
        line: the line, without its end.
        folder: where the file lies, relative to the root, `""` or `"a/b/"`.
    """

    def __init__(self, line: str, folder: str) -> None:
        self.back = line.startswith("!")
        pattern = line.removeprefix("!")
        self.folders_only = pattern.endswith("/")
        pattern = pattern.rstrip("/")
        anchored = "/" in pattern
        body = "".join(_translate(piece) for piece in _GLOB.findall(pattern.lstrip("/")))
        self._match = re.compile(f"{re.escape(folder)}{'' if anchored else '(?:.*/)?'}{body}", re.DOTALL).fullmatch

    def matches(self, path: str, *, is_folder: bool) -> bool:
        """Whether the rule speaks of this path, relative to the root with forward slashes."""
        return (is_folder or not self.folders_only) and self._match(path) is not None


def _translate(piece: str) -> str:
    simple = {"/**/": "/(?:.*/)?", "**/": "(?:.*/)?", "/**": "/.+", "?": "[^/]"}
    if piece in simple:
        return simple[piece]
    if piece[0] == "*":
        return "[^/]*"
    if piece[0] == "[" and len(piece) > 2:
        inner = piece[1:-1].replace("\\", "\\\\")
        return f"[^{inner[1:]}]" if inner[0] == "!" else f"[{inner}]"
    return re.escape(piece[1:] if piece[0] == "\\" and len(piece) == 2 else piece)


def read_rules(root: Path, folder: str) -> list[Rule]:
    """The rules of the ignore files in one folder (`""` for the root, else with a slash at its end)."""
    rules = []
    for name in IGNORE_FILES:
        try:
            text = (root / folder / name).read_text(encoding="utf-8", errors="replace")[:_LARGEST]
        except OSError:
            continue
        for line in text.splitlines():
            line = re.sub(r"(?<!\\)[ \t]+$", "", line)
            if not line.startswith("#") and line.strip("!/"):
                rules += _rule(line, folder)
    return rules


def _rule(line: str, folder: str) -> list[Rule]:
    try:
        return [Rule(line.removeprefix("\\") if line[:2] in ("\\#", "\\!") else line, folder)]
    except re.error:
        return []


def ignored(path: str, rules: list[Rule], *, is_folder: bool) -> bool:
    """Whether the rules leave a path out; those of its parents are expected to be asked before."""
    if path.rpartition("/")[2] in ALWAYS:
        return True
    for rule in reversed(rules):
        if rule.matches(path, is_folder=is_folder):
            return not rule.back
    return False
