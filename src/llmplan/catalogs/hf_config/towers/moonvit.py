"""MoonViT of Kimi-VL and Kimi K2.5, and encoders of its shape: learned positions resized to the image."""

from __future__ import annotations

from typing import Final

from llmplan.catalogs.hf_config.blocks import MlpNames, QkvNames, norm
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.towers.parts import (
    MAX_SIDE,
    Counted,
    Layer,
    conv,
    layer_count,
    once,
    pair,
    section,
    side,
    stack,
    table,
    tower,
    two_sizes,
)
from llmplan.spec.model import Tower

_LAYER: Final = Layer(
    norms=("norm0", "norm1"), attention="", qkv=QkvNames(fused="wqkv", out="wo"),
    mlp_names=MlpNames(gate=None, up="fc0", down="fc1"),
)  # fmt: skip


def _merged(vision: Config) -> int:
    """Patches that become one token."""
    rows, columns = two_sizes(vision, "merge_kernel_size")
    return rows * columns


def kimi_k25(config: Config, text: Config) -> Tower:
    """Kimi K2.5: `vt_` keys, a norm and two linears from merged patches to the decoder."""
    vision = section(
        config, "vision_config",
        {
            "vt_hidden_size": 1152, "vt_intermediate_size": 4304, "vt_num_hidden_layers": 27, "patch_size": 14,
            "init_pos_emb_height": 64, "init_pos_emb_width": 64, "merge_kernel_size": [2, 2],
        },
    )  # fmt: skip
    width, layers, inner = (
        vision.integer("vt_hidden_size"), layer_count(vision, "vt_num_hidden_layers"),
        vision.integer("vt_intermediate_size"),
    )  # fmt: skip
    if vision.values.get("mm_projector_type", "patchmerger") != "patchmerger":
        raise vision.fail("mm_projector_type", "only `patchmerger` is read")
    path, merged = "mm_projector", width * _merged(vision)
    return tower(
        "vision", width, layers, *_encoder(vision, width, layers, inner),
        once(
            norm(f"{path}.pre_norm", width, bias=True),
            pair(f"{path}.proj.0", f"{path}.proj.2", (merged, merged, text.hidden)),
        ),
    )  # fmt: skip


def kimi_vl(config: Config, text: Config) -> Tower:
    """Kimi-VL: the same encoder under plain keys."""
    vision = section(
        config, "vision_config",
        {
            "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "patch_size": 14,
            "init_pos_emb_height": 64, "init_pos_emb_width": 64, "merge_kernel_size": [2, 2],
        },
    )  # fmt: skip
    width, layers, inner = vision.integer("hidden_size"), layer_count(vision), vision.integer("intermediate_size")
    path, merged = "multi_modal_projector", width * _merged(vision)
    return tower(
        "vision", width, layers, *_encoder(vision, width, layers, inner),
        once(
            norm(f"{path}.pre_norm", width, bias=True),
            pair(f"{path}.linear_1", f"{path}.linear_2", (merged, merged, text.hidden)),
        ),
    )  # fmt: skip


def _encoder(vision: Config, width: int, layers: int, inner: int) -> tuple[Counted, ...]:
    path, patch = "vision_tower", side(vision, "patch_size")
    rows = vision.integer("init_pos_emb_height", high=MAX_SIDE)
    columns = vision.integer("init_pos_emb_width", high=MAX_SIDE)
    return (
        once(
            conv(f"{path}.patch_embed.proj", width, 3, patch, patch),
            [table(f"{path}.patch_embed.pos_emb.weight", rows, columns, width)],
        ),
        stack(layers, _LAYER.build(f"{path}.encoder.blocks.{{i}}", width, inner)),
        once(norm(f"{path}.encoder.final_layernorm", width, bias=True)),
    )
