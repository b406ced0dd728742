"""Vision and audio encoders: vLLM profiles them on the largest items that one step may bring."""

from __future__ import annotations

import math
from typing import Final

from llmplan.memory.runtime.setting import Part, RuntimeSetting
from llmplan.spec.band import Band
from llmplan.spec.model import ModelSpec, Shard, TensorRole, Tower
from llmplan.units import HALF_BYTES, format_bytes

LIVE_COPIES: Final = 1.6
"""Outputs of one encoder layer that are alive at its worst moment, as a multiple: 1.1 to 2.5 in 3 logs of Qwen and
Gemma encoders."""
ENCODER_RATIOS: Final = (0.6, 1.6)
MERGED_ITEM_TOKENS: Final = 16384
"""Tokens of the largest image of encoders that merge patches of images of any size (default of the processors of
Qwen2-VL to Qwen3-VL), where no file states it."""
FIXED_ITEM_TOKENS: Final = 1024
"""Tokens of an item of other encoders where no file states it (assumed)."""
MOST_PATCHES_PER_TOKEN: Final = 64


def encoder_peak_bytes(positions: float, outputs: float) -> float:
    """Activations alive in an encoder layer [bytes].

    positions [patches or frames] in the batch; outputs [elements] that one layer's matrices make of each, on one GPU.
    1.6 x positions x outputs x 2 B. Valid within a factor of 1.6. Reference: Qwen2.5-VL-7B (65536 patches, 13240
    outputs) 4.1 GiB, Gemma 3 (131072 patches, 10064) 3.7 GiB.

    >>> round(encoder_peak_bytes(65536, 13240) / 1024**3, 1)
    2.6
    """
    return LIVE_COPIES * positions * outputs * HALF_BYTES


def item_tokens(tower: Tower, setting: RuntimeSetting) -> int:
    """Tokens that an encoder's largest item becomes in the prompt [tokens].

    tower: as stated in the model's files, else 16384 where it merges patches and 1024 where it does not; setting: its
    context is the most. Valid where nothing limits the size of items. Reference: the processor's largest image, vLLM
    0.33 multimodal/encoder_budget.py.
    """
    assumed = MERGED_ITEM_TOKENS if patches_per_token(tower) > 1 else FIXED_ITEM_TOKENS
    return min(tower.max_item_tokens or assumed, setting.max_model_len)


def encoder_peak(model: ModelSpec, setting: RuntimeSetting) -> Part | None:
    """The encoders' share of the activation peak; None for a model that has none.

    model: its towers; setting: the step's tokens, sequences and ranks.
    items = max(1, min(T / item tokens, S)); positions = items x item tokens x patches per token; and the embeddings,
    items x item tokens x h x 2 B, stay. Valid for vLLM with its default limits per prompt.
    Reference: vLLM 0.33 v1/core/encoder_cache_manager.py.
    """
    worst: Part | None = None
    for tower in model.towers:
        tokens = item_tokens(tower, setting)
        items = max(1, min(setting.max_num_batched_tokens // tokens, setting.max_num_seqs))
        positions = items * tokens * patches_per_token(tower)
        layer = encoder_peak_bytes(positions, layer_outputs(tower, setting.parallel.tp))
        size = layer + HALF_BYTES * items * tokens * model.hidden_size
        formula = f"{tower.kind} encoder of {items} × {tokens} tokens = {format_bytes(size)}"
        if worst is None or size > worst.size.mid:
            band = Band.of(size, low_ratio=ENCODER_RATIOS[0], high_ratio=ENCODER_RATIOS[1])
            worst = Part(size=band, formula=formula)
    return worst


def layer_outputs(tower: Tower, tp: int) -> float:
    """Elements that the matrices of one encoder layer make of one position, on one of `tp` GPUs [elements].

    tower: its tensors; tp [ranks]. The sum of the rows of one layer's matrices, those cut by column over the ranks.
    Valid for transformer encoders. Reference: the inventory.
    """
    layers = max((count for count, _ in tower.tensors), default=1)
    outputs = 0.0
    for count, tensor in tower.tensors:
        if count == layers and tensor.role is TensorRole.LINEAR and len(tensor.shape) == 2:
            cut = tp if tensor.shard in (Shard.COLUMN, Shard.KV_COLUMN) else 1
            outputs += tensor.shape[0] * tensor.copies / cut
    return outputs or 8.0 * tower.hidden_size


def patches_per_token(tower: Tower) -> float:
    """Positions of the encoder that become one token of the prompt [patches].

    tower: its tensors. The rows of a table of positions over the tokens of an item (pooling encoders), else the
    largest whole multiple of the hidden size that a matrix outside the layers takes in (merging ones), at least 1.
    Valid for square merges. Reference: Qwen2.5-VL merges 2 x 2 patches, Gemma 3 pools 4096 to 256.
    """
    outside = [tensor for count, tensor in tower.tensors if count == 1 and len(tensor.shape) >= 2]
    tokens = tower.max_item_tokens
    if tokens:
        tables = [
            tensor.shape[0]
            for tensor in outside
            if tensor.role in (TensorRole.EMBED, TensorRole.OTHER) and tensor.shape[1:] == (tower.hidden_size,)
        ]
        pooled = max((rows / tokens for rows in tables), default=1.0)
        if pooled > 1:
            return min(pooled, float(MOST_PATCHES_PER_TOKEN))
    merged = [
        tensor.shape[1] // tower.hidden_size
        for tensor in outside
        if tensor.role is TensorRole.LINEAR and len(tensor.shape) == 2 and tensor.shape[1] % tower.hidden_size == 0
    ]
    squares = [side for side in merged if math.isqrt(side) ** 2 == side and side <= MOST_PATCHES_PER_TOKEN]
    return float(max(squares, default=1))
