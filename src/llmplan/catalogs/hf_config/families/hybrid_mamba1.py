"""Mamba 1 alone (Mamba, Falcon Mamba) and beside attention (Jamba)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from llmplan.catalogs.hf_config.blocks import norm
from llmplan.catalogs.hf_config.context import UNBOUNDED_TOKENS
from llmplan.catalogs.hf_config.normalize import Config
from llmplan.catalogs.hf_config.recurrent import mamba1
from llmplan.catalogs.hf_config.recurrent_keys import taps, time_step_rank
from llmplan.catalogs.hf_config.style import Family, LayerMixers, Moe, Style
from llmplan.spec.model import RecurrentMixer

ASSUMED_TOKENS: Final = 2048
"""what vLLM starts with where a config states no length"""
NO_BOUND: Final = {"max_position_embeddings": UNBOUNDED_TOKENS, "assumed_context_tokens": ASSUMED_TOKENS}
"""class defaults of a family whose files state no length"""
NO_LENGTH: Final = (
    f"the file states no context length, nor does the recurrence bound it: {ASSUMED_TOKENS:,} tokens are taken, as by "
    "vLLM, unless --max-model-len says otherwise"
)


def recurrent_everywhere(config: Config) -> tuple[LayerMixers, ...]:
    """Every layer is a recurrence and nothing else."""
    return (("recurrent",),) * config.layers


def no_feeds(config: Config) -> tuple[bool, ...]:
    """No layer has a feed-forward."""
    return (False,) * config.layers


def without_attention(config: Config) -> Mapping[str, Any]:
    """Mamba's own width, where stated, else a multiple of the model's."""
    stated = config.optional_integer("intermediate_size", low=1)
    return {"intermediate_size": stated or config.integer("expand", high=1024) * config.hidden}


def _mamba(config: Config, layer: str) -> RecurrentMixer:
    return mamba1(
        f"{layer}.mixer", config.hidden, inner=config.integer("intermediate_size"), state=config.integer("state_size"),
        rank=time_step_rank(config, "time_step_rank"), taps=taps(config, "conv_kernel"), bias=config.flag("use_bias"),
        conv_bias=config.flag("use_conv_bias", True),
    )  # fmt: skip


def _jamba(config: Config, layer: str) -> RecurrentMixer:
    """Jamba norms time step, keys and queries."""
    path, state = f"{layer}.mamba", config.integer("mamba_d_state")
    rank = time_step_rank(config, "mamba_dt_rank")
    return mamba1(
        path, config.hidden, inner=config.integer("mamba_expand", high=1024) * config.hidden, state=state, rank=rank,
        taps=taps(config, "mamba_d_conv"), bias=config.flag("mamba_proj_bias"),
        conv_bias=config.flag("mamba_conv_bias", True),
        extra=(
            *norm(f"{path}.dt_layernorm", rank),
            *norm(f"{path}.b_layernorm", state),
            *norm(f"{path}.c_layernorm", state),
        ),
    )  # fmt: skip


def _periodic(config: Config, kind: str) -> tuple[bool, ...]:
    """Every layer whose number leaves `<kind>_layer_offset` when divided by `<kind>_layer_period`."""
    period = config.integer(f"{kind}_layer_period")
    offset = config.integer(f"{kind}_layer_offset", low=0)
    if offset >= period:
        raise config.fail(f"{kind}_layer_offset", f"{offset} is not below the period {period}")
    return tuple(i % period == offset for i in range(config.layers))


def _jamba_mixers(config: Config) -> tuple[LayerMixers, ...]:
    return tuple(("attention",) if attends else ("recurrent",) for attends in _periodic(config, "attn"))


def _jamba_routed(config: Config) -> tuple[bool, ...]:
    """A mixture of one expert is a plain feed-forward."""
    return tuple(routes and config.integer("num_experts") > 1 for routes in _periodic(config, "expert"))


PURE: Final = Style(
    base="backbone", embed="embeddings", final_norm="norm_f", norms=("norm",), mixers=recurrent_everywhere,
    feeds=no_feeds, recurrent_of=_mamba,
)  # fmt: skip
_DEFAULTS: Final = {
    "tie_word_embeddings": True, "expand": 2, "conv_kernel": 4, "state_size": 16, "use_bias": False,
    "use_conv_bias": True, **NO_BOUND,
}  # fmt: skip

FAMILIES: Final = (
    Family(
        model_types=("mamba", "falcon_mamba"), style=replace(PURE), defaults=_DEFAULTS, derive=without_attention,
        notes=(NO_LENGTH,),
    ),
    Family(
        model_types=("jamba",),
        defaults={
            "tie_word_embeddings": False, "num_key_value_heads": 8, "max_position_embeddings": 262144,
            "num_experts": 16, "num_experts_per_tok": 2, "expert_layer_period": 2, "expert_layer_offset": 1,
            "attn_layer_period": 8, "attn_layer_offset": 4, "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2,
        },
        style=Style(
            norms=("input_layernorm", "pre_ff_layernorm"), final_norm="final_layernorm", mlp_path="feed_forward",
            mixers=_jamba_mixers, recurrent_of=_jamba,
            moe=Moe(path="feed_forward", router="router", size_key="intermediate_size", is_moe=_jamba_routed),
        ),
    ),
)  # fmt: skip
