"""Layers of multi-token prediction: what a checkpoint stores for drafting tokens, beside the decoder.

Every kind puts one decoder layer behind a projection of two hidden vectors to one.
"""

from __future__ import annotations

from dataclasses import replace

from llmplan.catalogs.hf_config.blocks import embedding, head, linear, norm
from llmplan.catalogs.hf_config.decoder import LayerPlan, grouped
from llmplan.catalogs.hf_config.normalize import MAX_LAYERS, Config
from llmplan.catalogs.hf_config.style import Names, Style
from llmplan.spec.model import Draft, Shard


def after_the_layers(config: Config, style: Style, names: Names) -> Draft | None:
    """DeepSeek V3 and those after it: further decoder layers at the end of the stack, with embedding and head again.

    Keys: `num_nextn_predict_layers`. Each holds two norms, a projection [h, 2h], its own final norm, and copies of the
    token embedding and of the output matrix.
    """
    count = config.optional_integer("num_nextn_predict_layers", high=MAX_LAYERS)
    if not count:
        return None
    base, hidden, vocabulary = names.base or style.base, config.hidden, config.integer("vocab_size")
    path = f"{base}.{style.layers}"
    beside = (
        *norm(f"{path}.enorm", hidden),
        *norm(f"{path}.hnorm", hidden),
        *linear(f"{path}.eh_proj", hidden, 2 * hidden, Shard.REPLICATED),
        *norm(f"{path}.shared_head.norm", hidden),
        *head(f"{path}.shared_head.head", vocabulary, hidden),
        embedding(f"{path}.embed_tokens", vocabulary, hidden),
    )
    plan = _plan(routed=style.moe is not None)
    layers = grouped(config, style, path, [plan] * count, config.layers)
    return Draft(layers=tuple(replace(group, norms=(*group.norms, *beside)) for group in layers))


def beside_the_layers(config: Config, style: Style, names: Names) -> Draft | None:
    """Qwen3-Next and those after it: a module `mtp` of full-attention layers; embedding and head are the model's.

    Keys: `mtp_num_hidden_layers`. Two norms and a projection [h, 2h] before the layers, a norm behind them.
    """
    count = config.optional_integer("mtp_num_hidden_layers", high=MAX_LAYERS)
    if not count:
        return None
    hidden = config.hidden
    layers = grouped(config, style, "mtp.layers.{i}", [_plan(routed=style.moe is not None)] * count)
    outside = (
        *norm("mtp.pre_fc_norm_embedding", hidden),
        *norm("mtp.pre_fc_norm_hidden", hidden),
        *linear("mtp.fc", hidden, 2 * hidden, Shard.REPLICATED),
        *norm("mtp.norm", hidden),
    )
    return Draft(layers=layers, globals=outside)


def _plan(*, routed: bool) -> LayerPlan:
    """A layer of full attention."""
    return LayerPlan(window=None, routed=routed, mixers=("attention",), feeds=True, keys=())
