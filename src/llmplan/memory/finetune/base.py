"""Which weight format the base of a run has, and which formats can be trained on."""

from __future__ import annotations

from collections.abc import Iterable

from llmplan.errors import UsageError
from llmplan.memory.finetune.states import single_quantized
from llmplan.memory.formats import AUTO, weight_format
from llmplan.plan.finetune import Method
from llmplan.spec.model import ModelSpec
from llmplan.spec.weight_format import WeightFormat

QUANTIZED_DEFAULT = "nf4"


def is_trainable(weights: WeightFormat) -> bool:
    """Whether adapters can be trained on a base in this format: floats, bitsandbytes, weight-only integers."""
    if weights.family == "float" or weights.trains_by_matrix:
        return True
    return weights.family in ("int4", "int8") and weights.weight_only and not weights.everything


def base_format(model: ModelSpec, method: Method, name: str, *, double_quant: bool = True) -> WeightFormat:
    """The format in which the base is held: as named, else the checkpoint's own where the method allows, else 16 bit,
    or NF4 under QLoRA."""
    own = weight_format(AUTO, model)
    if own.family == "gguf":
        raise _refused(f"{model.id} is a GGUF file, and nothing trains on GGUF", method)
    if name.casefold() == AUTO:
        found = _automatic(own, method)
    else:
        found = weight_format(name, model)
        _demand(found, method)
    return found if double_quant or found.id != QUANTIZED_DEFAULT else single_quantized(found)


def _automatic(own: WeightFormat, method: Method) -> WeightFormat:
    if method == "qlora":
        return own if own.is_quantized and is_trainable(own) else weight_format(QUANTIZED_DEFAULT)
    return own if own.bits == 16 else weight_format("bf16")


def _demand(weights: WeightFormat, method: Method) -> None:
    """Refuse a base that the method cannot train on."""
    if weights.family == "gguf":
        raise _refused(f"{weights.id} is a format for inference, and nothing trains on it", method)
    if method == "qlora" and not (weights.is_quantized and is_trainable(weights)):
        raise _refused(f"qlora trains adapters on a quantized base, and {weights.id} is not one", method)
    if method != "qlora" and weights.family != "float":
        more = ["--method qlora trains adapters on it"] if is_trainable(weights) else []
        raise _refused(f"{method} needs a base in 16 or 32 bit, not {weights.id}", method, more)


def _refused(message: str, method: Method, more: Iterable[str] = ()) -> UsageError:
    known = "nf4, bnb-int8, gptq-int4, gptq-int8 or awq-int4" if method == "qlora" else "bf16, fp16 or fp32"
    return UsageError(message, hints=[*more, f"name the original model and --weights {known}"])
