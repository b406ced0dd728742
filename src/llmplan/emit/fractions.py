"""What an engine's memory setting is called and means, and how a share planned for one is said to another.

vLLM's is of all memory, for everything; SGLang's of what is free before loading, for weights and KV pool;
TensorRT-LLM's of what is free after loading, for the pool. Planned for the same engine, a setting is passed on as it
is; for another it follows from the planned budget, so that the KV pool has the planned size, rounded down to a
thousandth.
"""

from __future__ import annotations

import math

from llmplan.emit.selection import Launch
from llmplan.errors import UsageError
from llmplan.plan.outcome import MemoryBudget
from llmplan.spec.engine import KvPoolRule


def memory_share(launch: Launch, rule: KvPoolRule, flag: str) -> float:
    """The setting of an engine that sizes its pool by `rule`; `flag` is what it calls it."""
    if launch.same_engine:
        return launch.replica.settings.memory_fraction
    if launch.memory is None:
        raise UsageError(f"the plan has no memory budget from which {flag} follows")
    return share_of(launch.memory, rule)


def share_of(budget: MemoryBudget, rule: KvPoolRule) -> float:
    """The share under which an engine with this rule makes the planned pool.

    budget: of one GPU. rule: of the engine.
    fraction_of_total: budget / total. fraction_of_free: pool / (pool + total - budget).
    fraction_static: (budget - activations - graphs - context) / (total - context), with what the process holds beside
    its tensors (non-torch) as context. All rounded down to 0.001, and at least that.
    Valid where both engines hold weights, activations and graphs of the planned size. Reference: vLLM
    v1/worker/gpu_worker.py, SGLang srt/arg_groups/memory_hook.py, TensorRT-LLM llmapi/llm_args.py.
    """
    pool = budget.kv_cache_bytes.mid
    outside = max(0, budget.total_bytes - budget.budget_bytes)
    match rule:
        case "fraction_of_total":
            share = budget.budget_bytes / budget.total_bytes
        case "fraction_static":
            passing = budget.activation_bytes + budget.cuda_graph_bytes + budget.non_torch_bytes
            share = (budget.budget_bytes - passing) / (budget.total_bytes - budget.non_torch_bytes)
        case "fraction_of_free":
            share = pool / (pool + outside)
        case "explicit_context":
            return 1.0
    return max(1, math.floor(1000 * share)) / 1000
