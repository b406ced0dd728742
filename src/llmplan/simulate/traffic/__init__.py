"""Traffic through time: made from a description, described by figures, and fitted to a description."""

from llmplan.simulate.traffic.fit import fitted, steady_figures
from llmplan.simulate.traffic.generate import generate
from llmplan.simulate.traffic.shape import shape_of
from llmplan.simulate.traffic.statistics import Statistics, describe

__all__ = ["Statistics", "describe", "fitted", "generate", "shape_of", "steady_figures"]
