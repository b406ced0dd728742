"""Fused projections of GGUF files in an engine that pads their rows."""

from __future__ import annotations

import pytest

from llmplan import memory
from llmplan.catalogs.hf_config import read_config
from llmplan.memory.joined import padding_bytes
from llmplan.memory.shards import rank_weights
from llmplan.plan.deployment import Parallelism
from llmplan.spec.places import places_in
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
    (group,) = model.layers
    parts = [(place, place.tensor) for place in places_in(group)]
    extra = (5120 + 1024) * 5120 // 256 * (210 - 144)
    assert padding_bytes(group, parts, model, q4_k_m) == extra / 2
    assert padding_bytes(group, parts, model, memory.weight_format("gguf-q4_0")) == 0
    loaded = rank_weights(model, q4_k_m, Parallelism(), 64, True).stage_bytes()
    assert loaded / GIB == pytest.approx(18.91, rel=0.006)
