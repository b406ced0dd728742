"""Encoders with a learned scale on each half of a layer: InternViT, and Step 3.7's."""

from __future__ import annotations

from typing import Final

from llmplan.catalogs.hf_config.blocks import MlpNames, QkvNames, norm
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
    tokens_along,
    tower,
)
from llmplan.spec.model import Tensor, Tower

_NORMS: Final = ("layernorm_before", "layernorm_after")


def _scales(path: str, width: int, *names: str) -> list[Tensor]:
    return [table(f"{path}.{name}", width) for name in names]


def _folded(config: Config) -> int:
    """Patches that become one token: `downsample_ratio` of 0.5 folds 2 x 2."""
    ratio = config.number(config.values, "downsample_ratio", "downsample_ratio") or 0.5
    return max(1, min(64, int(1 / ratio))) ** 2


def internvl(config: Config, text: Config) -> Tower:
    """InternVL in the library's form."""
    return _internvl(config, text, "", "encoder.layer.{i}", attention_bias=False)


def qianfan_ocr(config: Config, text: Config) -> Tower:
    """Qianfan OCR: the same with biases in attention."""
    return _internvl(config, text, "model.", "layers.{i}", attention_bias=True)


def _internvl(config: Config, text: Config, prefix: str, below: str, *, attention_bias: bool) -> Tower:
    vision = section(
        config, "vision_config",
        {
            "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "image_size": 448,
            "patch_size": 14, "num_channels": 3, "attention_bias": attention_bias,
        },
    )  # fmt: skip
    path, width, layers = f"{prefix}vision_tower", vision.integer("hidden_size"), layer_count(vision)
    patch, rms = side(vision, "patch_size"), vision.values.get("norm_type") == "rms_norm"
    names = Layer(
        norms=_NORMS, norm_bias=not rms, attention="attention", qkv=QkvNames(out="projection_layer"),
        qkv_bias=vision.flag("attention_bias"),
    )  # fmt: skip
    layer = f"{path}.{below}"
    normed = vision.flag("use_qk_norm")
    extra = [*norm(f"{layer}.attention.q_norm", width), *norm(f"{layer}.attention.k_norm", width)] if normed else []
    positions = grid(vision) + 1 if vision.flag("use_absolute_position_embeddings", True) else 0
    merged, at = width * _folded(config), f"{prefix}multi_modal_projector"
    return tower(
        "vision", width, layers,
        once(
            [table(f"{path}.embeddings.cls_token", 1, 1, width)],
            [table(f"{path}.embeddings.mask_token", 1, 1, width)] if vision.flag("use_mask_token") else (),
            [table(f"{path}.embeddings.position_embeddings", 1, positions, width)] if positions else (),
            conv(
                f"{path}.embeddings.patch_embeddings.projection", width, vision.integer("num_channels", high=64),
                patch, patch,
            ),
        ),
        stack(
            layers, names.build(layer, width, vision.integer("intermediate_size"), extra=extra),
            _scales(layer, width, "lambda_1", "lambda_2"),
        ),
        once(
            () if vision.flag("use_mean_pooling", True) else norm(f"{path}.layernorm", width, bias=True),
            norm(f"{at}.layer_norm", merged, bias=True),
            pair(f"{at}.linear_1", f"{at}.linear_2", (merged, text.hidden, text.hidden)),
        ),
        item_tokens=tokens_along(config, "image_seq_length") or max(1, grid(vision) // _folded(config)),
    )  # fmt: skip


def internvl_chat(config: Config, text: Config) -> Tower:
    """InternVL as its authors publish it: fused attention, `mlp1` to the decoder."""
    vision = section(
        config, "vision_config",
        {
            "hidden_size": 3200, "intermediate_size": 12800, "num_hidden_layers": 48, "image_size": 224,
            "patch_size": 14, "num_channels": 3, "qkv_bias": False, "qk_normalization": True,
        },
    )  # fmt: skip
    path, width, layers = "vision_model", vision.integer("hidden_size"), layer_count(vision)
    patch, rms = side(vision, "patch_size"), vision.values.get("norm_type", "rms_norm") == "rms_norm"
    layer, normed = f"{path}.encoder.layers.{{i}}", vision.flag("qk_normalization")
    names = Layer(
        norms=("norm1", "norm2"), norm_bias=not rms, attention="attn", qkv=QkvNames(fused="qkv", out="proj"),
        qkv_bias=vision.flag("qkv_bias"),
    )  # fmt: skip
    extra = [*norm(f"{layer}.attn.q_norm", width), *norm(f"{layer}.attn.k_norm", width)] if normed else []
    merged = width * _folded(config)
    return tower(
        "vision", width, layers,
        once(
            [table(f"{path}.embeddings.class_embedding", 1, 1, width)],
            [table(f"{path}.embeddings.position_embedding", 1, grid(vision) + 1, width)],
            conv(
                f"{path}.embeddings.patch_embedding", width, vision.integer("num_channels", high=64), patch, patch
            ),
        ),
        stack(
            layers, names.build(layer, width, vision.integer("intermediate_size"), extra=extra),
            _scales(layer, width, "ls1", "ls2"),
        ),
        once(
            norm("mlp1.0", merged, bias=True), pair("mlp1.1", "mlp1.3", (merged, text.hidden, text.hidden)),
        ),
        item_tokens=max(1, grid(vision) // _folded(config)),
    )  # fmt: skip


def step3p7(config: Config, text: Config) -> Tower:
    """Step 3.7: learned positions, two strided convolutions behind the layers, one linear to the decoder."""
    vision = section(
        config, "vision_config",
        {
            "hidden_size": 1536, "num_hidden_layers": 47, "image_size": 728, "patch_size": 14, "num_channels": 3,
            "mlp_ratio": 8960 / 1536,
        },
    )  # fmt: skip
    path, width, layers = "vision_model", vision.integer("hidden_size"), layer_count(vision)
    patch, layer = side(vision, "patch_size"), f"{path}.transformer.resblocks.{{i}}"
    inner = int(width * (vision.number(vision.values, "mlp_ratio", "vision_config") or 4))
    names = Layer(
        norms=("ln_1", "ln_2"), attention="attn", qkv=QkvNames(fused="in_proj", out="out_proj"),
        mlp_names=MlpNames(gate=None, up="c_fc", down="c_proj"),
    )  # fmt: skip
    return tower(
        "vision", width, layers,
        once(
            conv(f"{path}.conv1", width, vision.integer("num_channels", high=64), patch, patch, bias=False),
            [table(f"{path}.positional_embedding", grid(vision), width)],
            norm(f"{path}.ln_pre", width, bias=True),
        ),
        stack(layers, names.build(layer, width, inner), _scales(layer, width, "ls_1.gamma", "ls_2.gamma")),
        once(
            conv(f"{path}.vit_downsampler1", 2 * width, width, 3, 3),
            conv(f"{path}.vit_downsampler2", 4 * width, 2 * width, 3, 3),
            project("vit_large_projector", text.hidden, 4 * width, bias=config.flag("projector_bias")),
        ),
    )  # fmt: skip
