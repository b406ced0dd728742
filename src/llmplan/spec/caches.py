"""Bytes of what a mixer keeps on one GPU: an entry of a cache, a state of a sequence."""

from __future__ import annotations

import math

from llmplan.spec.formats import KvFormat
from llmplan.spec.mixers import Cache, State
from llmplan.units import FP32_BYTES, HALF_BYTES


def entry_bytes(cache: Cache, kv: KvFormat, tp: int) -> float:
    """Bytes of one entry of one layer's cache on one GPU.

    cache: what the layer keeps; kv: the cache's number format; tp [ranks].
    GQA: max(1, kv_heads / tp) (d_k + d_v) b. A latent: (r_kv + d_rope) b, or its packed bytes where the format packs
    latents, the same on every rank. An index: its own bytes.
    Valid for all TP; fewer KV heads than ranks are replicated. Reference: vLLM 0.33 v1/kv_cache_interface.py.

    >>> from llmplan.spec.formats import KV_FORMATS
    >>> bf16 = next(each for each in KV_FORMATS if each.id == "bf16")
    >>> [entry_bytes(Cache(heads=8, elements=256), bf16, tp) for tp in (1, 4, 16)]
    [4096.0, 1024.0, 512.0]
    """
    if cache.fixed_bytes is not None:
        return cache.fixed_bytes
    if cache.packed_bytes is not None and kv.packs_latents:
        return cache.packed_bytes
    heads = 1 if cache.latent else math.ceil(cache.heads / tp)
    return heads * cache.elements * kv.bytes_per_element


def state_bytes(state: State, tp: int) -> float:
    """Bytes of one layer's state of one sequence on one GPU.

    state: heads x elements; tp [ranks]. ceil(heads / tp) x elements x 2 B, or 4 B in 32 bit.
    Valid for all TP; fewer groups than ranks are replicated. Reference: vLLM 0.33 layers/mamba/mamba_utils.py.

    >>> state_bytes(State(heads=32, elements=128 * 128, dtype="fp32"), 2)
    1048576.0
    """
    width = FP32_BYTES if state.dtype == "fp32" else HALF_BYTES
    return float(math.ceil(state.heads / tp) * state.elements * width)
