"""Back-ends behind the one `gridopt.solver.Solver` interface, one file each.

A file's name is the solver's public name; nothing is imported before a solver is asked for.
"""
