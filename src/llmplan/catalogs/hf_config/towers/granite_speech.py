"""Granite Speech: a conformer that was trained to transcribe, and queries that condense windows of its frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmplan.catalogs.hf_config.blocks import MlpNames, QkvNames, linear, mlp, norm
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.towers.parts import (
    Counted,
    conv,
    head_count,
    layer_count,
    once,
    project,
    section,
    stack,
    table,
    tower,
)
from llmplan.spec.model import Shard, Tensor, TensorRole, Tower

_HALF: Final = MlpNames(gate=None, up="up_proj", down="down_proj")
_NAMES: Final = QkvNames(q="query", k="key", v="value")


def granite_speech(config: Config, text: Config) -> Tower:
    """`encoder_config` is the conformer, `projector_config` the layers of queries."""
    audio = section(
        config, "encoder_config",
        {
            "input_dim": 160, "num_layers": 10, "hidden_dim": 1024, "feedforward_mult": 4, "num_heads": 8,
            "output_dim": 42, "max_pos_emb": 512, "conv_kernel_size": 15, "conv_expansion_factor": 2,
        },
    )  # fmt: skip
    width, layers = audio.integer("hidden_dim"), layer_count(audio, "num_layers")
    symbols, path = audio.integer("output_dim"), "encoder"
    return tower(
        "audio", width, layers,
        once(project(f"{path}.input_linear", width, audio.integer("input_dim"), bias=True)),
        stack(layers, _conformer(f"{path}.layers.{{i}}", audio, width)),
        once(
            project(f"{path}.out", symbols, width, bias=True), project(f"{path}.out_mid", width, symbols, bias=True)
        ),
        *_queries(config, text),
    )  # fmt: skip


def _conformer(path: str, audio: Config, width: int) -> Iterator[Tensor]:
    """Half a feed-forward, attention with relative positions, a convolution, half a feed-forward, a norm."""
    heads = head_count(audio, "num_heads")
    stated = audio.optional_integer("dim_head", low=1)
    if stated is None and width % heads:
        raise audio.fail("num_heads", f"{heads} does not divide hidden_dim {width}")
    dim = stated or width // heads
    wide = width * audio.integer("conv_expansion_factor", high=64)
    for half in ("ff1", "ff2"):
        inner = width * audio.integer("feedforward_mult", high=64)
        yield from norm(f"{path}.{half}.pre_norm", width, bias=True)
        yield from mlp(f"{path}.{half}", width, inner, _HALF, bias=True)
    yield from norm(f"{path}.attn.pre_norm", width, bias=True)
    yield from linear(f"{path}.attn.to_q", heads * dim, width, Shard.COLUMN)
    yield from linear(f"{path}.attn.to_kv", 2 * heads * dim, width, Shard.COLUMN)
    yield from linear(f"{path}.attn.to_out", width, heads * dim, Shard.ROW, bias=True)
    yield table(f"{path}.attn.rel_pos_emb.weight", 2 * audio.integer("max_pos_emb") + 1, dim)
    yield from norm(f"{path}.conv.norm", width, bias=True)
    yield from conv(f"{path}.conv.up_conv", 2 * wide, width, 1)
    yield from conv(f"{path}.conv.depth_conv.conv", wide, 1, audio.integer("conv_kernel_size", high=256), bias=False)
    yield from norm(f"{path}.conv.batch_norm", wide, bias=True)
    for name in ("running_mean", "running_var"):
        yield Tensor(
            name=f"{path}.conv.batch_norm.{name}", shape=(wide,), role=TensorRole.OTHER, shard=Shard.REPLICATED,
            buffer=True,
        )  # fmt: skip
    yield from conv(f"{path}.conv.down_conv", width, wide, 1)
    yield from norm(f"{path}.post_norm", width, bias=True)


def _queries(config: Config, text: Config) -> tuple[Counted, ...]:
    """Learned queries for every window, layers of them that every so often look at the frames, and a linear."""
    former = section(
        config, "projector_config",
        {
            "hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 3072, "cross_attention_frequency": 2,
            "encoder_hidden_size": 1408,
        },
    )  # fmt: skip
    width, layers, path = former.integer("hidden_size"), layer_count(former), "projector"
    window = config.optional_integer("window_size", low=1, high=2**16) or 15
    rate = config.optional_integer("downsample_rate", low=1, high=2**16) or 5
    if window < rate:
        raise config.fail("downsample_rate", f"{rate} leaves no query of a window of {window}")
    layer = f"{path}.qformer.encoder.layer.{{i}}"
    looking = -(-layers // former.integer("cross_attention_frequency", high=layers))
    return (
        once([table(f"{path}.query", 1, window // rate, width)], norm(f"{path}.qformer.layernorm", width, bias=True)),
        stack(
            layers, _attention(f"{layer}.attention", width, width),
            linear(
                f"{layer}.intermediate_query.dense", former.integer("intermediate_size"), width, Shard.COLUMN, bias=True
            ),
            linear(
                f"{layer}.output_query.dense", width, former.integer("intermediate_size"), Shard.ROW, bias=True
            ),
            norm(f"{layer}.output_query.LayerNorm", width, bias=True),
        ),
        stack(looking, _attention(f"{layer}.crossattention", width, former.integer("encoder_hidden_size"))),
        once(project(f"{path}.linear", text.hidden, width, bias=True)),
    )  # fmt: skip


def _attention(path: str, width: int, inputs: int) -> list[Tensor]:
    """Attention of queries of `width` to frames of `inputs`."""
    at = f"{path}.attention"
    return [
        *linear(f"{at}.{_NAMES.q}", width, width, Shard.COLUMN, bias=True),
        *linear(f"{at}.{_NAMES.k}", width, inputs, Shard.COLUMN, bias=True),
        *linear(f"{at}.{_NAMES.v}", width, inputs, Shard.COLUMN, bias=True),
        *linear(f"{path}.output.dense", width, width, Shard.ROW, bias=True),
        *norm(f"{path}.output.LayerNorm", width, bias=True),
    ]
