"""One look at an endpoint: alerts once and together with what they are about, damage told, nothing done twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest

import clew.loop.watch
from clew.core.errors import Unavailable
from clew.core.types.endpoint import Severity, Window
from clew.loop.watch import watch_endpoint
from clew.monitoring.episodes import QUIET_WINDOWS, EpisodeState
from clew.monitoring.report import report_of
from clew.serving.compaction import journal_folder
from clew.serving.journal import segments
from clew.testing.life import START_US, Life

DAY_US = 86_400_000_000


def look(life: Life, day: float, **changes: Any) -> None:
    """A look with another monitor than the project's."""
    monitor = replace(life.monitor, **changes)
    watch_endpoint(monitor, now_us=START_US + int(day * DAY_US), retrain=None, promote=never, ask=lambda _: True)


def never(*_: object, **__: object) -> None:
    """Promotes nothing."""


@pytest.fixture
def hook() -> Iterator[tuple[str, list[Any]]]:
    """An address that takes alerts, and what it got."""
    got: list[Any] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/alerts", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_no_drift_no_alert(life: Life) -> None:
    for day in range(14):
        life.decide(day, 96)
        life.watch(day + 1)
    assert life.alerts == []


def test_a_shift_is_alarmed_once_for_each_column(life: Life) -> None:
    for day in range(7):
        life.decide(day, 96)
        assert life.watch(day + 1, trial=False).alerts == 0
    for day in range(7, 12):
        life.decide(day, 96, shift=1.5)
        life.watch(day + 1, trial=False)
    found = {alert.key.rpartition("/")[2]: alert for alert in life.alerts}
    assert len(life.alerts) == len(found)
    assert {"wind"} <= found.keys() <= {"wind", "clew.score"}
    alert = found["wind"]
    assert (alert.kind, alert.severity) == ("drift", Severity.WARN)
    assert 8 * DAY_US <= alert.at_us - START_US <= 10 * DAY_US
    assert alert.facts["version"] == life.version(1).id
    with life.stores.ledger.read() as tx:
        events = tx.events.list(life.stores.project, kind="alert.raised").items
    assert len(events) == len(life.alerts)
    drift = report_of(life.windows[-1]).drift
    assert drift is not None
    assert "wind" in drift.alarmed
    assert drift.episodes["wind"].since_us == alert.at_us - DAY_US


def test_a_drift_is_one_alert_until_it_is_over_and_a_new_one_is_another(life: Life) -> None:
    for day in range(70):
        life.decide(day, 48, shift=3.0 if day < 3 or day >= 63 else 0.0, hours=4)
    life.watch(70, trial=False)
    found = [(alert.kind, alert.severity) for alert in reversed(life.alerts) if alert.key.endswith("/wind")]
    assert found == [("drift", Severity.WARN), ("resolved", Severity.NOTE), ("drift", Severity.WARN)]
    begun, over, again = (alert for alert in reversed(life.alerts) if alert.key.endswith("/wind"))
    states = [episode_of(window, "wind") for window in life.windows]
    end = states.index(EpisodeState.RESOLVED)
    assert states[:2] == [EpisodeState.RAISED, EpisodeState.ONGOING]
    assert states[end - QUIET_WINDOWS + 1 : end] == [EpisodeState.FADING] * (QUIET_WINDOWS - 1)
    assert set(states[end + 1 : 63]) == {None}
    assert states[63:] == [EpisodeState.RAISED, *[EpisodeState.ONGOING] * 6]
    assert over.at_us - START_US == (end + 1) * DAY_US
    assert "it had drifted since 2013-02-11" in over.text
    assert (begun.at_us, again.at_us) == (START_US + DAY_US, START_US + 64 * DAY_US)


def test_decisions_that_come_late_make_no_second_alert_of_one_drift(life: Life) -> None:
    life.decide(0, 8, hours=1)
    life.watch(1, trial=False)
    assert life.alerts == []
    life.decide(0, 192, shift=3.0)
    life.decide(1, 96, shift=3.0)
    life.watch(2, trial=False)
    assert [alert.at_us - START_US for alert in life.alerts if alert.key.endswith("/wind")] == [DAY_US]
    assert [episode_of(window, "wind") for window in life.windows] == [EpisodeState.RAISED, EpisodeState.ONGOING]


def test_decisions_of_before_a_drift_that_come_late_are_no_second_alert(life: Life) -> None:
    life.decide(0, 8, hours=1)
    life.decide(1, 96, shift=3.0)
    life.watch(2, trial=False)
    life.decide(0, 192, shift=3.0)
    life.watch(2.5, trial=False)
    assert [alert.at_us - START_US for alert in life.alerts if alert.key.endswith("/wind")] == [2 * DAY_US]
    first = report_of(life.windows[0]).drift
    assert first is not None
    assert "wind" in first.alarmed
    life.decide(1, 8, shift=3.0)
    life.watch(2.7, trial=False)
    assert [episode_of(window, "wind") for window in life.windows] == [None, EpisodeState.RAISED]


def episode_of(window: Window, column: str) -> EpisodeState | None:
    drift = report_of(window).drift
    episode = drift.episodes.get(column) if drift is not None else None
    return None if episode is None else episode.state


def test_every_version_has_alerts_of_its_own(life: Life) -> None:
    for day in range(3):
        life.decide(day, 96, shift=1.5)
    life.watch(3, trial=False)
    for day in range(3, 6):
        life.decide(day, 96, by=2, shift=1.5)
    life.watch(6, trial=False)
    versions = {alert.facts["version"] for alert in life.alerts if alert.key.endswith("/wind")}
    assert versions == {life.version(1).id, life.version(2).id}


def test_a_window_is_never_stored_without_its_alert(life: Life) -> None:
    for day in range(3):
        life.decide(day, 96, shift=1.5)

    class FullLedger:
        """A ledger that is full when an alert is raised."""

        def __getattr__(self, name: str) -> Any:
            return getattr(life.stores.ledger, name)

        @contextmanager
        def write(self, *args: Any) -> Iterator[Any]:
            with life.stores.ledger.write(*args) as tx:
                yield Full(tx)

    class Full:
        def __init__(self, tx: Any) -> None:
            self._tx = tx

        def __getattr__(self, name: str) -> Any:
            if name == "alerts":
                raise Unavailable("no room")
            return getattr(self._tx, name)

    full: Any = FullLedger()
    with pytest.raises(Unavailable):
        look(life, 3, stores=replace(life.stores, ledger=full))
    assert (life.windows, life.alerts) == ([], [])
    look(life, 3)
    assert len(life.windows) == 3
    assert life.alerts


def test_alerts_are_sent_to_the_webhook(life: Life, hook: tuple[str, list[Any]]) -> None:
    url, got = hook
    life.decide(0, 96, shift=3)
    look(life, 1, settings=msgspec.structs.replace(life.monitor.settings, webhook=url))
    assert {alert["key"] for alert in got} == {alert.key for alert in life.alerts} != set()
    assert got[0]["endpoint"] == "late"
    assert got[0]["facts"]["version"] == life.version(1).id


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/none", "http://no where/"])
def test_a_webhook_that_does_not_answer_holds_nothing_up(
    life: Life, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    life.decide(0, 96, shift=3)
    look(life, 1, settings=msgspec.structs.replace(life.monitor.settings, webhook=url))
    assert len(life.alerts) >= 2
    told = [record.getMessage() for record in caplog.records if "webhook" in record.getMessage()]
    assert [text.partition(" could")[0] for text in told] == [f"{len(life.alerts)} alerts"]


def test_a_death_before_a_torn_record_is_told_loses_no_alert(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    life.decide(0, 8, hours=1)
    life.end_replica()
    [path] = segments(journal_folder(life.stores, life.endpoint.id) / "replica-1")
    with path.open("ab") as file:
        file.write(b"\x50\x00\x00\x00half")

    def dies(*_: object) -> None:
        raise Unavailable("no room")

    with monkeypatch.context() as broken:
        broken.setattr(clew.loop.watch, "_keep", dies)
        with pytest.raises(Unavailable):
            look(life, 0.5)
    look(life, 0.5)
    look(life, 0.6)
    [alert] = life.alerts
    assert (alert.severity, alert.facts["size_bytes"]) == (Severity.NOTE, 8)
    assert (path.exists(), path.with_suffix(".torn").exists()) == (False, True)


def test_damage_in_a_journal_is_an_alert_and_ends_nothing(life: Life) -> None:
    life.decide(0, 24)
    life.end_replica()
    [path] = segments(journal_folder(life.stores, life.endpoint.id) / "replica-1")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    names = life.decide(1, 24)
    life.label(names, day=2)
    done = life.watch(2)
    assert (done.alerts, done.windows) == (1, 2)
    [alert] = life.alerts
    assert (alert.kind, alert.severity) == ("journal", Severity.PAGE)
    assert str(path) in alert.text
    assert life.watch(2.5).alerts == 0


def test_a_look_says_what_it_did(life: Life) -> None:
    names = life.decide(0, 24)
    life.label(names[:20], day=1)
    done = life.watch(1)
    assert (done.predictions, done.labels, done.windows, done.alerts) == (24, 20, 1, 0)
    again = life.watch(1)
    assert (again.predictions, again.labels, again.windows, again.alerts) == (0, 0, 0, 0)


def test_thresholds_of_the_user_alarm_whatever_chance_says(life: Life) -> None:
    for day in range(2):
        life.decide(day, 96)
    settings = msgspec.structs.replace(life.monitor.settings, thresholds={"hour": 0.0})
    look(life, 2, settings=settings)
    assert [alert.key.rpartition("/")[2] for alert in life.alerts] == ["hour"]
