"""Self-contained HTML pages: one file each, which asks nothing of any network."""
