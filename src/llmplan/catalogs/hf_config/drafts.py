"""Layers of multi-token prediction: what a checkpoint stores for drafting tokens, beside the decoder.

Every kind puts one decoder layer behind a projection [h, 2h] of two normed vectors: the hidden state and the embedding
of the next token. Checkpoints differ in where they keep it and in whether embedding and output matrix are stored again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from llmplan.catalogs.hf_config.blocks import embedding, head, linear, norm
from llmplan.catalogs.hf_config.decoder import LayerPlan, grouped
from llmplan.catalogs.hf_config.normalize import MAX_LAYERS, Config
from llmplan.catalogs.hf_config.style import Names, Style
from llmplan.spec.model import Draft, Shard, Tensor

LayerPlans: TypeAlias = Callable[[Config, Style, int], Sequence[LayerPlan]]

NEXT_N: Final = "num_nextn_predict_layers"


def full_layer(*, routed: bool) -> LayerPlan:
    """A layer of full attention."""
    return LayerPlan(window=None, routed=routed, mixers=("attention",), feeds=True, keys=())


def as_the_last(config: Config, style: Style, count: int) -> Sequence[LayerPlan]:
    """Layers of full attention that route where the model does."""
    del config
    return [full_layer(routed=style.moe is not None)] * count


def dense(config: Config, style: Style, count: int) -> Sequence[LayerPlan]:
    """Layers of full attention that never route."""
    del config, style
    return [full_layer(routed=False)] * count


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacked:
    """How a family stores layers that each have everything of their own. Paths are below the layer's.

    `below` is where these layers are, below the decoder's base; None: they go on where its stack ends. `block` is
    where the decoder layer itself is. `final`, `head`, `embed`: its own last norm, output matrix and embedding; None:
    the model's.
    """

    count_key: str = NEXT_N
    below: str | None = None
    block: str = ""
    embed_norm: str = "enorm"
    hidden_norm: str = "hnorm"
    projection: str = "eh_proj"
    final: str | None = "shared_head.norm"
    head: str | None = None
    embed: str | None = None
    plans: LayerPlans = as_the_last
    style: Style | None = None
    """of the layers, where they differ from the model's"""

    def __call__(self, config: Config, style: Style, names: Names) -> Draft | None:
        """The layers, or None where the file states none."""
        count = config.optional_integer(self.count_key, high=MAX_LAYERS)
        if not count:
            return None
        base = names.base or style.base
        path = ".".join(part for part in (base, style.layers if self.below is None else self.below) if part)
        plans, first = self.plans(config, style, count), config.layers if self.below is None else 0
        layers = grouped(config, self.style or style, f"{path}.{self.block}" if self.block else path, plans, first)
        beside = tuple(self._beside(config, path))
        return Draft(layers=tuple(replace(group, norms=(*group.norms, *beside)) for group in layers))

    def _beside(self, config: Config, path: str) -> Iterator[Tensor]:
        hidden, vocabulary = config.hidden, config.integer("vocab_size")
        yield from norm(f"{path}.{self.embed_norm}", hidden)
        yield from norm(f"{path}.{self.hidden_norm}", hidden)
        yield from linear(f"{path}.{self.projection}", hidden, 2 * hidden, Shard.REPLICATED)
        if self.final is not None:
            yield from norm(f"{path}.{self.final}", hidden)
        if self.head is not None:
            yield from head(f"{path}.{self.head}", vocabulary, hidden)
        if self.embed is not None:
            yield embedding(f"{path}.{self.embed}", vocabulary, hidden)


after_the_layers: Final = Stacked(head="shared_head.head", embed="embed_tokens")
"""DeepSeek V3 and those after it: at the end of the stack, with embedding and output matrix stored again"""
after_the_layers_shared: Final = Stacked(final="final_layernorm")
"""Ling 2, Hunyuan 3: at the end of the stack; embedding and output matrix are the model's"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Qwen3-Next and those after it: a module `mtp` of layers behind one projection; the rest is the model's.

    Two norms and a projection [h, 2h] before the layers, a norm behind them.
    """

    count_key: str = "mtp_num_hidden_layers"
    plans: LayerPlans = as_the_last

    def __call__(self, config: Config, style: Style, names: Names) -> Draft | None:
        """The module, or None where the file states none."""
        del names
        count = config.optional_integer(self.count_key, high=MAX_LAYERS)
        if not count:
            return None
        hidden = config.hidden
        outside = (
            *norm("mtp.pre_fc_norm_embedding", hidden),
            *norm("mtp.pre_fc_norm_hidden", hidden),
            *linear("mtp.fc", hidden, 2 * hidden, Shard.REPLICATED),
            *norm("mtp.norm", hidden),
        )
        layers = grouped(config, style, "mtp.layers.{i}", self.plans(config, style, count))
        return Draft(layers=layers, globals=outside)


beside_the_layers: Final = Beside()
