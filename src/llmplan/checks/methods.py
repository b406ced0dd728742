"""Rules on the quantization method that a checkpoint states: whether the engine reads it at all."""

from __future__ import annotations

from llmplan.checks.formats import METHOD_WORDS, PLUGINS
from llmplan.checks.rule import GPU_SERVERS, Finding, Rule, error
from llmplan.plan.deployment import Replica
from llmplan.plan.launch_facts import LaunchFacts


def method_is_known(replica: Replica) -> Finding | None:
    """Engines read a quantized checkpoint by the `quant_method` in its config, whatever its numbers are."""
    method, known = _method(replica), replica.engine.quantization_methods
    if method is None or not known or method in known:
        return None
    words = METHOD_WORDS.get(replica.weights.id, ())
    others = [name for name in known if any(word in name.replace("_", "-") for word in words)]
    read = f" of the methods {', '.join(others)}" if others else " of other methods"
    return error(
        f"Unknown quantization method: {method}. {replica.engine.ref} reads {replica.weights.id} checkpoints{read}.",
        "--weights bf16, or an --engine that reads this checkpoint",
    )


def method_is_allowed(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """A deprecated one wants to be asked for; emitted launch files do."""
    method = _method(replica) if facts.stored_format is None else None
    if method is None:
        return None
    if method in replica.engine.deprecated_methods and facts.stated is not None and not facts.deprecated_quantization:
        return error(
            f"The quantization method {method} is deprecated and will be removed in future versions of vLLM.",
            "--allow-deprecated-quantization",
        )
    return method_is_known(replica)


def _method(replica: Replica) -> str | None:
    """The method of the checkpoint that is served; None where the weights are from elsewhere or a plugin's."""
    if replica.weights.id != replica.model.checkpoint_format:
        return None
    if replica.engine.id == "vllm" and replica.weights.family in PLUGINS:
        return None
    return replica.model.quantization_method


RULES: tuple[Rule, ...] = (
    Rule(
        id="V-Q10", engines=GPU_SERVERS, severities=("error",), find=method_is_known, find_in_launch=method_is_allowed,
        title="The engine knows the quantization method that the checkpoint states.",
        says="Unknown quantization method: {method}. Must be one of {methods}.",
        source="vLLM 0.33.0 vllm/config/model.py:1391-1485; SGLang 0.5.23 srt/configs/model_config.py:2150-2156; "
        "TensorRT-LLM tensorrt_llm/_torch/model_config.py, load_hf_quant_config",
        basis=("code", "profile", "tried"),
    ),
)  # fmt: skip
