"""Further encoders before a decoder: Aria, DeepSeek-VL, Ovis 2, Video-LLaVA, Nemotron Omni and LFM3-VL."""

from __future__ import annotations

from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import GATED, MlpNames, QkvNames, mlp, norm
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.towers.clip import encoder, siglip_like
from llmplan.catalogs.hf_config.towers.parts import (
    MAX_SIDE,
    Layer,
    conv,
    grid,
    head_count,
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

_IDEFICS3: Final[dict[str, Any]] = {
    "hidden_size": 1152, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 16,
    "num_channels": 3, "image_size": 224, "patch_size": 32,
}  # fmt: skip
_OVIS: Final = QkvNames(out="out_proj")


def aria(config: Config, text: Config) -> Tower:
    """Aria: learned queries attend to the patches, two linears to the decoder."""
    found = siglip_like("vision_tower", section(config, "vision_config", _IDEFICS3))
    path, width, out = "multi_modal_projector", found.width, text.hidden
    stated = config.mapping("projector_patch_to_query_dict").values()
    listed = [n for n in stated if isinstance(n, int) and not isinstance(n, bool) and 0 < n <= MAX_SIDE]
    queries = max(listed, default=256)
    at = f"{path}.cross_attn"
    return tower(
        "vision", width, found.layers, *found.parts,
        once(
            [table(f"{path}.query", queries, width)],
            *(project(f"{at}.{name}", width, width) for name in ("q_proj", "k_proj", "v_proj")),
            [table(f"{at}.multihead_attn.in_proj_weight", 3 * width, width)],
            [table(f"{at}.multihead_attn.in_proj_bias", 3 * width)],
            project(f"{at}.multihead_attn.out_proj", width, width, bias=True),
            project(f"{at}.linear", width, width, bias=True),
            norm(f"{at}.layer_norm", width, bias=True), norm(f"{at}.layer_norm_kv", width, bias=True),
            norm(f"{path}.layer_norm", width, bias=True),
            pair(f"{path}.feed_forward.linear_in", f"{path}.feed_forward.linear_out", (width, out, out), bias=False),
        ),
        item_tokens=queries,
    )  # fmt: skip


def deepseek_vl(config: Config, text: Config) -> Tower:
    """DeepSeek-VL: every patch through two linears."""
    found = encoder("model.vision_model", config, "siglip_vision_model")
    ends = (found.width, text.hidden, text.hidden)
    return tower(
        "vision", found.width, found.layers, *found.parts,
        once(pair("model.aligner.linear1", "model.aligner.linear2", ends)),
        item_tokens=found.tokens,
    )  # fmt: skip


def ovis2(config: Config, text: Config) -> Tower:
    """Ovis 2: patches become shares of a vocabulary of visual tokens, each with an embedding."""
    vision = section(
        config, "vision_config",
        {
            "hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 24, "num_channels": 3,
            "image_size": 224, "patch_size": 14, "vocab_size": 16384, "hidden_stride": 1,
            "num_visual_indicator_tokens": 5,
        },
    )  # fmt: skip
    path, width, layers = "model.vision_tower", vision.integer("hidden_size"), layer_count(vision)
    patch, words = side(vision, "patch_size"), vision.integer("vocab_size")
    free = words - vision.integer("num_visual_indicator_tokens")
    if free < 1:
        raise vision.fail("num_visual_indicator_tokens", f"leaves nothing of the {words} visual tokens")
    bias = vision.flag("qkv_bias")
    names = Layer(
        norms=("rms_norm1", "rms_norm2"), norm_bias=False, attention="attention", qkv=_OVIS, qkv_bias=bias,
        out_bias=bias, mlp="ffn", mlp_names=GATED, mlp_bias=vision.flag("mlp_bias"),
    )  # fmt: skip
    at = f"{path}.transformer"
    return tower(
        "vision", width, layers,
        once(
            conv(
                f"{at}.embeddings.patch_embedding", width, vision.integer("num_channels", high=64), patch, patch
            ),
            [table(f"{at}.embeddings.position_embedding.weight", grid(vision), width)],
            norm(f"{at}.embeddings.rms_norm", width),
        ),
        stack(layers, names.build(f"{at}.encoder.layers.{{i}}", width, vision.integer("intermediate_size"))),
        once(
            norm(f"{at}.rms_norm", width),
            project(f"{path}.head_linear", free, width * vision.integer("hidden_stride", high=64) ** 2),
            norm(f"{path}.head_norm", free, bias=True),
            [table("model.visual_embeddings_table.weight", words, config.optional_integer("hidden_size") or 1536)],
        ),
    )  # fmt: skip


def video_llava(config: Config, text: Config) -> Tower:
    """Video-LLaVA: one encoder of images, one of videos, one projector."""
    images = encoder("image_tower", config, "clip_vision_model")
    videos = encoder("video_tower", config, "clip_vision_model")
    path, ends = "multi_modal_projector", (images.width, text.hidden, text.hidden)
    bias = config.flag("multimodal_projector_bias", True)
    return tower(
        "vision", images.width, images.layers, *images.parts, *videos.parts,
        once(pair(f"{path}.linear_1", f"{path}.linear_2", ends, bias=bias)),
    )  # fmt: skip


def nemotron_omni(config: Config, text: Config) -> Tower:
    """Nemotron Omni: RADIO with patches of one frame and of two, folded 2 x 2, an RMS norm and two linears."""
    vision = section(
        config, "vision_config",
        {
            "hidden_size": 1280, "num_hidden_layers": 32, "mlp_ratio": 4.0, "num_channels": 3, "patch_size": 16,
            "max_img_size": 2048, "num_cls_tokens": 3, "num_registers": 7, "qkv_bias": True,
        },
    )  # fmt: skip
    path, width, layers = "vision_model", vision.integer("hidden_size"), layer_count(vision)
    pixels = vision.integer("num_channels", high=64) * side(vision, "patch_size") ** 2
    extra = vision.integer("num_cls_tokens", low=0, high=64) + vision.integer("num_registers", low=0, high=64)
    frames = vision.optional_integer("video_temporal_patch_size", low=1, high=64)
    ratio = config.number(config.values, "downsample_ratio", "downsample_ratio") or 0.5
    merged, out = width * max(1, min(64, int(1 / ratio))) ** 2, config.optional_integer("projector_hidden_size") or 4096
    layer, at = f"{path}.encoder.layer.{{i}}", "multi_modal_projector"
    names = Layer(
        norms=("norm1", "norm2"), attention="attention", qkv=QkvNames(), qkv_bias=vision.flag("qkv_bias"),
        mlp_names=MlpNames(gate=None, up="fc1", down="fc2"),
    )  # fmt: skip
    inner = int(width * (vision.number(vision.values, "mlp_ratio", "vision_config") or 4))
    return tower(
        "vision", width, layers,
        once(
            [table(f"{path}.embeddings.position_embedding", 1, grid(vision, "max_img_size"), width)],
            [table(f"{path}.embeddings.cls_register_token", extra, width)] if extra else (),
            project(f"{path}.embeddings.patch_projection", width, pixels),
            project(f"{path}.embeddings.video_patch_projection", width, frames * pixels) if frames else (),
        ),
        stack(
            layers, names.build(layer, width, inner),
            [table(f"{layer}.layer_scale1.lambda1", width), table(f"{layer}.layer_scale2.lambda1", width)],
        ),
        once(
            norm(f"{at}.layer_norm", merged),
            pair(f"{at}.linear_1", f"{at}.linear_2", (merged, out, text.hidden), bias=False),
        ),
    )  # fmt: skip


def lfm3_vl(config: Config, text: Config) -> Tower:
    """LFM3-VL: gated convolutions over the image by turns with attention, patches of two frames merged 2 x 2."""
    vision = section(
        config, "vision_config",
        {
            "hidden_size": 1024, "intermediate_size": 2560, "in_channels": 3, "patch_size": 16,
            "spatial_merge_size": 2, "temporal_patch_size": 2, "num_hidden_layers": 14, "num_attention_heads": 16,
            "num_key_value_heads": 8, "conv_kernel_size": 3,
        },
    )  # fmt: skip
    path, width, layers = "model.vision_tower", vision.integer("hidden_size"), layer_count(vision)
    kinds = vision.items("layer_types")
    attends = min(layers, sum(kind == "full_attention" for kind in kinds)) if kinds is not None else _attending(layers)
    heads, kv = head_count(vision), head_count(vision, "num_key_value_heads")
    if width % heads:
        raise vision.fail("num_attention_heads", f"{heads} does not divide hidden_size {width}")
    dim, taps, layer = width // heads, vision.integer("conv_kernel_size", high=64), f"{path}.layers.{{i}}"
    pixels = vision.integer("in_channels", high=64) * vision.integer("temporal_patch_size", high=64)
    names = Layer(norms=(), qkv=QkvNames(out="out_proj"), qkv_bias=False, out_bias=False)
    merged, at = width * vision.integer("spatial_merge_size", high=64) ** 2, "model.multi_modal_projector"
    middle = config.optional_integer("projector_hidden_size", low=1) or 4096
    bias = config.flag("projector_bias", True)
    convolution = (
        *project(f"{layer}.conv.in_proj", 3 * width, width),
        *conv(f"{layer}.conv.spatial_conv", width, 1, taps, taps, bias=False),
        *project(f"{layer}.conv.out_proj", width, width),
    )  # fmt: skip
    feed = mlp(
        f"{layer}.feed_forward", width, vision.integer("intermediate_size"), MlpNames(gate="w1", up="w3", down="w2")
    )
    head_norms = (*norm(f"{layer}.self_attn.q_norm", dim), *norm(f"{layer}.self_attn.k_norm", dim))
    return tower(
        "vision", width, layers,
        once(project(f"{path}.patch_embed", width, pixels * side(vision, "patch_size") ** 2)),
        stack(layers - attends, convolution),
        stack(attends, names.build(layer, width, 0, kv_width=kv * dim, extra=head_norms)),
        stack(layers, feed, norm(f"{layer}.operator_norm", width), norm(f"{layer}.ffn_norm", width)),
        once(
            norm(f"{path}.embedding_norm", width), norm(f"{at}.layer_norm", width, bias=True),
            pair(f"{at}.linear_1", f"{at}.linear_2", (merged, middle, text.hidden), bias=bias),
        ),
    )  # fmt: skip


def _attending(layers: int) -> int:
    """Layers with attention where the file lists none: every second one from the third on."""
    return len(range(2, layers, 2))
