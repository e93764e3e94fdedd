"""`clew run SCRIPT` and `clew run FILE.py:PIPELINE`: run something under a run that captures everything."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clew.cli import output
from clew.cli.command import command, names_pipeline, tags_of
from clew.cli.named import only_one, only_run
from clew.core.errors import Corrupt, Invalid, NotFound, Unavailable
from clew.core.ids import is_id

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from clew.core.types.step import StepRun
    from clew.loop.training import About
    from clew.tracking.recorder import Recorder

__all__ = ["parameters", "run"]


@command(
    "run",
    examples=[
        ("clew run train.py --depth 8", "run a script; what follows its name goes to it"),
        ("clew run --name baseline --tag team=risk train.py", "give the run a name and a tag"),
        ("clew run -m package.train", "run a module"),
        ("clew run --resume baseline train.py", "let a run that has ended go on"),
        ("clew run train.py:train flights=flights@latest depth=8", "run a pipeline with these parameters"),
    ],
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("--name", default="", help="Name of the run; without one it gets one that can be said.")
@click.option("--experiment", default="", help="Group of runs; made when there is none.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag; may be repeated.")
@click.option(
    "--kind",
    type=click.Choice(["pipeline", "retrain"]),
    default="pipeline",
    show_default=True,
    help="What a run of a pipeline is for.",
)
@click.option("--resume", default="", metavar="RUN", help="Let this run go on, instead of a new one.")
@click.option("--workers", type=click.IntRange(0, 1024), default=0, help="Processes for steps that are submitted.")
@click.option("-m", "module", is_flag=True, help="The first word is a module, as for python -m.")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="SCRIPT [ARGUMENTS]...")
def run(
    *,
    name: str,
    experiment: str,
    tags: tuple[str, ...],
    kind: str,
    resume: str,
    workers: int,
    module: bool,
    words: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run a script or a pipeline, and record its code, environment, console and end.

    The exit code is the script's. With --json the script's output goes to stderr, and the run to stdout. A pipeline is
    named as FILE.py:FUNCTION; its parameters follow as NAME=VALUE, a dataset as NAME=DATASET@VERSION, and the models
    that it returns are registered.
    """
    if words[0].startswith("-") and not Path(words[0]).exists():
        raise click.NoSuchOption(words[0], possibilities=_near_options(words[0]))
    if not module and names_pipeline(words[0]):
        from clew.core.types.run import RunKind
        from clew.loop.training import About

        if resume:
            hint = "run it again: steps that are done come from the cache"
            raise Invalid("--resume is for scripts, and this is a pipeline", hint=hint)
        about = About(kind=RunKind(kind), name=name, experiment=experiment, tags=tags_of(tags))
        return _run_pipeline(words, about, workers=workers, as_json=as_json)
    from clew.tracking.launch import launch

    if workers:
        raise Invalid("--workers is for pipelines, and this is a script", hint="clew run FILE.py:PIPELINE")
    with _recorder() as recorder:
        launched = launch(
            recorder,
            ["-m", *words] if module else list(words),
            name=name,
            experiment=experiment,
            tags=tags_of(tags),
            resume=_run_named(recorder, resume),
            out=sys.stderr.buffer if as_json else None,
        )
    found = launched.run
    if as_json:
        output.record(found, as_json=True)
    elif not _in_room():
        home = "" if launched.stored else "clew sync, then "
        output.note(f"run {found.name} {found.status}: {home}clew runs show {found.name}")
        if not module and launched.exit_code == 0 and (unused := _uncalled(Path(words[0]))):
            output.note(f"{words[0]} makes pipelines and runs none: clew run {words[0]}:{unused[0]} NAME=VALUE")
    raise click.exceptions.Exit(launched.exit_code)


def _run_named(recorder: Recorder, word: str) -> str:
    """The id of the run that is to go on, which may wait on this machine."""
    from clew.tracking.here import find_here

    if not word or is_id(word):
        return word
    found = find_here(recorder.folder, word)
    with contextlib.suppress(NotFound, Unavailable):
        found.append(only_run(recorder.runs, word))
    return only_one(word, found).id if found else recorder.id_of(word)


def _near_options(word: str) -> list[str]:
    from difflib import get_close_matches

    options = [name for param in run.params for name in param.opts if name.startswith("--")]
    return get_close_matches(word, options, n=2)


@contextlib.contextmanager
def _recorder() -> Iterator[Recorder]:
    """Where the run goes: the project, or a folder of this machine while it cannot be reached."""
    from clew.tracking.offline import OFFLINE_VARIABLE, is_offline
    from clew.workspace import offline_here, open_workspace

    workspace = None
    if not is_offline(os.environ):
        try:
            workspace = open_workspace()
        except (Corrupt, Unavailable) as error:
            output.note(f"{error.what}; this run stays on this machine until clew sync")
            os.environ[OFFLINE_VARIABLE] = "1"  # the script's own process is to find it there
    if workspace is None:
        yield offline_here(Path.cwd(), os.environ)
        return
    with workspace:
        yield workspace.recorder


def _uncalled(script: Path) -> list[str]:
    """The pipelines of a script that runs none of them, nor anything else by a method `run`."""
    import ast

    if script.suffix != ".py":
        return []
    try:
        nodes = list(ast.walk(ast.parse(script.read_bytes())))
    except (OSError, SyntaxError, ValueError):  # it has removed or rewritten itself
        return []
    if any(isinstance(node, ast.Attribute) and node.attr == "run" for node in nodes):
        return []
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    return [each.name for each in functions if any(_says_pipeline(one) for one in each.decorator_list)]


def _says_pipeline(decorator: ast.expr) -> bool:
    import ast

    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(named) in ("pipeline", "clew.pipeline")


def _run_pipeline(words: tuple[str, ...], about: About, *, workers: int, as_json: bool) -> None:
    from clew.loop.training import load_pipeline
    from clew.workspace import open_workspace

    def tell(step: StepRun) -> None:
        output.note(f"{step.step:<24} {step.outcome:<9} {step.duration_us / 1e6:8.2f} s")

    params = parameters(words[1:])
    with open_workspace() as workspace, _prints_aside() if as_json else contextlib.nullcontext():
        pipeline = load_pipeline(words[0], Path.cwd())
        done = workspace.run_pipeline(pipeline, params, about=about, workers=workers, listener=tell)
    if as_json:
        output.record({"run": done.run, "versions": list(done.versions)}, as_json=True)
        return
    if _in_room():
        return
    for version in done.versions:
        output.note(f"registered {version.reference}: clew model show {version.reference}")
    output.note(f"run {done.run[:12]} finished: clew runs show {done.run[:12]}")


def _in_room() -> bool:
    """Whether `clew reproduce` runs this: nobody can look at the run later."""
    from clew.tracking.start import ROOM_VARIABLE

    return ROOM_VARIABLE in os.environ


@contextlib.contextmanager
def _prints_aside() -> Iterator[None]:
    """Whatever the block, or a process that it starts, prints on stdout goes to stderr: stdout is for the result."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def parameters(words: tuple[str, ...]) -> dict[str, Any]:
    """`NAME=VALUE` with JSON values; what is no JSON is a text."""
    import msgspec

    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier():
            raise Invalid(f"{word!r} is no parameter", hint="write NAME=VALUE, for example depth=8")
        try:
            found[key] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            found[key] = value
        except RecursionError:
            raise Invalid(f"the value of {key} is nested too deeply") from None
    return found
