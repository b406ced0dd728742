"""What running systems say about themselves, read into figures that predictions can be held against."""

from llmplan.measurements.startup_log import read_startup_log

__all__ = ["read_startup_log"]
