"""What mkdocs calls while it builds: makes the navigation of the folders, refuses what comes from elsewhere.

Whoever adds a page only drops it into a folder: `index.md` opens a section, the others follow by name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

SECTIONS = {
    "Tutorial": "tutorial",
    "How-to": "how-to",
    "Reference": "reference",
    "Explanation": "explanation",
    "Design": "design",
    "Decisions": "decisions",
}

_FOREIGN = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=["']?(?:https?:)?//[^"'>\s]+""")


def navigation(docs: Path) -> list[dict[str, Any]]:
    """The navigation: home, then a section per folder."""
    sections = [{title: _pages(docs, docs / folder)} for title, folder in SECTIONS.items()]
    return [{"Home": "index.md"}, *sections]


def _pages(docs: Path, folder: Path) -> list[Any]:
    pages: list[Any] = [path.relative_to(docs).as_posix() for path in sorted(folder.glob("*.md"), key=_order)]
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and any(path.glob("*.md"))]
    return pages + [{path.name.replace("-", " ").capitalize(): _pages(docs, path)} for path in below]


def _order(path: Path) -> tuple[bool, str]:
    return path.name != "index.md", path.name


def on_config(config: Any) -> Any:
    """Give mkdocs the navigation."""
    config.nav = navigation(Path(config.docs_dir))
    return config


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Refuse a page that would load something from another host."""
    found = [one for one in _FOREIGN.findall(output) if 'rel="canonical"' not in one]
    if found:
        raise SystemExit(f"{page.file.src_uri} loads from elsewhere: {found}")
    return output
