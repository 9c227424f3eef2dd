"""Data shipped with the package; sources in README.md beside the tables."""
