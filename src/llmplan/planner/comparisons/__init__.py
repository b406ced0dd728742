"""What stands beside the five bills: break-evens, other GPUs, other terms, other inputs."""

from llmplan.planner.comparisons.compare import compare

__all__ = ["compare"]
