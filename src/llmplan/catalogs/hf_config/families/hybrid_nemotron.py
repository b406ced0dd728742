"""Nemotron-H and Nemotron 3: each layer is one of Mamba 2, attention, a feed-forward or a mixture of experts.

Files list the layers' kinds, or (where a search has cut the model) one object per layer with its kind and sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

from llmplan.catalogs.hf_config.blocks import MlpNames, linear, norm
from llmplan.catalogs.hf_config.contradictions import LISTED_IN, STATED_LAYERS
from llmplan.catalogs.hf_config.decoder import LayerPlan, grouped
from llmplan.catalogs.hf_config.normalize import MAX_EXPERTS, MAX_LAYERS, MAX_TOKENS, Config, show
from llmplan.catalogs.hf_config.recurrent import mamba2
from llmplan.catalogs.hf_config.recurrent_keys import Mamba2Keys, mamba2_sizes, state_dtype
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Moe, Names, Style
from llmplan.catalogs.hf_config.windows import Windows
from llmplan.spec.model import Draft, RecurrentMixer, Shard, Tensor

Kind: TypeAlias = Literal["M", "*", "-", "E"]
_BY_NAME: Final[Mapping[str, Kind]] = {
    "mamba": "M", "linear_attention": "M", "attention": "*", "full_attention": "*", "mlp": "-", "moe": "E",
    "M": "M", "*": "*", "-": "-", "E": "E",
}  # fmt: skip
_MIXERS: Final[Mapping[Kind, LayerMixers]] = {"M": ("recurrent",), "*": ("attention",), "-": (), "E": ()}
_PLAIN: Final = MlpNames(gate=None)
_KEYS: Final = Mamba2Keys(
    heads="mamba_num_heads", groups="n_groups", state="ssm_state_size", head_dim="mamba_head_dim", taps="conv_kernel",
    expand=None,
)  # fmt: skip
_FORMER: Final = {"n_groups": "mamba_n_groups", "conv_kernel": "mamba_d_conv", "use_conv_bias": "mamba_conv_bias"}
_PATTERN: Final = "hybrid_override_pattern"
_BLOCKS: Final = "layers_block_type"
_DRAFT_PATTERN: Final = "mtp_hybrid_override_pattern"
_DRAFT_BLOCKS: Final = "mtp_layers_block_type"
_MAX_DRAFTS: Final = 64
_CUT: Final = "block_configs"
_CUT_DRAFT: Final = "mtp_block_configs"
_CUT_KEYS: Final = (
    "n_routed_experts", "num_experts_per_tok", "moe_intermediate_size", "moe_latent_size", "n_shared_experts",
    "moe_shared_expert_intermediate_size", "intermediate_size", "num_attention_heads", "num_key_value_heads",
    "head_dim", "mamba_num_heads", "mamba_head_dim", "n_groups", "ssm_state_size", "conv_kernel",
    "sliding_window",
)  # fmt: skip
"""sizes that a layer's own object may state"""


def _kinds(config: Config, blocks: str, pattern: str, default: str | None) -> tuple[Kind, ...]:
    """One kind per layer: a list of names, or the former string of letters."""
    key = blocks if config.has(blocks) else pattern
    stated = config.values.get(key)
    stated = default if stated is None else stated
    if stated is None:
        raise config.fail(blocks, f"missing, as is `{pattern}`; without them the kinds of the layers are unknown")
    if not isinstance(stated, str | list | tuple) or not 0 < len(stated) <= MAX_LAYERS:
        raise config.fail(key, f"expected the kinds of 1 to {MAX_LAYERS} layers, got {show(stated)}")
    return tuple(_kind(config, key, kind) for kind in stated)


def _kind(config: Config, key: str, kind: object) -> Kind:
    if not isinstance(kind, str) or kind not in _BY_NAME:
        raise config.fail(key, f"a layer of kind {show(kind)} is not read; known: mamba, attention, mlp, moe, M*-E")
    return _BY_NAME[kind]


def _cut(config: Config, key: str) -> tuple[tuple[Kind, Mapping[str, int]], ...]:
    """The kind and the stated sizes of every layer that has an object of its own."""
    blocks = config.items(key) or ()
    if len(blocks) > MAX_LAYERS:
        raise config.fail(key, f"lists {len(blocks)} layers, more than {MAX_LAYERS}")
    found = []
    for block in blocks:
        if not isinstance(block, Mapping):
            raise config.fail(key, f"expected an object for each layer, got {show(block)}")
        own = Config(where=config.where, values=block)
        sizes = {name: own.optional_integer(name, high=MAX_TOKENS) for name in _CUT_KEYS}
        kind = _kind(config, f"{key}.block_type", block.get("block_type"))
        found.append((kind, {name: size for name, size in sizes.items() if size is not None}))
    return tuple(found)


def _derive(config: Config) -> Mapping[str, Any]:
    """The list of layers is their number, whatever `num_hidden_layers` says, as in the class: a note says so."""
    cut = _cut(config, _CUT)
    listed_in = next((key for key in (_CUT, _BLOCKS) if config.has(key)), _PATTERN)
    kinds = tuple(kind for kind, _ in cut) or _kinds(config, _BLOCKS, _PATTERN, None)
    found: dict[str, Any] = {
        "num_hidden_layers": len(kinds), "kinds": "".join(kinds), "cut": tuple(own for _, own in cut),
        "layer_types": None, LISTED_IN: listed_in, STATED_LAYERS: config.values.get("num_hidden_layers"),
    }  # fmt: skip
    return found | {now: config.values[former] for now, former in _FORMER.items() if config.has(former)}


def _mixers(config: Config) -> tuple[LayerMixers, ...]:
    return tuple(_MIXERS[kind] for kind in _stack(config))


def _feeds(config: Config) -> tuple[bool, ...]:
    return tuple(kind in "-E" for kind in _stack(config))


def _routed(config: Config) -> tuple[bool, ...]:
    return tuple(kind == "E" for kind in _stack(config))


def _stack(config: Config) -> tuple[Kind, ...]:
    return tuple(_BY_NAME[kind] for kind in config.values["kinds"])


def _windows(config: Config) -> Windows:
    """One window for all layers, or one in a layer's own object."""
    width = config.optional_integer("sliding_window", low=1, high=MAX_TOKENS)
    own: tuple[Mapping[str, int | None], ...] = config.values["cut"] or ({},) * config.layers
    return tuple(sizes.get("sliding_window", width) for sizes in own)


def _at_layer(config: Config, index: int) -> Mapping[str, Any]:
    """The sizes in the layer's own object; `intermediate_size` may be a list with one width per feed-forward layer."""
    widths, kinds = config.values.get("intermediate_size"), _stack(config)
    if config.values["cut"]:
        own: Mapping[str, Any] = config.values["cut"][index]
        return own
    if not isinstance(widths, list | tuple) or kinds[index] != "-":
        return {}
    place = kinds[:index].count("-") if len(widths) > 1 else 0
    if place >= len(widths):
        raise config.fail("intermediate_size", f"lists {len(widths)} feed-forward layers of {kinds.count('-')}")
    width = Config(where=config.where, values={"intermediate_size": widths[place]}).integer("intermediate_size")
    return {"intermediate_size": width}


def _mamba(config: Config, layer: str) -> RecurrentMixer:
    return mamba2(
        f"{layer}.mixer", config.hidden, mamba2_sizes(config, _KEYS), bias=config.flag("use_bias"),
        conv_bias=config.flag("use_conv_bias", True),
        state_dtype=state_dtype(config, "mamba_ssm_cache_dtype", "float32"),
    )  # fmt: skip


def _latent(config: Config) -> int:
    """Width that the experts see: the model's unless `moe_latent_size` states a smaller one."""
    return config.optional_integer("moe_latent_size", low=1) or config.hidden


def _projections(config: Config, path: str) -> Iterable[Tensor]:
    """To and from the experts' own width, on every rank."""
    latent, bias = config.optional_integer("moe_latent_size", low=1), config.flag("mlp_bias")
    if latent is not None:
        yield from linear(f"{path}.fc1_latent_proj", latent, config.hidden, Shard.REPLICATED, bias=bias)
        yield from linear(f"{path}.fc2_latent_proj", config.hidden, latent, Shard.REPLICATED, bias=bias)


def _shared(config: Config) -> int:
    """Shared experts are one feed-forward, as wide as all of them together."""
    count = config.integer("n_shared_experts", low=0, high=MAX_EXPERTS)
    return count * config.integer("moe_shared_expert_intermediate_size") if count else 0


def _draft(config: Config, style: Style, names: Names) -> Draft | None:
    """A module `mtp` with `num_nextn_predict_layers` copies of the layers in `mtp_hybrid_override_pattern`.

    The first layer of a copy also has two norms and a projection [h, 2h], the last one a final norm; embedding and
    head are the model's.
    """
    count = config.optional_integer("num_nextn_predict_layers", high=_MAX_DRAFTS)
    if not count:
        return None
    kinds = _cut(config, _CUT_DRAFT) or tuple((k, {}) for k in _kinds(config, _DRAFT_BLOCKS, _DRAFT_PATTERN, "*E"))
    if len(kinds) > _MAX_DRAFTS:
        raise config.fail(_DRAFT_PATTERN, f"{len(kinds)} layers to draft one token are more than {_MAX_DRAFTS}")
    plans = [
        LayerPlan(
            window=None, routed=kind == "E", mixers=_MIXERS[kind], feeds=kind in "-E", keys=tuple(sorted(own.items()))
        )
        for kind, own in kinds
    ]  # fmt: skip
    outside: list[Tensor] = []
    for copy in range(count):
        first, last = f"mtp.layers.{copy * len(kinds)}", f"mtp.layers.{(copy + 1) * len(kinds) - 1}"
        outside += [
            *norm(f"{first}.enorm", config.hidden), *norm(f"{first}.hnorm", config.hidden),
            *linear(f"{first}.eh_proj", config.hidden, 2 * config.hidden, Shard.COLUMN),
            *norm(f"{last}.final_layernorm", config.hidden),
        ]  # fmt: skip
    return Draft(layers=grouped(config, style, "mtp.layers.{i}", plans * count), globals=tuple(outside))


FAMILIES: Final = (
    Family(
        model_types=("nemotron_h", "nemotron_h_puzzle"), derive=_derive, draft=_draft,
        defaults={
            "tie_word_embeddings": False, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 4096,
            "intermediate_size": 21504, "mlp_bias": False, "ssm_state_size": 128, "mamba_num_heads": 128,
            "mamba_head_dim": 64, "n_groups": 8, "conv_kernel": 4, "use_conv_bias": True, "use_bias": False,
            "n_routed_experts": 8, "n_shared_experts": 1, "moe_intermediate_size": 7688,
            "moe_shared_expert_intermediate_size": 7688, "num_experts_per_tok": 2,
        },
        style=Style(
            base="backbone", embed="embeddings", final_norm="norm_f", norms=("norm",), attention="mixer",
            mlp_path="mixer", mlp_names=_PLAIN, mlp_bias="mlp_bias", mixers=_mixers, feeds=_feeds, at_layer=_at_layer,
            windows=_windows, recurrent_of=_mamba,
            moe=Moe(
                path="mixer", names=_PLAIN, shared_bias="mlp_bias", count_key="n_routed_experts",
                score_bias="gate.e_score_correction_bias", is_moe=_routed, expert_hidden=_latent, extra=_projections,
                shared_path="shared_experts", shared_names=_PLAIN, shared_size=_shared,
            ),
        ),
    ),
)  # fmt: skip
