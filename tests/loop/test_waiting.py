from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from clew.loop.impact import impact
from clew.loop.waiting import undrained, waiting_decisions
from clew.serving.compaction import journal_folder
from clew.serving.journal import segments

ROWS: list[dict[str, Any]] = [{"hour": 5, "wind": 0.25}, {"hour": 20, "wind": -1.5}]


def test_rows_of_a_request_are_found_by_the_id_of_any_of_them(lived: Any) -> None:
    ids = lived.predict(ROWS)
    lived.predict(ROWS)
    found = [record.first_id for each in ids for record in waiting_decisions(lived.stores, lived.endpoint, each)]
    assert found == [ids[0], ids[0]]
    lived.compact()
    assert waiting_decisions(lived.stores, lived.endpoint, ids[0]) == []


def test_a_damaged_segment_hides_no_other(lived: Any, caplog: pytest.LogCaptureFixture) -> None:
    lived.compact()
    before = impact(lived.stores, "delay@1").decisions
    ids = lived.predict(ROWS)
    other = journal_folder(lived.stores, lived.endpoint.id) / "replica-0"
    other.mkdir()
    damaged: Path = other / f"{'0' * 32}.seg"
    try:
        whole = segments(other.parent / "replica-1")[-1].read_bytes()
        damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with caplog.at_level(logging.WARNING, logger="clew.loop"):
            assert len(waiting_decisions(lived.stores, lived.endpoint, ids[0])) >= 1
            assert impact(lived.stores, "delay@1").decisions >= before + 2
        assert "does not match" in caplog.text
    finally:
        shutil.rmtree(other)


def test_starts_lie_behind_what_is_in_the_logs(lived: Any) -> None:
    lived.predict(ROWS)
    lived.compact()
    with lived.stores.ledger.read() as tx:
        [start] = undrained(tx, lived.stores, lived.endpoint)
    assert start.offset == start.path.stat().st_size
