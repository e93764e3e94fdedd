"""A library that is missing is missed in one line; one that is broken keeps its own error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clew.core.errors import MissingExtra
from clew.core.extras import require


def test_what_is_there_is_imported() -> None:
    assert require("json") is json


def test_what_is_missing_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "skops", None)
    monkeypatch.setitem(__import__("sys").modules, "skops.io", None)
    for name in ("skops", "skops.io"):
        with pytest.raises(MissingExtra, match=r"skops.*\n.*clew\[sklearn\]"):
            require(name)
    with pytest.raises(MissingExtra, match=r"clew\[all\]"):
        require("no_such_library_of_clew")


def test_what_a_library_itself_misses_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_library.py").write_text("import no_such_library_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_library_at_all"):
        require("broken_library")
