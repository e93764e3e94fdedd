"""`clew serve` says that it is starting until it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from clew.cli.main import main
from clew.serving.server import Address
from clew.workspace import Workspace, init_project


def test_progress_is_shown_until_the_endpoint_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []

    @contextmanager
    def progress(label: str) -> Iterator[None]:
        shown.append(label)
        yield
        shown.append("over")

    def serve(_: Workspace, name: str, *, ready: Callable[[Address], None], **__: object) -> None:
        assert shown == ["starting late"]
        ready(Address(endpoint=name, replica="r", url="http://127.0.0.1:1", pid=1))
        assert shown == ["starting late", "over"]

    monkeypatch.setattr(import_module("clew.cli.serve"), "progress", progress)
    monkeypatch.setattr(Workspace, "serve", serve)
    monkeypatch.chdir(init_project(tmp_path))
    assert main(["serve", "delay@champion", "--name", "late"]) == 0
    assert (
        capsys.readouterr().err
        == "late answers at http://127.0.0.1:1  (POST http://127.0.0.1:1/predict, Ctrl-C stops)\n"
    )
