"""Contract suites that every backend must pass, and fakes for tests. Shipped, so that others can use them.

A suite is a class of pytest tests: subclass it in a test module and give it the fixtures that it names.

    from clew.testing.objects import ObjectsContract

    class TestMyObjects(ObjectsContract):
        @pytest.fixture
        def objects(self, tmp_path): ...

Suites import pytest, and so they are not re-exported here.
"""

from __future__ import annotations

from clew.testing.clock import ManualClock

__all__ = ["ManualClock"]
