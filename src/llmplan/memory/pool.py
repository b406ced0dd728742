"""How large the KV pool gets under each engine's rule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from llmplan.memory.runtime import RuntimeMemory
from llmplan.spec.band import Band
from llmplan.spec.engine import KvPoolRule
from llmplan.spec.gpu import GpuSpec
from llmplan.units import GIB, format_bytes

UNIFIED_FORMS: Final = ("SoC", "APU")
COHERENT_FORMS: Final = (*UNIFIED_FORMS, "superchip")
"""GPUs whose free memory engines read from the operating system, page cache and other processes included."""
DRIVER_FIXED_GIB: Final = 0.42
DRIVER_SHARE: Final = 0.002
DRIVER_SLACK_GIB: Final = 0.2
PLAIN_SHARE: Final = 0.003
QUANTIZED_SHARE: Final = 0.01
UNIFIED_SHARE: Final = 0.1
FULL_SHARE: Final = 0.8
"""Share of the budget in weights from which the pool is a small difference of large numbers."""
FULL_WIDENING: Final = 1.5


def visible_bytes(gpu: GpuSpec) -> int:
    """Memory that CUDA reports as a GPU's total: what the driver keeps for itself is missing from it [bytes].

    gpu: its total as NVML reports it.
    NVIDIA cards: total - 0.42 GiB - 0.2 %; others, and memory shared with the CPU: total.
    Valid from 24 to 192 GB within 0.3 GiB; it depends on the driver. Reference: totals in start-up logs of 10 kinds of
    GPU against NVML (L4 22.49 to 22.05, RTX 5090 31.84 to 31.40, H100 79.65 to 79.18, H200 140.40 to 139.72, GB200
    185.03 to 184.31 GiB).
    """
    if not gpu.is_nvidia or is_unified(gpu):
        return gpu.memory_bytes
    kept = DRIVER_FIXED_GIB * GIB + DRIVER_SHARE * gpu.memory_bytes
    return max(0, round(gpu.memory_bytes - kept))


def is_unified(gpu: GpuSpec) -> bool:
    """Whether the GPU's memory is the CPU's as well."""
    return gpu.form in UNIFIED_FORMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """How far off the parts of a budget may be that are not runtime memory."""

    weights_bytes: float = 0.0
    total_bytes: float = 0.0
    usable_share: float = 0.0
    """least half-width of the pool's band, as a share of what is shared out"""


def slack_of(gpu: GpuSpec, fixed_bytes: float, *, quantized: bool) -> Slack:
    """How uncertain the GPU's total and the weights are.

    gpu: whose driver keeps a part; fixed_bytes [B]: weights and adapters; quantized: kernels repack such weights.
    total: 0.2 GiB on NVIDIA cards; weights: 0.3 % in 16 bit, 1 % quantized; at least 10 % of all where GPU and CPU
    share or map each other's memory. Valid as 80 % intervals. Reference: start-up logs, docs/how-it-works/memory.md.
    """
    discrete = gpu.is_nvidia and not is_unified(gpu)
    return Slack(
        weights_bytes=fixed_bytes * (QUANTIZED_SHARE if quantized else PLAIN_SHARE),
        total_bytes=DRIVER_SLACK_GIB * GIB if discrete else 0.0,
        usable_share=UNIFIED_SHARE if gpu.form in COHERENT_FORMS else 0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The pool [bytes] as a band; the middle may be negative, which is how much is missing."""

    size: Band
    usable_bytes: float
    """what the rule shares out: everything in the ledger and the pool"""
    formula: str
    weights_share: float = 0.0
    """of what the engine may use, filled by weights and adapters"""

    @property
    def notes(self) -> tuple[str, ...]:
        """That the pool is a small difference of large numbers, where it is."""
        if self.weights_share <= FULL_SHARE:
            return ()
        return (
            f"weights fill {self.weights_share:.0%} of what the engine may use, so that the KV pool is a small "
            "difference of large numbers: read its band, not its middle",
        )


def pool_of(
    rule: KvPoolRule,
    total_bytes: float,
    fraction: float,
    fixed_bytes: float,
    runtime: RuntimeMemory,
    slack: Slack | None = None,
) -> Pool:
    """Apply one rule.

    rule: the engine's; total_bytes [B] that the engine sees; fraction [-]: its memory setting; fixed_bytes [B]: weights
    and adapters; runtime: activation, non-torch and graphs; slack: how uncertain total and weights are.
    of total: ceil(total f) - all else. of free: (total - all else) f. static: (total - context) f - weights.
    Valid for all versions of vLLM (graphs are 0 in `runtime` where they lie outside), TensorRT-LLM 1.x, SGLang 0.5.
    Reference: the engines' source.
    """
    parts: tuple[Band, ...] = (runtime.activation.size, runtime.non_torch.size, runtime.graphs.size)
    other = math.fsum(part.mid for part in parts)
    words = f"{format_bytes(fixed_bytes)} weights − {format_bytes(other)} runtime"
    scale, usable = fraction, total_bytes * fraction
    if rule == "fraction_of_free":
        free = total_bytes - fixed_bytes - other
        middle = free * fraction if free > 0 else free
        usable = total_bytes - max(0.0, free) * (1 - fraction)
        formula = f"({format_bytes(total_bytes)} − {words}) × {fraction:g}"
    elif rule == "fraction_static":
        parts = (runtime.non_torch.size,)
        middle = (total_bytes - parts[0].mid) * fraction - fixed_bytes
        usable = middle + fixed_bytes + other
        formula = (
            f"({format_bytes(total_bytes)} − {format_bytes(parts[0].mid)} context) × {fraction:g} "
            f"− {format_bytes(fixed_bytes)} weights"
        )
    else:
        scale, usable = 1.0, math.ceil(total_bytes * fraction)
        middle = usable - fixed_bytes - other
        formula = f"⌈{format_bytes(total_bytes)} × {fraction:g}⌉ − {words}"
    share = fixed_bytes / (total_bytes * fraction)
    band = _band(middle, parts, scale, usable, share, slack or Slack())
    return Pool(size=band, usable_bytes=usable, formula=formula, weights_share=share)


def _band(middle: float, parts: tuple[Band, ...], scale: float, usable: float, share: float, slack: Slack) -> Band:
    """What may be more or less, added as independent errors."""
    weights = slack.weights_bytes * (FULL_WIDENING if share > FULL_SHARE else 1.0)
    common = (weights, slack.total_bytes)
    up = scale * math.hypot(*(part.mid - part.low for part in parts), *common)
    down = scale * math.hypot(*(part.high - part.mid for part in parts), *common)
    least = slack.usable_share * usable
    return Band(low=middle - max(down, least), mid=middle, high=middle + max(up, least))
