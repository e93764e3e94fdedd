"""Rules as lines of plain Python over numbered names; missing is None. The twin of `rules_polars`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from clew.core.types.expression import (
    Arithmetic,
    Column,
    Compare,
    Expression,
    IsMissing,
    Kind,
    Literal,
    Logic,
    Member,
    Not,
    kind_of,
)

__all__ = ["rule_lines"]


def rule_lines(rule: Expression, names: Mapping[str, str], constant: Callable[[object], str]) -> tuple[list[str], str]:
    """Lines that compute a rule, and the name that then holds True, False or None.

    Args:
        names: the variable that holds the value of each column.
        constant: keeps a value and gives the name under which the lines see it.
    """
    writer = _Writer(names, constant)
    result = writer.write(rule)
    return writer.lines, result


class _Writer:
    """Writes one assignment for each node of the tree."""

    def __init__(self, names: Mapping[str, str], constant: Callable[[object], str]) -> None:
        self.names, self.constant = names, constant
        self.lines: list[str] = []

    def assign(self, value: str) -> str:
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {value}")
        return name

    def write(self, node: Expression) -> str:
        if isinstance(node, Literal):
            return self.constant(node.value)
        if isinstance(node, Column):
            return self.names[node.name]
        if isinstance(node, Compare):
            return self.compare(node)
        if isinstance(node, Arithmetic):
            return self.arithmetic(node)
        if isinstance(node, Logic):
            return self.logic(node)
        if isinstance(node, Member):
            item, values = self.write(node.item), self.constant(frozenset(node.values))
            return self.assign(f"None if {item} is None else {item} in {values}")
        part = self.write(node.part)
        if isinstance(node, IsMissing):
            return self.assign(f"{part} is None")
        if isinstance(node, Not):
            return self.assign(f"None if {part} is None else not {part}")
        call = f"len({part})" if node.name == "len" else f"abs(float({part}))"
        return self.assign(f"None if {part} is None else {call}")

    def compare(self, node: Compare) -> str:
        left, right = self.write(node.left), self.write(node.right)
        sides = [
            f"float({side})" if node.kind is Kind.REAL and kind_of(part) is Kind.WHOLE else side
            for side, part in ((left, node.left), (right, node.right))
        ]
        return self.assign(f"None if {left} is None or {right} is None else {sides[0]} {node.op} {sides[1]}")

    def arithmetic(self, node: Arithmetic) -> str:
        left, right = self.write(node.left), self.write(node.right)
        missing = f"{left} is None or {right} is None"
        if kind_of(node.left) is Kind.INSTANT:
            return self.assign(f"None if {missing} else ({left} - {right}) / 1000000.0")
        if node.op == "/":
            missing += f" or {right} == 0"
        value = self.assign(f"None if {missing} else float({left}) {node.op} float({right})")
        return self.assign(f"None if {value} is None or {value} != {value} else {value}")

    def logic(self, node: Logic) -> str:
        parts = [self.write(part) for part in node.parts]
        decisive, otherwise = ("False", "True") if node.op == "and" else ("True", "False")
        decided = " or ".join(f"{part} is {decisive}" for part in parts)
        missing = " or ".join(f"{part} is None" for part in parts)
        return self.assign(f"{decisive} if {decided} else None if {missing} else {otherwise}")
