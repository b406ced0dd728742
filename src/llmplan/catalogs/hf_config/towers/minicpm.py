"""Encoders of the MiniCPM-V models: SigLIP, then a resampler (to 4.5) or a merger inside and behind it (4.6 on)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import norm
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.towers.clip import LAYER, siglip_like
from llmplan.catalogs.hf_config.towers.parts import (
    layer_count,
    once,
    pair,
    project,
    section,
    stack,
    table,
    tower,
    two_sizes,
)
from llmplan.spec.model import Tower

_SIGLIP: Final[dict[str, Any]] = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "num_channels": 3, "image_size": 224, "patch_size": 16,
}  # fmt: skip
_MOST_MERGERS: Final = 16


def resampled(config: Config, text: Config) -> Tower:
    """MiniCPM-V 2.5 to 4.5: `query_num` learned queries, as wide as the decoder, attend to the patches."""
    keys = {**_SIGLIP, "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "image_size": 980,
            "patch_size": 14}  # fmt: skip
    vision = section(config, "vision_config", keys)
    if config.flag("drop_vision_last_layer", True):
        vision = replace(vision, values={**vision.values, "num_hidden_layers": layer_count(vision) - 1})
    found = siglip_like("vpm", vision)
    path, width, queries = "resampler", text.hidden, config.optional_integer("query_num", low=1) or 64
    return tower(
        "vision", found.width, found.layers, *found.parts,
        once(
            [table(f"{path}.query", queries, width)],
            project(f"{path}.kv_proj", width, found.width),
            [table(f"{path}.attn.in_proj_weight", 3 * width, width), table(f"{path}.attn.in_proj_bias", 3 * width)],
            project(f"{path}.attn.out_proj", width, width, bias=True),
            norm(f"{path}.ln_q", width, bias=True), norm(f"{path}.ln_kv", width, bias=True),
            norm(f"{path}.ln_post", width, bias=True),
            [table(f"{path}.proj", width, width)],
        ),
        item_tokens=queries,
    )  # fmt: skip


def merged(config: Config, text: Config) -> Tower:
    """MiniCPM-V 4.6 and later: windows of patches merged inside the encoder, then again behind it."""
    vision = section(config, "vision_config", {**_SIGLIP, "window_kernel_size": [2, 2]})
    found = siglip_like("model.vision_tower", vision)
    rows, columns = two_sizes(vision, "window_kernel_size")
    width, window = found.width, found.width * rows * columns
    inner = vision.integer("intermediate_size") * rows * columns
    at, merger = "model.vision_tower.vit_merger", "model.merger.mlp.{i}"
    times = config.optional_integer("merger_times", low=1, high=_MOST_MERGERS) or 1
    attention = [tensor for tensor in LAYER.build(at, width, 0) if ".layer_norm2." not in tensor.name]

    def further(out: int) -> Any:
        path = (f"{merger}.linear_1", f"{merger}.linear_2")
        return (*norm(f"{merger}.pre_norm", 4 * width, bias=True), *pair(*path, (4 * width, 4 * width, out)))

    return tower(
        "vision", width, found.layers, *found.parts,
        once(
            attention, norm(f"{at}.pre_norm", window, bias=True),
            pair(f"{at}.linear_1", f"{at}.linear_2", (window, inner, width)),
        ),
        stack(times - 1, further(width)), once(further(text.hidden)),
    )  # fmt: skip
