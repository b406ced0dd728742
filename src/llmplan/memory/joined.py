"""What joining projections costs where their block types differ: PyTorch engines that read GGUF files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from llmplan.spec.formats import WeightFormat
from llmplan.spec.gguf import gguf_bytes
from llmplan.spec.model import GqaAttention, LayerGroup, ModelSpec, Shard, Tensor, TensorRole
from llmplan.spec.places import Place

Part = tuple[Place, Tensor]
"""where a tensor sits, and the rank's part of it"""


def padding_bytes(group: LayerGroup, parts: Sequence[Part], model: ModelSpec, weights: WeightFormat) -> float:
    """Bytes of one layer that rows of query, key and value take beyond their own, averaged over the group.

    group: equal layers; parts: one rank's tensors of a layer; model, weights: a GGUF file's rules by depth.
    Sum over q, k, v of rows x (widest row - own row): the three are one tensor, whose rows are as long as the longest.
    Valid for vLLM's GGUF loader. Reference: vLLM model_executor/layers/linear.py, nested GGUF parameters;
    vllm-project/vllm#15018 (Qwen2.5-32B Q4_K_M: 18.91 GiB of a file of 18.5).
    """
    joined = [(place, part) for place, part in parts if _is_joined(place)]
    if len({place.tensor.name for place, _ in joined}) < 2 or not group.indices:
        return 0.0
    total = 0.0
    for index in group.indices:
        one = replace(group, count=1, indices=(index,))
        rows = [part.shape[0] for _, part in joined]
        row_bytes = [
            gguf_bytes(replace(p, group=one, layers=1), part, model, weights) / part.shape[0] for p, part in joined
        ]
        widest = max(row_bytes)
        total += math.fsum(count * (widest - own) for count, own in zip(rows, row_bytes, strict=True))
    return total / len(group.indices)


def _is_joined(place: Place) -> bool:
    """Whether a tensor is a projection to queries, keys or values."""
    tensor = place.tensor
    columns = tensor.shard in (Shard.COLUMN, Shard.KV_COLUMN) and tensor.role is TensorRole.LINEAR
    return isinstance(place.mixer, GqaAttention) and columns and len(tensor.shape) == 2
