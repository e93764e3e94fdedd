"""Rules over the columns of a row, such as `arrival >= departure`, as a typed tree.

The text is read with Python's own grammar and everything but comparisons, arithmetic, `and`/`or`/`not`, `in`,
`is None`, `abs()`, `len()`, `column("any name")` and literals is refused; nothing is ever evaluated here. The types of
the columns are known when a rule is read, so that a mistake is found then, and so that both compilers of
`clew.data.checks` do the same arithmetic. Reasoning: docs/design/checks.md.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from clew.core.clock import parse_us
from clew.core.errors import Invalid

__all__ = [
    "Arithmetic",
    "Call",
    "Column",
    "Compare",
    "Expression",
    "IsMissing",
    "Kind",
    "Literal",
    "Logic",
    "Member",
    "Not",
    "columns_of",
    "kind_of",
    "parse_rule",
]

_MAX_TEXT = 1_000
_MAX_DEPTH = 40


class Kind(StrEnum):
    """What an expression is.

    WHOLE is a 64-bit integer, REAL a 64-bit float, INSTANT integer microseconds since 1970 UTC.
    """

    WHOLE = "integer"
    REAL = "number"
    TEXT = "string"
    TRUTH = "truth"
    INSTANT = "time"


class Literal(msgspec.Struct, frozen=True):
    """A value written in the rule."""

    value: bool | int | float | str
    kind: Kind


class Column(msgspec.Struct, frozen=True):
    """The value of a column in this row; missing when it is null or NaN."""

    name: str
    kind: Kind


class Compare(msgspec.Struct, frozen=True):
    """`== != < <= > >=`; missing when a side is. Both sides have kind `kind`, reals where they differ."""

    op: str
    left: Expression
    right: Expression
    kind: Kind


class Arithmetic(msgspec.Struct, frozen=True):
    """`+ - * /` of reals, or the seconds between two instants; what has no finite or infinite value is missing."""

    op: str
    left: Expression
    right: Expression


class Logic(msgspec.Struct, frozen=True):
    """`and`, `or` over truths, three-valued: `False and missing` is False."""

    op: str
    parts: tuple[Expression, ...]


class Not(msgspec.Struct, frozen=True):
    """The opposite of a truth; missing stays missing."""

    part: Expression


class Member(msgspec.Struct, frozen=True):
    """`in` a list of literals of kind `kind`; missing when the item is."""

    item: Expression
    values: tuple[int | float | str, ...]
    kind: Kind


class IsMissing(msgspec.Struct, frozen=True):
    """`is None`."""

    part: Expression


class Call(msgspec.Struct, frozen=True):
    """`abs` of a number, `len` of a text in characters."""

    name: str
    part: Expression


Expression = Literal | Column | Compare | Arithmetic | Logic | Not | Member | IsMissing | Call

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_NUMBERS = (Kind.WHOLE, Kind.REAL)


def parse_rule(text: str, columns: Mapping[str, Kind]) -> Expression:
    """The tree of a rule over columns of known kinds.

    Raises:
        Invalid: the text is not a rule, names an unknown column, or mixes kinds.
    """
    if len(text) > _MAX_TEXT:
        raise Invalid(f"a rule of {len(text)} characters is too long", hint=f"at most {_MAX_TEXT}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "too complex"
        raise Invalid(f"rule {text!r} cannot be read: {reason}", hint="for example: arrival >= departure") from None
    rule = _Reader(text, columns).read(tree, 0)
    if kind_of(rule) is not Kind.TRUTH:
        raise Invalid(f"rule {text!r} does not say something true or false", hint="compare with something")
    if not columns_of(rule):
        raise Invalid(f"rule {text!r} names no column")
    return rule


def kind_of(node: Expression) -> Kind:
    """What an expression is."""
    if isinstance(node, Literal | Column):
        return node.kind
    if isinstance(node, Arithmetic):
        return Kind.REAL
    if isinstance(node, Call):
        return Kind.WHOLE if node.name == "len" else Kind.REAL
    return Kind.TRUTH


def columns_of(node: Expression) -> tuple[str, ...]:
    """The columns that an expression reads, by name."""
    if isinstance(node, Column):
        return (node.name,)
    if isinstance(node, Literal):
        return ()
    if isinstance(node, Compare | Arithmetic):
        parts: tuple[Expression, ...] = (node.left, node.right)
    elif isinstance(node, Logic):
        parts = node.parts
    else:
        parts = (node.item if isinstance(node, Member) else node.part,)
    return tuple(sorted({name for part in parts for name in columns_of(part)}))


class _Reader:
    """Turns Python's tree into ours, and refuses what is not in the language."""

    def __init__(self, text: str, columns: Mapping[str, Kind]) -> None:
        self.text, self.columns = text, columns

    def error(self, what: str, *, hint: str = "") -> Invalid:
        return Invalid(f"rule {self.text!r} {what}", hint=hint)

    def read(self, node: ast.expr, depth: int) -> Expression:
        if depth > _MAX_DEPTH:
            raise self.error("is nested too deeply")
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return self.literal(value)
            case ast.Name(id=name):
                return self.column(name)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]):
                return self.call(name, argument, depth)
            case ast.BoolOp(op=op, values=values):
                word = "and" if isinstance(op, ast.And) else "or"
                return Logic(word, tuple(self.truth(value, word, depth) for value in values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.truth(operand, "not", depth))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.negate(operand, depth)
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
                return self.arithmetic(_ARITHMETIC[type(op)], self.read(left, depth + 1), self.read(right, depth + 1))
            case ast.Compare():
                return self.comparisons(node, depth)
        raise self.error(
            f"uses {ast.unparse(node)!r}, which rules do not know",
            hint="known: comparisons, + - * /, and, or, not, in, is None, abs(x), len(x), column('a name')",
        )

    def literal(self, value: bool | int | float | str) -> Literal:
        if isinstance(value, bool):
            return Literal(value, Kind.TRUTH)
        if isinstance(value, str):
            return Literal(value, Kind.TEXT)
        if isinstance(value, int) and -(2**63) <= value < 2**63:
            return Literal(value, Kind.WHOLE)
        return Literal(self.real(value), Kind.REAL)

    def real(self, value: int | float) -> float:
        try:
            return float(value)
        except OverflowError:
            raise self.error(f"has a number of {len(str(value))} digits") from None

    def column(self, name: str) -> Column:
        if name not in self.columns:
            known = ", ".join(sorted(self.columns)) or "none"
            raise self.error(
                f"names column {name!r}, which has no entry with a type in the checks", hint=f"typed columns: {known}"
            )
        return Column(name, self.columns[name])

    def call(self, name: str, argument: ast.expr, depth: int) -> Expression:
        if name == "column" and isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            return self.column(argument.value)
        if name not in ("abs", "len"):
            raise self.error(f"calls {name}()", hint="known: abs(x), len(x), column('a name')")
        part = self.read(argument, depth + 1)
        wanted = _NUMBERS if name == "abs" else (Kind.TEXT,)
        if kind_of(part) not in wanted:
            raise self.error(f"takes {name}() of {ast.unparse(argument)!r} ({kind_of(part)})")
        return Call(name, part)

    def truth(self, node: ast.expr, word: str, depth: int) -> Expression:
        part = self.read(node, depth + 1)
        if kind_of(part) is not Kind.TRUTH:
            raise self.error(f"gives {ast.unparse(node)!r} ({kind_of(part)}) to {word!r}")
        return part

    def negate(self, node: ast.expr, depth: int) -> Expression:
        part = self.read(node, depth + 1)
        if isinstance(part, Literal) and part.kind in _NUMBERS and not isinstance(part.value, str):
            return self.literal(-part.value)
        return self.arithmetic("-", Literal(0, Kind.WHOLE), part)

    def arithmetic(self, op: str, left: Expression, right: Expression) -> Arithmetic:
        kinds = (kind_of(left), kind_of(right))
        instants = op == "-" and kinds == (Kind.INSTANT, Kind.INSTANT)
        if not instants and not all(kind in _NUMBERS for kind in kinds):
            raise self.error(f"does arithmetic that has no meaning: {kinds[0]} {op} {kinds[1]}")
        return Arithmetic(op, left, right)

    def comparisons(self, node: ast.Compare, depth: int) -> Expression:
        parts = []
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            parts.append(self.compare(op, left, right, depth))
            left = right
        return parts[0] if len(parts) == 1 else Logic("and", tuple(parts))

    def compare(self, op: ast.cmpop, left: ast.expr, right: ast.expr, depth: int) -> Expression:
        item = self.read(left, depth + 1)
        if isinstance(op, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise self.error("uses 'is' with something else than None")
            return IsMissing(item) if isinstance(op, ast.Is) else Not(IsMissing(item))
        if isinstance(op, ast.In | ast.NotIn):
            member = self.member(item, right, depth)
            return member if isinstance(op, ast.In) else Not(member)
        return self.ordered(_COMPARISONS[type(op)], item, self.read(right, depth + 1))

    def ordered(self, op: str, left: Expression, right: Expression) -> Compare:
        left, right = self.as_instant(left, right), self.as_instant(right, left)
        kinds = {kind_of(left), kind_of(right)}
        if kinds == {Kind.WHOLE, Kind.REAL}:
            return Compare(op, left, right, Kind.REAL)
        if len(kinds) == 2:
            raise self.error(f"compares different things: {kind_of(left)} {op} {kind_of(right)}")
        kind = kinds.pop()
        if kind is Kind.TRUTH and op not in ("==", "!="):
            raise self.error("orders truths")
        return Compare(op, left, right, kind)

    def as_instant(self, part: Expression, other: Expression) -> Expression:
        """A text literal beside an instant is a time."""
        if kind_of(other) is not Kind.INSTANT or not isinstance(part, Literal) or not isinstance(part.value, str):
            return part
        try:
            return Literal(parse_us(part.value), Kind.INSTANT)
        except ValueError:
            raise self.error(
                f"compares a time with {part.value!r}", hint="write 2013-01-31 or 2013-01-31T05:00:00Z"
            ) from None

    def member(self, item: Expression, right: ast.expr, depth: int) -> Member:
        if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
            raise self.error("uses 'in' without a list of values", hint="for example: carrier in ('AA', 'UA')")
        parts = [self.as_instant(self.read(part, depth + 1), item) for part in right.elts]
        kinds = {kind_of(item), *(kind_of(part) for part in parts)}
        kind = Kind.REAL if kinds == {Kind.WHOLE, Kind.REAL} else kinds.pop() if len(kinds) == 1 else None
        if kind is None or kind is Kind.TRUTH or not all(isinstance(part, Literal) for part in parts):
            raise self.error(f"has a list in which not every value is a literal {kind_of(item)}")
        values = [part.value for part in parts if isinstance(part, Literal)]
        return Member(item, tuple(float(v) if kind is Kind.REAL else v for v in values), kind)
