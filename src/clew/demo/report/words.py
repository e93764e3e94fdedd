"""Numbers and dates as people read them, safe in HTML."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

__all__ = ["compact", "day_of", "long_date", "money", "percent", "short_date", "signed"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def money(amount: float) -> str:
    """`128,830`, with a real minus sign."""
    return f"{amount:,.0f}".replace("-", "−")


def signed(amount: float) -> str:
    """`+128,830`."""
    return "0" if round(amount) == 0 else f"{amount:+,.0f}".replace("-", "−")


def compact(amount: float) -> str:
    """A number for an axis: `1.5 M`, `200 k`."""
    for unit, size in ((" M", 1e6), (" k", 1e3)):
        if abs(amount) >= size:
            return f"{amount / size:g}{unit}".replace("-", "−")
    return f"{amount:g}".replace("-", "−")


def percent(share: float, decimals: int = 0) -> str:
    """`5.8 %`."""
    return f"{100 * share:.{decimals}f} %".replace("-", "−")


def day_of(at_us: int) -> date:
    """The day of a moment, in UTC."""
    return (_EPOCH + timedelta(microseconds=at_us)).date()


def short_date(day: date) -> str:
    """`9 Mar`."""
    return f"{day.day} {day:%b}"


def long_date(day: date) -> str:
    """`9 March`."""
    return f"{day.day} {day:%B}"
