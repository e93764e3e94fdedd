"""Tables of `clew.toml` that are for nothing: said, with what was likely meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.loop.declared import doubts, doubts_of_names
from clew.settings import settings_of
from clew.testing.life import Life


def said(text: str, models: list[str]) -> list[str]:
    return [str(doubt) for doubt in doubts_of_names(settings_of(text), models)]


def test_a_table_for_a_model_that_is_called_otherwise() -> None:
    table = "[gate.strenght]\nmin_rows = 5\n"
    assert said(table, ["strength"]) == ["clew.toml: [gate.strenght] is for no model; did you mean strength?"]
    assert said(table, ["wine"]) == ["clew.toml: [gate.strenght] is for no model"]
    assert said(table, ["strenght"]) == []
    both = table + "[gate.strength]\nmin_rows = 5\n"
    assert said(both, ["strength"]) == ["clew.toml: [gate.strenght] is for no model"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[endpoints.late]\nmodel = "dalay"\n', "[endpoints.late] serves no model yet: dalay; did you mean delay?"),
        ("[monitor.dleay]\n", "[monitor.dleay] is for no endpoint; did you mean delay?"),
        ('[retrain.delay]\npipeline = "trian.py:train"\n', "there is no file trian.py; did you mean train.py?"),
        ('[retrain.delay]\npipeline = "train.py:fti"\n', "train.py has no fti; did you mean fit?"),
        ('[retrain.delay]\npipeline = "broken.py:fit"\n', "broken.py is no Python"),
        ('[retrain.delay]\npipeline = "train.py:fit"\n', ""),
        ('[retrain.delay]\npipeline = "train.py:again"\n', ""),
        ('[retrain.delay]\npipeline = "all.py:anything"\n', ""),
    ],
)
def test_endpoints_monitors_and_pipelines(life: Life, tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "train.py").write_text("def fit() -> None: ...\n\n\nagain = fit\n")
    (tmp_path / "broken.py").write_text("def fit(\n")
    (tmp_path / "all.py").write_text("from train import *\n")
    found = [str(doubt) for doubt in doubts(life.workspace.services, settings_of(text), tmp_path)]
    assert len(found) == bool(expected)
    assert all(one.endswith(expected) for one in found)
