"""CLIP, SigLIP and Pixtral encoders, which many models put before their decoder as the library has them.

CLIP has a class token and norms before and behind its layers; SigLIP a bias on its patches and, where the file does
not switch it off, a pooling head; Pixtral rotary positions, RMS norms and a gated feed-forward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import GATED, QkvNames, linear, norm
from llmplan.catalogs.hf_config.normalize import Config, show
from llmplan.catalogs.hf_config.towers.parts import (
    Counted,
    Layer,
    conv,
    grid,
    layer_count,
    once,
    pair,
    section,
    side,
    stack,
    table,
)
from llmplan.errors import UnsupportedModelError
from llmplan.spec.model import Shard, Tensor

LAYER: Final = Layer()
"""CLIP's and SigLIP's layer"""
_PIXTRAL: Final = Layer(
    norms=("attention_norm", "ffn_norm"), norm_bias=False, attention="attention", qkv=QkvNames(), qkv_bias=False,
    out_bias=False, mlp="feed_forward", mlp_names=GATED, mlp_bias=False,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """An encoder without projector. `tokens` are those of its largest image, where patches are not merged."""

    width: int
    layers: int
    parts: tuple[Counted, ...]
    tokens: int
    vision: Config


def _layers(path: str, vision: Config, names: Layer) -> Counted:
    layer = names.build(path, vision.integer("hidden_size"), vision.integer("intermediate_size"))
    return stack(layer_count(vision), layer)


def clip(path: str, vision: Config) -> Encoder:
    """CLIP."""
    width, patch, patches = vision.integer("hidden_size"), side(vision, "patch_size"), grid(vision)
    parts = (
        once(
            [table(f"{path}.embeddings.class_embedding", width)],
            conv(f"{path}.embeddings.patch_embedding", width, _channels(vision), patch, patch, bias=False),
            [table(f"{path}.embeddings.position_embedding.weight", patches + 1, width)],
            norm(f"{path}.pre_layrnorm", width, bias=True),
        ),
        _layers(f"{path}.encoder.layers.{{i}}", vision, LAYER),
        once(norm(f"{path}.post_layernorm", width, bias=True)),
    )
    return Encoder(width=width, layers=layer_count(vision), parts=parts, tokens=patches, vision=vision)


def siglip(path: str, vision: Config) -> Encoder:
    """SigLIP."""
    width, patch, patches = vision.integer("hidden_size"), side(vision, "patch_size"), grid(vision)
    parts = (
        once(
            conv(f"{path}.embeddings.patch_embedding", width, _channels(vision), patch, patch),
            [table(f"{path}.embeddings.position_embedding.weight", patches, width)],
        ),
        _layers(f"{path}.encoder.layers.{{i}}", vision, LAYER),
        once(norm(f"{path}.post_layernorm", width, bias=True)),
        once(_pooling(f"{path}.head", vision, width) if vision.flag("vision_use_head", True) else ()),
    )
    return Encoder(width=width, layers=layer_count(vision), parts=parts, tokens=patches, vision=vision)


def siglip_like(path: str, vision: Config, *, positions: bool = True) -> Encoder:
    """SigLIP without the pooling head, at the path itself (Idefics, PaddleOCR)."""
    width, patch = vision.integer("hidden_size"), side(vision, "patch_size")
    patches = grid(vision) if positions else 0
    parts = (
        once(
            conv(f"{path}.embeddings.patch_embedding", width, _channels(vision), patch, patch),
            [table(f"{path}.embeddings.position_embedding.weight", patches, width)] if positions else (),
        ),
        _layers(f"{path}.encoder.layers.{{i}}", vision, LAYER),
        once(norm(f"{path}.post_layernorm", width, bias=True)),
    )
    return Encoder(width=width, layers=layer_count(vision), parts=parts, tokens=patches, vision=vision)


def siglip2(path: str, vision: Config) -> Encoder:
    """SigLIP 2: patches are a linear, positions a table of `num_patches`."""
    width, patch, patches = vision.integer("hidden_size"), side(vision, "patch_size"), vision.integer("num_patches")
    parts = (
        once(
            linear(
                f"{path}.embeddings.patch_embedding", width, _channels(vision) * patch**2, Shard.REPLICATED, bias=True
            ),
            [table(f"{path}.embeddings.position_embedding.weight", patches, width)],
        ),
        _layers(f"{path}.encoder.layers.{{i}}", vision, LAYER),
        once(norm(f"{path}.post_layernorm", width, bias=True)),
        once(_pooling(f"{path}.head", vision, width) if vision.flag("vision_use_head", True) else ()),
    )  # fmt: skip
    return Encoder(width=width, layers=layer_count(vision), parts=parts, tokens=patches, vision=vision)


def pixtral(path: str, vision: Config) -> Encoder:
    """Pixtral: an image of any shape up to `image_size`, with a token at the end of every row of patches."""
    width, patch = vision.integer("hidden_size"), side(vision, "patch_size")
    along = side(vision, "image_size") // patch
    parts = (
        once(
            conv(f"{path}.patch_conv", width, _channels(vision), patch, patch, bias=False),
            norm(f"{path}.ln_pre", width),
        ),
        _layers(f"{path}.transformer.layers.{{i}}", vision, _PIXTRAL),
    )
    return Encoder(
        width=width, layers=layer_count(vision), parts=parts, tokens=max(1, along * (along + 1)), vision=vision
    )  # fmt: skip


def _channels(vision: Config) -> int:
    return vision.integer("num_channels", high=64)


def _pooling(path: str, vision: Config, width: int) -> list[Tensor]:
    """One query that attends to all patches, and a feed-forward."""
    return [
        table(f"{path}.probe", 1, 1, width),
        table(f"{path}.attention.in_proj_weight", 3 * width, width),
        table(f"{path}.attention.in_proj_bias", 3 * width),
        *linear(f"{path}.attention.out_proj", width, width, Shard.REPLICATED, bias=True),
        *norm(f"{path}.layernorm", width, bias=True),
        *pair(f"{path}.mlp.fc1", f"{path}.mlp.fc2", (width, vision.integer("intermediate_size"), width)),
    ]


_Build = Callable[[str, Config], Encoder]
_KINDS: Final[Mapping[str, tuple[_Build, str, Mapping[str, Any]]]] = {
    "clip_vision_model": (clip, ".vision_model", {"hidden_size": 768, "intermediate_size": 3072, "patch_size": 32}),
    "siglip_vision_model": (
        siglip, ".vision_model", {"hidden_size": 768, "intermediate_size": 3072, "patch_size": 16}
    ),
    "siglip2_vision_model": (
        siglip2, ".vision_model",
        {"hidden_size": 768, "intermediate_size": 3072, "patch_size": 16, "num_patches": 256},
    ),
    "pixtral": (
        pixtral, "",
        {
            "hidden_size": 1024, "intermediate_size": 4096, "patch_size": 16, "image_size": 1024,
            "num_hidden_layers": 24, "num_attention_heads": 16,
        },
    ),
}  # fmt: skip
"""model type of the encoder -> how it is built, what its own class puts before the paths, its class defaults"""
_DEFAULTS: Final[Mapping[str, Any]] = {
    "num_hidden_layers": 12, "num_attention_heads": 12, "image_size": 224, "num_channels": 3,
}  # fmt: skip


def encoder(path: str, config: Config, default: str, key: str = "vision_config") -> Encoder:
    """The encoder whose type the file states, `default` where it does not."""
    stated = config.mapping(key).get("model_type")
    kind = default if stated in (None, "") else stated
    known = _KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise UnsupportedModelError(
            f"{config.where}: key `{key}.model_type`: an encoder of kind {show(kind)} is not read",
            hints=[f"kinds that are read here: {', '.join(sorted(_KINDS))}"],
        )
    build, below, defaults = known
    return build(path + below, section(config, key, {**_DEFAULTS, **defaults}))
