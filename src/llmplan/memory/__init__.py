"""Bytes: weights, KV cache and runtime memory of one replica, as a budget whose lines say how they came about."""

from llmplan.memory.adapters import adapter_bytes
from llmplan.memory.budget import budget
from llmplan.memory.capacity import kv_pool
from llmplan.memory.fit import fits_weights, layers_on_gpu
from llmplan.memory.formats import kv_format, weight_format
from llmplan.memory.kv_cache import kv_bytes_per_token_per_gpu, state_bytes_per_sequence_per_gpu
from llmplan.memory.offload import host_bytes_beside
from llmplan.memory.paging import cache_layout
from llmplan.memory.shards import resident_weight_bytes_per_gpu
from llmplan.memory.weights import checkpoint_bytes

__all__ = [
    "adapter_bytes",
    "budget",
    "cache_layout",
    "checkpoint_bytes",
    "fits_weights",
    "host_bytes_beside",
    "kv_bytes_per_token_per_gpu",
    "kv_format",
    "kv_pool",
    "layers_on_gpu",
    "resident_weight_bytes_per_gpu",
    "state_bytes_per_sequence_per_gpu",
    "weight_format",
]
