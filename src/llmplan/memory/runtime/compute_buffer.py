"""llama.cpp's compute buffer."""

from __future__ import annotations

from typing import Final

from llmplan.memory.runtime.setting import Part
from llmplan.spec.band import Band
from llmplan.spec.model import ModelSpec

FP32_BYTES: Final = 4
MICRO_BATCH_TOKENS: Final = 512
"""llama.cpp's physical batch (`--ubatch-size`); a smaller logical one lowers it."""


def micro_batch_tokens(max_num_batched_tokens: int) -> int:
    """Tokens that llama.cpp computes at once, whatever it takes in together.

    max_num_batched_tokens [tokens]: the logical batch. min(batch, 512). Valid for llama.cpp's default `--ubatch-size`.
    Reference: llama.cpp build 11434 common/common.h.

    >>> micro_batch_tokens(2048), micro_batch_tokens(128)
    (512, 128)
    """
    return min(max_num_batched_tokens, MICRO_BATCH_TOKENS)


def compute_buffer(model: ModelSpec) -> Part:
    """llama.cpp's graph buffer per device with flash attention.

    model: vocabulary and width.
    512 x 4 B x (vocabulary + 2 hidden). Valid with `-fa on`, one device; a split over devices keeps copies.
    Reference: llama.cpp logs (Qwen3-30B-A3B 304.75 MiB, Qwen3-235B-A22B 312.75 MiB, both exact).
    """
    size = MICRO_BATCH_TOKENS * FP32_BYTES * (model.vocab_size + 2 * model.hidden_size)
    formula = f"{MICRO_BATCH_TOKENS} × 4 B × ({model.vocab_size} + 2 × {model.hidden_size})"
    return Part(size=Band.of(size, low_ratio=1.0, high_ratio=1.5), formula=formula)
