"""Bundles on the command line: writing one, and opening one as a project of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from clew.cli import output
from clew.cli.certificates import words_of_certificate
from clew.cli.named import newest_run

if TYPE_CHECKING:
    from clew.loop.reproduce import Options
    from clew.workspace import Workspace

__all__ = ["open_subject", "write_bundle"]


def write_bundle(run: str, path: Path, *, with_packages: bool, as_json: bool) -> None:
    """Write the bundle of a run, and say what is in it."""
    from clew.loop.reproduce import pack_bundle
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        named = newest_run(workspace.runs, run).id
        found = pack_bundle(workspace.stores, named, path, with_packages=with_packages, tell=output.note)
    for missing in found.missing:
        output.note(f"not in the bundle: {missing}")
    holds = ((len(found.objects), "objects"), (len(found.packages), "packages"), (path.stat().st_size, "bytes"))
    said = f"{path}: run {found.name}, {', '.join(output.amount(*each) for each in holds)}"
    output.text(f"{said}\nclew reproduce {path} repeats it anywhere", found, as_json=as_json)


@contextmanager
def open_subject(word: str, options: Options) -> Iterator[tuple[Workspace, str, Options]]:
    """What a word means: a run of the project here, or a bundle. The project, the run in it, and how to repeat it."""
    from clew.loop.reproduce import is_bundle
    from clew.workspace import open_workspace

    if is_bundle(Path(word)):
        with _opened(Path(word), options) as opened:
            yield opened
        return
    with open_workspace() as workspace:
        yield workspace, newest_run(workspace.runs, word).id, options


@contextmanager
def _opened(path: Path, options: Options) -> Iterator[tuple[Workspace, str, Options]]:
    """A bundle, unpacked into a project that is gone afterwards."""
    from clew.loop.reproduce import ROOM_VARIABLES, open_bundle, unpack_bundle
    from clew.tracking.certificate import read_certificate
    from clew.workspace import Workspace, init_project

    around = {**os.environ, **ROOM_VARIABLES}
    with open_bundle(path) as (archive, manifest), TemporaryDirectory(prefix="clew-bundle-") as name:
        project, wheels = Path(name).resolve() / "project", Path(name).resolve() / "wheels"
        wheels.mkdir()
        init_project(project, environ=around)
        with Workspace(project, environ=around) as workspace:
            output.note(f"unpacking run {manifest.name}; its program runs with your rights")
            unpack_bundle(archive, manifest, workspace.stores, wheels)
            if manifest.certificate:
                signed = read_certificate(workspace.stores.objects.get(manifest.certificate))
                output.note(f"its certificate: {words_of_certificate(signed)}")
            for missing in manifest.missing:
                output.note(f"not in the bundle: {missing}")
            packages = [wheels] if manifest.packages else []
            yield (
                workspace,
                manifest.run,
                replace(options, files=manifest.files, inside=manifest.inside, packages=packages),
            )
