"""llama.cpp's file types: the block types of ggml, and which tensors of a file depart from its base type.

A file type such as Q4_K_M is a mix: a base type, and upgrades for the tensors that suffer most. The rules follow
llama.cpp's quantizer as of build 11434, with an importance matrix where a type is not made without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

BLOCKS: dict[str, tuple[int, int]] = {
    "F32": (4, 1), "F16": (2, 1), "BF16": (2, 1), "Q4_0": (18, 32), "Q4_1": (20, 32), "Q5_0": (22, 32),
    "Q5_1": (24, 32), "Q8_0": (34, 32), "IQ4_NL": (18, 32), "MXFP4": (17, 32), "Q2_K": (84, 256), "Q3_K": (110, 256),
    "Q4_K": (144, 256), "Q5_K": (176, 256), "Q6_K": (210, 256), "IQ4_XS": (136, 256), "IQ3_S": (110, 256),
    "IQ3_XXS": (98, 256), "IQ2_XXS": (66, 256), "IQ2_XS": (74, 256), "IQ2_S": (82, 256), "IQ1_S": (50, 256),
    "IQ1_M": (56, 256), "TQ1_0": (54, 256), "TQ2_0": (66, 256),
}  # fmt: skip
"""Block type: bytes per block, weights per block (ggml-common.h)."""

NARROW: dict[str, str] = {
    "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "IQ4_XS": "IQ4_NL", "Q2_K": "Q4_0", "Q3_K": "Q4_0",
    "IQ3_S": "IQ4_NL", "IQ3_XXS": "IQ4_NL", "IQ2_XXS": "IQ4_NL", "IQ2_XS": "IQ4_NL", "IQ2_S": "IQ4_NL",
    "IQ1_S": "IQ4_NL", "IQ1_M": "IQ4_NL", "TQ1_0": "Q4_0", "TQ2_0": "Q4_0",
}  # fmt: skip
"""What replaces a 256-wide block type in a tensor whose rows are no multiple of 256."""

Layers: TypeAlias = Literal["all", "more", "inner", "eighth", "sixteenth", "2", "4"]
"""Which layers an upgrade applies to: `all`, `more` (the outer eighths and every third between), `inner` (all but the
outer eighths), `eighth` and `sixteenth` (the first ones), `2` or `4` (that many)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """`to` in the chosen layers, `otherwise` (None: the base type) in the rest; `grouped_only`: GQA of 4 or more."""

    to: str
    layers: Layers = "all"
    otherwise: str | None = None
    grouped_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """A file type: its base block type and where it departs from it.

    `low`: the 1- and 2-bit types, which treat any model with experts as a grouped one. `eight_expert_output`: the
    output projection of models with 8 experts, None: as of others; `eight_expert_down`: the layers whose down
    projections such a model upgrades.
    """

    base: str
    head: str = "Q6_K"
    embedding: str | None = None
    experts: str | None = None
    value: Upgrade | None = None
    query_key: Upgrade | None = None
    output: Upgrade | None = None
    down: Upgrade | None = None
    gate_up: Upgrade | None = None
    low: bool = False
    eight_expert_output: str | None = "Q5_K"
    eight_expert_down: Layers | None = None

    @property
    def is_plain(self) -> bool:
        """Every matrix is stored alike, whatever the model."""
        return self.base in ("F16", "BF16", "Q8_0")


def _low(base: str, spare: str, embedding: str, output: str | None) -> Mix:
    """A 1- or 2-bit type; `spare` is what it takes where Q4_K is not worth it."""
    return Mix(
        base=base, head="Q5_K", embedding=embedding, low=True, down=Upgrade(to=spare, layers="eighth"),
        value=Upgrade(to="Q4_K", grouped_only=True, otherwise=spare), output=Upgrade(to=output) if output else None,
    )  # fmt: skip


def _plain(base: str, head: str = "Q6_K", experts: str | None = None, embedding: str | None = None) -> Mix:
    return Mix(base=base, head=head, experts=experts, embedding=embedding, eight_expert_output=None)


_MORE = Upgrade(to="Q6_K", layers="more")

MIXES: dict[str, Mix] = {
    "gguf-f16": _plain("F16", "F16"),
    "gguf-bf16": _plain("BF16", "BF16"),
    "gguf-q8_0": _plain("Q8_0", "Q8_0"),
    "gguf-mxfp4_moe": _plain("Q8_0", "Q8_0", experts="MXFP4"),
    "gguf-q6_k": _plain("Q6_K"),
    "gguf-q5_1": _plain("Q5_1"),
    "gguf-q5_k_m": Mix(base="Q5_K", value=_MORE, down=_MORE, eight_expert_output=None),
    "gguf-q5_k_s": _plain("Q5_K"),
    "gguf-q5_0": _plain("Q5_0"),
    "gguf-q4_1": _plain("Q4_1"),
    "gguf-q4_k_m": Mix(base="Q4_K", value=_MORE, down=_MORE),
    "gguf-q4_k_s": Mix(base="Q4_K", value=Upgrade(to="Q5_K", layers="4"), down=Upgrade(to="Q5_K", layers="eighth")),
    "gguf-q4_0": _plain("Q4_0"),
    "gguf-iq4_nl": Mix(
        base="IQ4_NL", value=Upgrade(to="Q5_K", grouped_only=True), down=Upgrade(to="Q5_K", layers="eighth"),
    ),
    "gguf-iq4_xs": Mix(
        base="IQ4_XS", value=Upgrade(to="Q5_K", grouped_only=True), down=Upgrade(to="Q5_K", layers="eighth"),
    ),
    "gguf-q3_k_l": Mix(
        base="Q3_K", value=Upgrade(to="Q5_K"), down=Upgrade(to="Q5_K"), output=Upgrade(to="Q5_K"),
        eight_expert_output=None,
    ),
    "gguf-q3_k_m": Mix(
        base="Q3_K", value=Upgrade(to="Q5_K", layers="2", otherwise="Q4_K"),
        down=Upgrade(to="Q5_K", layers="sixteenth", otherwise="Q4_K"), output=Upgrade(to="Q4_K"),
    ),
    "gguf-q3_k_s": Mix(base="Q3_K"),
    "gguf-iq3_m": Mix(
        base="IQ3_S", value=Upgrade(to="Q4_K"), output=Upgrade(to="Q4_K"), down=Upgrade(to="Q4_K", layers="eighth"),
        eight_expert_down="more",
    ),
    "gguf-iq3_s": Mix(base="IQ3_S", value=Upgrade(to="Q4_K", grouped_only=True)),
    "gguf-iq3_xs": Mix(
        base="IQ3_S", value=Upgrade(to="Q4_K", grouped_only=True), query_key=Upgrade(to="IQ3_XXS"),
        gate_up=Upgrade(to="IQ3_XXS", layers="inner"),
    ),
    "gguf-iq3_xxs": Mix(
        base="IQ3_XXS", head="Q5_K", embedding="IQ3_S", query_key=Upgrade(to="IQ2_S"), output=Upgrade(to="IQ3_S"),
        value=Upgrade(to="Q4_K", grouped_only=True),
    ),
    "gguf-q2_k": Mix(
        base="Q2_K", value=Upgrade(to="Q4_K", grouped_only=True, otherwise="Q3_K"), down=Upgrade(to="Q3_K"),
        output=Upgrade(to="Q3_K"),
    ),
    "gguf-q2_k_s": Mix(
        base="Q2_K", value=Upgrade(to="Q4_K", grouped_only=True), down=Upgrade(to="Q4_K", layers="eighth"),
        eight_expert_output=None,
    ),
    "gguf-iq2_m": _low("IQ2_S", "IQ3_S", "IQ3_S", "IQ3_S"),
    "gguf-iq2_s": _low("IQ2_XS", "IQ3_S", "IQ3_S", "IQ3_S"),
    "gguf-iq2_xs": _low("IQ2_XS", "Q2_K", "Q2_K", None),
    "gguf-iq2_xxs": _low("IQ2_XXS", "Q2_K", "Q2_K", None),
    "gguf-iq1_m": _low("IQ1_M", "Q2_K", "Q2_K", "IQ2_XXS"),
    "gguf-iq1_s": _low("IQ1_S", "Q2_K", "Q2_K", "IQ2_XXS"),
    "gguf-tq2_0": _plain("TQ2_0", embedding="Q4_K"),
    "gguf-tq1_0": _plain("TQ1_0", embedding="Q4_K"),
}  # fmt: skip
