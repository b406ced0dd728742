"""Llama's layer with one thing changed: another bias, a further norm, a fused or renamed projection, other windows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, QkvNames, linear, norm
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.style import Family, Style
from llmplan.catalogs.hf_config.windows import every, everywhere, first_of_every, listed
from llmplan.errors import UnsupportedModelError
from llmplan.spec.model import Shard, Tensor, TensorRole

_UNTIED: Final = {"tie_word_embeddings": False}
_TIED: Final = {"tie_word_embeddings": True}
_LLAMA: Final = Style(
    qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias", windows=everywhere
)  # fmt: skip
_FUSED: Final = MlpNames(gate="gate_up_proj", up="gate_up_proj")
_TWO_NORMS: Final = ("input_layernorm", "post_attention_layernorm")


def down_bias(config: Config, layer: str) -> Iterator[Tensor]:
    """A bias of the down projection alone."""
    yield Tensor(
        name=f"{layer}.mlp.down_proj.bias", shape=(config.hidden,), role=TensorRole.BIAS, shard=Shard.REPLICATED
    )  # fmt: skip


def _hyperclovax(config: Config, style: Style) -> Style:
    """Two more norms, behind attention and MLP, if `use_post_norm`."""
    return replace(style, norms=(*_TWO_NORMS, "post_norm1", "post_norm2")) if config.flag("use_post_norm") else style


def _sub_norms(config: Config, layer: str) -> Iterator[Tensor]:
    """BitNet: a norm before the output and one before the down projection."""
    yield from norm(f"{layer}.self_attn.attn_sub_norm", config.heads * config.head_dim, shard=Shard.COLUMN)
    yield from norm(f"{layer}.mlp.ffn_sub_norm", config.integer("intermediate_size"), shard=Shard.COLUMN)


def _lambdas(config: Config, layer: str) -> Iterator[Tensor]:
    """DiffLlama: four vectors of one head that weigh the two halves of differential attention."""
    for name in ("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2"):
        yield Tensor(
            name=f"{layer}.self_attn.{name}", shape=(config.head_dim,), role=TensorRole.OTHER, shard=Shard.REPLICATED
        )  # fmt: skip


def _dynamic_mask(config: Config, layer: str) -> Iterator[Tensor]:
    """Doge: what scores tokens for its mask, and weights on the residual stream."""
    path, bias = f"{layer}.self_attn", config.flag("attention_bias")
    yield Tensor(name=f"{path}.A", shape=(config.kv_heads,), role=TensorRole.OTHER, shard=Shard.KV_COLUMN)
    yield from linear(f"{path}.dt_proj", config.kv_heads, config.kv_heads * config.head_dim, Shard.KV_COLUMN, bias=bias)
    for name in ("input_residual", "post_attention_residual"):
        yield Tensor(name=f"{layer}.{name}", shape=(config.hidden,), role=TensorRole.NORM, shard=Shard.REPLICATED)


def _dense_doge(config: Config, style: Style) -> Style:
    if config.flag("is_moe"):
        raise UnsupportedModelError(
            f"{config.where}: key `is_moe`: the mixture of this model retrieves experts from a grid, which is not read",
            hints=["models of the family without experts are read: those whose file says `is_moe: false`"],
        )
    return style


def _one_group(config: Config) -> Mapping[str, Any]:
    """Step 1: one head of keys and values unless the file says how many."""
    return {} if config.has("num_key_value_heads") else {"num_key_value_heads": 1}


def _says_whether_tied(config: Config) -> Mapping[str, Any]:
    """PLaMo 3: the class's own answer is not public, so that the file has to give one."""
    if not config.has("tie_word_embeddings"):
        raise config.fail("tie_word_embeddings", "missing; without it the number of output matrices is unknown")
    return {}


FAMILIES: Final = (
    Family(
        model_types=("granite",), style=_LLAMA, defaults={**_UNTIED, "max_position_embeddings": 2048},
    ),
    Family(
        model_types=("granite_swa",), style=replace(_LLAMA, sinks="sinks", windows=first_of_every(4)),
        defaults={**_TIED, "num_key_value_heads": 4, "sliding_window": 128, "max_position_embeddings": 8192},
    ),
    Family(
        model_types=("hyperclovax",), style=_LLAMA, variant=_hyperclovax,
        defaults={**_UNTIED, "use_post_norm": True, "max_position_embeddings": 2048},
    ),
    Family(
        model_types=("helium",), style=replace(_LLAMA, out_bias=False),
        defaults={**_UNTIED, "head_dim": 128, "num_key_value_heads": 20, "max_position_embeddings": 4096},
    ),
    Family(
        model_types=("seed_oss",), style=replace(_LLAMA, out_bias="attention_out_bias"),
        defaults={
            **_UNTIED, "head_dim": 128, "num_key_value_heads": 8, "attention_bias": True,
            "max_position_embeddings": 524288,
        },
    ),
    Family(
        model_types=("ernie4_5",),
        style=Style(qkv_bias="use_bias", out_bias="use_bias", mlp_bias="use_bias", windows=everywhere),
        defaults={**_TIED, "head_dim": 128, "num_key_value_heads": 2, "max_position_embeddings": 131072},
    ),
    Family(
        model_types=("glm",), style=Style(qkv_bias="attention_bias", mlp_names=_FUSED, windows=everywhere),
        defaults={
            **_UNTIED, "head_dim": 128, "num_key_value_heads": 2, "attention_bias": True,
            "max_position_embeddings": 131072,
        },
    ),
    Family(
        model_types=("glm4",),
        style=Style(
            qkv_bias="attention_bias", mlp_names=_FUSED, windows=everywhere,
            norms=(*_TWO_NORMS, "post_self_attn_layernorm", "post_mlp_layernorm"),
        ),
        defaults={
            **_UNTIED, "head_dim": 128, "num_key_value_heads": 2, "attention_bias": True,
            "max_position_embeddings": 131072,
        },
    ),
    Family(
        model_types=("cwm",), style=Style(mlp_bias="mlp_bias", windows=first_of_every(4)),
        defaults={
            **_UNTIED, "head_dim": 128, "num_key_value_heads": 8, "sliding_window": 8192,
            "max_position_embeddings": 131072,
        },
    ),
    Family(
        model_types=("bitnet",),
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", extra=_sub_norms, windows=everywhere
        ),
        defaults={**_UNTIED, "num_key_value_heads": 5, "max_position_embeddings": 2048},
    ),
    Family(
        model_types=("diffllama",),
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", extra=_lambdas, windows=everywhere
        ),
        defaults={**_UNTIED, "max_position_embeddings": 2048},
    ),
    Family(
        model_types=("doge",), variant=_dense_doge,
        style=replace(_LLAMA, qk_norm="per_head", extra=_dynamic_mask),
        defaults={**_UNTIED, "max_position_embeddings": 2048},
    ),
    Family(
        model_types=("olmo",), defaults={**_UNTIED, "max_position_embeddings": 2048},
        style=replace(_LLAMA, mlp_bias=False, norms=(), final_norm=None),
    ),
    Family(
        model_types=("vaultgemma",),
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", windows=every(2),
            norms=("input_layernorm", "pre_feedforward_layernorm"),
        ),
        defaults={
            **_TIED, "head_dim": 256, "num_key_value_heads": 4, "sliding_window": 4096, "vocab_size": 256000,
            "max_position_embeddings": 8192,
        },
    ),
    Family(
        model_types=("cohere2",),
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", norms=("input_layernorm",),
            windows=every(4, beyond=1),
        ),
        defaults={**_TIED, "sliding_window": 4096, "max_position_embeddings": 8192},
        notes=("windowed layers see the token itself and as many before it as the file says",),
    ),
    Family(
        model_types=("orion",), style=Style(norm_bias=True, windows=everywhere), defaults=_UNTIED,
    ),
    Family(model_types=("solar",), style=_LLAMA, defaults={**_UNTIED, "max_position_embeddings": 2048}),
    Family(
        model_types=("step1",), style=_LLAMA, derive=_one_group, defaults=_UNTIED,
        aliases={"num_key_value_heads": "num_attention_groups"},
    ),
    Family(
        model_types=("telechat",), defaults=_UNTIED,
        aliases={
            "num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "intermediate_size": "ffn_hidden_size",
            "max_position_embeddings": "seq_length",
        },
        style=Style(
            base="transformer", layers="h.{i}", embed="word_embeddings", final_norm="ln_f", attention="self_attention",
            qkv=QkvNames(q="query", k="key_value", v="key_value", out="dense"), out_bias=True, extra=down_bias,
        ),
    ),
    Family(
        model_types=("plamo3",), derive=_says_whether_tied,
        style=Style(
            layers="layers.layers.{i}", attention="mixer", qkv=QkvNames(fused="qkv_proj"), qk_norm="per_head",
            mlp_names=_FUSED, windows=listed("interleaved_sliding_window"),
            norms=("pre_mixer_norm", "post_mixer_norm", "pre_mlp_norm", "post_mlp_norm"),
        ),
    ),
)  # fmt: skip
