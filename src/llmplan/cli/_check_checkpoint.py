"""The checkpoint that a launch names beside the model that it is reviewed as: in which format it is, and how that is
known. A name is a hint for the user; nothing is computed with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmplan.errors import LlmplanError, UsageError

if TYPE_CHECKING:
    from llmplan.cli._workbench import Workbench
    from llmplan.launchlines import Meaning
    from llmplan.spec.model import ModelSpec

SAID_BY_METHOD = {
    "awq": "awq-int4", "awq_marlin": "awq-int4", "gptq": "gptq-int4", "gptq_marlin": "gptq-int4", "mxfp4": "mxfp4",
    "modelopt_fp4": "nvfp4", "w8a8_int8": "int8", "bitsandbytes": "nf4",
}  # fmt: skip
"""methods of `--quantization` that read one format"""
AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """`format` is None where it is the model's own."""

    format: str | None = None
    because: str = ""
    note: str = ""


def checkpoint_of(meaning: Meaning, model: ModelSpec, weights: str | None, bench: Workbench) -> Checkpoint:
    """The format of what the line names: as stated, as the catalogue has it, or as its `--quantization` says.

    Another checkpoint than the model's, with a name that speaks of another format, is refused: `--weights` says it.
    """
    from llmplan import memory

    if weights is not None:
        chosen = AUTO if weights.casefold() == AUTO else memory.weight_format(weights).id
        return Checkpoint() if chosen == AUTO else Checkpoint(format=chosen, because="as --weights says")
    named = meaning.model
    if named is None or _is_own(named, model, bench):
        return Checkpoint()
    other = bench.catalog.models.get(named)
    if other is not None:
        return Checkpoint(format=other.checkpoint_format, because=f"of {other.id}")
    return _by_method(meaning, named, model) or _by_name(named, model)


def _is_own(named: str, model: ModelSpec, bench: Workbench) -> bool:
    """Whether the line names the model itself, be it by an alias or as a copy under a path."""
    from llmplan.spec.checkpoint_name import same_name

    found = bench.catalog.models.get(named)
    same = found is not None and (found.id == model.id or found.id in model.aliases or model.id in found.aliases)
    return same or any(same_name(named, name) for name in (model.id, *model.aliases))


def _by_method(meaning: Meaning, named: str, model: ModelSpec) -> Checkpoint | None:
    """What `--quantization` says, unless the name speaks of another number of bits."""
    from llmplan.spec.checkpoint_name import format_in_name

    method = str(meaning.facts.get("quantization") or "")
    told = format_in_name(named)[1]
    stored = SAID_BY_METHOD.get(method)
    if stored is None and method and told is not None and method.startswith(told.partition("-")[0]):
        stored = told
    if stored is None or (told is not None and told != stored and told.partition("-")[0] in method):
        return None
    return Checkpoint(format=stored, because=f"as --quantization {method} says")


def _by_name(named: str, model: ModelSpec) -> Checkpoint:
    """A name without a format, or with the model's own, is a copy or a fine-tune in the model's format."""
    from llmplan.launchlines.options import shown
    from llmplan.memory import weight_format
    from llmplan.spec.checkpoint_name import format_in_name

    told = known_format(format_in_name(named)[1])
    own = weight_format(AUTO, model)
    if told is None or weight_format(told).family == own.family:
        note = f"{shown(named)} is taken to be in {own.id}, as {model.id} is published: --weights says another format"
        return Checkpoint(note=note)
    raise UsageError(
        f"the format of the checkpoint {shown(named)} is not known: --weights says it ({model.id} is in {own.id})",
        hints=[f"--weights {example_for(told, model)}"],
    )


def known_format(name: str | None) -> str | None:
    """The format, if there is one of that name."""
    from llmplan.memory import weight_format

    try:
        return weight_format(name).id if name is not None else None
    except LlmplanError:
        return None


def example_for(told: str, model: ModelSpec) -> str:
    """What to write behind `--weights`: a GGUF file of unknown kind keeps the 4 bits of a model that has them."""
    from llmplan.spec.checkpoint_name import AN_EXAMPLE

    return model.checkpoint_format if told in AN_EXAMPLE and "fp4" in model.checkpoint_format else told
