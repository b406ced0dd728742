"""Requests through time: what a fleet that scales to zero runs, waits and starts."""

from llmplan.simulate.cold_start import ColdStart, cold_start, start_of
from llmplan.simulate.idle_window import idle_window_s
from llmplan.simulate.scale_to_zero import scale_to_zero_usage

__all__ = ["ColdStart", "cold_start", "idle_window_s", "scale_to_zero_usage", "start_of"]
