"""What another engine than the planned one can run at all, so that no launch file is written that must fail.

The planned engine was checked when the plan was made. This is the short list for the others: the compute
capabilities on which the published build runs, and where each number format works.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmplan.errors import UsageError
from llmplan.plan.deployment import Replica
from llmplan.spec.engine import FormatSupport
from llmplan.spec.formats import GGUF_WEIGHT_FORMATS
from llmplan.spec.gpu import dotted

Capability = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """One engine. A format that is absent does not run on it."""

    name: str
    min_compute_capability: Capability
    weights: Mapping[str, FormatSupport]
    kv: Mapping[str, FormatSupport]
    source: str


def _since(minimum: Capability, maximum: Capability | None = None) -> FormatSupport:
    return FormatSupport(min_compute_capability=minimum, max_compute_capability=maximum)


_TURING, _AMPERE, _ADA, _HOPPER, _BLACKWELL = (7, 5), (8, 0), (8, 9), (9, 0), (10, 0)
_PASCAL = (6, 0)
LIMITS: Mapping[str, EngineLimits] = {
    "vllm": EngineLimits(
        name="vLLM 0.33",
        min_compute_capability=_TURING,
        weights={
            **dict.fromkeys(
                ("bf16", "fp16", "fp32", "awq-int4", "gptq-int4", "gptq-int8", "w4a16", "w8a16"), _since(_TURING)
            ),
            **dict.fromkeys(("fp8", "fp8-block", "nvfp4"), _since(_TURING)),
            "int8": _since(_TURING, _HOPPER),
            "mxfp4": _since(_AMPERE),
        },
        kv={
            **dict.fromkeys(("bf16", "fp16"), _since(_TURING)),
            **dict.fromkeys(("fp8", "int8"), _since(_AMPERE)),
            "fp8-ds-mla": _since(_HOPPER),
        },
        source="vLLM 0.33.0, get_min_capability() of each quantization method; GGUF and bitsandbytes are plugins",
    ),
    "sglang": EngineLimits(
        name="SGLang 0.5.23",
        min_compute_capability=_AMPERE,
        weights={
            **dict.fromkeys(("bf16", "fp16", "fp8", "fp8-block", "nvfp4", "mxfp4", "nf4"), _since(_AMPERE)),
            **dict.fromkeys(("awq-int4", "gptq-int4", "gptq-int8", "w4a16", "w8a16"), _since(_AMPERE)),
            "int8": _since(_AMPERE, _HOPPER),
        },
        kv={"bf16": _since(_AMPERE), "fp16": _since(_AMPERE), "fp8": _since(_ADA)},
        source="SGLang 0.5.23, get_min_capability() of each method under srt/layers/quantization",
    ),
    "tensorrt-llm": EngineLimits(
        name="TensorRT-LLM",
        min_compute_capability=_AMPERE,
        weights={
            **dict.fromkeys(("bf16", "fp16"), _since(_AMPERE)),
            **dict.fromkeys(("awq-int4", "gptq-int4", "w4a16"), _since(_AMPERE, _HOPPER)),
            "fp8": _since(_ADA),
            "fp8-block": _since(_HOPPER, (10, 3)),
            "nvfp4": _since(_BLACKWELL),
            "mxfp4": _since(_HOPPER),
        },
        kv={"bf16": _since(_AMPERE), "fp16": _since(_AMPERE), "fp8": _since(_AMPERE)},
        source="TensorRT-LLM docs/source/features/quantization.md, Hardware Support Matrix",
    ),
    "llama-cpp": EngineLimits(
        name="llama.cpp",
        min_compute_capability=_PASCAL,
        weights=dict.fromkeys(
            ("bf16", "fp16", "fp32", "mxfp4", *(fmt.id for fmt in GGUF_WEIGHT_FORMATS)), _since(_PASCAL)
        ),
        kv=dict.fromkeys(("bf16", "fp16", "gguf-q8_0", "gguf-q4_0"), _since(_PASCAL)),
        source="llama.cpp llama-server --help, build 11434",
    ),
}


def demand_runnable(replica: Replica, engine_id: str) -> None:
    """Raise a `UsageError` that names what the engine cannot run of this replica."""
    limits = LIMITS[engine_id]
    capability = replica.gpu.compute_capability
    where = f"{replica.gpu.id}" if capability is None else f"{replica.gpu.id} (compute capability {dotted(capability)})"
    if capability is None or not replica.gpu.is_nvidia:
        raise _refusal(limits, replica, f"the emitted build of {limits.name} needs an NVIDIA GPU, {where} is none")
    if capability < limits.min_compute_capability:
        raise _refusal(
            limits, replica, f"{limits.name} does not run on {where}: it needs {dotted(limits.min_compute_capability)}"
        )
    _demand_format(limits, replica, f"weights in {replica.weights.id}", limits.weights.get(replica.weights.id), where)
    _demand_format(limits, replica, f"a KV cache in {replica.kv.id}", limits.kv.get(replica.kv.id), where)


def _demand_format(
    limits: EngineLimits, replica: Replica, what: str, support: FormatSupport | None, where: str
) -> None:
    if support is None:
        raise _refusal(limits, replica, f"{limits.name} does not run {what}")
    capability = replica.gpu.compute_capability
    if capability is None or support.runs_on(capability):
        return
    lowest, highest = support.min_compute_capability, support.max_compute_capability
    span = f"{dotted(lowest)} or newer" if highest is None else f"{dotted(lowest)} to {dotted(highest)}"
    raise _refusal(limits, replica, f"{limits.name} does not run {what} on {where}: it needs {span}")


def _refusal(limits: EngineLimits, replica: Replica, problem: str) -> UsageError:
    hints = ["llmplan recommend ... --engine ENGINE plans for another"]
    if replica.engine.id in LIMITS:
        hints.insert(0, f"llmplan emit-config PLAN --target {replica.engine.id}")
    return UsageError(f"{problem} ({limits.source})", hints=hints)
