"""llama.cpp's compute buffer."""

from __future__ import annotations

from typing import Final

from llmplan.memory.runtime.setting import Part
from llmplan.spec.band import Band
from llmplan.spec.mixers import Mixer, MlaAttention
from llmplan.spec.model import ModelSpec
from llmplan.units import FP32_BYTES, HALF_BYTES

EXPANDED_COPIES: Final = 1.2
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


def compute_buffer(model: ModelSpec, context_tokens: int = 0) -> Part:
    """llama.cpp's graph buffer per device with flash attention.

    model: vocabulary, width and latent attention; context_tokens [tokens] of a slot.
    512 x 4 B x (vocabulary + 2 hidden), and for latent attention the keys and values of the context beside it:
    1.2 x context x heads x (nope + rope + v) x 2 B.
    Valid with `-fa on`, one device; a split over devices keeps copies, up to half as much again.
    Reference: llama.cpp logs (Qwen3-30B-A3B 304.75 MiB, Qwen3-235B-A22B 312.75 MiB, both exact; DeepSeek-R1 with 32768
    tokens 3253 to 3425 MiB, where this gives 3352).
    """
    size = float(MICRO_BATCH_TOKENS * FP32_BYTES) * (model.vocab_size + 2 * model.hidden_size)
    formula = f"{MICRO_BATCH_TOKENS} × 4 B × ({model.vocab_size} + 2 × {model.hidden_size})"
    expanded = max((_expanded_bytes(mixer) for mixer in model.mixers()), default=0)
    if expanded and context_tokens:
        size += EXPANDED_COPIES * expanded * context_tokens
        formula += f" + {EXPANDED_COPIES} × {context_tokens} tokens × {expanded} B of expanded latent"
    return Part(size=Band.of(size, low_ratio=0.9 if expanded else 1.0, high_ratio=1.5), formula=formula)


def _expanded_bytes(mixer: Mixer) -> int:
    """Keys and values of one token, expanded from its latent [bytes]; 0 where there is none."""
    if not isinstance(mixer, MlaAttention):
        return 0
    return HALF_BYTES * mixer.query_heads * (mixer.qk_nope_head_dim + mixer.qk_rope_head_dim + mixer.v_head_dim)
