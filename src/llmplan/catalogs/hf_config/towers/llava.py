"""LLaVA and those with its shape: an encoder of the library, and one or two linears to the decoder.

Also Mistral Small 3 (patches merged 2 x 2 before the projector), PaliGemma, Gemma 3 and Cohere's models.
"""

from __future__ import annotations

from llmplan.catalogs.hf_config.blocks import linear, norm
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.towers.clip import Encoder, encoder
from llmplan.catalogs.hf_config.towers.parts import (
    Counted,
    once,
    pair,
    project,
    side,
    table,
    tokens_along,
    tower,
)
from llmplan.spec.model import Shard, Tower


def _finished(found: Encoder, *parts: Counted, tokens: int | None = None) -> Tower:
    return tower("vision", found.width, found.layers, *found.parts, *parts, item_tokens=tokens)


def _features(config: Config, width: int) -> int:
    """Features of a patch: those of one layer, or of all that `vision_feature_layer` lists."""
    listed = config.values.get("vision_feature_layer")
    return width * len(listed) if isinstance(listed, list) and listed else width


def _two_linears(config: Config, text: Config, features: int) -> Counted:
    path = "multi_modal_projector"
    widths = (features, text.hidden, text.hidden)
    return once(
        pair(f"{path}.linear_1", f"{path}.linear_2", widths, bias=config.flag("multimodal_projector_bias", True))
    )  # fmt: skip


def llava(config: Config, text: Config) -> Tower:
    """LLaVA 1.5 and Pixtral: every patch is a token, but for CLIP's class token."""
    found = encoder("vision_tower", config, "clip_vision_model")
    return _finished(found, _two_linears(config, text, _features(config, found.width)), tokens=found.tokens)


def llava_next(config: Config, text: Config) -> Tower:
    """LLaVA 1.6: tiles of one image, each row of patches ended by a learned token."""
    found = encoder("vision_tower", config, "clip_vision_model")
    return _finished(
        found, once([table("image_newline", text.hidden)]), _two_linears(config, text, _features(config, found.width))
    )  # fmt: skip


def llava_onevision(config: Config, text: Config) -> Tower:
    """LLaVA-OneVision: the same with SigLIP."""
    found = encoder("vision_tower", config, "siglip_vision_model")
    return _finished(
        found, once([table("image_newline", text.hidden)]), _two_linears(config, text, _features(config, found.width))
    )  # fmt: skip


def vip_llava(config: Config, text: Config) -> Tower:
    """VipLLaVA: the features of five layers, normed."""
    found = encoder("vision_tower", config, "clip_vision_model")
    layers = config.items("vision_feature_layers") or (-2, -5, -8, -11, 6)
    features, path = found.width * len(layers), "multi_modal_projector"
    return _finished(
        found, once(norm(f"{path}.projector_layernorm", features, bias=True)),
        once(pair(f"{path}.linear_1", f"{path}.linear_2", (features, text.hidden, text.hidden))),
        tokens=found.tokens,
    )  # fmt: skip


def mistral3(config: Config, text: Config) -> Tower:
    """Mistral Small 3.1 and Ministral 3: an RMS norm, merged patches, two linears."""
    found = encoder("vision_tower", config, "pixtral")
    merge = config.optional_integer("spatial_merge_size", low=1, high=64) or 2
    width, path = found.width, "multi_modal_projector"
    along = side(found.vision, "image_size") // (side(found.vision, "patch_size") * merge)
    features = _features(config, width)
    bias = config.flag("multimodal_projector_bias")
    return _finished(
        found, once(
            norm(f"{path}.norm", width),
            project(f"{path}.patch_merger.merging_layer", width, width * merge**2),
            pair(f"{path}.linear_1", f"{path}.linear_2", (features, text.hidden, text.hidden), bias=bias),
        ),
        tokens=max(1, along * (along + 1)),
    )  # fmt: skip


def paligemma(config: Config, text: Config) -> Tower:
    """PaliGemma: every patch through one linear."""
    found = encoder("vision_tower", config, "siglip_vision_model")
    out = config.optional_integer("projection_dim", low=1) or 2048
    return _finished(
        found, once(linear("multi_modal_projector.linear", out, found.width, Shard.REPLICATED, bias=True)),
        tokens=found.tokens,
    )  # fmt: skip


def gemma3(config: Config, text: Config) -> Tower:
    """Gemma 3: patches pooled to `mm_tokens_per_image` tokens."""
    found = encoder("vision_tower", config, "siglip_vision_model")
    path = "multi_modal_projector"
    return _finished(
        found, once(
            [table(f"{path}.mm_input_projection_weight", found.width, text.hidden)],
            norm(f"{path}.mm_soft_emb_norm", found.width),
        ),
        tokens=tokens_along(config, "mm_tokens_per_image") or 256,
    )  # fmt: skip
