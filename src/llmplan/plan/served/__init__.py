"""A running server beside its plan: what it says of itself, what is different, and what that is likely to come from."""
