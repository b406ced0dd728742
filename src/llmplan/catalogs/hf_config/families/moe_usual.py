"""Mixtures of experts under the usual names: OLMoE, dots, Solar Open, EXAONE MoE, Mellum, Granite shared, Cohere, Aria.

They differ in norms, windows, which layers route, and what stands beside the experts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from llmplan.catalogs.hf_config.blocks import MlpNames
from llmplan.catalogs.hf_config.decoder import LayerPlan
from llmplan.catalogs.hf_config.drafts import NEXT_N, Beside, full_layer
from llmplan.catalogs.hf_config.families.moe import first_dense, shared_experts, sparse_step
from llmplan.catalogs.hf_config.layer_lists import Routed, by_mlp_layer_types, leading, number_of, of_each
from llmplan.catalogs.hf_config.normalize import MAX_LAYERS, MAX_TOKENS, Config
from llmplan.catalogs.hf_config.style import Family, Moe, Style
from llmplan.catalogs.hf_config.windows import Windows, every, first_of_every, from_layer
from llmplan.spec.model import Shard, Tensor, TensorRole

_UNTIED: Final = {"tie_word_embeddings": False, "attention_bias": False}
_SCORE_BIAS: Final = "gate.e_score_correction_bias"
_BIASES: Final = Style(qkv_bias="attention_bias", out_bias="attention_bias")
_DEEPSEEK: Final = Moe(
    count_key="n_routed_experts", score_bias=_SCORE_BIAS, is_moe=first_dense, shared_path="shared_experts",
    shared_size=shared_experts,
)  # fmt: skip
_PARALLEL: Final = MlpNames(gate="input_linear", up="input_linear", down="output_linear")


def all_route(config: Config) -> Routed:
    """Every layer routes."""
    return (True,) * config.layers


def shared_by_count(config: Config) -> int:
    """`num_shared_experts` experts as one MLP as wide as all of them together."""
    return of_each(config, "num_shared_experts", "moe_intermediate_size")


def _shared_width(config: Config) -> int:
    return config.optional_integer("shared_intermediate_size") or 0


def _shared_expert(config: Config) -> int:
    return config.integer("shared_expert_intermediate_size")


def _offsets(config: Config, path: str) -> Iterator[Tensor]:
    """Flint: a number for every head in the denominator of the softmax."""
    yield Tensor(name=f"{path}.softmax_offset", shape=(config.heads,), role=TensorRole.OTHER, shard=Shard.COLUMN)


def _flint_windows(config: Config) -> Windows:
    """Full attention in the first two layers, the second of every four, and the last."""
    windows = every(1)(config) if config.has("layer_types") else None
    width, last = config.optional_integer("sliding_window", low=1, high=MAX_TOKENS), config.layers - 1
    return windows or tuple(None if i < 2 or i % 4 == 1 or i == last else width for i in range(config.layers))


def _cohere_windows(config: Config) -> Windows:
    """Dense first layers have a pattern of their own, after which the pattern of the others begins.

    The file counts the tokens before a token, the engine the token, too.
    """
    plain = every(4, beyond=1)(config)
    first = min(config.optional_integer("first_k_dense_replace", high=MAX_LAYERS) or 0, config.layers)
    if config.has("layer_types") or not first:
        return plain
    own = config.integer("prefix_dense_sliding_window_pattern", high=MAX_LAYERS)
    period = config.integer("sliding_window_pattern", high=MAX_LAYERS)
    width = config.integer("sliding_window", high=MAX_TOKENS) + 1
    places = [(i + 1) % own for i in range(first)] + [(i + 1) % period for i in range(config.layers - first)]
    return tuple(width if place else None for place in places)


def _exaone_windows(config: Config) -> Windows:
    """A windowed layer has the width in `sliding_windows`, where the file lists one for each."""
    plain = every(4)(config)
    return tuple(
        window if window is None else number_of(config, "sliding_windows", layer, high=MAX_TOKENS) or window
        for layer, window in enumerate(plain)
    )


def _exaone_drafts(config: Config, style: Style, count: int) -> Sequence[LayerPlan]:
    """Dense layers whose windows are those of the first layers, unless `mtp_layer_types` says that they are full."""
    kinds = config.items("mtp_layer_types") or ()
    windows = style.windows(config)
    return [
        replace(
            full_layer(routed=False),
            window=None if i >= len(windows) or (i < len(kinds) and kinds[i] == "full_attention") else windows[i],
        )
        for i in range(count)
    ]


def _dense_width(config: Config) -> int:
    stated = config.optional_integer("prefix_dense_intermediate_size", low=1)
    return config.integer("intermediate_size") if stated is None else stated


def _without_experts(config: Config, style: Style) -> Style:
    """Without `n_routed_experts` every layer is dense."""
    return style if config.has("n_routed_experts") else replace(style, moe=None)


FAMILIES: Final = (
    Family(
        model_types=("olmoe",), defaults={**_UNTIED, "num_experts": 64, "num_experts_per_tok": 8},
        style=replace(_BIASES, qk_norm="full", moe=Moe(size_key="intermediate_size")),
    ),
    Family(
        model_types=("flex_olmo",), defaults={**_UNTIED, "num_experts": 7, "num_experts_per_tok": 5},
        style=replace(
            _BIASES, qk_norm="full", moe=Moe(size_key="intermediate_size"),
            norms=("post_attention_layernorm", "post_feedforward_layernorm"),
        ),
    ),
    Family(
        model_types=("deepseek",), variant=_without_experts, defaults={**_UNTIED, "n_shared_experts": 0},
        style=replace(_BIASES, moe=replace(_DEEPSEEK, score_bias=None)),
    ),
    Family(
        model_types=("dots1",), defaults={**_UNTIED, "use_sliding_window": True, "max_window_layers": 62},
        style=replace(_BIASES, qk_norm="per_head", windows=from_layer, moe=_DEEPSEEK),
    ),
    Family(
        model_types=("solar_open",),
        style=Style(qkv_bias="attention_bias", moe=replace(_DEEPSEEK, is_moe=None)),
        defaults={
            **_UNTIED, "head_dim": 128, "n_routed_experts": 128, "num_experts_per_tok": 8, "n_shared_experts": 1,
            "moe_intermediate_size": 1280,
        },
    ),
    Family(
        model_types=("exaone_moe",), draft=Beside(count_key=NEXT_N, plans=_exaone_drafts),
        style=Style(
            qk_norm="per_head", windows=_exaone_windows,
            moe=Moe(
                score_bias="e_score_correction_bias", is_moe=by_mlp_layer_types(first_dense),
                shared_path="shared_experts", shared_size=shared_by_count,
            ),
        ),
        defaults={
            **_UNTIED, "first_k_dense_replace": 1, "sliding_window": 4096, "sliding_window_pattern": 4,
            "num_experts": 64, "num_experts_per_tok": 8, "moe_intermediate_size": 1024, "num_shared_experts": 1,
        },
    ),
    Family(
        model_types=("mellum",),
        style=replace(
            _BIASES, qk_norm="per_head", windows=every(0),
            moe=Moe(count_key="num_local_experts", is_moe=by_mlp_layer_types(all_route)),
        ),
        defaults={
            **_UNTIED, "head_dim": 128, "num_local_experts": 64, "num_experts_per_tok": 8, "sliding_window": 1024,
            "moe_intermediate_size": 896,
        },
    ),
    Family(
        model_types=("granitemoeshared",), defaults={**_UNTIED, "shared_intermediate_size": 0},
        style=replace(
            _BIASES,
            moe=Moe(
                path="block_sparse_moe", router="router.layer", experts="", names=_PARALLEL, shared_beside=True,
                count_key="num_local_experts", size_key="intermediate_size", shared_path="shared_mlp",
                shared_names=_PARALLEL, shared_size=_shared_width,
            ),
        ),
    ),
    Family(
        model_types=("granitemoe_swa",),
        defaults={**_UNTIED, "shared_intermediate_size": 0, "sliding_window": 128},
        style=replace(
            _BIASES, sinks="sinks", windows=first_of_every(4),
            moe=Moe(
                path="block_sparse_moe", router="router", experts="experts", shared_beside=True,
                names=MlpNames(gate="gate_up_proj", up="gate_up_proj"), count_key="num_local_experts",
                size_key="intermediate_size", shared_path="shared_mlp", shared_names=_PARALLEL,
                shared_size=_shared_width,
            ),
        ),
    ),
    Family(
        model_types=("cohere2_moe",),
        style=replace(
            _BIASES, norms=("input_layernorm",), windows=_cohere_windows, mlp_size=_dense_width,
            moe=Moe(
                size_key="intermediate_size", is_moe=by_mlp_layer_types(leading("first_k_dense_replace")),
                shared_path="shared_experts",
                shared_size=lambda config: of_each(config, "num_shared_experts", "intermediate_size"),
            ),
        ),
        defaults={
            **_UNTIED, "tie_word_embeddings": True, "sliding_window": 4096, "sliding_window_pattern": 4,
            "prefix_dense_sliding_window_pattern": 1, "num_shared_experts": 0, "num_experts": 8,
            "num_experts_per_tok": 2,
        },
    ),
    Family(
        model_types=("flint",),
        style=replace(
            _BIASES, qk_norm="per_head", windows=_flint_windows, beside=_offsets,
            moe=Moe(is_moe=sparse_step, shared_path="shared_expert", shared_size=_shared_expert),
        ),
        defaults={**_UNTIED, "head_dim": 128, "sliding_window": 513, "mlp_only_layers": [0, 1]},
    ),
    Family(
        model_types=("aria_text",),
        style=replace(
            _BIASES,
            moe=Moe(
                router="router", experts="experts", names=MlpNames(gate="fc1", up="fc1", down="fc2"),
                count_key="moe_num_experts", chosen_key="moe_topk", size_key="intermediate_size",
                shared_path="shared_experts", shared_bias="mlp_bias",
                shared_size=lambda config: of_each(config, "moe_num_shared_experts", "intermediate_size"),
            ),
        ),
        defaults={**_UNTIED, "moe_num_experts": 8, "moe_topk": 2, "moe_num_shared_experts": 2},
    ),
)  # fmt: skip
