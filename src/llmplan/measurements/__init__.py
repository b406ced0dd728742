"""What running systems say about themselves, read into figures that predictions can be held against."""

from llmplan.measurements.vllm_log import StartupObservation, read_startup_log

__all__ = ["StartupObservation", "read_startup_log"]
