"""Puts an installed distribution back into a wheel, by the list of files that it brought."""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from pathlib import Path

from clew.loop.reproduce.installed import Distribution

__all__ = ["write_wheel"]

_NOT_OURS = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json")
"""What installers add, and the list, which is written anew."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_wheel(each: Distribution, folder: Path) -> Path:
    """Write the wheel of a distribution. Programs of its `bin` folder are made anew by whoever installs it.

    Args:
        each: a whole one.
        folder: where to.
    """
    info = each.metadata.name
    wheel = each.metadata / "WHEEL"
    text = wheel.read_text(encoding="utf-8") if wheel.is_file() else ""
    tags = re.findall(r"^Tag: (\S+)", text, re.MULTILINE) or ["py3-none-any"]
    path = folder / f"{info.removesuffix('.dist-info')}-{_joined(tags)}.whl"
    lines = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in _names(each):
            data = (each.folder / name).read_bytes()
            hashed = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f'"{name}",sha256={hashed},{len(data)}')
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
        lines.append(f"{info}/RECORD,,")
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD", _EPOCH), "\n".join(lines) + "\n")
    return path


def _names(each: Distribution) -> list[str]:
    listed = [name for name, _ in each.files() if not name.startswith(("..", "/")) and not name.endswith(".pyc")]
    own = each.metadata.name
    return [name for name in listed if name not in {f"{own}/{other}" for other in _NOT_OURS}]


def _joined(tags: list[str]) -> str:
    """The tags of a wheel as its name has them: each of the three parts once, joined by dots."""
    parts = zip(*(tag.split("-", 2) for tag in tags), strict=True)
    return "-".join(".".join(dict.fromkeys(part)) for part in parts)
