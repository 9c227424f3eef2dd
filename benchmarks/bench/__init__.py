"""Repeats comparisons: cases × formulations × solvers × seeds, each run a row of a database."""
