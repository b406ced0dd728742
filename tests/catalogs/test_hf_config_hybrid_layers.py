"""What the layers of hybrids are and keep: caches and states as vLLM has them, drafts, and what is refused."""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import Any

import pytest
from hybrid_samples import DELTA, KDA, LATENT, NEMOTRON, PURE, SMALL, ZAMBA, build, rows

from llmplan.catalogs.hf_config import read_config_file
from llmplan.errors import LlmplanError
from llmplan.memory.shards import rank_part
from llmplan.plan.deployment import Parallelism
from llmplan.spec.model import GqaAttention, MlaAttention, ModelSpec, RecurrentMixer, Shard
from llmplan.spec.places import places
from tests_support import DATA


def shapes(model: ModelSpec) -> Counter[tuple[Any, ...]]:
    """Layers by what they keep: numbers of the convolution and of the state, or heads and size of keys."""
    found: Counter[tuple[Any, ...]] = Counter()
    for group in model.layers:
        for mixer in group.mixers:
            if isinstance(mixer, RecurrentMixer):
                *conv, state = (kept.heads * kept.elements for kept in mixer.states)
                found["state", sum(conv), state] += group.count
            for cache in mixer.caches:
                found["cache", cache.heads, cache.elements // 2, cache.window_tokens] += group.count
    return found


def test_every_hybrid_of_the_oracle_keeps_what_vllm_keeps() -> None:
    checked = 0
    for row in rows():
        specs = row.get("vllm_0_32_kv_specs") or ()
        if not any(spec["spec"] == "MambaSpec" for spec in specs):
            continue
        want: Counter[tuple[Any, ...]] = Counter()
        for spec in specs:
            if spec["spec"] == "MambaSpec":
                want["state", *(prod(shape) for shape in spec["shapes"])] += spec["n"]
            else:
                want["cache", spec["heads"], spec["hs"], spec["win"]] += spec["n"]
        assert shapes(read_config_file(DATA / "configs" / row["file"], dtype="bf16")) == want, row["file"]
        checked += 1
    assert checked >= 6


def states(model: ModelSpec) -> list[tuple[int, int, str | None]]:
    mixer = next(mixer for mixer in model.mixers() if isinstance(mixer, RecurrentMixer))
    return [(kept.heads, kept.elements, kept.dtype) for kept in mixer.states]


def test_states_are_divided_by_head_and_typed_as_the_config_says() -> None:
    """vLLM keeps a state in the model's type unless the file or the architecture asks for 32 bit.

    A log of Qwen3-Next 80B with TP 2 has 7,162 blocks of 544 tokens in 47,878,721,024 B: 12 layers of 544 tokens of
    1,024 B each, the least multiple of 16 tokens that holds half of a 16-bit state and of its convolution.
    """
    model = build("qwen3_next", {
        "hidden_size": 2048, "num_hidden_layers": 48, "vocab_size": 151936, "num_attention_heads": 16,
        "num_key_value_heads": 2,
    })  # fmt: skip
    kept = states(model)
    assert kept == [(32, 128 * 3, None), (16, 2 * 128 * 3, None), (32, 128 * 128, None)]
    page_bytes = sum(2 * heads // 2 * elements for heads, elements, _ in kept)
    assert page_bytes == 548_864
    assert -(-page_bytes // (16 * 1024)) * 16 == 544
    assert 47_878_721_024 // (12 * 544 * 1024) == 7_162
    assert states(build("nemotron_h", {**NEMOTRON, "hybrid_override_pattern": "M*"}))[-1] == (8, 16 * 128, "fp32")
    short = {**NEMOTRON, "hybrid_override_pattern": "M*", "mamba_ssm_cache_dtype": "float16"}
    assert states(build("nemotron_h", short))[-1][2] is None
    assert states(build("kimi_linear", {**LATENT, "linear_attn_config": KDA}))[-1] == (3, 16 * 16, "fp32")
    half = {**DELTA, "intermediate_size": 96, "mamba_ssm_dtype": "bfloat16"}
    assert states(build("qwen3_5_text", half))[-1][2] is None


@pytest.mark.parametrize("tp", [2, 4])
def test_ranks_together_hold_a_model_and_what_is_replicated(tp: int) -> None:
    """What belongs to heads is cut; groups and KV heads are cut while there are enough of them."""
    keys = {**NEMOTRON, "hybrid_override_pattern": "MM*-E-", "vocab_size": 128, "n_groups": 2}
    model = build("nemotron_h", keys)
    parallel = Parallelism(tp=tp)
    for place in places(model):
        whole, part = place.tensor, rank_part(place, model, parallel, 1)
        if whole.shard is Shard.REPLICATED:
            ranks = 1
        elif whole.shard is Shard.KV_COLUMN:
            assert place.kv_heads == 2
            ranks = min(tp, 2)
        else:
            ranks = tp
        assert part.elements * ranks == whole.elements, whole.name


def test_a_layer_may_have_attention_and_a_recurrence() -> None:
    model = build("falcon_h1", {**SMALL, "mamba_d_ssm": 96, "mamba_n_heads": 6})
    (group,) = model.layers
    attention, recurrence = group.mixers
    assert isinstance(attention, GqaAttention)
    assert attention.cache_elements_per_token == 2 * 2 * 16
    assert isinstance(recurrence, RecurrentMixer)
    assert (recurrence.heads, recurrence.value_dim, recurrence.key_dim) == (6, 16, 256)


def test_a_shared_block_is_counted_once_and_cached_at_every_use() -> None:
    model = build("zamba2", {
        "hidden_size": 64, "vocab_size": 97, "num_attention_heads": 4, "layers_block_type": ZAMBA, "n_mamba_heads": 4,
    })  # fmt: skip
    caches = sum(group.count * len(mixer.caches) for group in model.layers for mixer in group.mixers)
    assert caches == ZAMBA.count("hybrid")
    stored = [t.name for _, t in model.tensors() if t.name.endswith("self_attn.q_proj.weight")]
    assert stored == ["model.layers.2.shared_transformer.self_attn.q_proj.weight"]


def test_nemotrons_layers_are_one_thing_each() -> None:
    model = build("nemotron_h", {**NEMOTRON, "hybrid_override_pattern": "MM*-E-"})
    found = {}
    for group in model.layers:
        found |= dict.fromkeys(group.indices, (len(group.mixers), group.feed_forward is not None))
    assert found == {0: (1, False), 1: (1, False), 2: (1, False), 3: (0, True), 4: (0, True), 5: (0, True)}
    names = {tensor.name for _, tensor in model.tensors()}
    assert {"backbone.embeddings.weight", "backbone.norm_f.weight", "lm_head.weight"} <= names
    assert "backbone.layers.{i}.mixer.experts.{e}.up_proj.weight" in names


def test_nemotrons_draft_is_its_pattern_behind_a_projection() -> None:
    """Attention, experts, two norms and [h, 2h] before and a norm behind them, embedding and head of the model."""
    keys = {**NEMOTRON, "hybrid_override_pattern": "MM*-E-"}
    plain = build("nemotron_h", keys)
    drafted = build("nemotron_h", {**keys, "num_nextn_predict_layers": 1, "mtp_hybrid_override_pattern": "*E"})
    assert plain.draft is None
    assert drafted.text_parameters == plain.text_parameters
    layers = [sum(t.elements for t in g.tensors() if not t.buffer) for g in plain.layers if set(g.indices) & {2, 4}]
    assert drafted.draft_parameters == sum(layers) + 3 * 64 + 2 * 64 * 64
    names = [tensor.name for _, tensor in drafted.draft.tensors()] if drafted.draft else []
    assert {"mtp.layers.0.eh_proj.weight", "mtp.layers.1.final_layernorm.weight"} <= set(names)


def test_a_searched_nemotron_has_sizes_of_its_own_in_every_layer() -> None:
    blocks = [
        {"block_type": "mamba"},
        {"block_type": "moe", "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
        {"block_type": "attention"},
        {"block_type": "moe", "n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 40},
    ]
    cut = build("nemotron_h_puzzle", {**NEMOTRON, "block_configs": blocks})
    whole = build("nemotron_h", {**NEMOTRON, "hybrid_override_pattern": "ME*E"})
    assert whole.text_parameters - cut.text_parameters == 4 * 64 + 2 * 64 * (8 * 40 - 4 * 24)


def test_a_searched_llama_loses_heads_widths_and_modules() -> None:
    def block(group: int | None, mult: float | None, **more: bool) -> dict[str, Any]:
        attention = {"n_heads_in_group": group, "no_op": group is None, "replace_with_linear": False}
        return {"attention": {**attention, **more}, "ffn": {"ffn_mult": mult, "no_op": mult is None}}

    keys = {
        "hidden_size": 256, "num_hidden_layers": 4, "vocab_size": 97, "num_attention_heads": 8,
        "block_configs": [
            block(2, 1.5), block(None, 3.0), block(4, None), block(None, 1.5, replace_with_linear=True, no_op=False)
        ],
    }  # fmt: skip
    model = build("nemotron-nas", keys)
    attention = (2 * 256 + 2 * 128) * 256, (2 * 256 + 2 * 64) * 256
    feeds = 3 * 256 * (256 + 512 + 256)
    norms = (2 + 1 + 1 + 2 + 1) * 256
    assert model.text_parameters == sum(attention) + feeds + norms + 256 * 256 + 2 * 97 * 256
    assert sum(group.count * len(group.mixers) for group in model.layers) == 2


def test_kimi_k3_is_sized_from_its_published_file() -> None:
    path = DATA / "configs" / "moonshotai__Kimi-K3.json"
    if not path.is_file():
        pytest.skip(f"no file at {path}: set LLMPLAN_DATA")
    model = read_config_file(path)
    hidden, wide, experts = 7168, 3584, 896
    expert = 3 * wide * 3072
    beside = hidden * experts + 2 * hidden * wide + wide + 3 * hidden * 2 * 3072
    dense = 3 * hidden * 33792
    delta = 5 * hidden * 12288 + 128 * hidden + 12288 * 128 + 96 * hidden + 3 * 12288 * 4 + 96 + 12288 + 128
    latent = (
        hidden * 1536 + 1536 + 1536 * 96 * 192 + hidden * 576 + 512 + 512 * 96 * 256 + 2 * 96 * 128 * hidden
    )  # fmt: skip
    layers = 92 * (experts * expert + beside) + dense + 69 * delta + 24 * latent + 93 * 6 * hidden
    assert model.text_parameters == layers + 2 * 163840 * hidden + 3 * hidden
    kinds = Counter(type(mixer) for group in model.layers for mixer in group.mixers for _ in range(group.count))
    assert kinds == {RecurrentMixer: 69, MlaAttention: 24}


def test_an_index_of_pooled_keys_has_one_key_per_pool() -> None:
    """vLLM 0.33: a key of GLM 5.3 Flash is 128 numbers of 8 bit and a 32-bit scale; Qwen4-Exp's is in 16 bit."""
    glm = build("glm5_next_text", {**LATENT, "n_routed_experts": 10, "qk_rope_head_dim": 0, "linear_attn_config": KDA})
    attention = next(mixer for mixer in glm.mixers() if isinstance(mixer, MlaAttention))
    latent, index = attention.caches
    assert (latent.elements, latent.tokens_per_entry) == (16, 1)
    assert (index.fixed_bytes, index.tokens_per_entry) == (132, 16)
    qwen = build("qwen4_exp_text", {
        **DELTA, "indexer_n_heads": 3, "indexer_kv_heads": 1, "indexer_head_dim": 64, "indexer_budget": 64,
        "indexer_compress_ratio": 4, "ple_layer_ids": [2], "ngram_vocab_size_base": 1000,
    })  # fmt: skip
    keys = next(mixer for mixer in qwen.mixers() if isinstance(mixer, GqaAttention)).caches
    assert [(cache.fixed_bytes, cache.tokens_per_entry) for cache in keys] == [(None, 1), (2 * 64, 4)]
    kept = [m.states for m in qwen.mixers() if isinstance(m, RecurrentMixer) and len(m.states) == 4]
    assert [last.elements for *_, last in kept] == [(4 - 1) * 3 * 4 * 64]


def test_qwen4s_draft_is_a_layer_of_attention_and_three_matrices() -> None:
    """vLLM 0.33: two [h, h] beside the layer, norms of the embedding and of all streams, and a mixer of its own."""
    keys = {
        **DELTA, "indexer_n_heads": 3, "indexer_kv_heads": 1, "indexer_head_dim": 64, "indexer_budget": 64,
        "indexer_compress_ratio": 4, "hc_count": 3, "hc_lowrank": 10,
    }  # fmt: skip
    model = build("qwen4_exp_text", {**keys, "mtp_num_hidden_layers": 1})
    attention = next(group for group in model.layers if 3 in group.indices)
    layer = sum(tensor.elements for tensor in attention.tensors() if not tensor.buffer)
    streams = 3 * 64
    assert model.draft_parameters == layer + 2 * 64 * 64 + 64 + streams + streams + 2 * 10 * streams


def test_inklings_windowed_layers_have_heads_of_their_own() -> None:
    """vLLM 0.33 packs keys, values and both outputs of a KV head into a power of two, for each tap."""
    model = build("inkling_text", {
        **SMALL, "swa_num_attention_heads": 2, "swa_num_key_value_heads": 1, "swa_head_dim": 16, "head_dim": 32,
        "sliding_window_size": 24, "n_routed_experts": 7,
    })  # fmt: skip
    found = {
        (m.window_tokens, m.query_heads, m.kv_heads, m.head_dim) for m in model.mixers() if isinstance(m, GqaAttention)
    }  # fmt: skip
    assert found == {(None, 4, 2, 32), (24, 2, 1, 16)}
    packed = {m.states[0].heads: m.states[0].elements for m in model.mixers() if isinstance(m, RecurrentMixer)}
    assert packed == {2: 4 * 128, 1: 4 * 256}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("jamba", {**SMALL, "attn_layer_offset": 8}, "attn_layer_offset"),
    ("jamba", {**SMALL, "mamba_d_conv": 0}, "mamba_d_conv"),
    ("bamba", {**SMALL, "mamba_n_heads": 7}, "mamba_n_heads"),
    ("bamba", {**SMALL, "mamba_n_heads": 8, "mamba_n_groups": 3}, "mamba_n_groups"),
    ("bamba", {**SMALL, "mamba_n_heads": 8, "mamba_d_head": 17}, "mamba_d_head"),
    ("mamba2", {**PURE, "num_heads": 0}, "num_heads"),
    ("mamba", {**PURE, "time_step_rank": "half"}, "time_step_rank"),
    ("granitemoehybrid", {**SMALL, "mamba_n_heads": 8, "layer_types": ["mamba"] * 5}, "layer_types"),
    ("granitemoehybrid", {**SMALL, "mamba_n_heads": 8, "layer_types": ["conv"] * 6}, "layer_types"),
    ("nemotron_h", NEMOTRON, "layers_block_type"),
    ("nemotron_h", {**NEMOTRON, "hybrid_override_pattern": "MX"}, "hybrid_override_pattern"),
    ("nemotron_h", {**NEMOTRON, "layers_block_type": ["mamba", {"a": 1}]}, "layers_block_type"),
    ("nemotron_h", {**NEMOTRON, "hybrid_override_pattern": "M*", "n_groups": 3}, "n_groups"),
    ("nemotron_h", {**NEMOTRON, "hybrid_override_pattern": "M-", "intermediate_size": []}, "intermediate_size"),
    ("nemotron_h", {**NEMOTRON, "hybrid_override_pattern": "M", "mamba_ssm_cache_dtype": "int3"},
     "mamba_ssm_cache_dtype"),
    ("nemotron_h_puzzle", {**NEMOTRON, "block_configs": ["mamba"]}, "block_configs"),
    ("lfm2", {**SMALL, "block_ffn_dim_multiplier": 1e9}, "intermediate_size"),
    ("lfm2", {**SMALL, "layer_types": ["conv"] * 5}, "layer_types"),
    ("kimi_linear", {**LATENT, "linear_attn_config": {**KDA, "num_heads": 0}}, "linear_num_heads"),
    ("kimi_linear", {**LATENT, "linear_attn_config": {**KDA, "kda_layers": 7}}, "linear_attn_config.kda_layers"),
    ("qwen3_next", {**DELTA, "linear_num_key_heads": 3}, "linear_num_key_heads"),
    ("minimax", {**SMALL, "attn_type_list": [1]}, "attn_type_list"),
    ("nemotron-nas", {**SMALL, "block_configs": [{}] * 6}, "block_configs[0].attention"),
    ("nemotron-nas", SMALL, "block_configs"),
    ("zamba2", {**SMALL, "layers_block_type": ["attention"]}, "layers_block_type"),
    ("recurrent_gemma", {**SMALL, "block_types": []}, "block_types"),
    ("rwkv5", {**PURE, "head_size": 7}, "head_size"),
    ("rwkv7", {**PURE, "attn": {"layers": [1]}}, "attn"),
    ("qwen4_exp_text", {**DELTA, "indexer_n_heads": 3, "indexer_kv_heads": 1, "indexer_head_dim": 64,
                        "indexer_budget": 64, "indexer_compress_ratio": 4, "ple_layer_ids": [99]}, "ple_layer_ids"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[0]}-{case[2]}")
def test_what_cannot_be_sized_is_refused_by_key(case: tuple[str, dict[str, Any], str]) -> None:
    model_type, keys, key = case
    with pytest.raises(LlmplanError, match="a file") as caught:
        build(model_type, keys)
    assert f"`{key}`" in str(caught.value)
