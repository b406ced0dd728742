"""From what a launch asks for to the replica that it starts, by way of the flags of `llmplan memory`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from llmplan.cli._options import ReplicaFlags

if TYPE_CHECKING:
    from llmplan.cli._check_checkpoint import Checkpoint
    from llmplan.cli._replica import Built
    from llmplan.cli._workbench import Workbench
    from llmplan.launchlines import Meaning
    from llmplan.plan.deployment import EngineSettings
    from llmplan.spec.engine import EngineSpec
    from llmplan.spec.model import ModelSpec

SIXTEEN_BIT = ("bf16", "fp16", "fp32")
DEFAULT_LORA_RANK, DEFAULT_LORAS = 16, {"vllm": 1, "sglang": 8}
"""rank and adapter slots where a launch states none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The GPUs that a launch is to run on: what was stated, or what this machine has."""

    gpu: str
    gpus: int | None = None
    names: tuple[str, ...] = ()
    memory_bytes: tuple[int, ...] = ()
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user says beside the launch."""

    machine: Machine
    engine: str | None
    model: str | None
    host: str | None
    weights: str | None = None


def build(
    model: ModelSpec,
    name: str,
    engine: EngineSpec,
    meaning: Meaning,
    asked: Asked,
    bench: Workbench,
    *,
    checkpoint: Checkpoint,
    from_image: bool,
) -> Built:
    """The replica. A context beyond the model's is built as the model's and put back for the rules."""
    stated = settings_of(model, engine, meaning, asked, checkpoint.format)
    wanted = stated.get("max_model_len")
    if wanted is not None:
        stated["max_model_len"] = min(wanted, model.max_context_tokens)
    micro = stated.pop("micro_batch", None)
    built = bench.build(name, ReplicaFlags(gpu=asked.machine.gpu, host=asked.host, **stated), None)
    settings = built.replica.settings
    if wanted is not None and wanted != settings.max_model_len:
        settings = replace(settings, max_model_len=wanted)
    if micro is not None:
        settings = replace(settings, micro_batch_tokens=micro)
    if meaning.facts.get("chunked_prefill") is False and "max_num_batched_tokens" not in meaning.stated:
        settings = replace(settings, max_num_batched_tokens=whole_prompts(settings, engine))
    assumed = dict(built.assumed)
    if checkpoint.format is not None and asked.weights is None:
        assumed["weights"] = f"{checkpoint.format}, {checkpoint.because}"
    if "@" not in (asked.engine or "") and not from_image:
        assumed = {"engine": f"{engine.ref}, the newest", **assumed}
    return replace(built, replica=replace(built.replica, engine=engine, settings=settings), assumed=assumed)


def whole_prompts(settings: EngineSettings, engine: EngineSpec) -> int:
    """Without chunked prefill vLLM's default step holds the longest prompt."""
    step = settings.max_num_batched_tokens
    return max(step, settings.max_model_len) if engine.id == "vllm" else step


def settings_of(
    model: ModelSpec, engine: EngineSpec, meaning: Meaning, asked: Asked, stored: str | None
) -> dict[str, Any]:
    """The flags of `memory` that describe the same replica."""
    stated = dict(meaning.replica)
    stated["engine"], stated["engine_version"] = engine.id, engine.version
    _spread_attention(stated, meaning)
    tp, dp = stated.get("tp") or 1, stated.get("dp") or 1
    experts = stated.pop("ep", None) is True or (stated.pop("ep_ranks", None) or 1) > 1
    meaning.facts["expert_parallel"] = experts
    if experts:
        stated["ep"] = tp * dp
    if stored is not None:
        stated["weights"] = stored
    in_sixteen_bit = (stored or model.checkpoint_format) in SIXTEEN_BIT
    if in_sixteen_bit and meaning.weights is not None:
        stated["weights"] = meaning.weights
    elif in_sixteen_bit and meaning.dtype is not None:
        stated["weights"] = meaning.dtype
        if meaning.dtype != "fp32":
            stated.setdefault("kv_cache", meaning.dtype)
    if meaning.facts.get("lora"):
        # memory for adapters is set aside by slot, whatever is loaded later
        rank = meaning.facts.get("max_lora_rank") or DEFAULT_LORA_RANK
        if not engine.max_lora_ranks or rank in engine.max_lora_ranks:
            stated["adapters"] = meaning.facts.get("max_loras") or DEFAULT_LORAS.get(engine.id, 1)
            stated["lora_rank"] = rank
    if stated.get("cpu_offload_gb") == 0:
        del stated["cpu_offload_gb"]
    if stated.get("kv_cache_memory_gib") == 0:
        del stated["kv_cache_memory_gib"]
    if engine.kv_pool_rule == "explicit_context":
        _divide_context(stated, meaning, model, asked)
    return stated


def _spread_attention(stated: dict[str, Any], meaning: Meaning) -> None:
    """SGLang and TensorRT-LLM spread attention over their TP ranks; SGLang's plain `--dp-size` is so many replicas."""
    tp, dp = stated.get("tp") or 1, stated.get("dp") or 1
    if stated.pop("attention_dp", False):
        stated["tp"], stated["dp"] = 1, tp
    elif stated.pop("dp_attention", False):
        if tp % dp == 0:
            stated["tp"] = tp // dp
    elif meaning.facts.get("program") in ("sglang serve", "sglang.launch_server") and dp > 1:
        stated["dp"] = 1
        meaning.unread.append(f"--dp-size {dp} runs {dp} replicas; one of them is checked")


def _divide_context(stated: dict[str, Any], meaning: Meaning, model: ModelSpec, asked: Asked) -> None:
    """llama-server: all GPUs share the layers, and slots share or divide the context."""
    if asked.machine.gpus:
        stated["pp"] = asked.machine.gpus
    slots = stated.get("max_num_seqs")
    unified = meaning.facts.setdefault("kv_unified", slots is None)
    context = meaning.facts.get("asked_context_tokens") or None
    meaning.facts["asked_context_tokens"] = context
    if context is not None:
        stated["max_model_len"] = max(1, context if unified or slots is None else context // slots)
    if slots is None:
        stated["max_num_seqs"] = 1
    experts = meaning.cpu_expert_layers
    if experts and model.is_moe:
        stated["experts_on_cpu"] = min(experts, model.layer_count)
    elif meaning.gpu_layers is not None and meaning.gpu_layers < model.layer_count:
        stated["host_layers"] = model.layer_count - meaning.gpu_layers
