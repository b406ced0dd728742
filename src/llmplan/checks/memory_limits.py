"""Rules on shares of GPU memory: what a fraction means, what must be free, and what must fit."""

from __future__ import annotations

from llmplan.checks.rule import Finding, Rule, advice, error, warning
from llmplan.plan.deployment import Replica
from llmplan.plan.launch_facts import LaunchFacts
from llmplan.units import GIB

FULL_FRACTION, FREE_FRACTION = 0.95, 0.95
"""from there on nothing is left for graphs outside the budget, or for what runs beside the pool"""
STATIC_SLACK = 0.02


def pool_holds_one_request(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """The pool holds at least one request of the longest context."""
    needed, available = facts.kv_needed_bytes, facts.kv_available_bytes
    if needed is None or available is None or needed <= available:
        return None
    most = facts.longest_context_tokens
    if available <= 0:
        return error(
            "No available memory for the cache blocks: the weights and what runs beside them leave none.",
            facts.memory_fix or "more GPUs (--tensor-parallel-size), or smaller weights",
        )
    shorter = f" Based on the available memory, the estimated maximum model length is {most}." if most else ""
    return error(
        f"To serve at least one request with the model's max seq len ({replica.settings.max_model_len}), "
        f"({needed / GIB:.2f} GiB KV cache is needed, which is larger than the available KV cache memory "
        f"({max(0.0, available) / GIB:.2f} GiB).{shorter}",
        f"--max-model-len {most}" if most else facts.memory_fix or "more GPUs, or smaller weights",
    )


def fraction_is_what_it_seems(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """A stated pool replaces the fraction; before 0.21 CUDA graphs came on top of it."""
    stated = facts.stated or frozenset()
    settings = replica.settings
    if settings.kv_cache_memory_bytes is not None and "memory_fraction" in stated:
        return advice(
            f"--kv-cache-memory-bytes replaces --gpu-memory-utilization {settings.memory_fraction:g}.",
            "leave --gpu-memory-utilization out",
        )
    if replica.engine.cuda_graphs_in_budget or settings.enforce_eager or settings.memory_fraction < FULL_FRACTION:
        return None
    return warning(
        f"{replica.engine.ref} captures CUDA graphs outside its share of memory: {settings.memory_fraction:g} leaves "
        f"{(1 - settings.memory_fraction) * replica.gpu.memory_bytes / GIB:.1f} GiB for them and for all else.",
        "--gpu-memory-utilization 0.9",
    )


def memory_is_free(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """What other programs hold is not free when the engine starts."""
    free, total = facts.free_memory_bytes, replica.gpu.memory_bytes
    wanted = total * replica.settings.memory_fraction
    if free is None or free >= wanted:
        return None
    fits = int(1000 * free / total) / 1000
    return error(
        f"Free memory on device ({free / GIB:.2f}/{total / GIB:.2f} GiB) on startup is less than desired GPU memory "
        f"utilization ({replica.settings.memory_fraction:g}, {wanted / GIB:.2f} GiB). Decrease GPU memory utilization "
        "or reduce GPU memory used by other processes.",
        f"--gpu-memory-utilization {fits:g}" if fits >= 0.1 else "end what runs on this GPU, or take another one",
    )


def vocabulary_is_padded(replica: Replica) -> Finding | None:
    """Embedding and head are stored for a vocabulary rounded up."""
    rows = -replica.model.vocab_size % replica.engine.vocab_padding
    if rows == 0 or replica.engine.vocab_padding == 1:
        return None
    matrices = 1 if replica.model.tied_embeddings else 2
    added = rows * replica.model.hidden_size * matrices * 2 / replica.parallel.tp
    return advice(
        f"The vocabulary of {replica.model.vocab_size} is padded by {rows} rows to a multiple of "
        f"{replica.engine.vocab_padding}: {added / 2**20:.2g} MiB per GPU beyond the checkpoint (counted here).",
        "count it, when you compute the memory yourself",
    )


def static_share_leaves_room(replica: Replica) -> Finding | None:
    """SGLang's static share leaves the rest for activations and graphs; its own default knows how much they take."""
    engine, settings, parallel = replica.engine, replica.settings, replica.parallel
    if engine.kv_pool_rule != "fraction_static" or engine.static_reserve is None:
        return None
    try:
        default = engine.scheduler_default(replica.gpu.memory_bytes, replica.gpu.architecture, parallel.tp)
    except ValueError:
        return None
    own = engine.memory_fraction_on(
        replica.gpu.memory_bytes, ranks=parallel.tp * parallel.pp, tokens=settings.max_num_batched_tokens,
        seqs=default.captured_seqs(settings.max_num_seqs), latent=replica.model.is_mla,
    )  # fmt: skip
    if settings.memory_fraction <= own + STATIC_SLACK:
        return None
    return warning(
        f"mem_fraction_static {settings.memory_fraction:g} leaves "
        f"{(1 - settings.memory_fraction) * replica.gpu.memory_bytes / GIB:.1f} GiB for activations and graphs; SGLang "
        f"itself would leave {(1 - own) * replica.gpu.memory_bytes / GIB:.1f} GiB here. CUDA runs out of memory under "
        "load, not at the start.",
        f"--mem-fraction-static {own:g}",
    )


def free_share_leaves_room(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """TensorRT-LLM's fraction is of what is free once the weights are loaded."""
    if "memory_fraction" not in (facts.stated or ()) or replica.settings.memory_fraction <= FREE_FRACTION:
        return None
    return warning(
        f"free_gpu_memory_fraction {replica.settings.memory_fraction:g} is a share of what is free after loading: "
        "almost nothing is left for larger batches than were tried at the start ('Executor creation failed due to "
        "insufficient GPU memory').",
        "--free_gpu_memory_fraction 0.9",
    )


RULES: tuple[Rule, ...] = (
    Rule(
        id="V-KV1", engines=(), severities=("error",), find_in_launch=pool_holds_one_request,
        title="The KV pool holds at least one request of the longest context.",
        says="To serve at least one request with the model's max seq len ({tokens}), ({needed} GiB KV cache is needed, "
        "which is larger than the available KV cache memory ({available} GiB).",
        source="vLLM 0.33.0 vllm/v1/core/kv_cache_planning.py:49-85; vllm-project/vllm#2418", basis=("code", "issue"),
    ),
    Rule(
        id="V-KV2", engines=("vllm",), severities=("warning", "advice"), find_in_launch=fraction_is_what_it_seems,
        title="CUDA graphs are inside the memory fraction from 0.21 on, and a stated pool replaces the fraction.",
        says="", source="vLLM 0.33.0 vllm/config/cache.py:215, v1/worker/gpu_worker.py:700-800; vllm-project/vllm#7553",
        basis=("code", "issue"),
    ),
    Rule(
        id="V-KV3", engines=("vllm",), versions=">=0.9", severities=("error",), find_in_launch=memory_is_free,
        title="The share of memory that is asked for is free when the engine starts.",
        says="Free memory on device {device} ({free}/{total} GiB) on startup is less than desired GPU memory "
        "utilization ({fraction}, {wanted} GiB).",
        source="vLLM 0.33.0 vllm/v1/worker/utils.py:761; vllm-project/vllm#20305", basis=("code", "issue"),
    ),
    Rule(
        id="V-TP4", engines=("vllm", "sglang"), severities=("advice",), find=vocabulary_is_padded,
        title="The vocabulary is padded to a multiple of 64 before it is stored.", says="",
        source="vLLM 0.33.0 model_executor/layers/vocab_parallel_embedding.py:36, 95", basis=("code",),
    ),
    Rule(
        id="S-3", engines=("sglang",), severities=("warning",), find=static_share_leaves_room,
        title="SGLang's static share leaves room for activations and CUDA graphs.",
        says="Not enough memory. Please try to increase --mem-fraction-static. | CUDA out of memory",
        source="SGLang 0.5.23 srt/arg_groups/memory_hook.py:48-345; sgl-project/sglang#322, #4330",
        basis=("code", "issue"),
    ),
    Rule(
        id="T-6", engines=("tensorrt-llm",), severities=("warning",), find_in_launch=free_share_leaves_room,
        title="TensorRT-LLM's fraction is of the memory that is free after loading.",
        says="Executor creation failed due to insufficient GPU memory",
        source="NVIDIA/TensorRT-LLM#5872, #6827", basis=("issue",),
    ),
)  # fmt: skip
