"""Rules on tensor, pipeline, expert and context parallelism: what divides what."""

from __future__ import annotations

from llmplan.checks.rule import GPU_SERVERS, Finding, Rule, advice, divisors_text, error
from llmplan.checks.shapes import cuts, kv_heads, spreads
from llmplan.plan.deployment import Replica
from llmplan.plan.launch_facts import LaunchFacts


def heads_divide(replica: Replica) -> Finding | None:
    """Each rank computes a whole number of attention heads."""
    tp, heads = replica.parallel.tp, replica.model.divisible_heads
    if heads % tp == 0:
        return None
    return error(
        f"Total number of attention heads ({heads}) must be divisible by tensor parallel size ({tp}).",
        f"use --tp {divisors_text(heads)}",
    )


def kv_heads_divide(replica: Replica) -> Finding | None:
    """KV heads are divided by TP, or copied a whole number of times where there are fewer of them than ranks."""
    tp = replica.parallel.tp
    if tp == 1:
        return None
    for heads in kv_heads(replica.model):
        if heads % tp and tp % heads:
            query = replica.model.divisible_heads
            wanted = ", ".join(str(n) for n in range(1, 65) if query % n == 0 and spreads(heads, n))
            return error(f"{heads} KV heads cannot be spread over tensor parallel size {tp}.", f"use --tp {wanted}")
        if heads < tp:
            return advice(
                f"Each of the {heads} KV heads is stored {tp // heads} times: beyond --tp {heads} the KV cache per GPU "
                "stops shrinking.",
                f"--tp {heads} with more replicas or --pp",
            )
    return None


def latent_cache_is_copied(replica: Replica) -> Finding | None:
    """Latent attention has one head: every TP rank holds the whole cache."""
    if replica.parallel.tp == 1 or replica.parallel.dcp > 1 or not replica.model.is_mla:
        return None
    return advice(
        f"The latent KV cache of {replica.model.id} is not divided by TP: each of the {replica.parallel.tp} ranks "
        "holds all of it.",
        f"--tp 1 --dp {replica.parallel.gpus} --ep {replica.parallel.gpus} gives each rank its own requests",
    )


def context_ranks_divide(replica: Replica) -> Finding | None:
    """Ranks that share a copy of the cache are among those that would hold the same heads."""
    tp, dcp = replica.parallel.tp, replica.parallel.dcp
    if dcp == 1:
        return None
    if tp % dcp:
        return error(f"tp_size={tp} must be divisible by dcp_size={dcp}.", f"use --dcp {divisors_text(tp)}")
    for heads in kv_heads(replica.model):
        copies, shared = tp // heads, replica.model.query_heads // heads
        if dcp > copies:
            return error(
                f"Decode context parallelism for GQA/MQA requires as many copies of a KV head as ranks that share it: "
                f"{heads} KV heads over tensor parallel size {tp} have {copies or 1}, not {dcp}.",
                f"use --dcp {copies}" if copies > 1 else "leave --dcp out",
            )
        if shared % dcp:
            return error(
                f"{shared} query heads on each KV head cannot be divided by --dcp {dcp}.",
                f"use --dcp {divisors_text(shared)}",
            )
    return None


def linears_divide(replica: Replica) -> Finding | None:
    """Linear layers split without remainder."""
    for cut in cuts(replica):
        if not cut.exact:
            return error(
                f"{cut.size} is not divisible by {cut.ranks} ({cut.tensor}, {cut.side} size).", "use a smaller --tp"
            )
    return None


def pipeline_has_layers(replica: Replica) -> Finding | None:
    """Every pipeline stage needs a layer; uneven stages wait for the longest."""
    pp, layers = replica.parallel.pp, replica.model.layer_count
    if pp == 1 or layers % pp == 0:
        return None
    if pp > layers:
        return error(
            f"Pipeline parallel size {pp} exceeds the {layers} layers of the model.", f"use --pp {layers} or less"
        )
    return advice(
        f"{layers} layers do not divide evenly over {pp} pipeline stages: the longest stage sets the pace.",
        f"use --pp {divisors_text(layers)}",
    )


def balancing_has_experts(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """The balancer moves experts among expert-parallel ranks."""
    ranks = replica.parallel.tp * replica.parallel.dp
    if facts.eplb and not (replica.parallel.ep or facts.expert_parallel):
        return error("enable_expert_parallel must be True to use EPLB.", "--enable-expert-parallel")
    if facts.eplb and ranks == 1:
        return error(
            "EPLB requires tensor_parallel_size or data_parallel_size to be greater than 1, but got TP=1,DP=1.",
            "leave --enable-eplb out, or --tp 2",
        )
    return _experts_missing(replica) if facts.expert_parallel else experts_exist(replica)


def experts_exist(replica: Replica) -> Finding | None:
    """Expert parallelism needs experts."""
    return _experts_missing(replica) if replica.parallel.ep else None


def _experts_missing(replica: Replica) -> Finding | None:
    if replica.model.is_moe:
        return None
    return error(
        "Number of experts in the model must be greater than 0 when expert parallelism is enabled.", "leave out --ep"
    )


def tensor_parallel_is_known(replica: Replica) -> Finding | None:
    """Some engines only split by layers."""
    if replica.parallel.tp == 1 or replica.engine.tensor_parallel:
        return None
    return error(
        f"{replica.engine.name} has no tensor parallelism (asked for {replica.parallel.tp}).",
        f"--tp 1 --pp {replica.parallel.tp}",
    )


def context_ranks_are_known(replica: Replica) -> Finding | None:
    """Engines that share no copy of the cache among their ranks, as far as their profiles tell."""
    if replica.parallel.dcp == 1:
        return None
    return error(f"{replica.engine.name} is not known to share a KV cache among TP ranks.", "leave --dcp out")


_HEADS = "Total number of attention heads ({heads}) must be divisible by tensor parallel size ({tp})."
RULES: tuple[Rule, ...] = (
    Rule(
        id="V-TP1", engines=("vllm",), severities=("error",), find=heads_divide,
        title="TP divides the attention heads (vLLM).", says=_HEADS,
        source="vLLM 0.33.0 vllm/config/model.py:1559; vllm-project/vllm#414, #11797", basis=("code", "issue"),
    ),
    Rule(
        id="S-1", engines=("sglang",), severities=("error",), find=heads_divide,
        title="TP divides the attention heads (SGLang).", says="AssertionError",
        source="SGLang 0.5.23 srt/models/llama.py:183-189", basis=("code",),
    ),
    Rule(
        id="T-2", engines=("tensorrt-llm",), severities=("error",), find=heads_divide,
        title="TP divides the attention heads (TensorRT-LLM).", says="AssertionError",
        source="TensorRT-LLM tensorrt_llm/_torch/modules/attention.py, class Attention", basis=("code",),
    ),
    Rule(
        id="V-TP2", engines=GPU_SERVERS, severities=("error", "advice"), find=kv_heads_divide,
        title="TP divides the KV heads, or is a multiple of them; beyond them each head is stored several times.",
        says="AssertionError", source="vLLM 0.33.0 model_executor/layers/linear.py:1065-1071, models/llama.py:145-156",
        basis=("code",),
    ),
    Rule(
        id="V-TP3", engines=GPU_SERVERS, severities=("advice",), find=latent_cache_is_copied,
        title="TP does not divide the cache of latent attention: every rank holds all of it.", says="",
        source="vLLM 0.33.0 config/model.py:1663-1675", basis=("code",),
    ),
    Rule(
        id="V-TP5", engines=GPU_SERVERS, severities=("error",), find=linears_divide,
        title="Linear layers split over TP without remainder.", says="{size} is not divisible by {ranks}",
        source="vLLM 0.33.0 vllm/distributed/utils.py:50-60", basis=("code",),
    ),
    Rule(
        id="V-P1", engines=(), severities=("error", "advice"), find=pipeline_has_layers,
        title="Every pipeline stage has a layer, and stages are best of equal length.",
        says="Pipeline parallelism is not supported for this model.",
        source="vLLM 0.33.0 vllm/distributed/utils.py:195-245, config/model.py:1569-1576", basis=("code",),
    ),
    Rule(
        id="V-P4", engines=GPU_SERVERS, severities=("error",), find=experts_exist, find_in_launch=balancing_has_experts,
        title="Expert parallelism needs experts, and balancing them needs expert parallelism.",
        says="Number of experts in the model must be greater than 0 when expert parallelism is enabled.",
        source="vLLM 0.33.0 vllm/config/model.py:1498-1503, config/parallel.py:562-585", basis=("code",),
    ),
    Rule(
        id="V-P5", engines=("vllm",), severities=("error",), find=context_ranks_divide,
        title="Decode context parallel ranks share copies of the same KV heads.",
        says="Decode context parallelism for GQA/MQA requires tensor parallel size {tp} > num_kv_heads {heads}",
        source="vLLM 0.33.0 vllm/config/parallel.py:596-600, config/model.py:1578-1606", basis=("code",),
    ),
    Rule(
        id="L-DCP", engines=("sglang", "tensorrt-llm", "llama-cpp"), severities=("error",),
        find=context_ranks_are_known, title="Only vLLM shares a KV cache among TP ranks.",
        says="unrecognized arguments: --decode-context-parallel-size", source="the engine's option list",
        basis=("profile",),
    ),
    Rule(
        id="L-TP", engines=(), severities=("error",), find=tensor_parallel_is_known,
        title="Engines without tensor parallelism split by layers.", says="",
        source="the engine's profile, tensor_parallel", basis=("profile",),
    ),
)  # fmt: skip
