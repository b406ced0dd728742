"""Why a setting has its value, in one line made of the plan's own figures: the same words for every engine."""

from __future__ import annotations

from llmplan.emit.selection import Launch
from llmplan.plan.outcome import MemoryBudget
from llmplan.units import format_bytes


def context(launch: Launch) -> str:
    """Of the longest context."""
    workload = launch.question.workload
    longest_in = workload.input_tokens.p99 or workload.input_tokens.mean
    longest_out = workload.output_tokens.p99 or workload.output_tokens.mean
    planned = launch.replica.settings.max_model_len
    longest = workload.context_tokens or longest_in + longest_out
    what = (
        f"the longest request to admit has {longest:,.0f} tokens, as stated"
        if workload.context_tokens
        else f"the longest requests of the workload have {longest_in:,.0f} tokens in and {longest_out:,.0f} out (99th "
        "percentile)"
    )
    return f"{what}, rounded up" if planned >= longest else f"{what}: longer ones than {planned:,} are refused"


def sequences(launch: Launch) -> str:
    """Of the most requests that run at once."""
    groups = launch.replica.parallel.dp
    each = f" in each of {groups} data-parallel groups" if groups > 1 else ""
    budget = launch.memory
    if budget is None:
        return f"requests that run at once{each}, as planned; more wait"
    workload = launch.question.workload
    tokens = workload.input_tokens.mean + workload.output_tokens.mean
    held = budget.room.requests(tokens)
    return f"requests that run at once{each}: the KV pool holds {held:,.0f} of {tokens:,.0f} tokens (the mean)"


def step_tokens(launch: Launch) -> str:
    """Of the tokens of one step."""
    settings = launch.replica.settings
    chunks = -(-settings.max_model_len // settings.max_num_batched_tokens)
    whole = "holds the longest request whole" if chunks <= 1 else f"takes the longest request in {chunks} parts"
    budget = launch.memory
    cost = f"; activations for it take {format_bytes(budget.activation_bytes)} of each GPU" if budget else ""
    return f"tokens that one step computes at most: it {whole}{cost}"


def memory_share(launch: Launch) -> str:
    """Of the share of memory that the engine may use."""
    budget = launch.memory
    if budget is None:
        return "as planned"
    return f"planned budget {_budget(budget)}"


def pool(launch: Launch) -> str:
    """Of the size of the KV pool."""
    budget = launch.memory
    if budget is None:
        return "the pool that was planned with"
    return f"holds {budget.capacity_tokens:,} tokens, {format_bytes(budget.kv_bytes_per_token)} each on a GPU"


def _budget(budget: MemoryBudget) -> str:
    parts = sorted(((line.amount or 0.0, line.name) for line in budget.ledger.lines), reverse=True)
    shown = ", ".join(f"{name} {format_bytes(size)}" for size, name in parts if size)
    return f"{format_bytes(budget.budget_bytes)} of {format_bytes(budget.total_bytes)}: {shown}"


def tensor_parallel(launch: Launch) -> str:
    """Of the ranks that share each layer."""
    tp, budget = launch.replica.parallel.tp, launch.memory
    cut = f"every layer is cut over {tp} GPUs" if tp > 1 else "every layer lies whole on one GPU"
    if budget is None:
        return cut
    return f"{cut}: {format_bytes(budget.weights_bytes)} of weights on each, of {format_bytes(budget.total_bytes)}"


def pipeline_parallel(launch: Launch) -> str:
    """Of the stages."""
    pp, layers = launch.replica.parallel.pp, launch.replica.model.layer_count
    return f"{layers} layers in {pp} stages, one after the other" if pp > 1 else "all layers in one stage"


def data_parallel(launch: Launch) -> str:
    """Of the groups that hold attention each on its own."""
    parallel = launch.replica.parallel
    return (
        f"{parallel.dp} groups of {parallel.gpus // parallel.dp} GPUs hold attention and cache, each for its requests"
    )


def context_parallel(launch: Launch) -> str:
    """Of the ranks that share one copy of the cache."""
    return f"{launch.replica.parallel.dcp} ranks share one copy of the KV cache, which they would each hold whole"


def expert_parallel(launch: Launch) -> str:
    """Of experts that lie whole on one rank each."""
    parallel = launch.replica.parallel
    return f"experts are spread over {parallel.tp * parallel.dp} ranks instead of being cut by tensor parallelism"


def number_format(launch: Launch) -> str:
    """Of the arithmetic of what is not quantized."""
    replica = launch.replica
    lacking = replica.gpu.compute_capability is not None and replica.gpu.compute_capability < (8, 0)
    if lacking and replica.model.dtype == "bf16":
        return f"{replica.gpu.id} has no bfloat16"
    return f"the arithmetic of what is not quantized; weights are planned in {replica.weights.id}"


def conversion(launch: Launch) -> str:
    """Of a format that the engine makes while loading."""
    replica = launch.replica
    return f"converts the published {replica.model.checkpoint_format} weights to {replica.weights.id} while loading"


def kv_format(launch: Launch) -> str:
    """Of the cache's numbers."""
    budget = launch.memory
    cost = f": a token takes {format_bytes(budget.kv_bytes_per_token)} on each GPU" if budget else ""
    return f"KV cache planned in {launch.replica.kv.id}{cost}"


def prefix_caching(launch: Launch) -> str:
    """Of keeping prompts that come again."""
    share = launch.question.workload.prefix_share
    if not launch.replica.settings.prefix_caching:
        return "planned without: every prompt is computed whole"
    return (
        f"{share:.0%} of the prompt tokens of the workload come again" if share else "prompts that come again are kept"
    )


def eager(launch: Launch) -> str:
    """Of doing without CUDA graphs."""
    return "planned without CUDA graphs"


def block(launch: Launch) -> str:
    """Of the size of a block."""
    budget = launch.memory
    if budget is None:
        return "tokens of one block of the KV cache"
    return f"tokens of one block: the pool has {budget.blocks:,} of them"


def served_name(launch: Launch) -> str:
    """Of the name in requests."""
    return "requests name the model so, whatever its checkpoint is called"


def host_weights(launch: Launch) -> str:
    """Of weights in host memory."""
    offload = launch.replica.offload
    size = format_bytes(offload.host_weight_bytes if offload else 0)
    return f"{size} of the weights of each GPU stay in host memory and are read over PCIe in every step"


def host_cache(launch: Launch) -> str:
    """Of a KV pool in host memory."""
    offload = launch.replica.offload
    return f"{format_bytes(offload.host_kv_bytes if offload else 0)} of host memory keep what the GPUs' pools drop"


def adapters(launch: Launch) -> str:
    """Of serving LoRA adapters."""
    tenancy = launch.replica.tenancy
    count, rank = (tenancy.adapters, tenancy.lora_rank) if tenancy else (0, 0)
    return f"{count} LoRA adapter{'s' * (count != 1)} of rank {rank} for {tenancy.tenants if tenancy else 0} tenants"


def resident_adapters(launch: Launch) -> str:
    """Of the adapters that lie on the GPU at once."""
    return "on each GPU at once: no more than requests run at once"


def host_adapters(launch: Launch) -> str:
    """Of the adapters that host memory keeps."""
    return "in host memory, so that none is read from disk again"


def speculation(launch: Launch) -> str:
    """Of drafting."""
    planned = launch.replica.speculation
    if planned is None:
        return ""
    return f"{planned.label}: {planned.tokens_per_step:.3g} tokens a step"
