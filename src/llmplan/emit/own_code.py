"""Checkpoints that bring the code which reads their config: an engine runs it only when it is told to."""

from __future__ import annotations

from collections.abc import Mapping

from llmplan.plan.deployment import Replica

FLAG = "--trust-remote-code"
MODEL_TYPES: Mapping[str, frozenset[str]] = {
    "vllm": frozenset({"baichuan", "exaone", "internlm2", "mimo", "nemotron-nas", "qwen"}),
    "sglang": frozenset({"baichuan", "internlm2", "mimo", "nemotron-nas", "qwen"}),
}
"""types that the engine serves and whose config class is neither its own nor in Transformers (vLLM 0.33.0, SGLang
0.5.23: `_CONFIG_REGISTRY`; Transformers 5.19: `CONFIG_MAPPING`)"""
WHY = "the checkpoint brings the code that reads its config, and this runs it: look at it first"


def is_needed(replica: Replica, engine_id: str) -> bool:
    """Whether the engine stops without the flag."""
    return replica.model.model_type in MODEL_TYPES[engine_id]
