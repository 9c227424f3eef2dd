"""gridopt's own annealer: kernels, and moves that keep rules."""
