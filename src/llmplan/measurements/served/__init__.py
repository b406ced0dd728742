"""A running server read from outside: its metrics, its models, and what it says of its own settings."""
