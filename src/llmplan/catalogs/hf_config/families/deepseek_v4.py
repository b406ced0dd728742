"""DeepSeek V4: windows of latents with compressed latents behind them, hyper-connections, experts chosen by hash.

Every layer keeps latents of the last `sliding_window` tokens. Layers of compressed sparse attention (CSA) keep one more
latent for every 4 tokens and choose `index_topk` of them; heavily compressed ones (HCA) one for every 128.
`hc_mult` residual streams are mixed by 32-bit matrices before and behind every block. The first layers take a
token's experts from a table, which engines load as 32-bit numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, embedding, head, linear, norm
from llmplan.catalogs.hf_config.decoder import LayerPlan, grouped
from llmplan.catalogs.hf_config.families.moe import shared_experts
from llmplan.catalogs.hf_config.layer_lists import listed
from llmplan.catalogs.hf_config.normalize import MAX_EXPERTS, MAX_LAYERS, MAX_TOKENS, Config, show
from llmplan.catalogs.hf_config.sparse import indexer_sizes, small
from llmplan.catalogs.hf_config.style import Family, Moe, Names, Style
from llmplan.spec.model import CompressedAttention, Draft, Shard, Tensor, TensorRole

_SLIDING: Final = "sliding_attention"
_CSA: Final = "compressed_sparse_attention"
_HCA: Final = "heavily_compressed_attention"
_BY_RATIO: Final = {0: _SLIDING, 4: _CSA, 128: _HCA}
_RATES: Final = {_CSA: 4, _HCA: 128}
_LEGACY_RATES: Final = {_CSA: "compress_rate_csa", _HCA: "compress_rate_hca"}
_NAMES: Final = MlpNames(gate="w1", up="w3", down="w2")


def _kind(config: Config, layer: int) -> str:
    """`layer_types`, or the layer's entry of `compress_ratios`, or two HCA layers and then HCA and CSA in turn."""
    kinds = listed(config, "layer_types")
    if kinds is not None:
        if kinds[layer] not in _BY_RATIO.values():
            raise config.fail(
                "layer_types", f"expected one of {', '.join(_BY_RATIO.values())}, got {show(kinds[layer])}"
            )
        return str(kinds[layer])
    ratios = listed(config, "compress_ratios")
    if ratios is None:
        return _CSA if layer >= 2 and layer % 2 else _HCA
    ratio = ratios[layer]
    if isinstance(ratio, bool) or not isinstance(ratio, int) or ratio not in _BY_RATIO:
        raise config.fail("compress_ratios", f"expected 0, 4 or 128 for each layer, got {show(ratio)}")
    return _BY_RATIO[ratio]


def _rate(config: Config, kind: str) -> int:
    """Tokens behind one compressed latent."""
    if kind == _SLIDING:
        return 0
    legacy = config.optional_integer(_LEGACY_RATES[kind], low=1, high=MAX_TOKENS)
    if legacy is not None:
        return legacy
    stated = config.number(config.mapping("compress_rates"), kind, "compress_rates") or float(_RATES[kind])
    if not stated.is_integer():
        raise config.fail("compress_rates", f"expected a whole number of tokens, got {show(stated)}")
    return int(stated)


def _hashes(config: Config, layer: int) -> bool:
    """`mlp_layer_types`, or the first `num_hash_layers`, take experts from the table."""
    kinds = listed(config, "mlp_layer_types")
    if kinds is None:
        return layer < config.integer("num_hash_layers", low=0)
    if kinds[layer] not in ("moe", "hash_moe"):
        raise config.fail("mlp_layer_types", f"expected moe or hash_moe, got {show(kinds[layer])}")
    return kinds[layer] == "hash_moe"


def _outside(config: Config) -> Mapping[str, Any]:
    """A layer of no stated position, as those for drafting are."""
    del config
    return {"attention_kind": _SLIDING, "hash_routed": False}


def _at_layer(config: Config, layer: int) -> Mapping[str, Any]:
    return {"attention_kind": _kind(config, layer), "hash_routed": _hashes(config, layer)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compressor:
    """Makes a latent of `dim` from `tokens` tokens; overlapping windows (CSA) need two candidates of it."""

    tokens: int
    dim: int
    overlapping: bool

    def tensors(self, path: str, hidden: int) -> Iterator[Tensor]:
        """Candidates and their gates, with a bias for each position; none is quantized or divided."""
        width = self.dim * (2 if self.overlapping else 1)
        yield small(f"{path}.wkv", width, hidden)
        yield small(f"{path}.wgate", width, hidden)
        yield _fp32(f"{path}.ape", (self.tokens, width))
        yield from norm(f"{path}.norm", self.dim)


def _fp32(path: str, shape: tuple[int, ...], shard: Shard = Shard.REPLICATED) -> Tensor:
    return Tensor(name=path, shape=shape, role=TensorRole.OTHER, shard=shard, dtype="fp32")


def _attention(config: Config, layer: str, window: int | None) -> CompressedAttention:
    del window
    path, hidden, heads, dim = f"{layer}.attn", config.hidden, config.heads, config.head_dim
    kind = config.values["attention_kind"]
    rate, rope = _rate(config, kind), config.integer("qk_rope_head_dim")
    if rope > dim:
        raise config.fail("qk_rope_head_dim", f"{rope} is more than head_dim {dim}")
    q_rank, groups, out_rank = config.integer("q_lora_rank"), config.integer("o_groups"), config.integer("o_lora_rank")
    if heads % groups:
        raise config.fail("o_groups", f"{groups} does not divide the {heads} query heads")
    tensors = [
        *linear(f"{path}.wq_a", q_rank, hidden, Shard.REPLICATED),
        *norm(f"{path}.q_norm", q_rank),
        *linear(f"{path}.wq_b", heads * dim, q_rank, Shard.COLUMN),
        *linear(f"{path}.wkv", dim, hidden, Shard.REPLICATED),
        *norm(f"{path}.kv_norm", dim),
        *linear(f"{path}.wo_a", groups * out_rank, heads * dim // groups, Shard.COLUMN),
        *linear(f"{path}.wo_b", hidden, groups * out_rank, Shard.ROW),
        _fp32(f"{path}.attn_sink", (heads,), Shard.COLUMN),
    ]
    indexer = indexer_sizes(config) if kind == _CSA else None
    if rate:
        main = _Compressor(tokens=rate, dim=dim, overlapping=indexer is not None)
        tensors += main.tensors(f"{path}.compressor", hidden)
    if indexer is not None:
        index = _Compressor(tokens=rate, dim=indexer.head_dim, overlapping=True)
        tensors += linear(f"{path}.indexer.wq_b", indexer.heads * indexer.head_dim, q_rank, Shard.REPLICATED)
        tensors.append(small(f"{path}.indexer.weights_proj", indexer.heads, hidden))
        tensors += index.tensors(f"{path}.indexer.compressor", hidden)
    return CompressedAttention(
        query_heads=heads, head_dim=dim, rope_dim=rope, compress_tokens=rate, indexer=indexer,
        window_tokens=config.integer("sliding_window", high=MAX_TOKENS), tensors=tuple(tensors),
        selected_entries=config.integer("index_topk", high=MAX_TOKENS) if indexer is not None else None,
    )  # fmt: skip


def _streams(config: Config) -> int:
    return config.integer("hc_mult", high=64)


def _hyper_connections(config: Config, layer: str) -> Iterator[Tensor]:
    """Before and behind attention and experts: mixing matrices from all streams, in 32 bit."""
    streams = _streams(config)
    mixes = (2 + streams) * streams
    for block in ("attn", "ffn"):
        yield _fp32(f"{layer}.hc_{block}_fn", (mixes, streams * config.hidden))
        yield _fp32(f"{layer}.hc_{block}_base", (mixes,))
        yield _fp32(f"{layer}.hc_{block}_scale", (3,))


def _stream_head(config: Config, path: str) -> Iterator[Tensor]:
    """From all streams to one, before the output matrix."""
    below, streams = f"{path}." if path else "", _streams(config)
    yield _fp32(f"{below}hc_head_fn", (streams, streams * config.hidden))
    yield _fp32(f"{below}hc_head_base", (streams,))
    yield _fp32(f"{below}hc_head_scale", (1,))


def _table(config: Config, path: str) -> Iterator[Tensor]:
    """Experts of every token of the vocabulary."""
    shape = (config.integer("vocab_size"), config.integer("num_experts_per_tok", high=MAX_EXPERTS))
    yield Tensor(
        name=f"{path}.gate.tid2eid", shape=shape, role=TensorRole.OTHER, shard=Shard.REPLICATED, dtype="fp32",
        buffer=True,
    )  # fmt: skip


_MOE: Final = Moe(
    path="ffn", names=_NAMES, count_key="n_routed_experts", score_bias="gate.bias", shared_path="shared_experts",
    shared_names=_NAMES, shared_size=shared_experts,
)  # fmt: skip
_HASHED: Final = replace(_MOE, score_bias=None, extra=_table)


def _vary(config: Config, style: Style) -> Style:
    return replace(style, moe=_HASHED) if config.flag("hash_routed") else style


_STYLE: Final = Style(
    base="", head="head", embed="embed", norms=("attn_norm", "ffn_norm"), attention_of=_attention,
    layer_kinds=frozenset({_CSA, _HCA}), at_layer=_at_layer, vary=_vary, moe=_MOE,
    extra=_hyper_connections, extra_globals=_stream_head,
)  # fmt: skip


def _draft(*, copies: bool) -> Callable[[Config, Style, Names], Draft | None]:
    """Further layers under `mtp`, of the window alone, with their own stream head; `copies` of embedding and head."""

    def build(config: Config, style: Style, names: Names) -> Draft | None:
        del names
        count = config.optional_integer("num_nextn_predict_layers", high=MAX_LAYERS)
        if not count:
            return None
        path, hidden, vocabulary = "mtp.{i}", config.hidden, config.integer("vocab_size")
        beside = [
            *norm(f"{path}.enorm", hidden),
            *norm(f"{path}.hnorm", hidden),
            *linear(f"{path}.e_proj", hidden, hidden, Shard.REPLICATED),
            *linear(f"{path}.h_proj", hidden, hidden, Shard.REPLICATED),
            *norm(f"{path}.norm", hidden),
            *_stream_head(config, path),
        ]
        if copies:
            beside += [embedding(f"{path}.emb.tok_emb", vocabulary, hidden), *head(f"{path}.head", vocabulary, hidden)]
        plan = LayerPlan(window=None, routed=True, mixers=("attention",), feeds=True, keys=())
        layers = grouped(config, style, path, [plan] * count)
        return Draft(layers=tuple(replace(group, norms=(*group.norms, *beside)) for group in layers))

    return build


_DEFAULTS: Final = {
    "tie_word_embeddings": False, "head_dim": 512, "qk_rope_head_dim": 64, "q_lora_rank": 1024, "o_groups": 8,
    "o_lora_rank": 1024, "hc_mult": 4, "num_hash_layers": 3, "sliding_window": 128, "index_n_heads": 64,
    "index_head_dim": 128, "index_topk": 512, "n_routed_experts": 256, "num_experts_per_tok": 6,
    "n_shared_experts": 1, "moe_intermediate_size": 2048, "num_nextn_predict_layers": 1,
}  # fmt: skip

FAMILIES: Final = (
    Family(model_types=("deepseek_v4",), style=_STYLE, defaults=_DEFAULTS, derive=_outside, draft=_draft(copies=True)),
    Family(
        model_types=("deepseek_ref",), style=_STYLE, defaults=_DEFAULTS, derive=_outside, draft=_draft(copies=False)
    ),
)
