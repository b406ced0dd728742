"""The forward pass of a full step: what is alive in the widest layer."""

from __future__ import annotations

from typing import Final

from llmplan.memory.runtime.setting import Version
from llmplan.plan.deployment import Parallelism
from llmplan.spec.model import DenseFeedForward, ModelSpec, MoeFeedForward
from llmplan.units import HALF_BYTES

NEWEST: Final[Version] = (10**9, 0, 0)
EXPERT_CHUNKS: Final[tuple[tuple[Version, int], ...]] = (((0, 12, 0), 16384), ((0, 0, 0), 32768))
"""vLLM runs its fused experts on so many tokens at a time, from the version on (VLLM_FUSED_MOE_CHUNK_SIZE)."""
FORWARD_RATIOS: Final = (0.7, 1.6)


def forward_peak_bytes(model: ModelSpec, tokens: int, parallel: Parallelism, version: Version = NEWEST) -> float:
    """Activations alive in the widest layer of a forward pass [bytes].

    model: widths; tokens [tokens] in the step; parallel: ranks that cut them; version of the engine.
    16-bit: T (4 h + 3 I / tp) for a gated MLP; T' k (max(2 I_e / r, h) + I_e / r) more for fused experts, with T' =
    min(T, 16384; 32768 before 0.12) and r the ranks that cut an expert.
    Valid for compiled vLLM layers within a factor of 1.6. Reference: vLLM fused_moe workspaces; Qwen2.5-7B with
    32768 tokens comes to 4.31 GiB.
    """
    chunk = next(chunk for since, chunk in EXPERT_CHUNKS if version >= since)
    residual = 4.0 * model.hidden_size * tokens
    widest = 0.0
    for group in model.layers:
        match group.feed_forward:
            case MoeFeedForward() as layer:
                width = layer.expert_intermediate_size / (1 if parallel.ep else parallel.tp * parallel.dp)
                routed = min(tokens, chunk) * layer.experts_per_token
                widest = max(widest, routed * (max(2 * width, model.hidden_size) + width))
            case DenseFeedForward(intermediate_size=intermediate):
                widest = max(widest, 3.0 * tokens * intermediate / parallel.tp)
            case None:
                pass
    return HALF_BYTES * (residual + widest)
