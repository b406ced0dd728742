"""Captured decode graphs."""

from __future__ import annotations

import math
from typing import Final

from llmplan.memory.runtime.setting import Part, RuntimeSetting
from llmplan.spec.band import Band
from llmplan.spec.model import ModelSpec
from llmplan.units import GIB

GRAPH_FIXED_GIB: Final = 0.15
GRAPH_LAYER_GIB: Final = 0.008
GRAPH_RANKS: Final = 0.7
GRAPH_RATIOS: Final = (0.3, 2.5)
MOST_GRAPHS: Final = 51


def captured_sizes(max_num_seqs: int) -> int:
    """Batch sizes that vLLM captures a graph for: 1, 2, 4, 8..256 by 8, then by 16 to min(2 S, 512).

    max_num_seqs [sequences].
    Valid for vLLM 0.33 without speculation. Reference: vLLM 0.33 config/vllm.py.

    >>> captured_sizes(256), captured_sizes(8)
    (51, 5)
    """
    largest = min(2 * max_num_seqs, 512)
    small = sum(size <= largest for size in (1, 2, 4))
    return small + min(largest, 256) // 8 + max(0, largest - 256) // 16


def cuda_graphs(model: ModelSpec, setting: RuntimeSetting) -> Part:
    """Memory that captured decode graphs take, 0 where the engine runs eagerly or does not charge them.

    model: layers; setting: ranks and sequences.
    0.15 GiB + 0.008 GiB x layers x (1 + 0.7 log2 tp) x sizes / 51.
    Valid within 0.3 to 2.5 times: it is the engine's own estimate before capture that counts, which misses by as much
    (4.99 against 4.13, 1.10 against 0.96, 0.64 against 0.19 GiB). Reference: estimates and captures of 15 start-up
    logs, from OPT-125M (0.31 GiB) to a 405B over four GPUs (4.95).
    """
    if not setting.graphs:
        return Part(size=Band.exact(0.0), formula="0 (none captured inside the budget)")
    sizes, layers = captured_sizes(setting.max_num_seqs), math.ceil(model.layer_count / setting.parallel.pp)
    ranks = 1 + GRAPH_RANKS * math.log2(setting.parallel.tp)
    size = (GRAPH_FIXED_GIB + GRAPH_LAYER_GIB * layers * ranks * sizes / MOST_GRAPHS) * GIB
    formula = f"{GRAPH_FIXED_GIB} GiB + {GRAPH_LAYER_GIB} GiB × {layers} layers × {ranks:.3g} × {sizes}/{MOST_GRAPHS}"
    return Part(size=Band.of(size, low_ratio=GRAPH_RATIOS[0], high_ratio=GRAPH_RATIOS[1]), formula=formula)
