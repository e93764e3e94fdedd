"""Commands of clew as real processes in a project that lives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clew.testing.commands import Commands
from clew.testing.life import Life


@pytest.fixture
def commands(life: Life) -> Iterator[Commands]:
    found = Commands(life.workspace.root)
    yield found
    found.end()
