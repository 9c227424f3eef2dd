"""Readers and writers: pandapower nets, profiles, unit tables, shipped systems."""
