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
    min_tp: int = 1
    """tensor-parallel ranks from which the entry holds"""
    graph_seqs: int | None = None
    """largest decode batch with CUDA graphs, where that is not `max_num_seqs`"""
    whole_prompts_tokens: int = 0
    """contexts up to this length are not prefilled in chunks: a step then holds a whole prompt"""

    def captured_seqs(self, max_num_seqs: int) -> int:
        """Largest decode batch with CUDA graphs for a limit of `max_num_seqs` sequences."""
        return max_num_seqs if self.graph_seqs is None else min(self.graph_seqs, max_num_seqs)

    def step_tokens(self, max_model_len: int) -> int:
        """Tokens of a step for a context of `max_model_len` tokens."""
        whole = max_model_len if max_model_len <= self.whole_prompts_tokens else 0
        return max(self.max_num_batched_tokens, whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticReserve:
    """What an engine that shares out a static fraction leaves free by default, for activations and graphs."""

    fixed_bytes: float
    per_prefill_token_bytes: float
    min_prefill_tokens: int
    per_rank_bytes: float
    per_decode_seq_bytes: float
    prefill_graphs_bytes: float
    latent_graphs_bytes: float
    """instead of the former, for latent attention"""
    floor_bytes: float
    floor_from_bytes: float
    """GPUs above this size leave at least `floor_bytes`"""

    def of(self, memory_bytes: float, *, ranks: int, tokens: int, seqs: int, latent: bool) -> float:
        """What is left free on a GPU of `memory_bytes` [B]."""
        left = self.fixed_bytes + self.per_prefill_token_bytes * max(tokens, self.min_prefill_tokens)
        left += self.per_rank_bytes * ranks + self.per_decode_seq_bytes * seqs
        left += self.latent_graphs_bytes if latent else self.prefill_graphs_bytes
        return max(left, self.floor_bytes) if memory_bytes > self.floor_from_bytes else left


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
    static_reserve: StaticReserve | None = None
    """None: `memory_fraction` is the default on every GPU"""
    scheduler_defaults: tuple[SchedulerDefault, ...]
    min_compute_capability: tuple[int, int]
    compute_capabilities: tuple[tuple[int, int], ...] = ()
    """The capabilities the published build has kernels for; empty: all from the minimum."""
    cuda_version: tuple[int, int] | None = None
    """CUDA that the published wheel or image is built on; None: not known"""
    weight_formats: Mapping[str, FormatSupport] = field(default_factory=dict)
    kv_formats: Mapping[str, FormatSupport] = field(default_factory=dict)
    quantization_methods: tuple[str, ...] = ()
    """what a checkpoint's `quant_method` may be; empty: not known"""
    deprecated_methods: tuple[str, ...] = ()
    """those of them that are read only where the launch says so"""
    windowed_architectures: tuple[str, ...] = ()
    """model classes whose window layers get a smaller pool than full ones; all others keep the whole context"""
    legacy_host: bool = False
    """a scheduler in the way of the GPU, which spends more fixed time on every step (vLLM before 0.8)"""
    prompts_first: bool = False
    """prompts are computed before running sequences go on, in steps of their own (SGLang without mixed chunks)"""
    reserves_output: bool = False
    """a request is admitted only with room for all of its answer (TensorRT-LLM's GUARANTEED_NO_EVICT)"""
    calibrated_as: str | None = None
    """whose calibrations apply, where other versions have kernels of another making; None: the engine's own"""
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
    def calibration_id(self) -> str:
        """The engine that calibrations know this version as."""
        return self.calibrated_as or self.id

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

    def scheduler_default(self, memory_bytes: int, architecture: str, tp: int = 1) -> SchedulerDefault:
        """The limits that this version chooses for a GPU of this size."""
        for default in self.scheduler_defaults:
            fits = memory_bytes >= default.min_memory_bytes and tp >= default.min_tp
            if fits and architecture not in default.not_architectures:
                return default
        raise ValueError(f"{self.ref} states no scheduler defaults for {memory_bytes} bytes")

    def memory_fraction_on(self, memory_bytes: int, *, ranks: int, tokens: int, seqs: int, latent: bool) -> float:
        """The memory setting that this version chooses for a GPU of `memory_bytes` [B] as NVML reports them, for
        `ranks` GPUs, steps of `tokens` and decode batches of `seqs`; `latent` says that attention is."""
        if self.static_reserve is None:
            return self.memory_fraction
        left = self.static_reserve.of(memory_bytes, ranks=ranks, tokens=tokens, seqs=seqs, latent=latent)
        return max(0.1, round((memory_bytes - left) / memory_bytes, 3))
