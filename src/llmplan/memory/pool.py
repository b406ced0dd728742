"""How large the KV pool gets under each engine's rule."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmplan.memory.runtime import RuntimeMemory
from llmplan.spec.band import Band
from llmplan.spec.engine import KvPoolRule
from llmplan.units import format_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The pool [bytes] as a band; the middle may be negative, which is how much is missing."""

    size: Band
    usable_bytes: float
    """what the rule shares out: everything in the ledger and the pool"""
    formula: str


def pool_of(rule: KvPoolRule, total_bytes: float, fraction: float, fixed_bytes: float, runtime: RuntimeMemory) -> Pool:
    """Apply one rule.

    rule: the engine's; total_bytes [B] of the GPU; fraction [-]: its memory setting; fixed_bytes [B]: weights and
    adapters; runtime: activation, non-torch and graphs.
    of total: ceil(total f) - all else. of free: (total - all else) f. static: (total - context) f - weights.
    Valid for vLLM 0.21 on (older: graphs outside), TensorRT-LLM 1.x, SGLang 0.5. Reference: the engines' source.
    """
    parts = (runtime.activation.size, runtime.non_torch.size, runtime.graphs.size)
    other = math.fsum(part.mid for part in parts)
    slack_up = math.hypot(*(part.mid - part.low for part in parts))
    slack_down = math.hypot(*(part.high - part.mid for part in parts))
    words = f"{format_bytes(fixed_bytes)} weights − {format_bytes(other)} runtime"
    if rule == "fraction_of_free":
        free = total_bytes - fixed_bytes - other
        middle = free * fraction if free > 0 else free
        scale = fraction
        usable = total_bytes - max(0.0, free) * (1 - fraction)
        formula = f"({format_bytes(total_bytes)} − {words}) × {fraction:g}"
    elif rule == "fraction_static":
        context = runtime.non_torch.size
        middle = (total_bytes - context.mid) * fraction - fixed_bytes
        scale, usable = fraction, middle + fixed_bytes + other
        slack_up, slack_down = context.mid - context.low, context.high - context.mid
        formula = (
            f"({format_bytes(total_bytes)} − {format_bytes(context.mid)} context) × {fraction:g} "
            f"− {format_bytes(fixed_bytes)} weights"
        )
    else:
        usable, scale = math.ceil(total_bytes * fraction), 1.0
        middle = usable - fixed_bytes - other
        formula = f"⌈{format_bytes(total_bytes)} × {fraction:g}⌉ − {words}"
    band = Band(low=middle - scale * slack_down, mid=middle, high=middle + scale * slack_up)
    return Pool(size=band, usable_bytes=usable, formula=formula)
