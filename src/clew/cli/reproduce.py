"""`clew reproduce RUN`: repeat a run from its record in a clean folder, and say how like the first time it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.bundle import open_subject, write_bundle
from clew.cli.command import FilePath, Span, command
from clew.cli.reproduction import picture_of_reproduction
from clew.core.errors import Invalid, NotFound

if TYPE_CHECKING:
    from clew.core.contracts.stores import Stores
    from clew.loop.reproduce import Options, Reproduction
    from clew.tracking.certificate import Certificate

__all__ = ["reproduce"]


@command(
    "reproduce",
    examples=[
        ("clew reproduce train", "repeat a run, and compare every step with the first time"),
        ("clew reproduce 0193a7 --keep again/ --json", "keep the folder it ran in, and print the whole comparison"),
        ("clew reproduce train --bundle train.clew", "write it into one file"),
        ("clew reproduce train.clew", "repeat the run of a bundle, without its project"),
        ("clew reproduce --verify certificate.json", "check a certificate that somebody gave you"),
        ("clew reproduce 0193a7 --using data:flights=2", "what would have come out with another version of the data"),
        ("clew reproduce 0193a7 --using threads=4 --using source=.", "with four threads, and the code as it is now"),
    ],
)
@click.argument("run", metavar="[RUN|BUNDLE]", default="")
@click.option(
    "--keep",
    type=FilePath(file_okay=False),
    metavar="FOLDER",
    help="Lay code and data out in this empty or new folder, and leave them there.",
)
@click.option(
    "--tolerance",
    type=Span(1e12),
    default=1e-6,
    show_default=True,
    help="How far metrics may be off, relative to their value, to be within tolerance.",
)
@click.option(
    "--environment",
    type=click.Choice(["auto", "recorded", "present"]),
    default="auto",
    show_default=True,
    help="Packages: as recorded, as they are here, or made anew only where they differ.",
)
@click.option(
    "--using",
    "changes",
    multiple=True,
    metavar="FACTOR=VALUE",
    help="Change one thing on purpose: source=FOLDER, data:NAME=VERSION, package:NAME=VERSION, parameter:NAME=VALUE, "
    "threads=N, seed=N, variable:NAME=VALUE; may be repeated.",
)
@click.option(
    "--one-by-one",
    is_flag=True,
    help="If the result is different, make each change alone too, to see which of them is behind it: those of --using, "
    "and with --environment present every package that is another one.",
)
@click.option(
    "--certificate",
    type=FilePath(dir_okay=False),
    metavar="FILE",
    help="Write the signed certificate here too.",
)
@click.option(
    "--bundle",
    type=FilePath(dir_okay=False),
    metavar="FILE",
    help="Repeat nothing: write everything that it takes into one file, to repeat the run anywhere.",
)
@click.option("--with-packages", is_flag=True, help="Put the installed packages into the bundle too.")
@click.option(
    "--verify",
    type=FilePath(dir_okay=False),
    metavar="FILE",
    help="Repeat nothing: check the signature of a certificate, and show what it says.",
)
def reproduce(
    *,
    run: str,
    keep: Path | None,
    tolerance: float,
    environment: str,
    changes: tuple[str, ...],
    one_by_one: bool,
    certificate: Path | None,
    bundle: Path | None,
    with_packages: bool,
    verify: Path | None,
    as_json: bool,
) -> None:
    """Repeat a run from its record, and compare it with the first time.

    Code, data, packages, seeds, thread counts and kernels are as they were; the command runs again in a clean folder
    with an empty step cache. The verdict is bit-identical, same metrics, within tolerance, or different, which ends
    with exit code 1 and names the first step that diverged, with the cause. It is signed with your key, and kept with
    the run; what was changed with --using is not.
    """
    if verify is not None:
        _verify(verify, as_json=as_json)
        return
    if not run:
        raise Invalid("no run was named", hint="clew reproduce RUN, clew reproduce BUNDLE, or --verify FILE")
    if certificate is not None and changes:
        raise Invalid("--certificate and --using do not go together", hint="what was changed on purpose proves nothing")
    if bundle is not None:
        write_bundle(run, bundle, with_packages=with_packages, as_json=as_json)
        return
    from clew.loop.reproduce import Choice, Options, is_bundle, parse_using

    options = Options(keep=keep, tolerance=tolerance, environment=Choice(environment), using=parse_using(changes))
    found = _repeat(run, options, one_by_one=one_by_one, certificate=certificate)
    kept = "given away with --certificate" if is_bundle(Path(run)) else "kept with the run: clew runs show"
    output.text(picture_of_reproduction(found, kept), found, as_json=as_json)
    if not found.verdict.proved:
        raise click.exceptions.Exit(1)


def _repeat(subject: str, options: Options, *, one_by_one: bool, certificate: Path | None) -> Reproduction:
    from msgspec.structs import replace

    from clew.loop.reproduce import each_alone
    from clew.loop.reproduce import reproduce as again

    with open_subject(subject, options) as (workspace, run, changed):
        stores, open_room = workspace.stores, partial(_room, storage=workspace.folder)
        found = again(stores, run, open_room=open_room, options=changed, tell=output.note)
        if one_by_one and found.divergence is not None:
            alone = each_alone(stores, found, open_room=open_room, options=changed, tell=output.note)
            found = replace(found, alone=alone)
        if certificate is not None:
            stores.objects.save(found.certificate, certificate)
    return found


def _verify(path: Path, *, as_json: bool) -> None:
    from clew.cli.certificates import picture_of_certificate
    from clew.store.signing import key_path, open_key
    from clew.tracking.certificate import read_certificate

    if not path.is_file():
        raise NotFound("file", str(path), hint="clew reproduce RUN --certificate FILE writes one")
    found = read_certificate(path.read_bytes())
    own = key_path().is_file() and open_key().public == found.key
    output.text(picture_of_certificate(found, own=own, known=_known(found)), found, as_json=as_json)


def _known(certificate: Certificate) -> str:
    """What the project here says of the run of a certificate; nothing where there is none, or no such run."""
    from clew.workspace import open_workspace

    try:
        with open_workspace() as workspace:
            run = workspace.runs.get(certificate.statement.run)
    except NotFound:
        return ""
    same = run.capture == certificate.statement.record
    return f"the run of this project has {'the same' if same else 'ANOTHER'} record of code, packages and machine"


@contextmanager
def _room(folder: Path, storage: Path) -> Iterator[Stores]:
    """A project of its own, with the objects of the real one."""
    from clew.loop.reproduce import ROOM_VARIABLES
    from clew.store.objects.choose import find_place, settle_place
    from clew.workspace import FOLDER, Workspace, init_project

    around = {**os.environ, **ROOM_VARIABLES}
    init_project(folder, environ=around)
    own = folder / FOLDER / "objects"
    shutil.rmtree(own, ignore_errors=True)
    own.symlink_to(storage / "objects", target_is_directory=True)
    settle_place(folder / FOLDER, find_place(storage))
    with Workspace(folder, environ=around) as room:
        yield room.stores
