"""Look up weight and KV-cache formats by id or alias; `auto` is what the checkpoint says."""

from __future__ import annotations

import re
from dataclasses import replace

from llmplan.errors import UnknownIdError, UsageError
from llmplan.spec.formats import KV_FORMATS, WEIGHT_FORMATS, KvFormat, WeightFormat
from llmplan.spec.model import ModelSpec

AUTO = "auto"
WIDENED = {"fp32": "fp16", "float32": "fp16"}
"""KV cache of a 32-bit checkpoint: engines run it in 16 bit (vLLM: `--dtype auto` takes float16 for float32)."""

_WEIGHTS = {name: entry for entry in WEIGHT_FORMATS for name in (entry.id, *entry.aliases)}
_KV = {name: entry for entry in KV_FORMATS for name in (entry.id, *entry.aliases)}
_GROUPED = re.compile(r"^(?P<base>.+)-g(?P<size>\d+)$")


def weight_format(name: str, model: ModelSpec | None = None) -> WeightFormat:
    """The weight format called `name`, in any case; `auto` needs the model.

    A suffix `-g<N>` sets another group size for formats that have groups, as checkpoints do.

    >>> weight_format("AWQ").id, weight_format("q4_k_m").id, weight_format("w4a16-g32").group_size
    ('awq-int4', 'gguf-q4_k_m', 32)
    """
    folded = name.casefold()
    if folded == AUTO:
        if model is None:
            raise UsageError("weight format 'auto' needs a model", hints=["name a format, for example --weights bf16"])
        own = weight_format(model.checkpoint_format)
        return (
            own if model.checkpoint_group_size is None else replace(own, group_size=model.checkpoint_group_size or None)
        )
    if folded in _WEIGHTS:
        return _WEIGHTS[folded]
    grouped = _GROUPED.match(folded)
    if grouped and (base := _WEIGHTS.get(grouped["base"])) and base.group_size:
        return replace(base, group_size=int(grouped["size"]))
    raise UnknownIdError("weight format", name, [AUTO, *_WEIGHTS], listing=f"one of {', '.join(_ids(WEIGHT_FORMATS))}")


def kv_format(name: str, model: ModelSpec | None = None) -> KvFormat:
    """The KV-cache format called `name`; `auto` is the model's own 16-bit type, also for a quantized checkpoint.

    >>> kv_format("fp8").bytes_per_element
    1.0
    """
    folded = name.casefold()
    if folded == AUTO:
        if model is None:
            raise UsageError("KV format 'auto' needs a model", hints=["name a format, for example --kv-cache bf16"])
        folded = WIDENED.get(model.dtype, model.dtype)
    if folded in _KV:
        return _KV[folded]
    raise UnknownIdError("KV format", name, [AUTO, *_KV], listing=f"one of {', '.join(_ids(KV_FORMATS))}")


def _ids(entries: tuple[WeightFormat, ...] | tuple[KvFormat, ...]) -> list[str]:
    return [entry.id for entry in entries]
