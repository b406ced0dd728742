"""Rules on LoRA adapters: which an engine loads, and what a launch must say about them."""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.checks.rule import Finding, Rule, advice, error, warning
from llmplan.plan.deployment import Replica
from llmplan.plan.launch_facts import AdapterFacts, LaunchFacts

MAX_LORA_VOCABULARY = 258048
SAVED_MODULES = ("classifier", "score")
"""modules that vLLM takes whole from an adapter"""
SPECULATES_WITH_LORA = ("NGRAM", "EAGLE", "NEXTN", "EAGLE3", "DFLASH", "DSPARK")
DEFAULT_LORAS_PER_BATCH = 8


def adapters_fit_engine(replica: Replica) -> Finding | None:
    """Engines load LoRA adapters of certain ranks, if any."""
    tenancy = replica.tenancy
    if tenancy is None or tenancy.adapters == 0:
        return None
    if not replica.engine.multi_lora:
        return error(f"{replica.engine.ref} serves no LoRA adapters per request.", "--engine vllm")
    ranks = replica.engine.max_lora_ranks
    if not ranks or tenancy.lora_rank in ranks:
        return None
    larger = [rank for rank in ranks if rank >= tenancy.lora_rank]
    if not larger:
        return error(
            f"LoRA rank {tenancy.lora_rank} is greater than max_lora_rank {max(ranks)}.",
            f"adapters of rank {max(ranks)} or less",
        )
    return advice(
        f"There is no max_lora_rank {tenancy.lora_rank}: memory is set aside for rank {min(larger)}.",
        f"--max-lora-rank {min(larger)}",
    )


def ranks_are_allowed_for(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """The launch sets memory aside for a rank: adapters need as much, and no more is of use."""
    most, ranks = facts.max_lora_rank, [each.rank for each in facts.adapters if each.rank is not None]
    allowed = replica.engine.max_lora_ranks
    if most is not None and allowed and most not in allowed:
        larger = [rank for rank in allowed if rank >= most] or [max(allowed)]
        return error(
            f"max_lora_rank: {most} is none of {', '.join(map(str, allowed))}.", f"--max-lora-rank {min(larger)}"
        )
    if most is not None and ranks and max(ranks) > most:
        larger = [rank for rank in allowed if rank >= max(ranks)] or [max(ranks)]
        return error(f"LoRA rank {max(ranks)} is greater than max_lora_rank {most}.", f"--max-lora-rank {min(larger)}")
    needed = min((rank for rank in allowed if ranks and rank >= max(ranks)), default=None)
    if most is not None and needed is not None and most > needed:
        return advice(
            f"Memory is set aside for rank {most} in every slot, and the largest adapter has rank {max(ranks)}.",
            f"--max-lora-rank {needed}",
        )
    return adapters_fit_engine(replica)


def adapters_are_plain(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """vLLM loads plain LoRA, and has limits on slots, vocabulary and kernels."""
    for message, fix in _unloadable(facts):
        return error(message, fix)
    if not (facts.lora or facts.adapters):
        return None
    if facts.max_cpu_loras is not None and facts.max_cpu_loras < (facts.max_loras or 1):
        return error(
            f"max_cpu_loras ({facts.max_cpu_loras}) must be >= max_loras ({facts.max_loras or 1}).",
            f"--max-cpu-loras {facts.max_loras or 1}",
        )
    if facts.moe_backend is not None and "mega_moe" in facts.moe_backend:
        return error(
            f"LoRA is not supported with moe_backend={facts.moe_backend!r}. Disable LoRA or select a MoE backend that "
            "supports LoRA.",
            "--moe-backend auto",
        )
    on_head = any("lm_head" in each.target_modules for each in facts.adapters)
    if on_head and replica.model.vocab_size > MAX_LORA_VOCABULARY:
        return error(
            f"When using LoRA, vocab size must be <= {MAX_LORA_VOCABULARY} (this model: {replica.model.vocab_size}, "
            "with an adapter on lm_head).",
            "adapters that leave lm_head alone",
        )
    return None


def _unloadable(facts: LaunchFacts) -> Iterator[tuple[str, str]]:
    for each in facts.adapters:
        yield from _objections(each)


def _objections(adapter: AdapterFacts) -> Iterator[tuple[str, str]]:
    name = adapter.name
    merge = f"merge {name} into its base model and serve that, or train it as plain LoRA"
    if adapter.dora:
        yield f"vLLM does not yet support DoRA ({name}).", merge
    if adapter.bias != "none":
        yield f"vLLM does not support LoRA bias ({name}: {adapter.bias}).", merge
    if adapter.activated:
        yield f"vLLM does not support Activated LoRA ({name}).", merge
    if adapter.layer_replication:
        yield f"vLLM does not support layer_replication ({name}).", merge
    other = sorted(set(adapter.modules_to_save) - set(SAVED_MODULES))
    if other:
        yield (
            "vLLM only supports modules_to_save being either None or ['classifier', 'score'] for classification "
            f"models. Unsupported modules_to_save ({name}): {', '.join(other)}",
            merge,
        )


def adapters_cost_speed(replica: Replica) -> Finding | None:
    """Adapters beside weight-only kernels or without CUDA graphs are where most speed was lost."""
    if replica.tenancy is None or replica.tenancy.adapters == 0 or not replica.settings.enforce_eager:
        return None
    return warning(
        "LoRA without CUDA graphs was measured at 6.5 tokens/s instead of 17.6 (AWQ, 72B), and at half the speed "
        "elsewhere.",
        "leave --enforce-eager out",
    )


def sglang_is_told_enough(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """SGLang sets adapter memory aside at its start and must know for what."""
    if not (facts.lora or facts.adapters):
        return None
    method = (facts.speculative_method or "").upper()
    if method and method not in SPECULATES_WITH_LORA:
        return error(
            f"LoRA is only compatible with {', '.join(SPECULATES_WITH_LORA)} speculative decoding, not {method}.",
            "leave --speculative-algorithm out, or take one of these",
        )
    if not facts.adapters and not (facts.max_lora_rank and facts.lora_target_modules):
        return error(
            "When no initial --lora-paths is provided, you need to specify both --max-lora-rank and "
            "--lora-target-modules for LoRA initialization.",
            "--max-lora-rank 64 --lora-target-modules all",
        )
    per_batch, loaded = facts.max_loras or DEFAULT_LORAS_PER_BATCH, facts.max_loaded_loras
    if loaded is not None and loaded < per_batch:
        return error(
            "max_loaded_loras should be greater than or equal to max_loras_per_batch. "
            f"max_loaded_loras={loaded}, max_loras_per_batch={per_batch}",
            f"--max-loaded-loras {per_batch}",
        )
    return None


RULES: tuple[Rule, ...] = (
    Rule(
        id="V-L1", engines=(), severities=("error", "advice"), find=adapters_fit_engine,
        find_in_launch=ranks_are_allowed_for,
        title="LoRA ranks are among those that the engine has, and no larger than the launch allows for.",
        says="LoRA rank {rank} is greater than max_lora_rank {max}.",
        source="vLLM 0.33.0 vllm/config/lora.py:27-36, lora/peft_helper.py:188-202", basis=("code", "docs"),
    ),
    Rule(
        id="V-L2", engines=("vllm",), severities=("error",), find_in_launch=adapters_are_plain,
        title="vLLM loads plain LoRA: no DoRA, bias, aLoRA, layer replication or other saved modules.",
        says="vLLM does not yet support DoRA. | When using LoRA, vocab size must be <= 258048",
        source="vLLM 0.33.0 lora/peft_helper.py:33-68, lora/layers/logits_processor.py:91, config/lora.py:118-143",
        basis=("code",),
    ),
    Rule(
        id="V-L3", engines=("vllm",), severities=("warning",), find=adapters_cost_speed,
        title="LoRA costs speed, most of all without CUDA graphs.", says="",
        source="vllm-project/vllm#10062, #13204; predibase/lorax#670", basis=("issue", "measured"),
    ),
    Rule(
        id="S-5", engines=("sglang",), severities=("error",), find_in_launch=sglang_is_told_enough,
        title="SGLang knows the adapters or their rank and modules, and speculates with LoRA in some ways only.",
        says="When no initial --lora-paths is provided, you need to specify both --max-lora-rank and "
        "--lora-target-modules for LoRA initialization.",
        source="SGLang 0.5.23 srt/arg_groups/lora_hook.py:31-170, 240-265", basis=("code", "docs"),
    ),
)  # fmt: skip
