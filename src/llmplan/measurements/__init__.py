"""What running systems say about themselves, read into figures that predictions can be held against."""

from llmplan.measurements.vllm_log import read_startup_log

__all__ = ["read_startup_log"]
