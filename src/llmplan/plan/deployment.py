"""One way of running a model: a replica with its settings, how many of them, and how they are paid for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from llmplan.plan.speculation import Speculation
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import KvFormat, WeightFormat
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.model import ModelSpec
from llmplan.spec.price import Term

MICRO_BATCH_TOKENS = 512
"""llama.cpp's physical batch (-ub), of which a logical one (-b) is made up"""

StrategyId: TypeAlias = Literal["serverless", "dedicated", "hybrid_offload", "quantized", "multi_tenant"]
STRATEGY_IDS: tuple[StrategyId, ...] = (
    "serverless", "dedicated", "hybrid_offload", "quantized", "multi_tenant",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallelism:
    """Ranks of one replica. Attention runs on `dp` groups of `tp` ranks; with `ep` the experts spread over
    all tp*dp ranks instead of being cut by TP. `dcp` (decode context parallel) of the `tp` ranks share one copy of the
    KV cache, each holding every dcp-th token, where they would otherwise all hold the same heads."""

    tp: int = 1
    pp: int = 1
    dp: int = 1
    ep: bool = False
    dcp: int = 1

    def __post_init__(self) -> None:
        if min(self.tp, self.pp, self.dp, self.dcp) < 1:
            raise ValueError(f"parallel sizes must be at least 1, not {self.describe()}")

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tp * self.pp * self.dp

    def describe(self) -> str:
        """`TP2`, `TP8 PP2`, `TP1 DP8 EP`."""
        parts = [f"TP{self.tp}"]
        parts += [f"PP{self.pp}"] if self.pp > 1 else []
        parts += [f"DP{self.dp}"] if self.dp > 1 else []
        parts += ["EP"] if self.ep else []
        parts += [f"DCP{self.dcp}"] if self.dcp > 1 else []
        return " ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What is written into the launch config: nothing is left to a default that could move."""

    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    memory_fraction: float
    block_tokens: int
    enforce_eager: bool = False
    prefix_caching: bool = True
    kv_cache_memory_bytes: int | None = None
    """a known pool per GPU, replacing the estimated one"""
    micro_batch_tokens: int | None = None
    """tokens of one pass where the engine cuts a batch into several (llama.cpp -ub); None: its default"""

    def __post_init__(self) -> None:
        for name in ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "block_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0.0 < self.memory_fraction <= 1.0:
            raise ValueError(f"memory_fraction must be above 0 and at most 1, not {self.memory_fraction}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offload:
    """What lives in host memory. `layers`: that many layers run on the CPU (llama.cpp); `experts`: only the routed
    experts of that many layers do (llama.cpp --n-cpu-moe); `weights`: that many bytes of each GPU's weights are
    streamed over PCIe every step (vLLM --cpu-offload-gb); `kv`: a host pool of KV blocks, in bytes for the whole
    replica."""

    kind: Literal["layers", "experts", "weights", "kv"]
    host_layers: int = 0
    host_weight_bytes: int = 0
    host_kv_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenancy:
    """Many tenants on one fleet: how many, how many LoRA adapters of which rank, and the shared prompt prefix."""

    tenants: int
    adapters: int = 0
    lora_rank: int = 16
    prefix_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One engine process group that answers requests on its own."""

    model: ModelSpec
    gpu: GpuSpec
    host: HostSpec
    engine: EngineSpec
    parallel: Parallelism
    weights: WeightFormat
    kv: KvFormat
    settings: EngineSettings
    offload: Offload | None = None
    tenancy: Tenancy | None = None
    speculation: Speculation | None = None

    @property
    def pass_tokens(self) -> int:
        """Most tokens of one pass over the weights: the batch, or the part that the engine cuts it into."""
        batch = self.settings.max_num_batched_tokens
        if self.engine.kv_pool_rule != "explicit_context":
            return batch
        return min(batch, self.settings.micro_batch_tokens or MICRO_BATCH_TOKENS)

    @property
    def spans_nodes(self) -> bool:
        """Whether it needs more GPUs than one host has."""
        return self.parallel.gpus > self.host.gpus

    @property
    def resident_adapters(self) -> int:
        """LoRA adapters that are on the GPU at once: all, but no more than sequences run at once (`--max-loras`)."""
        return min(self.tenancy.adapters, self.settings.max_num_seqs) if self.tenancy else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """How it is paid: machines by the hour on one of `terms`, GPUs by the second, tokens, or hardware already owned."""

    kind: Literal["hourly", "serverless", "tokens", "owned"]
    terms: tuple[Term, ...] = ()
    keep_warm: int = 0
    """serverless: replicas that never scale to zero"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What a strategy proposes. `replica` is None for a hosted API. `replicas` None: the planner sizes it."""

    strategy: StrategyId
    model: ModelSpec
    replica: Replica | None
    purchase: Purchase
    levers: tuple[str, ...]
    replicas: int | None = None
    max_replicas: int | None = None

    @property
    def gpus(self) -> int:
        """GPUs of the sized deployment; 0 for an API or before sizing."""
        if self.replica is None or self.replicas is None:
            return 0
        return self.replica.parallel.gpus * self.replicas
