"""Delta attention with a decay per channel: Kimi Linear and K3 (beside latent attention), Alice AI (beside gated)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import MlpNames, linear, mla, norm
from llmplan.catalogs.hf_config.decoder import latent_sizes
from llmplan.catalogs.hf_config.drafts import after_the_layers
from llmplan.catalogs.hf_config.families.moe import first_dense
from llmplan.catalogs.hf_config.layer_lists import by_mlp_layer_types, listed
from llmplan.catalogs.hf_config.normalize import MAX_EXPERTS, MAX_HEADS, Config, show
from llmplan.catalogs.hf_config.recurrent import KdaGates, StateSizes, kimi_delta, vector
from llmplan.catalogs.hf_config.recurrent_keys import delta_sizes, taps
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Moe, Names, Style
from llmplan.spec.model import Draft, Mixer, RecurrentMixer, Shard, Tensor

_NESTED: Final = "linear_attn_config"
_ALICE_SHARED: Final = "shared_expert_intermediate_size"
_FORMER: Final = {
    "num_experts": "num_local_experts", "num_experts_per_token": "num_experts_per_tok",
    "num_shared_experts": "n_shared_experts", "max_position_embeddings": "model_max_length",
}  # fmt: skip
"""this reader's key -> the other one under which files state it"""


def delta_keys(config: Config) -> Mapping[str, Any]:
    """The nested keys of the recurrence, flat, and each layer's kind."""
    nested = config.mapping(_NESTED)
    flat = {
        "linear_head_dim": nested.get("head_dim"), "linear_num_heads": nested.get("num_heads"),
        "linear_conv_kernel_dim": nested.get("short_conv_kernel_size"),
        "use_full_rank_gate": nested.get("use_full_rank_gate"),
    }  # fmt: skip
    return {key: value for key, value in flat.items() if value is not None}


def delta_state(config: Config) -> StateSizes:
    """Heads of delta attention: as many of keys as of values, all of one size."""
    heads, dim = config.integer("linear_num_heads", high=MAX_HEADS), config.integer("linear_head_dim")
    return StateSizes(
        heads=heads, groups=heads, key_dim=dim, value_dim=dim, taps=taps(config, "linear_conv_kernel_dim")
    )  # fmt: skip


def _derive(config: Config) -> Mapping[str, Any]:
    other = {
        now: config.values[former] for now, former in _FORMER.items() if not config.has(now) and config.has(former)
    }  # fmt: skip
    stated = {key: config.values[key] for key in _CLASS if config.has(key)}
    return {**_CLASS, **other, **stated, **delta_keys(config)}


def _mixers(config: Config) -> tuple[LayerMixers, ...]:
    """`layer_types`, or the layers that `linear_attn_config` counts from one, or every fourth has attention."""
    kinds = listed(config, "layer_types")
    if kinds is not None:
        return tuple(("recurrent",) if kind == "linear_attention" else ("attention",) for kind in kinds)
    counted = config.mapping(_NESTED).get("kda_layers")
    if counted is None:
        return tuple(("attention",) if i and i % 4 == 0 else ("recurrent",) for i in range(config.layers))
    if not isinstance(counted, list | tuple):
        raise config.fail(f"{_NESTED}.kda_layers", f"expected a list, got {show(counted)}")
    return tuple(("recurrent",) if i + 1 in counted else ("attention",) for i in range(config.layers))


def _delta(config: Config, layer: str) -> RecurrentMixer:
    gates = KdaGates(output="full" if config.flag("use_full_rank_gate") else "low_rank")
    return kimi_delta(f"{layer}.self_attn", config.hidden, delta_state(config), gates)


def _latent(config: Config, layer: str, window: int | None) -> Mixer:
    """Latent attention, with a gate on its output if the file says so."""
    path, sizes = f"{layer}.self_attn", latent_sizes(config)
    mixer = mla(path, config.hidden, sizes, bias=config.flag("attention_bias"))
    if not config.flag("mla_use_output_gate"):
        return mixer
    gate = linear(f"{path}.g_proj", sizes.heads * sizes.value, config.hidden, Shard.COLUMN)
    return replace(mixer, tensors=(*mixer.tensors, *gate))


def _expert_width(config: Config) -> int:
    """Width that the experts see: the model's unless stated."""
    return config.optional_integer("routed_expert_hidden_size", low=1) or config.hidden


def _projections(config: Config, path: str) -> Iterable[Tensor]:
    """To and from the experts' own width, on every rank, and the norm of what they return."""
    width = config.optional_integer("routed_expert_hidden_size", low=1)
    if width is not None:
        yield from linear(f"{path}.routed_expert_down_proj", width, config.hidden, Shard.REPLICATED)
        if config.flag("latent_moe_use_norm"):
            yield from norm(f"{path}.routed_expert_norm", width)
        yield from linear(f"{path}.routed_expert_up_proj", config.hidden, width, Shard.REPLICATED)


def _shared(config: Config) -> int:
    count = config.optional_integer("num_shared_experts", high=MAX_EXPERTS) or 0
    return count * config.integer("moe_intermediate_size")


def _residuals(config: Config, layer: str) -> Iterable[Tensor]:
    """Attention over the earlier blocks' outputs before each half of a layer, if the file states a block size."""
    return _scores(config, (f"{layer}.self_attention_res", f"{layer}.mlp_res"))


def _last_residual(config: Config, base: str) -> Iterable[Tensor]:
    return _scores(config, (f"{base}.output_attn_res",))


def _scores(config: Config, paths: Iterable[str]) -> Iterable[Tensor]:
    if config.optional_integer("attn_res_block_size", low=1) is not None:
        for path in paths:
            yield from norm(f"{path}_norm", config.hidden)
            yield from linear(f"{path}_proj", 1, config.hidden, Shard.REPLICATED)


def _draft(config: Config, style: Style, names: Names) -> Draft | None:
    """A drafting layer sees no earlier blocks."""
    return after_the_layers(config, replace(style, extra=None), names)


def _alice(config: Config, layer: str) -> RecurrentMixer:
    """Alice AI states as many key heads as value heads, of one size."""
    sizes = delta_sizes(config)
    if (sizes.groups, sizes.key_dim) != (sizes.heads, sizes.value_dim):
        raise config.fail("linear_num_key_heads", "keys and values differ in heads or size; this recurrence has one")
    mixer = kimi_delta(f"{layer}.linear_attn", config.hidden, sizes, KdaGates())
    renamed = (replace(tensor, name=tensor.name.replace(".A_log", ".a_log_bias")) for tensor in mixer.tensors)
    return replace(mixer, tensors=tuple(renamed))


def _alice_residuals(config: Config, layer: str) -> Iterable[Tensor]:
    """Scores of the earlier blocks' outputs before each half of a layer; the first layer has none to attend to."""
    names = ("mlp_res",) if config.flag("is_first") else ("attn_res", "mlp_res")
    for name in names:
        yield from linear(f"{layer}.{name}_proj", 1, config.hidden, Shard.REPLICATED)
        yield vector(f"{layer}.{name}_norm_weight", config.hidden, shard=Shard.REPLICATED)


def _alice_last(config: Config, base: str) -> Iterable[Tensor]:
    yield from linear(f"{base}.attnres_final.res_proj", 1, config.hidden, Shard.REPLICATED)
    yield vector(f"{base}.attnres_final.res_norm_weight", config.hidden, shard=Shard.REPLICATED)


_CLASS: Final[Mapping[str, Any]] = {
    "num_experts": 256, "num_experts_per_token": 8, "num_shared_experts": 1, "max_position_embeddings": 1048576
}  # fmt: skip

FAMILIES: Final = (
    Family(
        model_types=("kimi_linear",), derive=_derive, draft=_draft,
        defaults={
            "tie_word_embeddings": False, "attention_bias": False, "kv_lora_rank": 512, "qk_rope_head_dim": 64,
            "qk_nope_head_dim": 128, "v_head_dim": 128, "linear_head_dim": 128, "linear_num_heads": 32,
            "linear_conv_kernel_dim": 4, "first_k_dense_replace": 1, "moe_layer_freq": 1,
        },
        style=Style(
            mixers=_mixers, recurrent_of=_delta, attention_of=_latent, layer_kinds=frozenset({"linear_attention"}),
            extra=_residuals, extra_globals=_last_residual,
            moe=Moe(
                path="block_sparse_moe", names=MlpNames(gate="w1", up="w3", down="w2"),
                is_moe=by_mlp_layer_types(first_dense),
                chosen_key="num_experts_per_token", score_bias="gate.e_score_correction_bias",
                expert_hidden=_expert_width, extra=_projections, shared_path="shared_experts", shared_size=_shared,
            ),
        ),
    ),
    Family(
        model_types=("alice_ai",),
        defaults={"tie_word_embeddings": False, "attention_bias": False, "linear_conv_kernel_dim": 4},
        style=Style(
            mixers=_mixers, recurrent_of=_alice, layer_kinds=frozenset({"linear_attention"}), query_gate=True,
            qk_norm="per_head", out_bias="attention_bias", extra=_alice_residuals, extra_globals=_alice_last,
            at_layer=lambda config, index: {"is_first": index == 0},
            moe=Moe(
                score_bias="gate.e_score_correction_bias", shared_path="shared_expert",
                shared_gate="shared_expert_gate", shared_size=lambda config: config.integer(_ALICE_SHARED, low=0),
            ),
        ),
    ),
)  # fmt: skip
