"""More latent attention (Sarvam, A.X, Youtu, Mistral 4, LongCat Flash) and Step 3, which shares one key head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, embedding, linear, mla, mlp, norm
from llmplan.catalogs.hf_config.decoder import latent_sizes
from llmplan.catalogs.hf_config.drafts import Stacked, after_the_layers, dense
from llmplan.catalogs.hf_config.families.moe import first_dense, shared_experts
from llmplan.catalogs.hf_config.families.sparse_mla import INDEXED
from llmplan.catalogs.hf_config.layer_lists import Routed, by_mlp_layer_types
from llmplan.catalogs.hf_config.normalize import MAX_EXPERTS, Config
from llmplan.catalogs.hf_config.sparse import small, sparse_mla
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Moe, Names, Style
from llmplan.spec.model import Draft, GqaAttention, MlaAttention, Shard, Tensor

_SCORE_BIAS: Final = "gate.e_score_correction_bias"
_MOE: Final = Moe(
    count_key="n_routed_experts", score_bias=_SCORE_BIAS, is_moe=by_mlp_layer_types(first_dense),
    shared_path="shared_experts", shared_size=shared_experts,
)  # fmt: skip
_STYLE: Final = Style(latent=True, qkv_bias="attention_bias", moe=_MOE)
_DEFAULTS: Final = {"tie_word_embeddings": False, "attention_bias": False, "q_lora_rank": 1536}


def _routed_at(config: Config, layer: int) -> Mapping[str, Any]:
    return {"routed": by_mlp_layer_types(first_dense)(config)[layer]}


def _behind_experts(config: Config, layer: str) -> Iterator[Tensor]:
    """A norm behind the experts, which dense layers do not have. Layers for drafting route."""
    if config.flag("routed", default=True):
        yield from norm(f"{layer}.post_mlp_layernorm", config.hidden)


# ---- A.X K2: gated queries and norms, with an index


def _gated_queries(config: Config, layer: str, window: int | None) -> MlaAttention:
    """Sparse latent attention whose query projection makes the output's gate, too, from two compressed queries."""
    found, sizes = sparse_mla(config, layer, window), latent_sizes(config)
    rank = config.integer("q_lora_rank")
    width = config.derived("num_attention_heads", sizes.heads * (sizes.nope + sizes.rope + sizes.value))
    name = f"{layer}.self_attn.q_b_proj"
    others = tuple(tensor for tensor in found.tensors if tensor.name != f"{name}.weight")
    return replace(found, tensors=(*others, *linear(name, width, 2 * rank, Shard.COLUMN)))


def _gated_norm(config: Config, path: str) -> Iterator[Tensor]:
    """A norm with a gate of low rank."""
    rank = config.integer("gated_norm_rank")
    yield from norm(f"{path}.norm", config.hidden)
    yield small(f"{path}.W_down", rank, config.hidden)
    yield small(f"{path}.W_up", config.hidden, rank)


def _gated_norms(config: Config, layer: str) -> Iterator[Tensor]:
    """Before attention, and before experts; before a dense feed-forward the norm is plain."""
    yield from _gated_norm(config, f"{layer}.input_layernorm")
    if config.flag("routed", default=True):
        yield from _gated_norm(config, f"{layer}.post_attention_layernorm")
    else:
        yield from norm(f"{layer}.post_attention_layernorm", config.hidden)


# ---- LongCat: two attentions and two dense feed-forwards around one mixture


def _two_attentions(config: Config) -> tuple[LayerMixers, ...]:
    """The second attention of a layer is built as its other mixer."""
    return (("attention", "recurrent"),) * config.layers


def _longcat_mla(config: Config, path: str) -> MlaAttention:
    return mla(path, config.hidden, latent_sizes(config), bias=config.flag("attention_bias"))


def _first_attention(config: Config, layer: str, window: int | None) -> MlaAttention:
    del window
    return _longcat_mla(config, f"{layer}.self_attn.0")


def _second_attention(config: Config, layer: str) -> MlaAttention:
    return _longcat_mla(config, f"{layer}.self_attn.1")


def _two_mlps(config: Config, layer: str) -> Iterator[Tensor]:
    for number in range(2):
        yield from mlp(f"{layer}.mlps.{number}", config.hidden, config.integer("ffn_hidden_size"), MlpNames())


def _identities(config: Config) -> int:
    return config.optional_integer("zero_expert_num", high=MAX_EXPERTS) or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _WithEmbedding:
    """Layers for drafting with one more norm and an embedding of their own, outside the layers."""

    layers: Stacked
    path: str

    def __call__(self, config: Config, style: Style, names: Names) -> Draft | None:
        """The layers, or None where the file states none."""
        found = self.layers(config, style, names)
        if found is None:
            return None
        path = f"{names.base or style.base}.{self.path}"
        outside = (
            *norm(f"{path}.norm", config.hidden),
            embedding(f"{path}.embed_tokens", config.integer("vocab_size"), config.hidden),
        )
        return replace(found, globals=outside)


_LONGCAT_DRAFT: Final = Stacked(
    below="mtp.layers.{i}", embed_norm="enorm.m", hidden_norm="hnorm.m", final=None, plans=dense,
    style=Style(
        latent=True, qkv_bias="attention_bias", mlp_path="transformer_layer.mlp",
        mlp_size=lambda config: config.integer("ffn_hidden_size"),
    ),
)  # fmt: skip
_LONGCAT: Final = Family(
    model_types=("longcat_flash",), aliases={"num_hidden_layers": "num_layers"},
    draft=_WithEmbedding(layers=_LONGCAT_DRAFT, path="mtp"),
    style=Style(
        attention_of=_first_attention, recurrent_of=_second_attention, mixers=_two_attentions, extra=_two_mlps,
        norms=(
            "input_layernorm.0", "input_layernorm.1", "post_attention_layernorm.0", "post_attention_layernorm.1",
        ),
        moe=Moe(
            router="router.classifier", router_bias="router_bias", score_bias="router.e_score_correction_bias",
            count_key="n_routed_experts", chosen_key="moe_topk", size_key="expert_ffn_hidden_size", idle=_identities,
        ),
    ),
    defaults={
        **_DEFAULTS, "zero_expert_num": 0, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
        "v_head_dim": 128, "moe_topk": 12, "n_routed_experts": 512, "ffn_hidden_size": 12288,
        "expert_ffn_hidden_size": 2048,
    },
    notes=("experts without weights take a part of each token's choices: the active weights are the expected ones",),
)  # fmt: skip

# ---- Step 3: queries through a shared projection, one key head


def _factorized(config: Config, layer: str, window: int | None) -> GqaAttention:
    """Multi-matrix factorization attention: q, k and v of one head on every rank, then queries for all heads."""
    path, hidden, heads, dim = f"{layer}.self_attn", config.hidden, config.heads, config.head_dim
    shared = config.integer("share_q_dim")
    return GqaAttention(
        query_heads=heads, kv_heads=1, head_dim=dim, v_head_dim=dim, window_tokens=window,
        tensors=(
            *linear(f"{path}.q_proj", shared, hidden, Shard.REPLICATED),
            *linear(f"{path}.k_proj", dim, hidden, Shard.REPLICATED),
            *linear(f"{path}.v_proj", dim, hidden, Shard.REPLICATED),
            *norm(f"{path}.inter_norm", shared),
            *linear(f"{path}.wq", heads * dim, shared, Shard.COLUMN),
            *linear(f"{path}.o_proj", hidden, heads * dim, Shard.ROW),
        ),
    )  # fmt: skip


def _step_routed(config: Config) -> Routed:
    """`moe_layers_enum` lists the layers that route; the class's default is all from the fourth but the last."""
    stated = config.values.get("moe_layers_enum")
    if stated is None:
        return tuple(4 <= i < config.layers - 1 for i in range(config.layers))
    entries = stated.split(",") if isinstance(stated, str) else config.items("moe_layers_enum") or ()
    routed = {str(entry).strip() for entry in entries}
    return tuple(str(i) in routed for i in range(config.layers))


_STEP_3: Final = Family(
    model_types=("step3_text",), aliases={"max_position_embeddings": "max_position_embedding"},
    style=Style(
        attention_of=_factorized,
        moe=Moe(
            path="moe", experts="", count_key="moe_num_experts", chosen_key="moe_top_k", is_moe=_step_routed,
            shared_path="share_expert", shared_beside=True,
            shared_size=lambda config: config.integer("share_expert_dim"),
        ),
    ),
    defaults={
        "tie_word_embeddings": False, "head_dim": 256, "share_q_dim": 2048, "moe_num_experts": 48, "moe_top_k": 3,
        "moe_intermediate_size": 5120, "share_expert_dim": 5120, "max_position_embeddings": 65536,
    },
)  # fmt: skip

FAMILIES: Final = (
    Family(
        model_types=("sarvam_mla",), style=_STYLE, draft=after_the_layers,
        defaults={**_DEFAULTS, "q_lora_rank": None, "first_k_dense_replace": 1},
    ),
    Family(
        model_types=("axk1",), defaults={**_DEFAULTS, "first_k_dense_replace": 1},
        style=replace(_STYLE, at_layer=_routed_at, extra=_behind_experts),
    ),
    Family(
        model_types=("axk2",),
        style=replace(
            _STYLE, attention_of=_gated_queries, norms=(), at_layer=_routed_at, extra=_gated_norms,
            layer_kinds=INDEXED,
        ),
        defaults={
            **_DEFAULTS, "first_k_dense_replace": 1, "q_lora_rank": 384, "gated_norm_rank": 16, "index_topk": 2048,
            "index_head_dim": 128, "index_n_heads": 16,
        },
    ),
    Family(
        model_types=("youtu",), style=Style(latent=True, qkv_bias="attention_bias"),
        defaults={**_DEFAULTS, "tie_word_embeddings": True},
    ),
    Family(
        model_types=("mistral4",), defaults={**_DEFAULTS, "q_lora_rank": 1024, "first_k_dense_replace": 0},
        style=replace(
            _STYLE,
            moe=replace(
                _MOE, score_bias=None, experts="experts", names=MlpNames(gate="gate_up_proj", up="gate_up_proj")
            ),
        ),
    ),
    _LONGCAT,
    _STEP_3,
)  # fmt: skip
