"""Recurrences beside attention that an indexer of pooled keys restricts: GLM 5.3 Flash and Qwen4-Exp.

Both widen the residual to several streams, which small matrices mix before and behind every block. Qwen4-Exp also has
tables of n-grams, looked up in a few layers by a hash of the last tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import SEPARATE, Heads, gqa, linear, norm
from llmplan.catalogs.hf_config.decoder import grouped
from llmplan.catalogs.hf_config.drafts import after_the_layers, full_layer
from llmplan.catalogs.hf_config.families.hybrid_kda import delta_keys, delta_state
from llmplan.catalogs.hf_config.families.moe import shared_experts, sparse_step
from llmplan.catalogs.hf_config.families.qwen_next import linear_layers
from llmplan.catalogs.hf_config.families.sparse_mla import index_of_layer
from llmplan.catalogs.hf_config.layer_lists import Routed, by_mlp_layer_types, listed
from llmplan.catalogs.hf_config.normalize import MAX_HEADS, MAX_LAYERS, MAX_TOKENS, Config, show
from llmplan.catalogs.hf_config.primes import primes_from
from llmplan.catalogs.hf_config.recurrent import KdaGates, conv1d, gated_delta, kimi_delta
from llmplan.catalogs.hf_config.recurrent_keys import delta_sizes, state_dtype, taps
from llmplan.catalogs.hf_config.sparse import sparse_mla
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Moe, Names, Style
from llmplan.spec.model import Draft, Indexer, Mixer, RecurrentMixer, Shard, State, Tensor, TensorRole

_INDEXED: Final = frozenset({"linear_attention", "indexed_attention", "full_attention", "qwen_sparse_attention"})
_MAX_STREAMS: Final = 64
_MAX_TABLES: Final = 512
_KEY_BYTES: Final = 2
"""Qwen4-Exp's index keys are 16-bit numbers"""


def _glm_mixers(config: Config) -> tuple[LayerMixers, ...]:
    """`layer_types`, or attention at the end of every four layers."""
    kinds = listed(config, "layer_types")
    if kinds is not None:
        return tuple(("recurrent",) if kind == "linear_attention" else ("attention",) for kind in kinds)
    return tuple(("recurrent",) if i % 4 != 3 else ("attention",) for i in range(config.layers))


def _glm_delta(config: Config, layer: str) -> RecurrentMixer:
    return kimi_delta(f"{layer}.self_attn", config.hidden, delta_state(config), KdaGates())


def _glm_attention(config: Config, layer: str, window: int | None) -> Mixer:
    """Sparse latent attention whose index has one key for every `index_kpool` tokens."""
    mixer = sparse_mla(config, layer, window)
    if mixer.indexer is None:
        return mixer
    path, pool = f"{layer}.self_attn.indexer", config.integer("index_kpool", high=MAX_TOKENS)
    dim = mixer.indexer.head_dim
    beside = (
        Tensor(name=f"{path}.index_kpool_compress_ape", shape=(pool, dim), role=TensorRole.OTHER,
               shard=Shard.REPLICATED),
        Tensor(name=f"{path}.index_kpool_compress_gate", shape=(dim, config.hidden), role=TensorRole.OTHER,
               shard=Shard.REPLICATED),
    )  # fmt: skip
    return replace(mixer, indexer=replace(mixer.indexer, pool_tokens=pool), tensors=(*mixer.tensors, *beside))


def _first_three_dense(config: Config) -> Routed:
    return tuple(i >= 3 for i in range(config.layers))


def _streams(config: Config, key: str) -> int:
    return config.integer(key, high=_MAX_STREAMS)


def _glm_streams(config: Config, layer: str) -> Iterable[Tensor]:
    """The matrices between streams, in 32 bit."""
    count = _streams(config, "hc_mult")
    mixes = (2 + count) * count
    for block in ("attn", "ffn"):
        for part, shape in (("fn", (mixes, count * config.hidden)), ("base", (mixes,)), ("scale", (3,))):
            yield Tensor(
                name=f"{layer}.hc_{block}_{part}", shape=shape, role=TensorRole.OTHER, shard=Shard.REPLICATED,
                dtype="fp32",
            )  # fmt: skip


def _qwen_delta(config: Config, layer: str) -> RecurrentMixer:
    """The delta rule; a layer with a table of n-grams also keeps the last inputs of the convolution behind it."""
    mixer = gated_delta(
        f"{layer}.linear_attn", config.hidden, delta_sizes(config), fused=False,
        state_dtype=state_dtype(config, "mamba_ssm_dtype"),
    )  # fmt: skip
    if config.values.get("table") is None:
        return mixer
    kept = (taps(config, "ple_conv_kernel_size") - 1) * config.integer("ngram_size", low=2, high=64)
    return replace(
        mixer, states=(*mixer.states, State(heads=1, elements=kept * _streams(config, "hc_count") * config.hidden))
    )  # fmt: skip


def _qwen_attention(config: Config, layer: str, window: int | None) -> Mixer:
    """Gated attention to the blocks of `indexer_compress_ratio` tokens that the indexer chooses."""
    path, hidden = f"{layer}.self_attn", config.hidden
    heads = Heads(query=config.heads, kv=config.kv_heads, dim=config.head_dim)
    norms = (*norm(f"{path}.q_norm", heads.dim), *norm(f"{path}.k_norm", heads.dim))
    bias = config.flag("attention_bias")
    mixer = gqa(path, hidden, heads, names=SEPARATE, qkv_bias=bias, out_bias=bias, query_gate=True, extra=norms)
    count, keys = config.integer("indexer_n_heads", high=MAX_HEADS), config.integer("indexer_kv_heads", high=MAX_HEADS)
    dim, pool = config.integer("indexer_head_dim"), config.integer("indexer_compress_ratio", high=MAX_TOKENS)
    own = (
        *linear(f"{path}.indexer.index_qk_proj", (count + keys) * dim, hidden, Shard.REPLICATED),
        *norm(f"{path}.indexer.q_layernorm", dim),
        *norm(f"{path}.indexer.k_layernorm", dim),
    )
    return replace(
        mixer, tensors=(*mixer.tensors, *own), selected_tokens=config.integer("indexer_budget", high=MAX_TOKENS),
        indexer=Indexer(heads=count, head_dim=dim, key_bytes=_KEY_BYTES, pool_tokens=pool),
    )  # fmt: skip


def _tables(config: Config) -> tuple[int, ...]:
    """The layers with a table of n-grams, which files count from one."""
    stated = config.items("ple_layer_ids") or ()
    for layer in stated:
        if isinstance(layer, bool) or not isinstance(layer, int) or not 1 <= layer <= config.layers:
            raise config.fail("ple_layer_ids", f"expected layers from 1 to {config.layers}, got {show(layer)}")
    return tuple(sorted({layer - 1 for layer in stated}))


def _table_of_layer(config: Config, index: int) -> Mapping[str, Any]:
    tables = _tables(config)
    return {"table": tables.index(index) if index in tables else None}


def _qwen_streams(config: Config, path: str, *, last: bool = False) -> Iterable[Tensor]:
    """What mixes the streams into a block's input, and its output back into them."""
    count, hidden, rank = _streams(config, "hc_count"), config.hidden, config.integer("hc_lowrank")
    yield from norm(f"{path}.hc_norm", count * hidden)
    yield from linear(f"{path}.input_mix_weight_down", rank, count * hidden, Shard.REPLICATED)
    yield from linear(f"{path}.input_mix_weight_up", count * hidden, rank, Shard.REPLICATED)
    if not last:
        yield from linear(f"{path}.block_inject_weight", count, count * hidden, Shard.REPLICATED)


def _qwen_layer(config: Config, layer: str) -> Iterable[Tensor]:
    yield from _qwen_streams(config, f"{layer}.attn_hyper_connection")
    yield from _qwen_streams(config, f"{layer}.mlp_hyper_connection")
    if config.values.get("table") is not None:
        yield from _ngrams(config, f"{layer}.ple", config.integer("table", low=0, high=MAX_LAYERS))


def _qwen_last(config: Config, base: str) -> Iterable[Tensor]:
    return _qwen_streams(config, f"{base}.hyper_connection_mixer", last=True)


def _ngrams(config: Config, path: str, table: int) -> Iterable[Tensor]:
    """A table of n-grams and what injects its rows into the streams.

    Every head of the table has as many rows as the next prime, counted over all tables, and the rows of all heads are
    one matrix, rounded up.
    """
    heads = (config.integer("ngram_size", low=2, high=64) - 1) * config.integer("heads_per_ngram", high=MAX_HEADS)
    width = config.optional_integer("ple_embed_dim", low=1) or config.hidden
    if width % heads:
        raise config.fail("ple_embed_dim", f"{width} is not a multiple of the {heads} heads of the tables")
    if heads * (table + 1) > _MAX_TABLES:
        raise config.fail("heads_per_ngram", f"{heads * (table + 1)} heads of all tables are more than {_MAX_TABLES}")
    step = config.integer("make_ngram_vocab_size_divisible_by")
    sizes = primes_from(config.integer("ngram_vocab_size_base", low=2), heads * (table + 1))[heads * table :]
    rows, streams = -(-sum(sizes) // step) * step, _streams(config, "hc_count") * config.hidden
    yield Tensor(
        name=f"{path}.ple_embedding.ngram_embedding.weight", shape=(rows, width // heads), role=TensorRole.EMBED,
        shard=Shard.VOCAB,
    )  # fmt: skip
    yield from linear(f"{path}.key_proj", streams, width, Shard.REPLICATED)
    yield from linear(f"{path}.value_proj", config.hidden, width, Shard.REPLICATED)
    for name in ("norm_key", "norm_query", "norm_conv"):
        yield from norm(f"{path}.{name}", streams)
    steps = taps(config, "ple_conv_kernel_size")
    yield from conv1d(f"{path}.conv1d", streams, steps, bias=False, shard=Shard.REPLICATED)


def _qwen_draft(config: Config, style: Style, names: Names) -> Draft | None:
    """A module `mtp` of indexed attention: embedding and all streams are normed and projected apart, then added."""
    del names
    count = config.optional_integer("mtp_num_hidden_layers", high=MAX_LAYERS)
    if not count:
        return None
    hidden = config.hidden
    outside = (
        *norm("mtp.pre_fc_norm_embedding", hidden),
        *norm("mtp.pre_fc_norm_hidden", _streams(config, "hc_count") * hidden),
        *linear("mtp.fc_embedding", hidden, hidden, Shard.COLUMN),
        *linear("mtp.fc_hidden", hidden, hidden, Shard.COLUMN),
        *_qwen_streams(config, "mtp.hyper_connection_mixer", last=True),
    )
    layers = grouped(config, style, "mtp.layers.{i}", [full_layer(routed=True)] * count)
    return Draft(layers=layers, globals=outside)


def _glm_draft(config: Config, style: Style, names: Names) -> Draft | None:
    """A drafting layer has one stream."""
    return after_the_layers(config, replace(style, extra=None), names)


FAMILIES: Final = (
    Family(
        model_types=("glm5_next", "glm5_next_text"), derive=delta_keys, draft=_glm_draft,
        defaults={
            "tie_word_embeddings": False, "attention_bias": False, "max_position_embeddings": 1048576,
            "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 0, "qk_nope_head_dim": 256,
            "v_head_dim": 256, "index_topk": 2048, "index_head_dim": 128, "index_n_heads": 32, "index_kpool": 16,
            "index_skip_topk_offset": 2, "linear_head_dim": 128, "linear_num_heads": 64, "linear_conv_kernel_dim": 4,
            "hc_mult": 4, "n_routed_experts": 288, "n_shared_experts": 1, "num_experts_per_tok": 8,
            "moe_intermediate_size": 2048,
        },
        style=Style(
            mixers=_glm_mixers, recurrent_of=_glm_delta, attention_of=_glm_attention, layer_kinds=_INDEXED,
            at_layer=index_of_layer, extra=_glm_streams,
            moe=Moe(
                count_key="n_routed_experts", score_bias="gate.e_score_correction_bias",
                is_moe=by_mlp_layer_types(_first_three_dense), shared_path="shared_experts",
                shared_size=shared_experts,
            ),
        ),
    ),
    Family(
        model_types=("qwen4_exp", "qwen4_exp_text"), draft=_qwen_draft,
        defaults={
            "tie_word_embeddings": False, "attention_bias": False, "max_position_embeddings": 32768, "head_dim": 256,
            "num_key_value_heads": 2, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
            "linear_value_head_dim": 128, "linear_num_key_heads": 16, "linear_num_value_heads": 32,
            "num_experts": 512, "num_experts_per_tok": 10, "moe_intermediate_size": 512,
            "shared_expert_intermediate_size": 512, "hc_count": 4, "hc_lowrank": 320, "ple_conv_kernel_size": 4,
            "ngram_size": 3, "heads_per_ngram": 8, "ngram_vocab_size_base": 20_000_000,
            "make_ngram_vocab_size_divisible_by": 128,
        },
        style=Style(
            mixers=linear_layers, recurrent_of=_qwen_delta, attention_of=_qwen_attention, layer_kinds=_INDEXED,
            at_layer=_table_of_layer, norms=(), final_norm=None, extra=_qwen_layer, extra_globals=_qwen_last,
            moe=Moe(
                is_moe=sparse_step, shared_path="shared_expert", shared_gate="shared_expert_gate",
                shared_size=lambda config: config.integer("shared_expert_intermediate_size"),
            ),
        ),
    ),
)  # fmt: skip
