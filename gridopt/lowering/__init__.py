"""From a program to a QUBO, step by step; each step gives back the map."""
