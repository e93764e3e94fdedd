"""Drift: how far a window's counts lie from the reference's, and whether chance explains it.

`effects` are distances between two histograms. `pool` joins thin bins. `design` measures how much rows of one day move
together. `homogeneity` is the test, `detectable` says what it can find. When to alarm over many columns and looks is in
`clew.stats.alarms`.
"""
