"""Seconds: how long a step takes, how steps make up traffic, and how much of it one replica takes at its SLO."""

from llmplan.perf.calibration import select_calibration
from llmplan.perf.capacity import Capacity, HighestRate, capacity, highest_rate
from llmplan.perf.disaggregation import estimate_disaggregated
from llmplan.perf.estimate import Prepared, estimate, estimate_prepared, prepare
from llmplan.perf.explain import explain_step
from llmplan.perf.rates import computes_natively
from llmplan.perf.step_times import PacedTimes, StepTimes, modelled_times

__all__ = [
    "Capacity",
    "HighestRate",
    "PacedTimes",
    "Prepared",
    "StepTimes",
    "capacity",
    "computes_natively",
    "estimate",
    "estimate_disaggregated",
    "estimate_prepared",
    "explain_step",
    "highest_rate",
    "modelled_times",
    "prepare",
    "select_calibration",
]
