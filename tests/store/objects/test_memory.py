from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.ids import Digest
from clew.store.objects import MemoryObjects
from clew.testing.objects import ObjectsContract


class TestMemoryObjects(ObjectsContract):
    @pytest.fixture
    def objects(self, tmp_path: Path) -> MemoryObjects:
        return MemoryObjects()

    def damage(self, objects: MemoryObjects, digest: Digest) -> None:
        data = objects._held[digest]
        objects._held[digest] = data[:-1] + bytes([data[-1] ^ 1])
