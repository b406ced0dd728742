"""Encoders that engines serve for embeddings and ranking: BERT, RoBERTa, ModernBERT, Nomic, GTE, EuroBERT.

Every token sees all others, and no cache is kept. What stands behind the layers (a pooler, a classifier, a head for
masked words) follows from the architecture that the file names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, QkvNames, head_bias, linear, norm
from llmplan.catalogs.hf_config.families.gated import down_bias
from llmplan.catalogs.hf_config.normalize import MAX_WIDTH, Config
from llmplan.catalogs.hf_config.style import Family, Moe, Style
from llmplan.catalogs.hf_config.windows import Windows
from llmplan.spec.model import Shard, Tensor, TensorRole

_DEFAULT_LABELS: Final = 2


def architecture(config: Config) -> str:
    """The class that the file names, or nothing."""
    named = (*(config.items("architectures") or ()), "")
    return named[0] if isinstance(named[0], str) else ""


def _labels(config: Config) -> int:
    """Classes of a classifier: as many as the file names."""
    named = config.mapping("id2label")
    return len(named) or config.optional_integer("num_labels", low=1, high=MAX_WIDTH) or _DEFAULT_LABELS


def _dense(path: str, config: Config, out: int | None = None, *, bias: bool = True) -> Iterator[Tensor]:
    """A layer behind the encoder, which no rank shares; never quantized."""
    yield from linear(
        path, out or config.hidden, config.hidden, Shard.REPLICATED, bias=bias, role=TensorRole.OTHER
    )  # fmt: skip


def _types(config: Config, path: str) -> Iterator[Tensor]:
    """The embedding of a token's segment, where there is one, and the norm behind all embeddings."""
    kinds = config.optional_integer("type_vocab_size")
    if kinds:
        yield from linear(
            f"{path}.token_type_embeddings", kinds, config.hidden, Shard.REPLICATED, role=TensorRole.OTHER
        )  # fmt: skip


def _bert_outside(config: Config, base: str) -> Iterator[Tensor]:
    named, below = architecture(config), f"{base}." if base else ""
    yield from _types(config, f"{below}embeddings")
    yield from norm(f"{below}embeddings.LayerNorm", config.hidden, bias=True)
    if named.endswith("ForMaskedLM"):
        yield from _dense("cls.predictions.transform.dense", config)
        yield from norm("cls.predictions.transform.LayerNorm", config.hidden, bias=True)
        yield from head_bias("cls.predictions", config.integer("vocab_size"))
        return
    if not named.endswith("ForTokenClassification"):
        yield from _dense(f"{below}pooler.dense", config)
    if named.endswith("Classification"):
        yield from _dense("classifier", config, _labels(config))


def _roberta_outside(config: Config, base: str) -> Iterator[Tensor]:
    named, below = architecture(config), f"{base}." if base else ""
    yield from _types(config, f"{below}embeddings")
    yield from norm(f"{below}embeddings.LayerNorm", config.hidden, bias=True)
    if named.endswith("ForMaskedLM"):
        yield from _dense("lm_head.dense", config)
        yield from norm("lm_head.layer_norm", config.hidden, bias=True)
        yield from head_bias("lm_head", config.integer("vocab_size"))
    elif named.endswith("ForSequenceClassification"):
        yield from _dense("classifier.dense", config)
        yield from _dense("classifier.out_proj", config, _labels(config))
    elif named.endswith("ForTokenClassification"):
        yield from _dense("classifier", config, _labels(config))
    else:
        yield from _dense(f"{below}pooler.dense", config)


def _no_head(config: Config) -> Mapping[str, Any]:
    """What stands behind an encoder is listed with its class, whatever the file says of tied embeddings."""
    return {"tie_word_embeddings": True}


def _masked_head(config: Config) -> Mapping[str, Any]:
    """EuroBERT: the class for masked words has an output matrix, the others have not."""
    masked = architecture(config).endswith("ForMaskedLM")
    return {"tie_word_embeddings": config.flag("tie_word_embeddings") if masked else True}


def _below(base: str) -> Callable[[Config, Style], Style]:
    """A variant that puts the encoder below `base` in every class but the bare encoder."""

    def variant(config: Config, style: Style) -> Style:
        named = architecture(config)
        return replace(style, base=base) if named and not named.endswith("Model") else style

    return variant


def _roberta_positions(config: Config) -> Mapping[str, Any]:
    """Its positions start behind that of the padding token, so that the table has more rows than an input may have."""
    rows = config.integer("max_position_embeddings")
    first = (config.optional_integer("pad_token_id") or 0) + 1
    if rows <= first:
        raise config.fail("max_position_embeddings", f"{rows} positions do not reach behind the padding token's")
    return {"position_rows": rows, "max_position_embeddings": rows - first, "tie_word_embeddings": True}


def _local(config: Config) -> Windows:
    """ModernBERT: every `global_attn_every_n_layers`-th layer sees all, the others `local_attention` tokens."""
    width = config.optional_integer("local_attention", low=1) or 128
    period = config.optional_integer("global_attn_every_n_layers", low=1) or 3
    return tuple(width + 1 if i % period else None for i in range(config.layers))


def _first_layer(config: Config, style: Style) -> Style:
    """The first layer of ModernBERT takes the embedding's norm for its own."""
    return replace(style, norms=style.norms[1:]) if config.flag("first_layer") else style


def _modern_outside(config: Config, base: str) -> Iterator[Tensor]:
    named, below = architecture(config), f"{base}." if base else ""
    yield from norm(f"{below}embeddings.norm", config.hidden, bias=config.flag("norm_bias"))
    if not named or named.endswith("Model"):
        return
    yield from _dense("head.dense", config, bias=config.flag("classifier_bias"))
    yield from norm("head.norm", config.hidden, bias=config.flag("norm_bias"))
    if named.endswith("Classification"):
        yield from _dense("classifier", config, _labels(config))
    elif config.flag("decoder_bias", True):
        yield from head_bias("decoder", config.integer("vocab_size"))


def _nomic_outside(config: Config, base: str) -> Iterator[Tensor]:
    yield from _types(config, "embeddings")
    yield from norm("emb_ln", config.hidden, bias=True)


def _nomic(config: Config, style: Style) -> Style:
    """Gated if the activation is; then its two halves are matrices of their own."""
    if config.values.get("activation_function", "swiglu") in ("swiglu", "geglu", "glu"):
        return style
    return replace(style, mlp_names=MlpNames(gate=None, up="fc1", down="fc2"))


def _nomic_routed(config: Config) -> tuple[bool, ...]:
    """Every `moe_every_n_layers`-th layer routes, if there are experts at all."""
    period = config.optional_integer("moe_every_n_layers") or 0
    experts = config.optional_integer("num_experts") or 0
    return tuple(bool(period and experts) and i % period == 1 for i in range(config.layers))


def _new_outside(config: Config, base: str) -> Iterator[Tensor]:
    named, below = architecture(config), f"{base}." if base else ""
    yield from _types(config, f"{below}embeddings")
    yield from norm(f"{below}embeddings.LayerNorm", config.hidden, bias=True)
    if named.endswith("Classification"):
        if named.endswith("ForSequenceClassification"):
            yield from _dense(f"{below}pooler.dense", config)
        yield from _dense("classifier", config, _labels(config))


def _euro_outside(config: Config, base: str) -> Iterator[Tensor]:
    named = architecture(config)
    if named.endswith("ForSequenceClassification"):
        yield from _dense("dense", config)
    if named.endswith("Classification"):
        yield from _dense("classifier", config, _labels(config))


_BERT: Final = Style(
    base="", layers="encoder.layer.{i}", embed="embeddings.word_embeddings", encoder=True,
    positions="embeddings.position_embeddings", position_rows=lambda config: config.integer("max_position_embeddings"),
    attention="attention", qkv=QkvNames(q="self.query", k="self.key", v="self.value", out="output.dense"),
    qkv_bias=True, out_bias=True, norms=("attention.output.LayerNorm", "output.LayerNorm"), norm_bias=True,
    mlp_path="", mlp_names=MlpNames(gate=None, up="intermediate.dense", down="output.dense"), mlp_bias=True,
    final_norm=None, extra_globals=_bert_outside,
)  # fmt: skip
_NEW: Final = Style(
    base="", layers="encoder.layer.{i}", embed="embeddings.word_embeddings", encoder=True, attention="attention",
    qkv=QkvNames(fused="qkv_proj", out="o_proj"), qkv_bias=True, out_bias=True, norms=("attn_ln", "mlp_ln"),
    norm_bias=True, mlp_names=MlpNames(gate="up_gate_proj", up="up_gate_proj"), final_norm=None,
    extra=down_bias, extra_globals=_new_outside,
)  # fmt: skip

FAMILIES: Final = (
    Family(
        model_types=("bert",), style=_BERT, variant=_below("bert"), derive=_no_head,
        defaults={"type_vocab_size": 2, "max_position_embeddings": 512},
    ),
    Family(
        model_types=("roberta", "xlm-roberta", "camembert"), variant=_below("roberta"), derive=_roberta_positions,
        defaults={"type_vocab_size": 2, "max_position_embeddings": 512, "pad_token_id": 1},
        style=replace(
            _BERT, position_rows=lambda config: config.integer("position_rows"), extra_globals=_roberta_outside
        ),
    ),
    Family(
        model_types=("modernbert",), variant=_below("model"), derive=_no_head,
        defaults={"max_position_embeddings": 8192},
        style=Style(
            base="", embed="embeddings.tok_embeddings", encoder=True, attention="attn", windows=_local,
            qkv=QkvNames(fused="Wqkv", out="Wo"), qkv_bias="attention_bias", out_bias="attention_bias",
            norms=("attn_norm", "mlp_norm"), norm_bias="norm_bias", mlp_names=MlpNames(gate="Wi", up="Wi", down="Wo"),
            mlp_bias="mlp_bias", final_norm="final_norm", extra_globals=_modern_outside,
            at_layer=lambda config, i: {"first_layer": i == 0}, vary=_first_layer,
        ),
    ),
    Family(
        model_types=("nomic_bert",), variant=_nomic, derive=_no_head,
        aliases={
            "hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
            "intermediate_size": "n_inner", "max_position_embeddings": "n_positions",
        },
        defaults={"type_vocab_size": 2, "max_position_embeddings": 2048},
        style=Style(
            base="", layers="encoder.layers.{i}", embed="embeddings.word_embeddings", encoder=True, attention="attn",
            qkv=QkvNames(fused="Wqkv", out="out_proj"), qkv_bias="qkv_proj_bias", out_bias="qkv_proj_bias",
            norms=("norm1", "norm2"), norm_bias=True, mlp_names=MlpNames(gate="fc12", up="fc11", down="fc2"),
            mlp_bias="mlp_fc1_bias", final_norm=None, extra_globals=_nomic_outside,
            moe=Moe(
                router="router.layer", experts="experts.mlp", names=MlpNames(gate=None, up="w1", down="w2"),
                chosen_key="moe_top_k", size_key="intermediate_size", is_moe=_nomic_routed, extra=lambda config, path: (
                    Tensor(
                        name=f"{path}.experts.bias", shape=(config.hidden,), role=TensorRole.BIAS,
                        shard=Shard.REPLICATED,
                    ),
                ),
            ),
        ),
    ),
    Family(
        model_types=("new", "gte"), style=_NEW, variant=_below("new"), derive=_no_head,
        defaults={"type_vocab_size": 1, "max_position_embeddings": 8192},
    ),
    Family(
        model_types=("eurobert",), variant=_below("model"), derive=_masked_head,
        defaults={"max_position_embeddings": 8192},
        style=Style(
            base="", encoder=True, qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias",
            extra_globals=_euro_outside,
        ),
    ),
)  # fmt: skip
