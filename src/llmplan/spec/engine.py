"""One version of one serving engine: its defaults, what it accepts on which GPU, and how it spends memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmplan.spec.provenance import ProvenanceMap

KvPoolRule: TypeAlias = Literal["fraction_of_total", "fraction_of_free", "fraction_static", "explicit_context"]
"""How the engine sizes its KV pool: a fraction of all memory minus everything else (vLLM), a fraction of what is
free after loading (TensorRT-LLM), a fraction for weights and pool alone with everything else in the rest (SGLang),
or exactly the context that is asked for (llama.cpp)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerDefault:
    """Scheduler limits that the engine chooses for GPUs with at least `min_memory_bytes`; first match wins."""

    min_memory_bytes: int
    max_num_batched_tokens: int
    max_num_seqs: int
    not_architectures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatSupport:
    """Compute capabilities on which a number format runs; `native_from` is where its own arithmetic is used
    (below that it is weight-only), None if never."""

    min_compute_capability: tuple[int, int]
    max_compute_capability: tuple[int, int] | None = None
    native_from: tuple[int, int] | None = None

    def runs_on(self, compute_capability: tuple[int, int]) -> bool:
        """Whether the engine accepts the format on this capability."""
        ceiling = self.max_compute_capability
        return self.min_compute_capability <= compute_capability and (ceiling is None or compute_capability <= ceiling)

    def native_on(self, compute_capability: tuple[int, int]) -> bool:
        """Whether the format's own arithmetic is used on this capability."""
        return self.native_from is not None and compute_capability >= self.native_from


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """Defaults belong to the version named. `weight_formats` and `kv_formats` map format ids to their support."""

    id: str
    version: str
    name: str
    aliases: tuple[str, ...] = ()
    image: str | None = None
    kv_pool_rule: KvPoolRule
    memory_fraction: float
    """vLLM gpu_memory_utilization, TensorRT-LLM free_gpu_memory_fraction, 1.0 for llama.cpp"""
    block_tokens: int
    cuda_graphs_in_budget: bool
    scheduler_defaults: tuple[SchedulerDefault, ...]
    min_compute_capability: tuple[int, int]
    compute_capabilities: tuple[tuple[int, int], ...] = ()
    """The capabilities the published build has kernels for; empty: all from the minimum."""
    weight_formats: Mapping[str, FormatSupport] = field(default_factory=dict)
    kv_formats: Mapping[str, FormatSupport] = field(default_factory=dict)
    vocab_padding: int = 1
    paged: bool = True
    tensor_parallel: bool = True
    host_layers: bool = False
    """can run some layers on the CPU (llama.cpp)"""
    host_weights: bool = False
    """can keep weights in host memory and stream them (vLLM --cpu-offload-gb)"""
    host_kv: bool = False
    """can spill KV blocks to host memory"""
    multi_lora: bool = False
    max_lora_ranks: tuple[int, ...] = ()
    start_fixed_s: float | None = None
    """seconds of a start that do not depend on the weights"""
    provenance: ProvenanceMap = field(default_factory=dict, repr=False)

    @property
    def ref(self) -> str:
        """`vllm@0.33.0`."""
        return f"{self.id}@{self.version}"

    def has_kernels_for(self, compute_capability: tuple[int, int]) -> bool:
        """Whether the published build runs there: it is built for capabilities, and each also runs on later ones of
        its generation."""
        if compute_capability < self.min_compute_capability:
            return False
        built, (generation, step) = self.compute_capabilities, compute_capability
        return not built or any(major == generation and minor <= step for major, minor in built)

    def scheduler_default(self, memory_bytes: int, architecture: str) -> SchedulerDefault:
        """The limits that this version chooses for a GPU of this size."""
        for default in self.scheduler_defaults:
            if memory_bytes >= default.min_memory_bytes and architecture not in default.not_architectures:
                return default
        raise ValueError(f"{self.ref} states no scheduler defaults for {memory_bytes} bytes")
