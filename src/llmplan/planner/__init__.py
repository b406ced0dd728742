"""Evaluate, size, rank: the one place where physics meets money."""

from llmplan.planner.comparisons import compare
from llmplan.planner.context import Context
from llmplan.planner.evaluate import evaluate
from llmplan.planner.gates import verdicts
from llmplan.planner.recommend import recommend, restricted_to_gpu
from llmplan.planner.requote import requote

__all__ = ["Context", "compare", "evaluate", "recommend", "requote", "restricted_to_gpu", "verdicts"]
