"""Circuits for gate-model machines: QAOA, Grover, back-ends."""
