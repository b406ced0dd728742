"""A fine-tuning run and what it takes: the settings that decide its memory, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from llmplan.plan.ledger import Ledger
from llmplan.plan.outcome import Rejection
from llmplan.spec.band import Band
from llmplan.spec.model import ModelSpec
from llmplan.spec.weight_format import WeightFormat

Method: TypeAlias = Literal["full", "lora", "qlora"]
Checkpointing: TypeAlias = Literal["on", "offloaded", "off", "unknown"]
"""what is kept for the backward pass: each layer's input, the same in host memory, everything; or nobody says"""
AttentionKernel: TypeAlias = Literal["flash", "eager"]
Precision: TypeAlias = Literal["bf16", "mixed"]
"""of what is trained: 16-bit weights, gradients and states, or 32-bit masters under 16-bit arithmetic"""
Lengths: TypeAlias = Literal["fixed", "varied", "unknown"]
"""whether every batch has the same shape (packed or padded to the limit), so that freed blocks fit again"""
Sharding: TypeAlias = Literal["none", "ddp", "layers", "zero1", "zero2", "zero3", "fsdp"]
ZERO: Final[tuple[Sharding, ...]] = ("zero1", "zero2", "zero3")
"""DeepSpeed's stages; under mixed precision it holds 16-bit weights beside 32-bit masters"""
Offload: TypeAlias = Literal["none", "optimizer", "all"]
Scope: TypeAlias = Literal["allocated", "reserved", "device"]
"""how memory is read: PyTorch's max_memory_allocated, its max_memory_reserved, or nvidia-smi"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """What an optimizer keeps: `states` numbers per trained weight, of `state_bytes` or of the weight's own width.

    `factored` keeps a row and a column of second moments per matrix in 32 bit; `paged` lives in unified memory, which
    the driver moves to the host when the GPU is full.
    """

    id: str
    aliases: tuple[str, ...] = ()
    states: int
    state_bytes: float | None = None
    factored: bool = False
    paged: bool = False
    step_copies: int = 0
    """copies of all trained weights that a step makes for a moment (PyTorch's `foreach` implementation: one)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """How a training library goes about it, as far as memory is concerned."""

    id: str
    name: str
    checkpointing: Checkpointing
    """what it does unless told otherwise"""
    logit_bytes: float
    """bytes per logit (batch x length x vocabulary) alive at once in the loss"""
    adapter_bytes: int
    """bytes per number of an adapter: weight, gradient and each state"""
    upcasts_globals: bool = False
    """keeps embedding and head of a bitsandbytes base in 32 bit"""
    keeps_quantized_inputs: bool = False
    """saves the input of every quantized layer although its weight is frozen"""
    fused_adapters: bool = False
    """its kernels recompute the inputs of adapters instead of keeping them"""
    unties: bool = False
    """holds embedding and head apart although the model ties them"""
    autocasts: bool = False
    """computes in 16 bit on 32-bit weights through torch.autocast, which keeps 16-bit copies of them for a while"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneRequest:
    """What is asked for, by name; None: as usual."""

    method: Method = "lora"
    weights: str = "auto"
    double_quant: bool = True
    rank: int | None = None
    targets: tuple[str, ...] | None = None
    batch: int = 1
    seq_tokens: int = 2048
    optimizer: str = "adamw"
    checkpointing: Checkpointing | None = None
    attention: AttentionKernel = "flash"
    precision: Precision = "bf16"
    lengths: Lengths = "varied"
    stack: str = "hf"
    gpus: int = 1
    sharding: Sharding | None = None
    offload: Offload = "none"
    scope: Scope = "device"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSetup:
    """One run. `batch` is sequences per GPU and step of the micro batch, `seq_tokens` the length of the longest."""

    model: ModelSpec
    method: Method
    weights: WeightFormat
    optimizer: Optimizer
    stack: Stack
    batch: int = 1
    seq_tokens: int = 2048
    rank: int = 0
    targets: tuple[str, ...] = ("all-linear",)
    checkpointing: Checkpointing = "on"
    attention: AttentionKernel = "flash"
    precision: Precision = "bf16"
    lengths: Lengths = "varied"
    gpus: int = 1
    sharding: Sharding = "none"
    offload: Offload = "none"

    @property
    def holds_masters_apart(self) -> bool:
        """Whether 32-bit masters wait beside 16-bit weights and gradients, as DeepSpeed has them."""
        return self.method == "full" and self.precision == "mixed" and self.sharding in ZERO

    @property
    def tokens(self) -> int:
        """Tokens of one micro batch on one GPU."""
        return self.batch * self.seq_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneMemory:
    """One GPU's peak. The ledger's total is the middle of `device_bytes`, unless that is capped by the GPU's size.

    `needed_bytes` is the least memory in which the run goes through: what is allocated, the context, and the holes
    that the allocator cannot close. `device_bytes` is what nvidia-smi shows on a GPU with room to spare, where the
    allocator also keeps what it could give back.
    """

    setup: FinetuneSetup
    ledger: Ledger
    trained_parameters: int
    allocated_bytes: Band
    reserved_bytes: Band
    device_bytes: Band
    needed_bytes: Band
    host_bytes: float = 0.0
    notes: tuple[str, ...] = ()

    def peak_bytes(self, scope: Scope) -> Band:
        """The peak as one instrument reads it."""
        match scope:
            case "allocated":
                return self.allocated_bytes
            case "reserved":
                return self.reserved_bytes
            case "device":
                return self.device_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneFit:
    """Whether it fits a GPU: `fits` by the middle of what is needed, `safe` by the band's upper edge too.

    `memory_bytes` is what nvidia-smi shows as the GPU's total, `visible_bytes` what CUDA gives out of it, which
    decides; `margin_bytes` is what of that is left. None: not even one sequence, or one token, of that kind.
    """

    gpu: str
    memory_bytes: int
    visible_bytes: int
    fits: bool
    safe: bool
    margin_bytes: Band
    largest_batch: int | None
    longest_seq_tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One change that lowers what a run needs."""

    change: str
    flags: str
    needed_bytes: Band


@dataclass(frozen=True, slots=True, kw_only=True)
class FittingGpu:
    """A GPU that holds the run; `safe` by the band's upper edge. `bf16`: whether it has that arithmetic.

    `memory_bytes` is the GPU's total as nvidia-smi shows it; a little of it is the driver's.
    """

    gpu: str
    memory_bytes: int
    safe: bool
    bf16: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneAnswer:
    """The answer to `llmplan finetune`: memory, whether it fits the GPU asked about, and which GPUs it fits."""

    memory: FinetuneMemory
    scope: Scope
    fit: FinetuneFit | None
    smallest: tuple[FittingGpu, ...]
    refusal: Rejection | None = None
    """why it does not fit the GPU asked about, or any"""
    remedies: tuple[Remedy, ...] = ()
    compared: tuple[tuple[str, Band], ...] = ()
    """what other ways of fine-tuning the same model need"""
    assumed: Mapping[str, str] = field(default_factory=dict)
