"""Constraint blocks that formulations share: one function a rule, with its equation and source.

Symbols: u on, v start, w stop, p power above the minimum, r reserve, all per unit g and period t;
P̲ and P̄ output limits, SU and SD start-up and shut-down limits, RU and RD ramps of one period,
UT and DT minimum up and down times in periods.
"""
