"""DeepSeek-VL2's encoder: SigLIP SO400M with its pooling head, patches folded 2 x 2."""

from __future__ import annotations

from typing import Final

from llmplan.catalogs.hf_config.blocks import QkvNames, norm
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
from llmplan.spec.model import Tensor, Tower

_LAYER: Final = Layer(norms=("norm1", "norm2"), attention="attn", qkv=QkvNames(fused="qkv", out="proj"))


def deepseek_vl2(config: Config, text: Config) -> Tower:
    """A projector of two linears, and learned tokens that end rows and separate views."""
    vision = section(
        config, "vision_config",
        {"width": 1152, "layers": 27, "mlp_ratio": 3.7362, "patch_size": 14, "image_size": 384},
    )  # fmt: skip
    bridge = section(config, "projector_config", {"n_embed": text.hidden, "mlp_ratio": 1, "downsample_ratio": 2})
    path, width, layers, patch = (
        "vision",
        vision.integer("width"),
        layer_count(vision, "layers"),
        side(vision, "patch_size"),
    )
    inner = int(width * (vision.number(vision.values, "mlp_ratio", "vision_config") or 4))
    out, fold = bridge.integer("n_embed"), bridge.integer("downsample_ratio", high=64)
    middle = out * bridge.integer("mlp_ratio", high=64)
    return tower(
        "vision", width, layers,
        once(
            conv(f"{path}.patch_embed.proj", width, 3, patch, patch),
            [table(f"{path}.pos_embed", 1, grid(vision), width)],
        ),
        stack(layers, _LAYER.build(f"{path}.blocks.{{i}}", width, inner)),
        once(
            norm(f"{path}.norm", width, bias=True),
            _pool(f"{path}.attn_pool", width, inner),
            pair("projector.layers.0", "projector.layers.2", (width * fold**2, middle, out)),
            [table("image_newline", out), table("view_seperator", out)],
        ),
        whole=True,
    )  # fmt: skip


def _pool(path: str, width: int, inner: int) -> list[Tensor]:
    """One query that attends to all patches; loaded with the rest."""
    return [
        table(f"{path}.latent", 1, 1, width),
        *project(f"{path}.q", width, width, bias=True),
        *project(f"{path}.kv", 2 * width, width, bias=True),
        *project(f"{path}.proj", width, width, bias=True),
        *norm(f"{path}.norm", width, bias=True),
        *pair(f"{path}.mlp.fc1", f"{path}.mlp.fc2", (width, inner, width)),
    ]
