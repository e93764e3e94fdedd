"""Pure statistics on arrays and counts: intervals, sequential tests, drift, alarms, value, fairness.

Nothing here reads, writes, draws its own random numbers or knows what a run or an endpoint is. Nothing is re-exported,
so that a command which needs one quantile does not pay for numpy. SciPy, scikit-learn and fairlearn are oracles in the
tests, never imported here. Every docstring names formula, assumptions and source.
"""
