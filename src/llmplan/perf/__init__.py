"""Seconds: how long a step takes, how steps make up traffic, and how much of it one replica takes at its SLO."""

from llmplan.perf.calibration import select_calibration
from llmplan.perf.capacity import Capacity, capacity
from llmplan.perf.disaggregation import estimate_disaggregated
from llmplan.perf.estimate import estimate
from llmplan.perf.explain import explain_step
from llmplan.perf.rates import computes_natively
from llmplan.perf.step_times import PacedTimes, StepTimes, modelled_times

__all__ = [
    "Capacity",
    "PacedTimes",
    "StepTimes",
    "capacity",
    "computes_natively",
    "estimate",
    "estimate_disaggregated",
    "explain_step",
    "modelled_times",
    "select_calibration",
]
