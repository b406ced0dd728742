"""What a running engine said of its own memory, and what a benchmark measured: what predictions are held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from llmplan.plan.load import Load, LoadKind
from llmplan.plan.outcome import MemoryBudget
from llmplan.spec.workload import Lengths

Definition: TypeAlias = Literal["mean", "p50"]
"""which average over the requests a benchmark reported"""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedObservation:
    """One load of a benchmark, and how fast the server answered; None where the result does not say.

    `kind` None: the result does not say under which load. `origin` names file and entry. `flags` is what this one
    result says of its own replica, by the names of the command line's flags.
    """

    origin: str
    input_tokens: Lengths
    output_tokens: Lengths
    kind: LoadKind | None
    value: float = 0.0
    prefix_share: float = 0.0
    cv_interarrival: float = 1.0
    ttft_s: float | None = None
    tpot_s: float | None = None
    output_tokens_per_s: float | None = None
    definition: Definition = "mean"
    requests: int | None = None
    model: str | None = None
    client: bool = True
    """whether a client measured it over a connection, not the engine itself"""
    samples: bool = True
    """whether tokens were chosen: a benchmark of the model alone has no work for each sequence"""
    flags: Mapping[str, Any] = field(default_factory=dict)

    @property
    def measured(self) -> dict[str, float]:
        """The quantities that were measured, by the names of residual bands."""
        found = {"tpot": self.tpot_s, "ttft": self.ttft_s, "throughput": self.output_tokens_per_s}
        return {name: value for name, value in found.items() if value is not None}

    def under(self, kind: LoadKind, value: float) -> Load:
        """The load, said by the result or by whoever ran it."""
        return Load(
            kind=kind,
            value=value,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            prefix_share=self.prefix_share,
            cv_interarrival=self.cv_interarrival,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkReading:
    """What one file says: loads with their speeds, the server's own settings by flag name, and what was passed over."""

    name: str
    format: str
    observations: tuple[SpeedObservation, ...] = ()
    server: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
