"""Look up weight and KV-cache formats by id or alias; `auto` is what the checkpoint says."""

from __future__ import annotations

import re
from dataclasses import replace

from llmplan.errors import UnknownIdError, UsageError
from llmplan.spec.formats import KV_FORMATS, WEIGHT_FORMATS, KvFormat, WeightFormat
from llmplan.spec.model import CompressedAttention, ModelSpec

AUTO = "auto"
PACKED = "fp8-ds-mla"
WIDENED = {"fp32": "fp16", "float32": "fp16"}
"""KV cache of a 32-bit checkpoint: engines run it in 16 bit (vLLM: `--dtype auto` takes float16 for float32)."""

_WEIGHTS = {name: entry for entry in WEIGHT_FORMATS for name in (entry.id, *entry.aliases)}
_KV = {name: entry for entry in KV_FORMATS for name in (entry.id, *entry.aliases)}
_SUFFIX = re.compile(r"^(?P<base>.+)-(?P<suffix>g[1-9]\d{0,4}|channel|asym|actorder)$")


def weight_format(name: str, model: ModelSpec | None = None) -> WeightFormat:
    """The weight format called `name`, in any case; `auto` needs the model.

    Suffixes say what checkpoints of the format may state: `-g<N>` another group size, `-channel` one scale per output
    row, `-asym` zeros, `-actorder` reordered inputs.

    >>> weight_format("AWQ").id, weight_format("q4_k_m").id, weight_format("w4a16-g32").group_size
    ('awq-int4', 'gguf-q4_k_m', 32)
    >>> weight_format("w4a16-asym-g64").zero_bits, weight_format("gptq-int4-actorder").loaded().index_bytes_per_input
    (4, 8)
    """
    folded = name.casefold()
    if folded == AUTO:
        if model is None:
            raise UsageError("weight format 'auto' needs a model", hints=["name a format, for example --weights bf16"])
        return model.checkpoint_weights or weight_format(model.checkpoint_format)
    if folded in _WEIGHTS:
        return _WEIGHTS[folded]
    varied = _varied(folded)
    if varied is not None:
        return varied
    raise UnknownIdError("weight format", name, [AUTO, *_WEIGHTS], listing=f"one of {', '.join(_ids(WEIGHT_FORMATS))}")


def _varied(name: str) -> WeightFormat | None:
    """A format with suffixes, the last one first; None where there is no such format or the suffix makes no sense."""
    if name in _WEIGHTS:
        return _WEIGHTS[name]
    found = _SUFFIX.match(name)
    base = _varied(found["base"]) if found else None
    if found is None or base is None or base.family not in ("int4", "int8") or not base.weight_only:
        return None
    return variant(base, found["suffix"])


def variant(base: WeightFormat, suffix: str) -> WeightFormat:
    """A weight-only integer format with a property that its checkpoints may have.

    base: the format; suffix: `g<N>` (inputs per scale), `channel`, `asym` (a zero of as many bits as a weight for each
    scale) or `actorder` (4 B per input; kernels also keep the inverse order).
    Valid for GPTQ, AWQ and compressed-tensors. Reference: vLLM 0.33 quantization/utils/marlin_utils.py.

    >>> variant(_WEIGHTS["w8a16"], "asym").zero_bits
    8
    """
    match suffix:
        case "channel":
            return replace(base, group_size=None)
        case "asym":
            return replace(base, zero_bits=base.bits, loaded_zero_bits=None)
        case "actorder":
            return replace(base, index_bytes_per_input=4, loaded_index_bytes_per_input=8)
        case _:
            return replace(base, group_size=int(suffix[1:]))


def kv_format(name: str, model: ModelSpec | None = None) -> KvFormat:
    """The KV-cache format called `name`; `auto` is what a quantized checkpoint asks for, else the 16-bit type.

    For sparse and compressed latents `fp8` is the packed layout, as in the engines, and compressed ones take no other
    unless told (vLLM 0.33 models/deepseek_v4/attention.py).

    >>> kv_format("fp8").bytes_per_element
    1.0
    """
    folded = name.casefold()
    if folded == AUTO:
        if model is None:
            raise UsageError("KV format 'auto' needs a model", hints=["name a format, for example --kv-cache bf16"])
        compressed = any(isinstance(mixer, CompressedAttention) for mixer in model.mixers())
        folded = PACKED if compressed else model.kv_cache_format or WIDENED.get(model.dtype, model.dtype)
    if folded in _KV:
        found = _KV[folded]
        return _KV[PACKED] if found.id == "fp8" and model is not None and model.packs_latents else found
    raise UnknownIdError("KV format", name, [AUTO, *_KV], listing=f"one of {', '.join(_ids(KV_FORMATS))}")


def _ids(entries: tuple[WeightFormat, ...] | tuple[KvFormat, ...]) -> list[str]:
    return [entry.id for entry in entries]
