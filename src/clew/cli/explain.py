"""`clew explain STEP` and `clew explain FILE.py:PIPELINE`: why a step ran or did not, and what would run now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clew.cli import output
from clew.cli.command import command, names_pipeline
from clew.cli.named import newest_run
from clew.core.errors import Invalid, NotFound

if TYPE_CHECKING:
    from clew.pipelines.explain import Explanation
    from clew.workspace import Workspace

__all__ = ["explain"]

_RECENT_RUNS = 200
_SHOWN = 20


@command(
    "explain",
    examples=[
        ("clew explain fit", "why the step `fit` ran, or came from the cache, in the last run that had it"),
        ("clew explain fit --run train", "the same for another run"),
        ("clew explain fit --ingredients", "with everything that its result depends on"),
        ("clew explain train.py:train flights=flights@latest", "which step of a pipeline would run now, and why"),
    ],
)
@click.argument("target", metavar="STEP|FILE.py:PIPELINE")
@click.argument("words", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--run", "run", default="", help="Name or id of a run; the newest that has the step without it.")
@click.option("--ingredients", is_flag=True, help="Show everything that the result depends on, by name.")
def explain(*, target: str, words: tuple[str, ...], run: str, ingredients: bool, as_json: bool) -> None:
    """Say why a step ran or came from the cache, by the name of what changed.

    Of a pipeline, named as FILE.py:FUNCTION with its parameters, the steps are looked up as they are now, and none is
    run: the first that would run ends the list, since what follows depends on what it gives.
    """
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        if names_pipeline(target):
            if run:
                raise Invalid("--run goes with a step, and this is a pipeline", hint=f"clew explain {target}")
            told = _preview(workspace, target, words)
        else:
            if words:
                raise Invalid(f"{words[0]!r} is a parameter, and a step takes none", hint=f"clew explain {target}")
            told = _of_run(workspace, target, run)
    if as_json:
        output.table(told, [], as_json=True)
        return
    _show(told, ingredients=ingredients, now=names_pipeline(target))


def _preview(workspace: Workspace, target: str, words: tuple[str, ...]) -> list[Explanation]:
    from clew.cli.run import parameters
    from clew.data.handle import DatasetHandle
    from clew.loop.training import load_pipeline
    from clew.pipelines.preview import preview

    site = workspace.site
    pipeline = load_pipeline(target, Path.cwd())
    return preview(
        workspace.services,
        pipeline,
        parameters(words),
        resolve=lambda reference: DatasetHandle(site, site.datasets.resolve(reference)),
    )


def _of_run(workspace: Workspace, step: str, run: str) -> list[Explanation]:
    from clew.pipelines.explain import explain as explained

    steps = workspace.services.steps
    runs = [newest_run(workspace.runs, run)] if run else workspace.runs.list(limit=_RECENT_RUNS).items
    seen: dict[str, None] = {}
    for each in runs:
        done = steps.of_run(each.id)
        seen.update(dict.fromkeys(one.step for one in done))
        found = [one for one in done if one.step == step]
        if found:
            return [explained(steps, one) for one in found]
    where = f"in run {run}" if run else f"in the last {_RECENT_RUNS} runs"
    raise NotFound("step", step, hint=f"looked {where}", near=_near(step, list(seen)))


def _near(step: str, known: list[str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(step, known, n=2) or sorted(known)[:3]


def _show(told: list[Explanation], *, ingredients: bool, now: bool) -> None:
    verb = {"executed": "would run" if now else "ran", "cached": "from the cache", "failed": "failed"}
    for each in told[:_SHOWN]:
        _say(f"{each.position:>4}  {each.step}: {verb[each.outcome.value]}{_because(each)}")
        for change in each.changes:
            _say(f"        {change.text()}")
        if ingredients:
            for name, value in sorted(each.ingredients.items()):
                _say(f"        {name} = {value if len(value) < 64 else value[:12]}")
    if len(told) > _SHOWN:
        output.note(f"and {len(told) - _SHOWN} more: --json has all of them")
    if now and told and told[-1].outcome.value == "executed":
        output.note("what comes behind it depends on what it gives")


def _say(line: str) -> None:
    output.text(line, as_json=False)


def _because(each: Explanation) -> str:
    if each.changes:
        return f", compared with run {each.compared_with[:12]}:" if each.compared_with else ":"
    return f" ({each.reason})" if each.reason else ""
