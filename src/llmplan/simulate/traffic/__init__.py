"""Traffic through time: made from a description (`generate`), and described by its statistics (`statistics`)."""

from llmplan.simulate.traffic.generate import generate
from llmplan.simulate.traffic.shape import shape_of

__all__ = ["generate", "shape_of"]
