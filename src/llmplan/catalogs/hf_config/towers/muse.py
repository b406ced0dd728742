"""Muse Glimmer's encoder: patches of two frames, learned positions, an adapter of two linears."""

from __future__ import annotations

from typing import Final

from llmplan.catalogs.hf_config.blocks import QkvNames, norm
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.towers.parts import (
    MAX_SIDE,
    Layer,
    layer_count,
    once,
    pair,
    project,
    section,
    side,
    stack,
    table,
    tower,
)
from llmplan.spec.model import Tower

_LAYER: Final = Layer(norms=("norm1", "norm2"), attention="attn", qkv=QkvNames(out="proj"))


def muse(config: Config, text: Config) -> Tower:
    """Muse Glimmer: `out_hidden_size` features of merged patches, an adapter, a projection to the decoder."""
    vision = section(
        config, "vision_config",
        {
            "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 50, "patch_size": 14,
            "patch_temporal": 2, "merge_size": 2, "pos_emb_height": 32, "pos_emb_width": 32,
        },
    )  # fmt: skip
    path, width, layers = "model.vision_tower", vision.integer("hidden_size"), layer_count(vision)
    pixels = 3 * vision.integer("patch_temporal", high=64) * side(vision, "patch_size") ** 2
    rows = vision.integer("pos_emb_height", high=MAX_SIDE) * vision.integer("pos_emb_width", high=MAX_SIDE)
    merged = config.optional_integer("out_hidden_size", low=1) or width * vision.integer("merge_size", high=64) ** 2
    middle = config.optional_integer("projector_hidden_size", low=1) or 4096
    adapter = "model.vision_adapter"
    return tower(
        "vision", width, layers,
        once(
            project(f"{path}.patch_embedder.patch_embedding", width, pixels),
            [table(f"{path}.patch_embedder.position_embedding_table.weight", rows, width)],
            norm(f"{path}.ln_pre", width, bias=True),
        ),
        stack(layers, _LAYER.build(f"{path}.layers.{{i}}", width, vision.integer("intermediate_size"))),
        once(
            norm(f"{path}.ln_post", width, bias=True),
            pair(f"{adapter}.fc1", f"{adapter}.fc2", (merged, middle, middle), bias=False),
            project("model.vision_projection", text.hidden, middle),
        ),
    )  # fmt: skip
