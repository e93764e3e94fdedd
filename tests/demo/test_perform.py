"""The demo itself on its first days, with real processes: killed in the middle, continued, and the counts agree."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clew.cli.main import main
from clew.demo.calendar import days_of, live_from_us
from clew.demo.folder import REPORT, hold
from clew.demo.perform import perform
from clew.demo.standing import Standing
from clew.demo.traffic import load_year
from clew.settings import read_settings
from clew.workspace import open_workspace

pytestmark = pytest.mark.timeout(400)
DAYS = days_of()[:3]

SCRIPT = """
import os, signal, sys
from pathlib import Path
from clew.demo.calendar import days_of
from clew.demo.perform import perform
from clew.demo.standing import Standing
days = days_of()[:3]
class Doomed(Standing):
    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "fresh" and self.at_us > (days[1].low_us + days[1].high_us) // 2:
            os.kill(os.getpid(), signal.SIGKILL)
perform(Path(sys.argv[1]), days, standing=Doomed())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo that was killed on its second day, with its endpoint killed after it went on, and was continued."""
    folder = tmp_path_factory.mktemp("demo") / "clew-demo"
    first = subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True, check=False)
    assert first.returncode == -signal.SIGKILL, first.stderr
    wrecker = Wrecker(folder)
    perform(folder, DAYS, standing=wrecker)
    assert wrecker.wrecked
    assert any("endpoint was gone" in news for news in wrecker.news)
    return folder


class Wrecker(Standing):
    """Kills the endpoint once, in the middle of a day."""

    wrecked = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__()

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "fresh" and not self.wrecked and self.fresh > 200:
            self.wrecked = True
            for path in (self._folder / ".clew" / "decisions").glob("*/*/address.json"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(json.loads(path.read_bytes())["pid"], signal.SIGKILL)


def test_every_flight_is_served_logged_and_labelled_once(folder: Path) -> None:
    done = perform(folder, DAYS, standing=Standing())
    assert not done.lived
    found, year = done.review.result, load_year()
    served = year.keys(live_from_us(), DAYS[-1].high_us)
    labelled = year.keys(live_from_us(), DAYS[-1].labelled_us)
    assert (found.flights_served, found.predictions_logged) == (len(served), len(served))
    assert found.labels_joined == len(labelled)
    assert found.requests == sum(
        any(key in set(labelled) for key in ask.keys) for day in DAYS for ask in year.asks(day)
    )
    assert found.cost_loop == found.cost_static > 0, "version 1 answers, and is compared with itself"
    assert not found.complete
    assert found.request_p50_ms > 0


def test_the_project_is_there_to_be_used(folder: Path) -> None:
    settings = read_settings(folder / "clew.toml", {})
    assert set(settings.checks) == {"flights"}
    with open_workspace(folder) as workspace:
        assert workspace.datasets.resolve("flights@1").rows == 26_076
        held = {move.alias: move.number for move in workspace.models.aliases("delay")}
        assert held == {"champion": 1, "baseline": 1}
    assert "So far" in (folder / REPORT).read_text()


def test_the_command_says_that_the_year_is_over_and_shows_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.demo.calendar.days_of", lambda until: DAYS)
    assert main(["demo", "--folder", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert "This year is over" in err
    for said in ("February", "flights served", "Saved +0", "replay: identical, bit for bit", "clew reproduce ", REPORT):
        assert said in out
    assert main(["demo", "--folder", str(folder), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    wanted = {"flights_served", "predictions_logged", "labels_joined", "requests", "request_p50_ms", "request_p99_ms"}
    wanted |= {"retrainings", "promotions", "cost_loop", "cost_static", "saved", "saved_interval", "events", "months"}
    assert wanted <= printed.keys()


def test_a_second_demo_in_the_folder_says_so_and_leaves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hold(folder := tmp_path / "clew-demo"):
        assert main(["demo", "--folder", str(folder)]) == 4
    assert "a demo runs in" in capsys.readouterr().err
