"""Vision encoders of GLM-4.1V, GLM-4.5V, GLM-4.6V and GLM-OCR: patches over two frames, merged by a convolution."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import GATED, QkvNames, mlp, norm
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.towers.parts import (
    Layer,
    conv,
    grid,
    head_count,
    layer_count,
    once,
    project,
    section,
    side,
    stack,
    table,
    tower,
)
from llmplan.spec.model import Tensor, Tower

_QKV: Final = QkvNames(fused="qkv", out="proj")
_DEFAULTS: Final[dict[str, Any]] = {
    "depth": 24, "in_channels": 3, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
    "image_size": 336,
}  # fmt: skip


def glm4v(config: Config, text: Config) -> Tower:
    """GLM-4.1V and later: learned positions; the merger is as wide as the decoder's feed-forward."""
    vision = section(
        config, "vision_config",
        {
            **_DEFAULTS, "hidden_size": 1536, "num_heads": 12, "out_hidden_size": 4096, "intermediate_size": 13696,
            "attention_bias": False,
        },
    )  # fmt: skip
    path, width, out = "model.visual", vision.integer("hidden_size"), vision.integer("out_hidden_size")
    before = [table(f"{path}.embeddings.position_embedding.weight", grid(vision), width)]
    return _encoder(
        path, vision, out, vision.integer("intermediate_size"), feed=out, mlp_bias=False,
        outside=(*before, *norm(f"{path}.post_conv_layernorm", width)),
    )  # fmt: skip


def glm_ocr(config: Config, text: Config) -> Tower:
    """GLM-OCR: rotary positions, norms of queries and keys, biases."""
    vision = section(
        config, "vision_config",
        {
            **_DEFAULTS, "hidden_size": 1024, "num_heads": 16, "out_hidden_size": 1536, "intermediate_size": 4096,
            "attention_bias": True,
        },
    )  # fmt: skip
    out, width, heads = (
        vision.integer("out_hidden_size"),
        vision.integer("hidden_size"),
        head_count(vision, "num_heads"),
    )
    if width % heads:
        raise vision.fail("num_heads", f"{heads} does not divide hidden_size {width}")
    layer, dim = "model.visual.blocks.{i}", width // heads
    return _encoder(
        "model.visual", vision, out, out * vision.integer("in_channels", high=64),
        feed=vision.integer("intermediate_size"), mlp_bias=vision.flag("attention_bias"), outside=(),
        extra=(*norm(f"{layer}.attn.q_norm", dim), *norm(f"{layer}.attn.k_norm", dim)),
    )  # fmt: skip


def _encoder(
    path: str, vision: Config, out: int, merger: int, *,
    feed: int, mlp_bias: bool, outside: Iterable[Tensor], extra: tuple[Tensor, ...] = (),
) -> Tower:  # fmt: skip
    """`merger` is the width of the merger's feed-forward, `feed` of a layer's."""
    width, layers, patch = vision.integer("hidden_size"), layer_count(vision, "depth"), side(vision, "patch_size")
    merge, bias = vision.integer("spatial_merge_size", high=64), vision.flag("attention_bias")
    layer = Layer(
        norms=("norm1", "norm2"), norm_bias=False, attention="attn", qkv=_QKV, qkv_bias=bias,
        out_bias=bias and mlp_bias, mlp_names=GATED, mlp_bias=mlp_bias,
    )  # fmt: skip
    frames = vision.integer("temporal_patch_size", high=64)
    return tower(
        "vision", width, layers,
        once(
            outside,
            conv(f"{path}.patch_embed.proj", width, vision.integer("in_channels", high=64), frames, patch, patch),
        ),
        stack(layers, layer.build(f"{path}.blocks.{{i}}", width, feed, extra=extra)),
        once(
            norm(f"{path}.post_layernorm", width),
            conv(f"{path}.downsample", out, width, merge, merge),
            project(f"{path}.merger.proj", out, out),
            norm(f"{path}.merger.post_projection_norm", out, bias=True),
            mlp(f"{path}.merger", out, merger, GATED),
        ),
    )  # fmt: skip
