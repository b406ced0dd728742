"""Encoders of Gemma 4: images pooled to soft tokens, sound by a conformer.

The engines run these as the library has them, so that every rank has all of them. The linears of Gemma 4's smaller
models carry the bounds to which their inputs and outputs are clipped: four numbers each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmplan.catalogs.hf_config.blocks import MlpNames, QkvNames, norm
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.towers.parts import (
    Counted,
    Layer,
    conv,
    head_count,
    layer_count,
    once,
    project,
    section,
    side,
    stack,
    table,
    tokens_along,
    tower,
    two_sizes,
)
from llmplan.spec.model import Shard, Tensor, TensorRole, Tower

_CLIPPED: Final = ("input_min", "input_max", "output_min", "output_max")


def _buffers(path: str, *names: str, shape: tuple[int, ...] = (1,)) -> Iterator[Tensor]:
    """Numbers that are stored and not trained."""
    for name in names:
        yield Tensor(
            name=f"{path}.{name}", shape=shape, role=TensorRole.OTHER, shard=Shard.REPLICATED, buffer=True
        )  # fmt: skip


def _vision_layer(vision: Config) -> Layer:
    """Names of a layer of Gemma 4's image encoder."""
    bias = vision.flag("attention_bias")
    return Layer(
        norms=(
            "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm",
        ),
        norm_bias=False, qkv_bias=bias, out_bias=bias, mlp_bias=False,
        qkv=QkvNames(q="q_proj.linear", k="k_proj.linear", v="v_proj.linear", out="o_proj.linear"),
        mlp_names=MlpNames(gate="gate_proj.linear", up="up_proj.linear", down="down_proj.linear"),
    )  # fmt: skip


def gemma4_vision(config: Config, text: Config) -> Tower:
    """Gemma 4's image encoder: learned positions by row and column, heads with norms, pooled 3 x 3."""
    vision = section(
        config, "vision_config",
        {
            "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 16, "num_attention_heads": 12,
            "num_key_value_heads": 12, "head_dim": 64, "patch_size": 16, "position_embedding_size": 10240,
        },
    )  # fmt: skip
    path, width, layers = "model.vision_tower", vision.integer("hidden_size"), layer_count(vision)
    dim, heads = vision.integer("head_dim"), head_count(vision)
    layer = f"{path}.encoder.layers.{{i}}"
    built = _vision_layer(vision).build(
        layer, width, vision.integer("intermediate_size"), heads_width=heads * dim,
        kv_width=head_count(vision, "num_key_value_heads") * dim,
        extra=(*norm(f"{layer}.self_attn.q_norm", dim), *norm(f"{layer}.self_attn.k_norm", dim)),
    )  # fmt: skip
    linears = [tensor.name.removesuffix(".linear.weight") for tensor in built if ".linear." in tensor.name]
    clipped = [t for name in linears for t in _buffers(name, *_CLIPPED)] if vision.flag("use_clipped_linears") else ()
    standard = _buffers(path, "std_bias", "std_scale", shape=(width,)) if vision.flag("standardize") else ()
    return tower(
        "vision", width, layers,
        once(
            [table(
                f"{path}.patch_embedder.position_embedding_table", 2,
                vision.integer("position_embedding_size"), width,
            )],
            project(f"{path}.patch_embedder.input_proj", width, 3 * side(vision, "patch_size") ** 2),
        ),
        stack(layers, built, clipped),
        once(standard, project("model.embed_vision.embedding_projection", text.hidden, width)),
        whole=True,
        item_tokens=tokens_along(config, "vision_soft_tokens_per_image")
        or tokens_along(vision, "default_output_length"),
    )  # fmt: skip


def gemma4_audio(config: Config, text: Config) -> Tower:
    """Gemma 4's sound encoder: two strided convolutions, then conformer layers, projected to the decoder."""
    audio = section(
        config, "audio_config",
        {
            "hidden_size": 1024, "num_hidden_layers": 12, "num_attention_heads": 8, "conv_kernel_size": 5,
            "subsampling_conv_channels": [128, 32], "output_proj_dims": 1536, "use_clipped_linears": True,
        },
    )  # fmt: skip
    path, width, layers = "model.audio_tower", audio.integer("hidden_size"), layer_count(audio)
    heads, taps, out = head_count(audio), audio.integer("conv_kernel_size", high=64), audio.integer("output_proj_dims")
    if width % heads:
        raise audio.fail("num_attention_heads", f"{heads} does not divide hidden_size {width}")
    clipped = audio.flag("use_clipped_linears")
    return tower(
        "audio", width, layers, _subsampling(path, two_sizes(audio, "subsampling_conv_channels"), width),
        stack(layers, _conformer(f"{path}.layers.{{i}}", width, width // heads, taps, clipped)),
        once(
            project(f"{path}.output_proj", out, width, bias=True),
            project("model.embed_audio.embedding_projection", text.hidden, out),
        ),
        whole=True,
    )  # fmt: skip


def _subsampling(path: str, channels: tuple[int, int], width: int) -> Counted:
    """Two convolutions of 3 x 3 over 128 mel bands, each and a projection of a quarter of the bands."""
    at = f"{path}.subsample_conv_projection"
    into = 1
    parts: list[tuple[int, Tensor]] = []
    for number, out in enumerate(channels):
        parts += once(conv(f"{at}.layer{number}.conv", out, into, 3, 3, bias=False))
        parts += once(norm(f"{at}.layer{number}.norm", out))
        into = out
    left = channels[0] // 4 * channels[1]
    return [*parts, *once(project(f"{at}.input_proj_linear", width, left))]


def _conformer(path: str, width: int, dim: int, taps: int, clipped: bool) -> Iterator[Tensor]:
    """Half a feed-forward, attention with relative positions, a light convolution, half a feed-forward."""

    def clip(name: str, out: int, inputs: int) -> Iterator[Tensor]:
        yield from project(f"{path}.{name}.linear", out, inputs)
        if clipped:
            yield from _buffers(f"{path}.{name}", *_CLIPPED)

    for half in ("feed_forward1", "feed_forward2"):
        yield from clip(f"{half}.ffw_layer_1", 4 * width, width)
        yield from clip(f"{half}.ffw_layer_2", width, 4 * width)
        yield from norm(f"{path}.{half}.pre_layer_norm", width)
        yield from norm(f"{path}.{half}.post_layer_norm", width)
    for name in ("q_proj", "k_proj", "v_proj", "post"):
        yield from clip(f"self_attn.{name}", width, width)
    yield from project(f"{path}.self_attn.relative_k_proj", width, width)
    yield table(f"{path}.self_attn.per_dim_scale", dim)
    yield from clip("lconv1d.linear_start", 2 * width, width)
    yield from clip("lconv1d.linear_end", width, width)
    yield from conv(f"{path}.lconv1d.depthwise_conv1d", width, 1, taps, bias=False)
    yield from norm(f"{path}.lconv1d.pre_layer_norm", width)
    yield from norm(f"{path}.lconv1d.conv_norm", width)
    for name in ("norm_pre_attn", "norm_post_attn", "norm_out"):
        yield from norm(f"{path}.{name}", width)


def unified_vision(config: Config, text: Config) -> Tower:
    """Gemma 4 without an encoder: one projection of pixels, with positions by row and column and three norms."""
    vision = section(
        config, "vision_config",
        {
            "patch_size": 16, "pooling_kernel_size": 3, "mm_embed_dim": 3840, "mm_posemb_size": 1120,
            "output_proj_dims": 3840,
        },
    )  # fmt: skip
    path, width = "model.embed_vision", vision.integer("mm_embed_dim")
    pixels = 3 * (side(vision, "patch_size") * vision.integer("pooling_kernel_size", high=64)) ** 2
    return tower(
        "vision", width, 0,
        once(
            norm(f"{path}.patch_ln1", pixels, bias=True), project(f"{path}.patch_dense", width, pixels, bias=True),
            norm(f"{path}.patch_ln2", width, bias=True),
            [table(f"{path}.pos_embedding", vision.integer("mm_posemb_size"), 2, width)],
            norm(f"{path}.pos_norm", width, bias=True),
            project(
                f"{path}.multimodal_embedder.embedding_projection", text.hidden, vision.integer("output_proj_dims")
            ),
        ),
        whole=True,
    )  # fmt: skip


def unified_audio(config: Config, text: Config) -> Tower:
    """Gemma 4 without an encoder: one projection of sound."""
    audio = section(config, "audio_config", {"audio_embed_dim": 640})
    width = audio.optional_integer("output_proj_dims", low=1) or audio.integer("audio_embed_dim")
    return tower(
        "audio", width, 0, once(project("model.embed_audio.embedding_projection", text.hidden, width)), whole=True
    )  # fmt: skip
