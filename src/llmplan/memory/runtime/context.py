"""Memory outside the framework's allocator: communication buffers, kernels, and the CUDA context."""

from __future__ import annotations

import math
from typing import Final, TypeAlias

from llmplan.memory.runtime.setting import Part, RuntimeSetting, Version
from llmplan.spec.band import Band
from llmplan.spec.engine import KvPoolRule
from llmplan.units import GIB

Figures: TypeAlias = tuple[float, float, float]
Table: TypeAlias = tuple[tuple[float, Figures], ...]

CHARGED_GIB: Final[Table] = (
    (1, (0.04, 0.12, 0.26)), (2, (0.17, 0.55, 1.38)), (4, (0.40, 0.90, 1.60)), (math.inf, (0.60, 1.60, 3.00)),
)  # fmt: skip
"""Non-torch memory that vLLM's profiling charges, by ranks of the replica: low, mid, high. One rank: 14 logs; two: 0.17
(A100), 0.54 (H100), 1.38 (H200); four: 0.40 (A100), 0.95 (Blackwell); more: what is left over in one log of 16."""
CHARGED_PCIE_GIB: Final[Table] = ((1, (0.03, 0.08, 0.25)), (math.inf, (0.10, 0.30, 0.90)))
"""The same between cards without a link of their own: 0.20 on each of 16 RTX 3090."""
CHARGED_AMD_GIB: Final[Table] = ((1, (0.25, 0.45, 0.60)), (math.inf, (0.40, 1.20, 3.00)))
"""The same under ROCm: 0.25, 0.53 and 0.59 on one card; more are assumed."""
CHARGED_UNIFIED_GIB: Final[Table] = ((1, (0.30, 2.00, 6.00)), (math.inf, (5.50, 8.00, 12.00)))
"""The same where the CPU shares the memory, so that page cache and other processes enter: 5.7 and about 10 in two logs
of two GB10; one is assumed."""

CONTEXT_GIB: Final[Table] = ((1, (0.23, 0.45, 0.65)), (2, (0.60, 1.50, 1.60)), (math.inf, (1.90, 2.30, 2.60)))
"""CUDA context and communicators that exist before the engine measures: total less free memory in 12 logs."""
CONTEXT_PCIE_GIB: Final[Table] = ((1, (0.23, 0.45, 0.65)), (math.inf, (0.35, 0.60, 1.00)))
"""The same between cards without a link: 0.4 (eight L4), 0.7 (two A100 PCIe)."""
CONTEXT_AMD_GIB: Final[Table] = ((1, (0.30, 0.60, 1.00)), (math.inf, (0.90, 3.00, 6.30)))
"""The same under ROCm: 1.0 (two RX 7900 XTX), 6.3 (eight MI308X)."""

CONTEXT_CHARGED: Final[tuple[tuple[Version, Version], ...]] = (((0, 6, 4), (0, 7, 0)), ((0, 8, 0), (0, 9, 1)))
"""Versions [from, before) that took everything in use on the device for their own: vllm-project/vllm#10511 ended the
first span; the second is the first profiling of the V1 engine."""
CACHE_KEPT_BEFORE: Final[Version] = (0, 6, 4)
CACHE_KEPT_GIB: Final[Figures] = (0.0, 0.30, 0.60)
"""What older versions took for used besides: free pieces that the allocator keeps (0.1 to 0.5 left over in 3 logs)."""
KERNELS_GIB: Final[Figures] = (0.0, 1.5, 3.2)
"""What an engine that loads compiled kernels keeps besides (TensorRT-LLM: one log of 3.1 GiB on a Blackwell)."""


def non_torch(ranks: int, rule: KvPoolRule, setting: RuntimeSetting | None = None) -> Part:
    """Memory outside the framework's allocator: communication buffers, and the CUDA context where it counts.

    ranks [GPUs] of the replica; rule: vLLM leaves out what existed before it measured, SGLang counts that alone, the
    others both, and TensorRT-LLM loads its kernels besides; setting: engine version, link and maker of the GPUs.
    A table by ranks. Valid within the band; what a driver and NCCL take varies. Reference: start-up logs, see the
    tables of this module.

    >>> non_torch(1, "fraction_of_total").size.mid < non_torch(4, "fraction_of_total").size.mid
    True
    """
    low, mid, high = 0.0, 0.0, 0.0
    words = []
    for figures, what in _counted(ranks, rule, setting):
        low, mid, high = low + figures[0], mid + figures[1], high + figures[2]
        words.append(f"{figures[1]:g} GiB {what}")
    return Part(size=Band(low=low * GIB, mid=mid * GIB, high=high * GIB), formula=" + ".join(words))


def _counted(ranks: int, rule: KvPoolRule, setting: RuntimeSetting | None) -> list[tuple[Figures, str]]:
    parts = []
    if rule != "fraction_static":
        parts.append((_of(_charged_table(setting), ranks), f"with {ranks} GPU{'s' if ranks > 1 else ''}"))
    if rule != "fraction_of_total" or (setting is not None and charges_context(setting)):
        parts.append((_of(_context_table(setting), ranks), "CUDA context"))
    if rule == "fraction_of_total" and setting is not None and setting.version < CACHE_KEPT_BEFORE:
        parts.append((CACHE_KEPT_GIB, "kept by the allocator"))
    if rule == "fraction_of_free":
        parts.append((KERNELS_GIB, "kernels"))
    return parts


def charges_context(setting: RuntimeSetting) -> bool:
    """Whether this version of vLLM counts what was on the device before it."""
    spans = CONTEXT_CHARGED[:1] if setting.first_runner else CONTEXT_CHARGED
    return any(since <= setting.version < until for since, until in spans)


def _charged_table(setting: RuntimeSetting | None) -> Table:
    if setting is None:
        return CHARGED_GIB
    if setting.unified:
        return CHARGED_UNIFIED_GIB
    if setting.vendor == "amd":
        return CHARGED_AMD_GIB
    return CHARGED_GIB if setting.fast_link else CHARGED_PCIE_GIB


def _context_table(setting: RuntimeSetting | None) -> Table:
    if setting is None:
        return CONTEXT_GIB
    if setting.vendor == "amd":
        return CONTEXT_AMD_GIB
    return CONTEXT_GIB if setting.fast_link else CONTEXT_PCIE_GIB


def _of(table: Table, ranks: int) -> Figures:
    return next(figures for limit, figures in table if ranks <= limit)
