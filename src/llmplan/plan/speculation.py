"""Speculative decoding: how many tokens are drafted, how many of them are accepted, and what drafts them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from llmplan.spec.identity import remembered
from llmplan.spec.model import Draft, LayerGroup, ModelSpec
from llmplan.spec.tensor import Shard, Tensor, TensorRole
from llmplan.spec.weight_format import WeightFormat

Drafter: TypeAlias = Literal["mtp", "eagle", "model", "ngram"]
OWN_LAYERS: tuple[Drafter, ...] = ("mtp", "eagle")
"""drafters that share the model's embedding and output matrix"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculation:
    """`tokens` are drafted in every step; each is accepted with probability `acceptance_rate` if those before it were.

    `drafter`: the model's own layers for it (`mtp`), one layer like the model's own (`eagle`), another model, or a
    look-up in the text so far (`ngram`), which costs nothing. `model` and `weights` are the drafting model's.
    """

    tokens: int
    acceptance_rate: float
    drafter: Drafter
    model: ModelSpec | None = None
    weights: WeightFormat | None = None

    @property
    def tokens_per_step(self) -> float:
        """Tokens that a step yields on average."""
        return expected_tokens(self.tokens, self.acceptance_rate)

    @property
    def label(self) -> str:
        """`3 tokens drafted by Qwen/Qwen3-0.6B, 70 % accepted`."""
        what = self.model.id if self.drafter == "model" and self.model else self.drafter
        plural = "" if self.tokens == 1 else "s"
        return f"{self.tokens} token{plural} drafted by {what}, {100 * self.acceptance_rate:g} % accepted"


def expected_tokens(drafted: int, acceptance_rate: float) -> float:
    """Tokens that a step yields on average, the model's own one included.

    drafted [tokens] per step; acceptance_rate [-]: that a draft is accepted if those before it were.
    (1 - a^(k + 1)) / (1 - a). Valid for acceptance that does not depend on the position.
    Reference: Leviathan et al. 2023 (arXiv 2211.17192), equation 1.

    >>> expected_tokens(3, 0.5), expected_tokens(3, 1.0), expected_tokens(0, 0.9)
    (1.875, 4.0, 1.0)
    """
    return sum(acceptance_rate**position for position in range(drafted + 1))


def acceptance_of(drafted: int, tokens_per_step: float) -> float:
    """The acceptance rate that yields so many tokens per step: engines log this mean acceptance length.

    drafted [tokens] per step; tokens_per_step [tokens]: between 1 and drafted + 1.
    The root of `expected_tokens`, by bisection. Valid as `expected_tokens`. Reference: Leviathan et al. 2023
    (arXiv 2211.17192).

    >>> round(acceptance_of(3, 1.875), 6)
    0.5
    """
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2.0
        low, high = (middle, high) if expected_tokens(drafted, middle) < tokens_per_step else (low, middle)
    return high


def drafting_model(model: ModelSpec, speculation: Speculation) -> ModelSpec | None:
    """What runs once for every drafted token, as a model of its own; None: nothing does.

    model: that drafts are for; speculation: who drafts.
    mtp: one of the model's draft layers and the output matrix. eagle: the model's last layer, a projection [h, 2h]
    and the output matrix. Valid for chains of drafts, one token a pass. Reference: DeepSeek-V3 (arXiv 2412.19437);
    Li et al. 2024 (arXiv 2401.15077).
    """
    match speculation.drafter:
        case "ngram":
            return None
        case "model":
            return speculation.model
        case "mtp":
            return _from_layers(model, "mtp") if model.draft else None
        case "eagle":
            return _from_layers(model, "eagle")


@remembered
def _from_layers(model: ModelSpec, drafter: Drafter) -> ModelSpec:
    group = _mtp_layer(model.draft) if drafter == "mtp" and model.draft else _eagle_layer(model)
    role = TensorRole.EMBED if model.tied_embeddings else TensorRole.HEAD
    head = tuple(tensor for tensor in model.globals if tensor.role is role)
    return replace(
        model, id=f"{model.id} {drafter}", aliases=(), layers=(group,), globals=head, towers=(), draft=None,
        uncounted_parameters=None,
    )  # fmt: skip


def _mtp_layer(draft: Draft) -> LayerGroup:
    """One layer of it, with the projection before it; what is stored of embedding and output matrix is the model's."""
    group = draft.layers[0]
    beside = (*group.norms, *draft.globals)
    kept = tuple(tensor for tensor in beside if tensor.role not in (TensorRole.EMBED, TensorRole.HEAD))
    return replace(group, count=1, norms=kept, indices=())


def _eagle_layer(model: ModelSpec) -> LayerGroup:
    group, hidden = model.layers[-1], model.hidden_size
    joined = Tensor(name="fc.weight", shape=(hidden, 2 * hidden), role=TensorRole.LINEAR, shard=Shard.REPLICATED)
    return replace(group, count=1, norms=(*group.norms, joined), indices=())
