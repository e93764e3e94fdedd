"""`clew why PREDICTION`: the thread from one decision back to everything behind it, and forward to its label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from clew.cli import output
from clew.cli.certificates import words_of_certificate
from clew.cli.command import command
from clew.cli.output import amount, cell
from clew.cli.picture import Branch, listed, tree
from clew.core.numbers import some
from clew.tracking.capture.git import short_revision

if TYPE_CHECKING:
    from clew.core.types.package import Environment
    from clew.loop.replay import Replay
    from clew.loop.why import Why
    from clew.loop.why.data import DataOrigin, ExternalOrigin
    from clew.loop.why.drift import SpanDrift
    from clew.loop.why.origin import CodeOrigin, RunOrigin
    from clew.loop.why.promotion import Promotion

__all__ = ["picture_of", "why"]

_SHOWN, _PACKAGES = 5, 12
_DIGITS = 12


@command(
    "why",
    examples=[
        ("clew why 0193a7c1f2d07e6b9c3d5a8e4f601b27", "one decision, by the id that came with it"),
        ("clew why 0193a7c1f2d0 --json", "the first digits are enough while they are unambiguous"),
        ("clew why UA-1545", "the newest decision with this key of yours"),
    ],
)
@click.argument("prediction", metavar="PREDICTION")
def why(*, prediction: str, as_json: bool) -> None:
    """Show everything behind one decision, and score it again.

    Model version, gate and who named it, run, code, environment, data versions and their checks, drift at that hour,
    scores in shadow, the label, and a replay that compares with what was logged bit for bit.

    PREDICTION is the id that came with the decision. The key that its caller sent finds the newest decision with it,
    among the newest million of each endpoint.
    """
    from clew.workspace import open_workspace

    with open_workspace() as workspace:
        found = workspace.why(prediction)
    output.text(picture_of(found), found, as_json=as_json)


def picture_of(found: Why) -> str:
    """The thread as a tree for people."""
    logged = found.prediction
    top = f"{cell('decision', logged.decision)}, score {logged.score!r}, {cell('time_us', logged.time_us)}"
    parts = [
        _prediction(found),
        _replay(found.replay),
        _label(found),
        Branch(
            "in shadow", tuple(Branch(f"{s.model} {cell('', s.decision)}, score {s.score!r}") for s in found.shadows)
        ),
        _model(found),
        *([_promotion(found.promotion)] if found.promotion is not None else []),
        *([_run(found, found.run)] if found.run is not None else [Branch("no run made this version")]),
        Branch("data", (*(_data(found, each) for each in found.data), *(_external(each) for each in found.external))),
        *_drift(found),
    ]
    return tree(Branch(top, tuple(part for part in parts if part.under or part.text not in ("in shadow", "data"))))


def _prediction(found: Why) -> Branch:
    logged = found.prediction
    row = f", row {logged.row + 1} of {logged.rows} of its request" if logged.rows > 1 else ""
    facts = [
        f"received {cell('received_us', logged.received_us)}, answered in {logged.latency_us / 1000:.3g} ms{row}",
        f"key {logged.key}{_of_key(found.of_key)}" if logged.key else "",
        "waits in a journal, not compacted yet" if not logged.batch else "",
    ]
    branch = _branch(f"prediction {logged.id} at endpoint {found.endpoint.name}", facts)
    return branch._replace(under=(_values("inputs", logged.inputs), *branch.under))


def _of_key(count: int) -> str:
    return f", the newest of {amount(count, 'decisions')} with it: name another by its id" if count > 1 else ""


def _replay(replay: Replay) -> Branch:
    if replay.verdict == "identical":
        rows = f", {replay.rows} rows together" if replay.rows > 1 else ""
        return Branch(f"replay: identical, bit for bit ({replay.runtime}{rows})")
    if replay.verdict == "cannot":
        return Branch(f"replay: not possible here: {replay.reason}")
    said = f"replay: different: logged {replay.logged_score!r}, now {replay.score!r}"
    return _branch(said, [f"{replay.differing} of {amount(replay.rows, 'rows')} not the same", replay.reason])


def _label(found: Why) -> Branch:
    if found.label is None:
        return Branch("label: not yet")
    right = " (as decided)" if found.label.label == found.prediction.decision else ""
    return Branch(
        f"label: {cell('', found.label.label)}{right}, by {found.label.by}, "
        f"received {cell('received_us', found.label.received_us)}"
    )


def _model(found: Why) -> Branch:
    model = found.model
    facts = [
        f"{model.estimator}, {model.format}, answers with {found.prediction.runtime}",
        f"package {model.package[:_DIGITS]}, threshold {cell('', model.threshold)}",
        f"registered {cell('created_us', model.created_us)} by {model.created_by}"
        + (f": {model.message}" if model.message else ""),
        _fitted_with(model.environment) if model.environment is not None else "",
        f"unsafe: {'; '.join(model.unsafe)}" if model.unsafe else "",
    ]
    return _branch(f"model {model.reference}", facts)


def _fitted_with(environment: Environment) -> str:
    named = some([f"{name} {version}" for name, version in environment.distributions.items()], most=_PACKAGES)
    words = [f"Python {environment.python}" if environment.python else "", named]
    return f"fitted with {', '.join(filter(None, words))}, as its package says"


def _promotion(promotion: Promotion) -> Branch:
    said = f"{promotion.alias} since {cell('moved_us', promotion.moved_us)}, by {promotion.moved_by}"
    said += f": {promotion.reason}" if promotion.reason else ""
    gate = promotion.gate
    if gate is None:
        return Branch(said, (Branch("no gate guards this name"),))
    checks = tuple(Branch(f"{check.verdict.words} {check.name}: {check.reason}") for check in gate.checks)
    return Branch(said, (Branch(f"gate: {gate.verdict.words}, report {promotion.report[:_DIGITS]}", checks),))


def _run(found: Why, run: RunOrigin) -> Branch:
    code, environment, hardware, seeds = run.code, run.environment, run.hardware, run.seeds
    facts = [
        f"{run.kind} {run.entry}, {cell('created_us', run.created_us)}, by {run.created_by}",
        f"command {' '.join(run.command)}" if run.command else "",
        f"triggered by {', '.join(run.triggered_by)}" if run.triggered_by else "",
    ]
    if code is not None:
        facts.append(_code(code))
    if environment is not None:
        facts.append(
            f"environment {environment.digest[:_DIGITS]}: Python {environment.python}, "
            f"{amount(environment.distributions, 'distributions')}, {environment.system} {environment.machine}"
        )
    if hardware is not None:
        facts.append(f"hardware {hardware.cpu}, {amount(hardware.usable_cpus, 'processors')}")
    if seeds is not None:
        facts.append(f"seeds {seeds.digest[:_DIGITS]}, hash seed {seeds.hash_seed or 'not recorded'}")
    facts += [f"reproduced: {words_of_certificate(each)}" for each in run.certificates]
    steps = tuple(
        Branch(
            f"step {each.step} {each.outcome}, key {each.key[:_DIGITS]}, output {each.output[:_DIGITS] or 'not kept'}"
        )
        for each in found.steps
    )
    first, *others = (Branch(fact) for fact in facts if fact)
    params = [_values("parameters", run.params)] if run.params else []
    return Branch(f"run {run.name} {run.id[:_DIGITS]}", (first, *params, *others, *steps))


def _code(code: CodeOrigin) -> str:
    kept = f"{code.snapshot[:_DIGITS]}, {amount(code.files, 'files')}" if code.snapshot else "of which no file was kept"
    commit = f", commit {short_revision(code.commit)}" if code.commit else ""
    return f"code {kept}{commit}" + (f", branch {code.branch}" if code.branch else "")


def _external(data: ExternalOrigin) -> Branch:
    return _branch(f"{data.name}@{data.digest}, as another tool names it", [f"into {', '.join(data.into)}"])


def _data(found: Why, data: DataOrigin) -> Branch:
    checks = [
        f"{check.verdict.words}: {check.reason}" for check in found.checks if check.name == f"data {data.reference}"
    ]
    message = f": {data.message}" if data.message else ""
    said = f"{data.reference} {data.digest[:_DIGITS]}, {amount(data.rows, 'rows')}, by {data.created_by}{message}"
    made = f"made of {', '.join(data.out_of)}" if data.out_of else ""
    return _branch(said, [*checks, f"into {', '.join(data.into)}", made])


def _drift(found: Why) -> Iterator[Branch]:
    if found.drift is None:
        return
    hour, day = found.drift.hour, found.drift.day
    under = [Branch(_span("that hour", hour)), Branch(_span("24 hours before its end", day))]
    window = found.drift.window
    if window is not None:
        span = f"{cell('start_us', window.start_us)} to {cell('end_us', window.end_us)}"
        under.append(Branch(f"monitored window {span}: {amount(window.rows, 'rows')}, {window.labels:,} labelled"))
    yield Branch("drift against the training profile", tuple(under))


def _span(name: str, span: SpanDrift) -> str:
    if not span.rows:
        return f"{name}: not counted yet"
    shown = ", ".join(f"{each.column} {each.effect:.2g}" for each in span.columns[:_SHOWN])
    drifted = ", ".join(span.drifted) or "none more than chance"
    return f"{name}: {amount(span.rows, 'rows')}, drifted: {drifted} (largest distances: {shown})"


def _branch(text: str, facts: list[str]) -> Branch:
    return Branch(text, tuple(Branch(fact) for fact in facts if fact))


def _values(title: str, values: Mapping[str, Any]) -> Branch:
    return listed(title, [f"{name}={_value(value)}" for name, value in values.items()])


def _value(value: Any) -> str:
    return repr(value) if isinstance(value, str) else cell("", value)
