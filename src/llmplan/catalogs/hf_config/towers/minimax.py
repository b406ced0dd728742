"""MiniMax M3's encoder: CLIP's layers over patches of two frames, a projector before and behind the merge."""

from __future__ import annotations

from llmplan.catalogs.hf_config.blocks import norm
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.towers.clip import LAYER
from llmplan.catalogs.hf_config.towers.parts import (
    conv,
    layer_count,
    once,
    pair,
    section,
    side,
    stack,
    tower,
)
from llmplan.spec.model import Tower


def minimax_m3(config: Config, text: Config) -> Tower:
    """MiniMax M3: every patch to the decoder's width, then the merged ones again."""
    vision = section(
        config, "vision_config",
        {
            "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "patch_size": 14,
            "num_channels": 3, "temporal_patch_size": 2, "spatial_merge_size": 2,
        },
    )  # fmt: skip
    path, width, layers = "vision_tower.vision_model", vision.integer("hidden_size"), layer_count(vision)
    patch, frames = side(vision, "patch_size"), vision.integer("temporal_patch_size", high=64)
    middle = config.optional_integer("projector_hidden_size", low=1) or 6144
    merged = text.hidden * vision.integer("spatial_merge_size", high=64) ** 2
    return tower(
        "vision", width, layers,
        once(
            conv(
                f"{path}.embeddings.patch_embedding", width, vision.integer("num_channels", high=64), frames, patch,
                patch, bias=False,
            ),
            norm(f"{path}.pre_layrnorm", width, bias=True),
        ),
        stack(layers, LAYER.build(f"{path}.encoder.layers.{{i}}", width, vision.integer("intermediate_size"))),
        once(
            pair("multi_modal_projector.linear_1", "multi_modal_projector.linear_2", (width, middle, text.hidden)),
            pair("patch_merge_mlp.linear_1", "patch_merge_mlp.linear_2", (merged, middle, text.hidden)),
        ),
    )  # fmt: skip
