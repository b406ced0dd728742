"""Evaluate, size, rank: the one place where physics meets money."""
