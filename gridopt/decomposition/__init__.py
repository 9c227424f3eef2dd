"""Programs that fall into agents at given prices: a certified bound, and answers near it."""
