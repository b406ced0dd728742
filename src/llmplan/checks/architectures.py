"""Rules on what vLLM can do with a model's architecture: whether it has it at all, its adapters, its float16."""

from __future__ import annotations

from llmplan.checks.rule import Finding, Rule, error
from llmplan.checks.vllm_architectures import LAST_VLLM, WITHOUT_LORA
from llmplan.plan.deployment import Replica
from llmplan.plan.engine_rule import in_range

WITHOUT_FLOAT16 = ("gemma2", "gemma3", "gemma3_text", "glm4")
"""model types whose float16 is refused"""


def architecture_is_there(replica: Replica) -> Finding | None:
    """vLLM drops architectures, and says until when it had them."""
    name = replica.model.architecture
    last = LAST_VLLM.get(name)
    if last is None or in_range(replica.engine.version, f"<{last}.1"):
        return None
    return error(
        f"Model architecture {name} was supported in vLLM until v{last}, and is not supported anymore.",
        f"--engine vllm@{last}",
    )


def architecture_takes_adapters(replica: Replica) -> Finding | None:
    """Adapters are loaded only by architectures that are written for them."""
    tenancy = replica.tenancy
    if tenancy is None or tenancy.adapters == 0 or replica.model.architecture not in WITHOUT_LORA:
        return None
    return error(
        f"LoRA is not supported for {replica.model.architecture}. Supported models implement the `SupportsLoRA` "
        "interface. Run this model without `enable_lora`.",
        "drop --adapters",
    )


def float16_is_stable(replica: Replica) -> Finding | None:
    """Some models overflow in float16: vLLM refuses it, whether chosen or all that the GPU has."""
    if replica.model.model_type not in WITHOUT_FLOAT16 or not _in_float16(replica):
        return None
    return error(
        f"The model type {replica.model.model_type!r} does not support float16. Reason: Numerical instability. Please "
        "use bfloat16 or float32 instead.",
        "a GPU of compute capability 8.0 or newer" if _is_old(replica) else "--weights bf16",
    )


def _in_float16(replica: Replica) -> bool:
    asked = replica.weights.id == "fp16" or (replica.weights.family != "float" and replica.model.dtype == "fp16")
    return asked or (_is_old(replica) and replica.weights.id != "fp32")


def _is_old(replica: Replica) -> bool:
    """Whether the GPU has no bfloat16."""
    capability = replica.gpu.compute_capability
    return capability is not None and capability < (8, 0)


RULES: tuple[Rule, ...] = (
    Rule(
        id="V-ARCH1", engines=("vllm",), severities=("error",), find=architecture_is_there,
        title="vLLM still has the model's architecture.",
        says="Model architecture {architecture} was supported in vLLM until v{version}, and is not supported anymore.",
        source="vLLM 0.33.0 model_executor/models/registry.py:841-920", basis=("code", "tried"),
    ),
    Rule(
        id="V-ARCH2", engines=("vllm",), versions=">=0.33", severities=("error",), find=architecture_takes_adapters,
        title="LoRA adapters need an architecture that is written for them.",
        says="LoRA is not supported for {architecture}. Supported models implement the `SupportsLoRA` interface.",
        source="vLLM 0.33.0 model_executor/models, supports_lora of each class", basis=("code", "tried"),
    ),
    Rule(
        id="V-ARCH3", engines=("vllm",), versions=">=0.10", severities=("error",), find=float16_is_stable,
        title="Some models are refused in float16, which is all that GPUs before Ampere have.",
        says="The model type {type} does not support float16. Reason: Numerical instability.",
        source="vLLM 0.33.0 config/model.py:2398-2420", basis=("code", "tried"),
    ),
)  # fmt: skip
