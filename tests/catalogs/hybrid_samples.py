"""Small hybrid models for the tests, and how a config becomes a model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmplan.catalogs.hf_config import read_config
from llmplan.spec.model import ModelSpec
from tests_support import DATA

SMALL: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 6, "vocab_size": 97, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 80,
}  # fmt: skip
PURE: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 3, "vocab_size": 97}
NEMOTRON: dict[str, Any] = {
    "hidden_size": 64, "vocab_size": 97, "num_attention_heads": 4, "num_key_value_heads": 2, "mamba_num_heads": 8,
    "mamba_head_dim": 16, "n_groups": 2, "head_dim": 32, "intermediate_size": 96, "moe_intermediate_size": 40,
    "moe_shared_expert_intermediate_size": 48,
}  # fmt: skip
DELTA: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 8, "vocab_size": 97, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 32, "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16,
    "linear_value_head_dim": 24, "num_experts": 12, "moe_intermediate_size": 20, "shared_expert_intermediate_size": 24,
}  # fmt: skip
LATENT: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 9, "vocab_size": 97, "num_attention_heads": 4, "num_key_value_heads": 4,
    "intermediate_size": 96, "moe_intermediate_size": 20, "num_experts": 10, "kv_lora_rank": 16, "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 12, "v_head_dim": 10,
}  # fmt: skip
KDA = {
    "head_dim": 16, "num_heads": 3, "short_conv_kernel_size": 4, "kda_layers": [1, 2, 3, 5, 6, 7, 9],
    "full_attn_layers": [4, 8],
}  # fmt: skip
ZAMBA = ["mamba", "mamba", "hybrid", "mamba", "hybrid", "mamba", "hybrid", "hybrid", "mamba"]


def build(model_type: str, keys: dict[str, Any]) -> ModelSpec:
    """The model of these keys, with a context length where they state none."""
    length = {"max_position_embeddings": 4096} | keys
    return read_config({"model_type": model_type, "dtype": "bfloat16", **length}, model_id="a file")


def rows() -> list[dict[str, Any]]:
    """What others counted, one row per config."""
    path = DATA / "parameter_oracle.jsonl"
    if not path.is_file():
        pytest.skip(f"no oracle at {path}: set LLMPLAN_DATA")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
