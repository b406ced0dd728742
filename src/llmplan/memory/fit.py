"""Quick answers for those who enumerate: do the weights fit at all, and how many layers does a GPU hold."""

from __future__ import annotations

from typing import Final

from llmplan.memory.kv_cache import contiguous_cache_bytes
from llmplan.memory.pool import visible_bytes
from llmplan.memory.runtime import MICRO_BATCH_TOKENS, compute_buffer, micro_batch_tokens, non_torch
from llmplan.memory.shards import weights_on_rank
from llmplan.plan.deployment import Parallelism
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import KvFormat, WeightFormat
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.model import ModelSpec
from llmplan.units import GIB

SPLIT_MARGIN_BYTES: Final = GIB
"""What llama.cpp's own `--fit` leaves free on each device (`--fit-target` 1024 MiB)."""


def fits_weights(
    model: ModelSpec, weight_format: WeightFormat, parallel: Parallelism, gpu: GpuSpec, engine: EngineSpec
) -> bool:
    """Whether the weights alone fit what the engine may use: false means that no setting helps.

    model, weight_format, parallel: what is loaded where; gpu, engine: memory and the default fraction.
    weights <= total x fraction. A lower bound on the need, for pruning; true promises nothing.
    Reference: `resident_weight_bytes_per_gpu`.
    """
    share = weights_on_rank(model, weight_format, parallel, engine)
    fraction = 1.0 if engine.kv_pool_rule in ("fraction_of_free", "explicit_context") else engine.memory_fraction
    resident = share.stage_bytes(embedding_on_host=engine.host_layers)
    return resident <= visible_bytes(gpu) * fraction


def layers_on_gpu(
    *,
    model: ModelSpec,
    weight_format: WeightFormat,
    kv_format: KvFormat,
    gpu: GpuSpec,
    engine: EngineSpec,
    context_tokens: int,
    slots: int,
    max_num_batched_tokens: int = MICRO_BATCH_TOKENS,
) -> int:
    """How many layers, with their cache, fit one GPU beside the output matrix; the rest is for the CPU.

    model, weight_format, kv_format: what runs; gpu, engine: memory and its fraction; context_tokens [tokens] of a slot;
    slots [-] requests at once; max_num_batched_tokens [tokens] per step (the physical batch is at most 512).
    floor((total f - 1 GiB - head - compute buffer - context) / (layer + its cache)), within 0..L.
    Valid for llama.cpp's layer split on one GPU. Reference: llama.cpp build 11434 `--n-gpu-layers`, `--fit`.
    """
    share = weights_on_rank(model, weight_format, Parallelism(), engine)
    cache = contiguous_cache_bytes(
        model, kv_format, 1, context_tokens, slots, micro_batch_tokens(max_num_batched_tokens)
    )
    runtime = compute_buffer(model).size.high + non_torch(1, engine.kv_pool_rule).size.mid
    room = visible_bytes(gpu) * engine.memory_fraction - SPLIT_MARGIN_BYTES - runtime
    room -= share.stage_bytes(host_layers=model.layer_count, embedding_on_host=True)
    per_layer = share.layer_bytes + cache / model.layer_count
    return max(0, min(model.layer_count, int(room // per_layer)))
