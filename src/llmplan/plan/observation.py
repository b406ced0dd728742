"""What a running engine said of its own memory: the measurement that a budget is held against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llmplan.plan.outcome import MemoryBudget


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryObservation:
    """One rank's start-up figures; None where the version does not print them. Sizes as printed, to 0.01 GiB."""

    weights_bytes: float | None = None
    kv_cache_bytes: float | None = None
    kv_tokens: int | None = None
    gpu_blocks: int | None = None
    max_concurrency: float | None = None
    concurrency_at_tokens: int | None = None
    """length of the requests that the concurrency is of"""
    activation_bytes: float | None = None
    non_torch_bytes: float | None = None
    cuda_graph_bytes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One quantity as planned and as observed, in `unit`."""

    name: str
    unit: str
    planned: float
    observed: float

    @property
    def relative_error(self) -> float:
        """planned / observed - 1."""
        return self.planned / self.observed - 1.0


def compare(budget: MemoryBudget, seen: MemoryObservation, max_model_len: int) -> Iterator[Comparison]:
    """Each quantity that the engine printed, beside the plan's.

    A concurrency of requests of another length says nothing of this plan's, nor graphs that it has outside the budget.
    """
    same_length = seen.concurrency_at_tokens in (None, max_model_len)
    pairs = (
        ("weights", "B", budget.weights_bytes, seen.weights_bytes),
        ("KV pool", "B", budget.kv_cache_bytes.mid, seen.kv_cache_bytes),
        ("KV capacity", "tokens", float(budget.capacity_tokens), seen.kv_tokens),
        ("KV blocks", "blocks", float(budget.blocks), seen.gpu_blocks),
        ("concurrency", "requests", budget.max_concurrency, seen.max_concurrency if same_length else None),
        ("activation peak", "B", budget.activation_bytes, seen.activation_bytes),
        ("non-torch", "B", budget.non_torch_bytes, seen.non_torch_bytes),
        ("CUDA graphs", "B", budget.cuda_graph_bytes, seen.cuda_graph_bytes if budget.cuda_graph_bytes else None),
    )
    for name, unit, planned, observed in pairs:
        if observed:
            yield Comparison(name=name, unit=unit, planned=planned, observed=float(observed))
