"""Fused projections of GGUF files in an engine that pads their rows."""

from __future__ import annotations

import pytest

from llmplan import memory
from llmplan.catalogs.hf_config import read_config
from llmplan.memory.shards import rank_weights
from llmplan.plan.deployment import Parallelism
from llmplan.units import GIB

QWEN2_5_32B = {
    "model_type": "qwen2", "hidden_size": 5120, "num_hidden_layers": 64, "num_attention_heads": 40,
    "num_key_value_heads": 8, "intermediate_size": 27648, "vocab_size": 152064, "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16", "tie_word_embeddings": False,
}  # fmt: skip


def test_rows_of_query_and_key_are_as_long_as_those_of_a_better_value() -> None:
    """Q4_K_M gives half of the layers' value projection Q6_K: 210 B for 256 numbers beside 144 B. Rows of 5120 numbers
    then take 1,320 B more, in 5120 + 1024 rows of query and key. A vLLM log of this file says 18.91 GiB
    (vllm-project/vllm#15018)."""
    model = read_config(QWEN2_5_32B, model_id="test")
    q4_k_m = memory.weight_format("gguf-q4_k_m")
    padded = rank_weights(model, q4_k_m, Parallelism(), 64, True)
    plain = rank_weights(model, memory.weight_format("gguf-q4_0"), Parallelism(), 64, True)
    split = rank_weights(model, q4_k_m, Parallelism(), 64, False)
    extra = 64 / 2 * (5120 + 1024) * 5120 // 256 * (210 - 144)
    assert sum(padded.stages_bytes) - sum(split.stages_bytes) == pytest.approx(extra, rel=0.1)
    assert padded.stage_bytes() / GIB == pytest.approx(18.91, rel=0.006)
    # one type for all: nothing to pad but what the allocator rounds
    flat = rank_weights(model, memory.weight_format("gguf-q4_0"), Parallelism(), 64, False)
    assert sum(plain.stages_bytes) - sum(flat.stages_bytes) < 0.1 * extra
