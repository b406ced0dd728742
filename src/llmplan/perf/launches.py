"""Kernels that a layer starts for one step, whatever the batch: what the fixed time of a layer is made of."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.spec.formats import WeightFormat
from llmplan.spec.model import (
    CompressedAttention,
    GqaAttention,
    LayerGroup,
    Mixer,
    MlaAttention,
    MoeFeedForward,
    RecurrentMixer,
    TensorRole,
)

NORMS = 2
"""before the mixer and before the feed-forward, each with its residual addition"""
DENSE = 3
"""gate and up, activation, down"""
ROUTED = 7
"""router, choice, sorting, gate and up, activation, down, weighted sum"""
SHARED = 4
"""a shared expert is a dense feed-forward and an addition"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launches:
    """Kernels of one layer; `quantizing` ones round the inputs of matrices that compute in fewer than 16 bits."""

    plain: float
    quantizing: float


def launches(group: LayerGroup, weights: WeightFormat) -> Launches:
    """Count the kernels that one layer of a group starts in a step.

    group: its mixers and feed-forward; weights: for which matrices are quantized.
    Norms 2 + mixers (GQA: projections 2, rotation and cache write 1, attention 2, norm of queries and keys 1 if any;
    MLA: projections 4, norm, absorption 2, rotation, attention 2; a recurrence: projections 2, convolution, scan 2,
    norm) + feed-forward (dense 3; routed 7, and 4 for shared experts). Quantizing: one for each input.
    Valid for engines with merged projections and without whole-layer fusion; all-reduces are counted apart.
    Reference: vLLM 0.33 model_executor/layers (merged QKV and gate-up, fused norms, fused_moe).
    """
    plain, inputs = float(NORMS), 0.0
    for mixer in group.mixers:
        plain += _mixing(mixer)
        inputs += 0.0 if weights.experts_only else _inputs(mixer)
    feed_forward = group.feed_forward
    if isinstance(feed_forward, MoeFeedForward):
        shared = any(tensor.role is TensorRole.LINEAR for tensor in feed_forward.tensors)
        plain += ROUTED + SHARED * shared
        inputs += 2.0 + 2.0 * (shared and not weights.experts_only)
    elif feed_forward is not None:
        plain += DENSE
        inputs += 0.0 if weights.experts_only else 2.0
    return Launches(plain=plain, quantizing=inputs)


def _mixing(mixer: Mixer) -> float:
    match mixer:
        case GqaAttention():
            normed = any(tensor.role is TensorRole.NORM for tensor in mixer.tensors)
            return 5.0 + normed + 3.0 * (mixer.indexer is not None)
        case MlaAttention():
            return 10.0 + 3.0 * (mixer.indexer is not None)
        case CompressedAttention():
            return 12.0
        case RecurrentMixer():
            return 6.0


def _inputs(mixer: Mixer) -> float:
    return 3.0 if isinstance(mixer, MlaAttention | CompressedAttention) else 2.0
