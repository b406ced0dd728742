"""Encoders of Gemma 3n: MobileNet V5 for images, a conformer for sound; each with a table of its own tokens.

The engines run both as the libraries have them, so that every rank has all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmplan.catalogs.hf_config.blocks import norm
from llmplan.catalogs.hf_config.normalize import Config, show
from llmplan.catalogs.hf_config.towers.mobilenet import LAYERS, OUTPUT, mobilenet_v5
from llmplan.catalogs.hf_config.towers.parts import (
    conv,
    head_count,
    layer_count,
    once,
    project,
    section,
    stack,
    table,
    tokens_along,
    tower,
    two_sizes,
)
from llmplan.errors import UnsupportedModelError
from llmplan.spec.model import Tensor, Tower

_ENCODER: Final = "mobilenetv5_300m_enc"


def _embedder(path: str, rows: int, width: int, hidden: int) -> list[Tensor]:
    """Tokens that mark images or sound, norms of those and of the encoder's output, and the projection of both."""
    return [
        table(f"{path}.embedding.weight", rows, width),
        *norm(f"{path}.hard_embedding_norm", width),
        *norm(f"{path}.soft_embedding_norm", width),
        *project(f"{path}.embedding_projection", hidden, width),
    ]


def gemma3n_vision(config: Config, text: Config) -> Tower:
    """MobileNet V5, whatever else the file says of images."""
    vision = section(config, "vision_config", {"architecture": _ENCODER, "hidden_size": OUTPUT, "vocab_size": 128})
    stated = vision.values["architecture"]
    if stated != _ENCODER:
        raise UnsupportedModelError(
            f"{config.where}: key `vision_config.architecture`: an encoder of kind {show(stated)} is not read",
            hints=[f"{_ENCODER} is read here"],
        )
    width, rows = vision.integer("hidden_size"), vision.integer("vocab_size")
    return tower(
        "vision", width, LAYERS, *mobilenet_v5("model.vision_tower.timm_model"),
        once(_embedder("model.embed_vision", rows, width, text.hidden)), whole=True,
        item_tokens=tokens_along(config, "vision_soft_tokens_per_image") or 256,
    )  # fmt: skip


def gemma3n_audio(config: Config, text: Config) -> Tower:
    """Two strided convolutions, then conformer layers."""
    audio = section(
        config, "audio_config",
        {
            "hidden_size": 1536, "conf_num_hidden_layers": 12, "conf_num_attention_heads": 8,
            "conf_conv_kernel_size": 5,
            "sscp_conv_channel_size": [128, 32], "input_feat_size": 128, "vocab_size": 128,
        },
    )  # fmt: skip
    path, width, layers = (
        "model.audio_tower",
        audio.integer("hidden_size"),
        layer_count(audio, "conf_num_hidden_layers"),
    )
    heads, taps = head_count(audio, "conf_num_attention_heads"), audio.integer("conf_conv_kernel_size", high=64)
    if width % heads:
        raise audio.fail("conf_num_attention_heads", f"{heads} does not divide hidden_size {width}")
    first, second = two_sizes(audio, "sscp_conv_channel_size")
    at, bands = f"{path}.subsample_conv_projection", (audio.integer("input_feat_size") + 3) // 4
    return tower(
        "audio", width, layers,
        once(
            conv(f"{at}.conv_0.conv", first, 1, 3, 3, bias=False), norm(f"{at}.conv_0.norm", first),
            conv(f"{at}.conv_1.conv", second, first, 3, 3, bias=False), norm(f"{at}.conv_1.norm", second),
            project(f"{at}.input_proj_linear", width, second * bands),
        ),
        stack(layers, _conformer(f"{path}.conformer.{{i}}", width, width // heads, taps)),
        once(_embedder("model.embed_audio", audio.integer("vocab_size"), width, text.hidden)), whole=True,
        item_tokens=tokens_along(config, "audio_soft_tokens_per_image") or 188,
    )  # fmt: skip


def _conformer(path: str, width: int, dim: int, taps: int) -> Iterator[Tensor]:
    """Half a feed-forward, attention with relative positions, a light convolution, half a feed-forward, a norm."""
    for half in ("ffw_layer_start", "ffw_layer_end"):
        yield from norm(f"{path}.{half}.pre_layer_norm", width)
        yield from project(f"{path}.{half}.ffw_layer_1", 4 * width, width)
        yield from project(f"{path}.{half}.ffw_layer_2", width, 4 * width)
        yield from norm(f"{path}.{half}.post_layer_norm", width)
    at = f"{path}.attention"
    yield from norm(f"{at}.pre_attn_norm", width)
    yield table(f"{at}.attn.per_dim_scale", dim)
    for name in ("attn.relative_position_embedding.pos_proj", "attn.q_proj", "attn.k_proj", "attn.v_proj", "post"):
        yield from project(f"{at}.{name}", width, width)
    yield from norm(f"{at}.post_norm", width)
    yield from norm(f"{path}.lconv1d.pre_layer_norm", width)
    yield from project(f"{path}.lconv1d.linear_start", 2 * width, width)
    yield from conv(f"{path}.lconv1d.depthwise_conv1d", width, 1, taps, bias=False)
    yield from norm(f"{path}.lconv1d.conv_norm", width)
    yield from project(f"{path}.lconv1d.linear_end", width, width)
    yield from norm(f"{path}.norm", width)
