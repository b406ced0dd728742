"""Vision encoders of Llama 3.2 Vision and Llama 4: tiles of a square image, cut by tensor parallelism."""

from __future__ import annotations

from typing import Final

from llmplan.catalogs.hf_config.blocks import QkvNames, linear, norm
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.towers.parts import (
    Layer,
    conv,
    grid,
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
from llmplan.spec.model import Shard, Tower

_NORMS: Final = ("input_layernorm", "post_attention_layernorm")
_LLAMA4: Final = Layer(norms=_NORMS, qkv=QkvNames())
_MLLAMA: Final = Layer(norms=_NORMS, qkv=QkvNames(), qkv_bias=False, out_bias=False)
_VIDEO_LIMIT: Final = 64


def llama4(config: Config, text: Config) -> Tower:
    """Llama 4: a class token, rotary positions, pixels shuffled to a quarter of the tokens, two projections."""
    vision = section(
        config, "vision_config",
        {
            "hidden_size": 768, "num_hidden_layers": 34, "num_attention_heads": 16, "num_channels": 3,
            "intermediate_size": 5632, "vision_output_dim": 7680, "image_size": 448, "patch_size": 14,
            "projector_input_dim": 4096, "projector_output_dim": 4096,
        },
    )  # fmt: skip
    path, width, layers = "vision_model", vision.integer("hidden_size"), layer_count(vision)
    patch, inner = side(vision, "patch_size"), vision.integer("intermediate_size")
    into, out = vision.integer("projector_input_dim"), vision.integer("projector_output_dim")
    pixels = vision.integer("num_channels", high=_VIDEO_LIMIT) * patch**2
    adapter = f"{path}.vision_adapter.mlp"
    return tower(
        "vision", width, layers,
        once(
            [table(f"{path}.class_embedding", width)],
            [table(f"{path}.positional_embedding_vlm", grid(vision) + 1, width)],
            linear(f"{path}.patch_embedding.linear", width, pixels, Shard.REPLICATED),
            norm(f"{path}.layernorm_pre", width, bias=True),
            norm(f"{path}.layernorm_post", width, bias=True),
        ),
        stack(layers, _LLAMA4.build(f"{path}.model.layers.{{i}}", width, inner)),
        once(
            pair(f"{adapter}.fc1", f"{adapter}.fc2", (inner, into, out), bias=False),
            project("multi_modal_projector.linear_1", text.hidden, vision.integer("vision_output_dim")),
        ),
    )  # fmt: skip


def mllama(config: Config, text: Config) -> Tower:
    """Llama 3.2 Vision: local layers, then gated global ones; embeddings of tiles by aspect ratio."""
    vision = section(
        config, "vision_config",
        {
            "hidden_size": 1280, "num_hidden_layers": 32, "num_global_layers": 8, "num_channels": 3,
            "intermediate_size": 5120, "vision_output_dim": 7680, "image_size": 448, "patch_size": 14,
            "max_num_tiles": 4,
        },
    )  # fmt: skip
    path, width, inner = "vision_model", vision.integer("hidden_size"), vision.integer("intermediate_size")
    local, deep = layer_count(vision), layer_count(vision, "num_global_layers")
    patch, patches = side(vision, "patch_size"), grid(vision) + 1
    tiles = vision.integer("max_num_tiles", high=_VIDEO_LIMIT)
    ratios = len(vision.items("supported_aspect_ratios") or range(8)) + 1
    gated, before, after = (
        f"{path}.{name}" for name in (
            "gated_positional_embedding", "pre_tile_positional_embedding", "post_tile_positional_embedding"
        )
    )  # fmt: skip
    deep_layer = f"{path}.global_transformer.layers.{{i}}"
    return tower(
        "vision", width, local + deep,
        once(
            [table(f"{path}.class_embedding", width)],
            conv(f"{path}.patch_embedding", width, vision.integer("num_channels", high=64), patch, patch, bias=False),
            [table(f"{gated}.gate", 1), table(f"{gated}.embedding", patches, width)],
            [table(f"{gated}.tile_embedding.weight", ratios, tiles * patches * width)],
            [table(f"{before}.gate", 1), table(f"{before}.embedding.weight", ratios, tiles * width)],
            [table(f"{after}.gate", 1), table(f"{after}.embedding.weight", ratios, tiles * width)],
            norm(f"{path}.layernorm_pre", width, bias=True),
            norm(f"{path}.layernorm_post", width, bias=True),
        ),
        stack(local, _MLLAMA.build(f"{path}.transformer.layers.{{i}}", width, inner)),
        stack(
            deep,
            _MLLAMA.build(deep_layer, width, inner),
            [table(f"{deep_layer}.gate_attn", 1), table(f"{deep_layer}.gate_ffn", 1)],
        ),
        once(project("multi_modal_projector", text.hidden, vision.integer("vision_output_dim"), bias=True)),
        item_tokens=tiles * patches,
    )  # fmt: skip
