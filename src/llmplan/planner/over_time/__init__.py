"""The five strategies on recorded requests: sized, billed and judged on the same ones."""

from llmplan.planner.over_time.recommend import recommend_over_time

__all__ = ["recommend_over_time"]
