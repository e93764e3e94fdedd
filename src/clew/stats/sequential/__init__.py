"""Confidence sequences: intervals of a mean that hold at every look together, however often and for however long.

One value arrives for each unit (a day's mean cost of the challenger minus the champion's, say). Each sequence is a
frozen struct: `update(x)` returns the next state, and bounds may be asked of any state at any time. States are small
and made of plain numbers, so that they can be stored between looks.

Which one: `student` for promotion and wherever units are few (10 to 200); it corrects for skewed units and for units
like their neighbours, and cannot decide before there are enough of them (11 units at 5 %).
`asymptotic` for hundreds of units of any shape. `betting` where values have hard bounds and nothing else may be
assumed. `gaussian` where the standard deviation is known beforehand. These three take units as independent: if days
are not, let weeks be the units. `planning` says how many units a trial needs.
"""
