"""How a reproduction is shown to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.cli import output
from clew.cli.picture import Branch, tree

if TYPE_CHECKING:
    from clew.loop.reproduce import Reproduction
    from clew.loop.reproduce.reproduction import Divergence, MetricComparison, StepComparison

__all__ = ["picture_of_reproduction"]

_SHOWN = 12


def picture_of_reproduction(found: Reproduction, kept: str) -> str:
    """Verdict, steps, outputs, metrics, and what has changed; `kept` says where the certificate is."""
    changed = [Branch(str(each)) for each in found.factors]
    parts = [
        _steps(found.steps),
        Branch(
            _counted("outputs", len(found.outputs), sum(each.same for each in found.outputs)),
            tuple(Branch(f"{each.kind} {each.name}") for each in found.outputs if not each.same),
        ),
        _metrics(found.metrics),
    ]
    under = [part for part in parts if not part.text.startswith("no ")]
    if found.divergence is not None:
        said = f"first difference: {found.divergence.what} {found.divergence.name}"
        under.append(Branch(said, _causes(found.divergence)))
    if found.alone:
        lines = (
            f"{each.change}: {each.verdict}" + (f", from {each.first}" if each.first else "") for each in found.alone
        )
        under.append(Branch("each change alone", tuple(Branch(line) for line in lines)))
    if changed:
        more = [Branch(f"and {len(changed) - _SHOWN} more: --json")] if len(changed) > _SHOWN else []
        under.append(Branch("changed since, whether it matters or not", (*changed[:_SHOWN], *more)))
    under += [Branch(note) for note in found.notes]
    under += [Branch(f"signed, and {kept}")] if found.certificate else []
    using = f" with {', '.join(found.using)}" if found.using else ""
    return tree(Branch(f"{found.verdict}: run {found.name}{using}, repeated as {found.repeated[:12]}", tuple(under)))


def _causes(divergence: Divergence) -> tuple[Branch, ...]:
    if divergence.causes:
        return tuple(Branch(f"because of {each}") for each in divergence.causes[:_SHOWN])
    if divergence.suspects:
        return tuple(Branch(f"perhaps because of {each}") for each in divergence.suspects[:_SHOWN])
    return (Branch("nothing that was recorded has changed: it depends on something else"),)


def _steps(steps: list[StepComparison]) -> Branch:
    marks = {True: "=", False: "≠", None: "?"}
    lines = tuple(Branch(f"{marks[each.same]} {each.step}  {each.output[:12] or 'not kept'}") for each in steps)
    return Branch(_counted("steps", len(steps), sum(each.same is True for each in steps)), lines)


def _metrics(metrics: list[MetricComparison]) -> Branch:
    def line(each: MetricComparison) -> str:
        was, now = output.cell(each.metric, each.recorded), output.cell(each.metric, each.value)
        return f"= {each.metric}  {now}" if each.same else f"≠ {each.metric}  {was} → {now}"

    ordered = sorted(metrics, key=lambda each: each.same)
    lines = tuple(Branch(line(each)) for each in ordered[:_SHOWN])
    return Branch(_counted("metrics", len(metrics), sum(each.same for each in metrics)), lines)


def _counted(nouns: str, count: int, same: int) -> str:
    return f"{same} of {output.amount(count, nouns)} the same, bit for bit" if count else f"no {nouns}"
