"""Encoders whose patches are folded, several into one wider token, before a projector: Idefics 3, SmolVLM, Cohere's
and Liquid's vision models, InternVL, Step 3.7, PaddleOCR, VideoLLaMA 3, LightOn OCR; and Idefics 2's resampler."""

from __future__ import annotations

from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import GATED, QkvNames, linear, norm
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.towers.clip import Encoder, encoder, siglip_like
from llmplan.catalogs.hf_config.towers.parts import (
    MAX_SIDE,
    Layer,
    head_count,
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
from llmplan.spec.model import Shard, Tensor, Tower

_PERCEIVER: Final = Layer(
    norms=("input_latents_norm", "input_context_norm", "post_attention_layernorm"), norm_bias=False, qkv=QkvNames(),
    qkv_bias=False, out_bias=False, mlp_names=GATED, mlp_bias=False,
)  # fmt: skip
_IDEFICS: Final[dict[str, Any]] = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "num_channels": 3, "image_size": 224, "patch_size": 32,
}  # fmt: skip


def _fold(config: Config, key: str, default: int) -> int:
    """Patches along each side that become one token."""
    return config.optional_integer(key, low=1, high=64) or default


def _done(found: Encoder, *tensors: Any, tokens: int | None = None) -> Tower:
    return tower("vision", found.width, found.layers, *found.parts, once(*tensors), item_tokens=tokens)


def idefics2(config: Config, text: Config) -> Tower:
    """Idefics 2: a gated feed-forward to the resampler's width, whose latents attend to the patches."""
    found = siglip_like("model.vision_model", section(config, "vision_config", _IDEFICS))
    perceiver = section(
        config, "perceiver_config",
        {
            "resampler_n_latents": 64, "resampler_depth": 3, "resampler_n_heads": 16,
            "resampler_head_dim": 96, "num_key_value_heads": 4,
        },
    )  # fmt: skip
    width, latents = text.hidden, perceiver.integer("resampler_n_latents")
    depth, dim = layer_count(perceiver, "resampler_depth"), perceiver.integer("resampler_head_dim")
    path = "model.connector.perceiver_resampler"
    layer = _PERCEIVER.build(
        f"{path}.layers.{{i}}", width, 4 * width, heads_width=head_count(perceiver, "resampler_n_heads") * dim,
        kv_width=head_count(perceiver, "num_key_value_heads") * dim,
    )  # fmt: skip
    into = [
        *linear(
            "model.connector.modality_projection.gate_proj", text.integer("intermediate_size"), found.width,
            Shard.COLUMN,
        ),
        *linear(
            "model.connector.modality_projection.up_proj", text.integer("intermediate_size"), found.width,
            Shard.COLUMN,
        ),
        *linear(
            "model.connector.modality_projection.down_proj", text.hidden, text.integer("intermediate_size"), Shard.ROW
        ),
    ]  # fmt: skip
    return tower(
        "vision", found.width, found.layers, *found.parts, once(into, [table(f"{path}.latents", latents, width)]),
        stack(depth, layer), once(norm(f"{path}.norm", width)), item_tokens=latents,
    )  # fmt: skip


def idefics3(config: Config, text: Config) -> Tower:
    """Idefics 3 and SmolVLM: `scale_factor` squared patches through one linear."""
    keys = {**_IDEFICS, "hidden_size": 1152, "num_attention_heads": 16}
    found = siglip_like("model.vision_model", section(config, "vision_config", keys))
    fold = _fold(config, "scale_factor", 2)
    return _done(
        found, project("model.connector.modality_projection.proj", text.hidden, found.width * fold**2)
    )  # fmt: skip


def aya_vision(config: Config, text: Config) -> Tower:
    """Aya Vision: a norm, then a gated pair of linears."""
    found = encoder("vision_tower", config, "siglip_vision_model")
    merged = found.width * _fold(config, "downsample_factor", 2) ** 2
    middle = config.optional_integer("alignment_intermediate_size", low=2) or text.hidden
    path = "multi_modal_projector"
    return _done(
        found, norm(f"{path}.layernorm", merged, bias=True), _gated_pair(path, merged, middle, text.hidden)
    )  # fmt: skip


def cohere2_vision(config: Config, text: Config) -> Tower:
    """Command A Vision: a gated pair of linears."""
    found = encoder("model.vision_tower", config, "siglip_vision_model")
    merged = found.width * _fold(config, "downsample_factor", 2) ** 2
    middle = config.optional_integer("alignment_intermediate_size", low=2) or 36864
    return _done(found, _gated_pair("model.multi_modal_projector", merged, middle, text.hidden))


def _gated_pair(path: str, into: int, middle: int, out: int) -> list[Tensor]:
    """Half of the first linear's output gates the other half."""
    return [
        *linear(f"{path}.linear_1", middle, into, Shard.COLUMN, bias=True),
        *linear(f"{path}.linear_2", out, middle // 2, Shard.ROW, bias=True),
    ]


def lfm2_vl(config: Config, text: Config) -> Tower:
    """LFM2-VL: `downsample_factor` squared patches, normed unless the file says otherwise, two linears."""
    found = encoder("model.vision_tower", config, "siglip2_vision_model")
    merged, path = found.width * _fold(config, "downsample_factor", 2) ** 2, "model.multi_modal_projector"
    middle = config.optional_integer("projector_hidden_size", low=1) or 2560
    normed = config.flag("projector_use_layernorm", True)
    return _done(
        found, norm(f"{path}.layer_norm", merged, bias=True) if normed else (),
        pair(
            f"{path}.linear_1", f"{path}.linear_2", (merged, middle, text.hidden),
            bias=config.flag("projector_bias", True),
        ),
        tokens=tokens_along(config, "max_image_tokens"),
    )  # fmt: skip


def paddleocr_vl(config: Config, text: Config) -> Tower:
    """PaddleOCR-VL: a norm of the patches, two linears over the merged ones."""
    keys = {**_IDEFICS, "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "image_size": 384,
            "patch_size": 14, "num_attention_heads": 16}  # fmt: skip
    vision = section(config, "vision_config", keys)
    found = siglip_like("visual.vision_model", vision)
    merged = found.width * _fold(vision, "spatial_merge_size", 2) ** 2
    return _done(
        found, norm("mlp_AR.pre_norm", found.width, bias=True),
        pair("mlp_AR.linear_1", "mlp_AR.linear_2", (merged, merged, text.hidden)),
    )  # fmt: skip


def video_llama3(config: Config, text: Config) -> Tower:
    """VideoLLaMA 3: patches of any number without learned positions, two linears."""
    found = siglip_like("model.vision_model", section(config, "vision_config", _IDEFICS | {"patch_size": 16}),
                        positions=False)  # fmt: skip
    path = "model.projector.readout"
    return _done(found, pair(f"{path}.0", f"{path}.2", (found.width, text.hidden, text.hidden)))


def lighton_ocr(config: Config, text: Config) -> Tower:
    """LightOn OCR: Pixtral with merged patches, as Mistral Small 3.1."""
    found = encoder("model.vision_encoder", config, "pixtral")
    merge, path = _fold(config, "spatial_merge_size", 2), "model.vision_projection"
    along = side(found.vision, "image_size") // (side(found.vision, "patch_size") * merge)
    return _done(
        found, norm(f"{path}.norm", found.width),
        project(f"{path}.patch_merger.merging_layer", found.width, found.width * merge**2),
        pair(f"{path}.linear_1", f"{path}.linear_2", (found.width, text.hidden, text.hidden), bias=False),
        tokens=min(max(1, along * (along + 1)), MAX_SIDE**2),
    )  # fmt: skip


def ernie_vl(config: Config, text: Config) -> Tower:
    """ERNIE 4.5 VL: a resampler over space, then over time, each two linears and a norm."""
    vision = section(
        config, "vision_config",
        {
            "depth": 32, "hidden_size": 1280, "intermediate_size": 5120, "in_channels": 3, "patch_size": 14,
            "spatial_merge_size": 2, "temporal_merge_size": 2,
        },
    )  # fmt: skip
    path, width, layers = "vision_model", vision.integer("hidden_size"), layer_count(vision, "depth")
    ratio = vision.optional_integer("mlp_ratio", low=1, high=64)
    inner = ratio * width if ratio else vision.integer("intermediate_size")
    space = width * _fold(vision, "spatial_merge_size", 2) ** 2
    time = space * _fold(vision, "temporal_merge_size", 2)
    names = Layer(norms=("norm1", "norm2"), attention="attn", qkv=QkvNames(fused="qkv", out="proj"))
    at = "model.resampler_model"
    pixels = vision.integer("in_channels", high=64) * side(vision, "patch_size") ** 2
    return tower(
        "vision", width, layers, once(project(f"{path}.patch_embed.proj", width, pixels)),
        stack(layers, names.build(f"{path}.blocks.{{i}}", width, inner)),
        once(
            norm(f"{path}.ln", width, bias=True),
            pair(f"{at}.spatial_linear.0", f"{at}.spatial_linear.2", (space, space, space)),
            norm(f"{at}.spatial_linear.3", space, bias=True),
            pair(f"{at}.temporal_linear.0", f"{at}.temporal_linear.2", (time, space, space)),
            norm(f"{at}.temporal_linear.3", space, bias=True),
            project(f"{at}.mlp", text.hidden, space, bias=True),
            norm(f"{at}.after_norm", text.hidden),
        ),
    )  # fmt: skip
