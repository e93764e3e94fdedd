"""Tails and quantiles of the normal, Student's t and chi-square distributions, accurate far into the tails.

What SciPy would give and numpy lacks; SciPy is the oracle in the tests. Probabilities of rare events are always asked
as survival functions or small lower tails, never as one minus something. Log-gamma is `math.lgamma`.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from clew.core.errors import Invalid
from clew.stats.root import find_root

__all__ = [
    "chi_square_critical",
    "chi_square_sf",
    "normal_cdf",
    "normal_quantile",
    "normal_sf",
    "student_t_quantile",
    "student_t_sf",
]

_MANY = 1e5
_TINY = 1e-300
_EPS = 1e-16
_NORMAL = NormalDist()
_LOG_2PI = math.log(2.0 * math.pi)
_LOG_PI = math.log(math.pi)


def normal_cdf(z: float) -> float:
    """P(Z ≤ z) of the standard normal, `erfc(-z/√2)/2`; relative accuracy holds in the lower tail."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def normal_sf(z: float) -> float:
    """P(Z > z) of the standard normal, `erfc(z/√2)/2`; relative accuracy holds in the upper tail."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def normal_quantile(p: float) -> float:
    """The z with P(Z ≤ z) = p (Wichura's AS 241, 1988). For a small upper tail q ask `-normal_quantile(q)`.

    Raises:
        Invalid: p is not inside (0, 1).
    """
    _inside("p", p)
    return _NORMAL.inv_cdf(p)


def student_t_sf(t: float, df: float) -> float:
    """P(T > t) of Student's t with `df` degrees of freedom.

    Half the regularised incomplete beta function I_x(df/2, 1/2) at x = df/(df + t²), by its continued fraction
    (Didonato and Morris, ACM TOMS 18, 1992; evaluated by Lentz's method, 1976). Above 100,000 degrees of freedom Hill's
    normal approximation (CACM 13, 1970, algorithm 395), which is then exact to 11 digits.

    Args:
        t: the statistic; infinities are allowed.
        df: degrees of freedom, above 0, not necessarily whole; infinity gives the normal.

    Raises:
        Invalid: df is not above 0, or t is not a number.
    """
    _positive("df", df)
    if math.isnan(t):
        raise Invalid("t is not a number")
    if df > _MANY:  # either: both are exact there
        return normal_sf(_normal_of_t(t, df))
    return _t_upper(t, df) if t >= 0 else 1.0 - _t_upper(-t, df)  # either: a half at 0


def student_t_quantile(p: float, df: float) -> float:
    """The t with P(T ≤ t) = p. For a small upper tail q ask `-student_t_quantile(q, df)`.

    Args:
        p: lower-tail probability, inside (0, 1).
        df: degrees of freedom, above 0; infinity gives the normal.

    Raises:
        Invalid: p or df is out of range.
    """
    _inside("p", p)
    _positive("df", df)
    if math.isinf(df):
        return normal_quantile(p)
    tail = min(p, 1.0 - p)
    t = _t_of_tail(tail, df)
    return -t if p < 0.5 else t


def chi_square_sf(x: float, df: float) -> float:
    """P(X > x) of chi-square with `df` degrees of freedom.

    The regularised upper incomplete gamma function Q(df/2, x/2): series below the mean, continued fraction above it
    (Abramowitz and Stegun 6.5.29 and 6.5.31), with Loader's saddle-point form of the leading factor (2000), which
    keeps relative accuracy for many degrees of freedom.

    Args:
        x: the statistic; at or below 0 the answer is 1.
        df: degrees of freedom, above 0, not necessarily whole.

    Raises:
        Invalid: df is not above 0 and finite, or x is not a number.
    """
    _positive("df", df)
    if math.isnan(x) or math.isinf(df):
        raise Invalid(f"chi-square tail of x = {x!r} with df = {df!r}")
    if x <= 0.0:
        return 1.0
    if math.isinf(x):
        return 0.0
    a, y = 0.5 * df, 0.5 * x
    factor = _gamma_factor(a, y)
    if y < a + 1.0:  # either: both converge there
        return 1.0 - factor * _gamma_series(a, y)
    return factor * a * _gamma_fraction(a, y)


def chi_square_critical(p: float, df: float) -> float:
    """The x with P(X > x) = p of chi-square.

    Args:
        p: upper-tail probability, inside (0, 1).
        df: degrees of freedom, above 0 and finite.

    Raises:
        Invalid: p or df is out of range.
    """
    _inside("p", p)
    _positive("df", df)
    log_p = math.log(p)

    def excess(x: float) -> float:
        tail = chi_square_sf(x, df)
        return (math.log(tail) if tail > 0.0 else -math.inf) - log_p

    high = df + 2.0 * math.sqrt(df * -log_p) - 2.0 * log_p  # Laurent and Massart (2000): P(X > high) ≤ p
    return find_root(excess, 0.0, high * (1 + 1e-12))


def _inside(name: str, p: float) -> None:
    if not 0.0 < p < 1.0:
        raise Invalid(f"{name} = {p!r} is no probability inside (0, 1)")


def _positive(name: str, value: float) -> None:
    if not value > 0.0:
        raise Invalid(f"{name} = {value!r} must be above 0")


def _stirling_error(a: float) -> float:
    """log Γ(a + 1) minus Stirling's formula."""
    if a < 15.0:  # either: both are exact there
        return math.lgamma(a + 1.0) - (a + 0.5) * math.log(a) + a - 0.5 * _LOG_2PI
    square = a * a
    return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * square)) / square) / square) / a


def _gamma_factor(a: float, y: float) -> float:
    """y^a e^-y / Γ(a + 1)."""
    if a < 15.0:  # either: both are exact there
        return math.exp(a * math.log(y) - y - math.lgamma(a + 1.0))
    away = (y - a) / a
    log_ratio = math.log1p(away) if abs(away) < 0.5 else math.log(y / a)  # either: both are exact there
    return math.exp(-a * (away - log_ratio) - _stirling_error(a) - 0.5 * (_LOG_2PI + math.log(a)))


def _gamma_series(a: float, y: float) -> float:
    term = total = 1.0
    n = a
    while term > total * _EPS:
        n += 1.0
        term *= y / n
        total += term
    return total


def _gamma_fraction(a: float, y: float) -> float:
    b = y + 1.0 - a
    c = 1.0 / _TINY
    d = h = 1.0 / b
    i = 0
    while True:
        i += 1
        an = -i * (i - a)
        b += 2.0
        d = an * d + b
        d = 1.0 / (d if d != 0.0 else _TINY)
        c = b + an / c
        c = c if c != 0.0 else _TINY
        h *= d * c
        if abs(d * c - 1.0) < 4 * _EPS:
            return h


def _beta_fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    h = d
    m = 0
    while True:
        m += 1
        for an in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + an * d
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = 1.0 + an / c
            c = c if abs(c) > _TINY else _TINY
            h *= d * c
        if abs(d * c - 1.0) < 4 * _EPS:
            return h


def _log_half_ratio(a: float) -> float:
    """log Γ(a + 1/2) - log Γ(a); by its asymptotic series where the difference of two log-gammas would cancel."""
    if a < 20.0:  # either: both are exact there
        return math.lgamma(a + 0.5) - math.lgamma(a)
    square = a * a
    return 0.5 * math.log(a) - (1 / 8 - (1 / 192 - (1 / 640 - 17 / (14336 * square)) / square) / square) / a


def _t_upper(t: float, df: float) -> float:
    if t == 0.0:
        return 0.5
    if math.isinf(t):
        return 0.0
    a, scaled = 0.5 * df, t / math.sqrt(df)
    away = 2.0 * math.log(math.hypot(1.0, scaled)) if scaled > 1.0 else math.log1p(scaled * scaled)  # either: exact
    x = math.exp(-away)
    y = 1.0 / (1.0 + 1.0 / scaled / scaled) if scaled > 1e-150 else scaled * scaled  # either: both exact
    log_front = -a * away + 0.5 * math.log(y) + _log_half_ratio(a) - 0.5 * _LOG_PI if y > 0.0 else -math.inf
    if x < (a + 1.0) / (a + 2.5):  # either: both converge there
        return 0.5 * math.exp(log_front - math.log(a)) * _beta_fraction(a, 0.5, x)
    return 0.5 - math.exp(log_front) * _beta_fraction(0.5, a, y)


def _normal_of_t(t: float, df: float) -> float:
    """The normal point with the same tail as t."""
    if math.isinf(df) or math.isinf(t):
        return t
    n = df - 0.5
    b, w = 48.0 * n * n, math.sqrt(n * math.log1p(t * t / df))
    w2 = w * w
    z = w + w * (w2 + 3.0) / b - w * (((4.0 * w2 + 33.0) * w2 + 240.0) * w2 + 855.0) / (10.0 * b * b)
    return math.copysign(z, t)


def _log_t_density(t: float, df: float) -> float:
    away = 2.0 * math.log(math.hypot(1.0, t / math.sqrt(df)))
    return _log_half_ratio(0.5 * df) - 0.5 * (_LOG_PI + math.log(df)) - 0.5 * (df + 1.0) * away


def _t_of_tail(tail: float, df: float) -> float:
    """Newton's method where it moves in one direction only: the tail is convex in t, its logarithm concave in log t."""
    if tail == 0.5:
        return 0.0
    if tail > 0.05:  # either: both find it
        t = 0.0
        for _ in range(100):
            step = (student_t_sf(t, df) - tail) / math.exp(_log_t_density(t, df))
            t += step
            if abs(step) <= 1e-15 * t:
                break
        return t
    step = 0.0
    log_t, log_tail = math.log(-normal_quantile(tail)), math.log(tail)  # the normal's point lies left of t's
    for _ in range(200):
        t = math.exp(min(log_t, 709.0))
        upper = student_t_sf(t, df)
        if upper <= 0.0:  # a long first step went beyond the smallest float
            log_t -= 0.5 * step
            continue
        step = (math.log(upper) - log_tail) * upper / math.exp(_log_t_density(t, df) + math.log(t))
        log_t += step
        if abs(step) <= 1e-15 * max(1.0, abs(log_t)):
            break
    return math.exp(log_t) if log_t < 709.0 else math.inf
