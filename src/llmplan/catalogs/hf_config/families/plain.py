"""Newer decoders whose MLP has no gate: squared ReLU and its kin, two matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmplan.catalogs.hf_config.blocks import MlpNames
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.style import Family, Style
from llmplan.catalogs.hf_config.windows import everywhere
from llmplan.spec.model import Shard, Tensor, TensorRole

_UNTIED: Final = {"tie_word_embeddings": False}
_UP_DOWN: Final = MlpNames(gate=None)


def _xielu(config: Config, layer: str) -> Iterator[Tensor]:
    """Apertus: the two trained numbers of its activation."""
    for name in ("alpha_p", "alpha_n"):
        yield Tensor(
            name=f"{layer}.mlp.act_fn.{name}", shape=(1,), role=TensorRole.OTHER, shard=Shard.REPLICATED
        )  # fmt: skip


_APERTUS: Final = Style(
    qkv_bias="attention_bias", out_bias="attention_bias", qk_norm="per_head", mlp_names=_UP_DOWN,
    norms=("attention_layernorm", "feedforward_layernorm"), extra=_xielu, windows=everywhere,
)  # fmt: skip

FAMILIES: Final = (
    Family(
        model_types=("arcee",), defaults={**_UNTIED, "max_position_embeddings": 4096},
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", mlp_names=_UP_DOWN, mlp_bias="mlp_bias",
            windows=everywhere,
        ),
    ),
    Family(model_types=("apertus",), style=_APERTUS, defaults={**_UNTIED, "max_position_embeddings": 65536}),
    Family(
        model_types=("jais2",),
        defaults={**_UNTIED, "attention_bias": True, "mlp_bias": True, "max_position_embeddings": 8192},
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", mlp_names=_UP_DOWN, mlp_bias="mlp_bias",
            norm_bias=True, windows=everywhere,
        ),
    ),
    Family(
        model_types=("nemotron",), defaults={**_UNTIED, "max_position_embeddings": 4096},
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", mlp_names=_UP_DOWN, mlp_bias="mlp_bias",
            norm_bias=True, windows=everywhere,
        ),
    ),
    Family(
        model_types=("nanochat",), defaults={**_UNTIED, "max_position_embeddings": 2048},
        style=Style(
            qkv_bias="attention_bias", out_bias="attention_bias", mlp_names=MlpNames(gate=None, up="fc1", down="fc2"),
            norms=(), final_norm=None, windows=everywhere,
        ),
    ),
    Family(
        model_types=("starcoder2",),
        defaults={
            "tie_word_embeddings": True, "use_bias": True, "num_key_value_heads": 2, "max_position_embeddings": 4096,
        },
        style=Style(
            qkv_bias="use_bias", out_bias="use_bias", mlp_bias="use_bias", norm_bias=True,
            mlp_names=MlpNames(gate=None, up="c_fc", down="c_proj"), windows=everywhere,
        ),
    ),
)  # fmt: skip
