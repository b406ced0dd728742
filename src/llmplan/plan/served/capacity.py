"""Rules on the KV pool: a size that no stated setting explains, and what would make it so."""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.plan.outcome import MemoryBudget
from llmplan.plan.served.comparing import SAME_SIZE, Compared, number
from llmplan.plan.served.drift import Case, Finding
from llmplan.plan.served.settings import (
    cache_format,
    context_flags,
    fixed_pool,
    other_engine,
    other_model,
    other_parallelism,
)
from llmplan.units import format_bytes, format_rate

EXPLAINING = (other_engine, other_model, other_parallelism, fixed_pool, cache_format)
"""rules whose findings account for any size of the pool"""
STEP_SETTINGS = ("max_num_batched_tokens", "max_num_seqs")
"""settings that move the pool by what activations take"""
ABOUT = 0.3
"""relative difference up to which two sizes may be one and the same"""
HALF_AS_WIDE = (1.85, 2.15)
"""ratio of tokens that half as many bytes a token make"""
SAME_WEIGHTS = 0.03
"""relative difference up to which weights are as planned"""
FIX = "start it with the flags of llmplan emit-config; llmplan memory --against-log FILE compares its start-up log"


def kv_capacity(case: Case) -> Iterator[Finding]:
    """A KV pool outside its band: by a setting that the server states, or by what its size makes likely."""
    row = case.rows.get("kv_tokens")
    if case.expected is None or case.expected.budget is None or row is None:
        return
    full = case.rows.get("max_concurrency")
    if row.verdict == "agrees" and full is not None and full.verdict == "differs" and full.planned:
        yield Finding(
            id="kv-capacity",
            kind="capacity",
            message=f"as many tokens as planned hold {format_rate(full.observed or 0.0)} requests of full length at "
            f"once, where {format_rate(full.planned.mid)} were predicted",
            causes=("layers that keep a window or a state, and are counted otherwise than was predicted",),
            certain=False,
        )
    if row.verdict != "differs":
        return
    if row.planned is None or row.observed is None:
        return
    ratio = row.observed / row.planned.mid
    share = f"{100 * abs(ratio - 1.0):.3g} % {'fewer' if ratio < 1.0 else 'more'} than"
    if ratio > 2.0:
        share = f"{ratio:.3g} times"
    stated_pool = case.expected.replica.engine.kv_pool_rule == "explicit_context"
    band = f" ({row.planned.low:,.0f} to {row.planned.high:,.0f})" if row.planned.high > row.planned.low else ""
    yield Finding(
        id="kv-capacity",
        kind="capacity",
        message=f"its KV cache holds {row.observed:,.0f} tokens, {share} the {row.planned.mid:,.0f} that were "
        f"{'planned' if stated_pool else 'predicted'}{band}",
        causes=tuple(_contexts(case, row) if stated_pool else _causes(case, case.expected.budget, ratio)),
        fix=f"start it with {context_flags(case.expected)}" if stated_pool else FIX,
        certain=False,
    )


def _causes(case: Case, budget: MemoryBudget, ratio: float) -> Iterator[str]:
    """What the server states first; what is left beyond the pool's band is inferred from its size."""
    assert case.expected is not None
    named = [finding for rule in EXPLAINING for finding in rule(case)]
    known = [finding.message for finding in named if finding.kind != "reading"]
    known += [
        f"{case.rows[name].name} differ, and with them activations" for name in STEP_SETTINGS if case.differs(name)
    ]
    yield from known
    if is_fixed(case):
        if not known:
            yield from _widths(case, ratio)
        return
    change = (ratio - 1.0) * budget.kv_cache_bytes.mid
    if case.differs("gpu_memory_utilization"):
        stated, planned = case.rows["gpu_memory_utilization"].observed, case.expected.replica.settings.memory_fraction
        moved = ((stated or 0.0) - planned) * budget.total_bytes
        yield (
            f"a memory fraction of {stated:g} where {planned:g} was planned: that alone is "
            f"{format_bytes(abs(moved))} {'less' if moved < 0.0 else 'more'} of {format_bytes(abs(change))}"
        )
        change -= moved
    pool = budget.kv_cache_bytes
    certain = len(known) - sum(not finding.certain for finding in named if finding.kind != "reading")
    if not certain and not pool.low - pool.mid <= change <= pool.high - pool.mid:
        for index, cause in enumerate(inferred(case, budget, change)):
            beside = not index and case.differs("gpu_memory_utilization")
            yield f"and for the rest {cause}" if beside else cause


def is_fixed(case: Case) -> bool:
    """Whether the pool is of a stated size, which nothing else in memory moves."""
    stated = case.seen.last.settings
    return any(number(stated.get(name)) for name in ("kv_cache_memory_bytes", "blocks_override"))


def _widths(case: Case, ratio: float) -> Iterator[str]:
    """Another width of the cache, where the server does not name its format and the ratio of tokens is that of one."""
    if case.seen.last.settings.get("kv_cache", "auto") == "auto" and ratio > 0.0:
        if HALF_AS_WIDE[0] <= ratio <= HALF_AS_WIDE[1]:
            yield "a KV cache of half as many bytes a token (fp8)"
        elif HALF_AS_WIDE[0] <= 1.0 / ratio <= HALF_AS_WIDE[1]:
            yield "a KV cache of twice as many bytes a token (16 bit)"


def _contexts(case: Case, row: Compared) -> Iterator[str]:
    """Where the pool is a context that is asked for: another one, or slots that all have the whole of it."""
    for rule in (other_engine, other_model):
        yield from (finding.message for finding in rule(case) if finding.kind != "reading")
    context, planned = number(case.seen.last.settings.get("max_model_len")), row.planned.mid if row.planned else 0.0
    shared = f"slots that share one context (--kv-unified): it then holds {context:,.0f} tokens"
    if context and abs(context / planned - 1.0) <= SAME_SIZE:
        yield f"{shared}, as planned, and one request can take them all"
        return
    yield f"-c {row.observed:g} where {planned:g} was planned"
    if context and row.observed and context < row.observed:
        yield shared


def inferred(case: Case, budget: MemoryBudget, change: float) -> Iterator[str]:
    """What would make the pool of a GPU larger or smaller by `change` [B], the closest fit first."""
    assert case.expected is not None
    replica, stated = case.expected.replica, case.seen.last.settings
    ratio, amount = 1.0 + change / budget.kv_cache_bytes.mid, format_bytes(abs(change))
    weights = case.seen.last.gauges.get("weights_bytes")
    if weights and abs(weights / budget.weights_bytes - 1.0) > SAME_WEIGHTS:
        yield f"weights of {format_bytes(weights)} on a GPU where {format_bytes(budget.weights_bytes)} were predicted"
    yield from _widths(case, ratio)
    graphs = budget.cuda_graph_bytes
    if "enforce_eager" not in stated and not replica.settings.enforce_eager and abs(change - graphs) <= ABOUT * graphs:
        yield f"enforce_eager: no CUDA graphs, which were predicted to take {format_bytes(graphs)}"
    was = replica.settings.memory_fraction
    fraction = was + change / budget.total_bytes
    if (
        "gpu_memory_utilization" not in stated
        and replica.engine.kv_pool_rule == "fraction_of_total"
        and 0 < fraction <= 1
    ):
        yield f"gpu_memory_utilization {fraction:.3f} where {was:.3g} was planned: that is {amount} of a GPU"
    if change < 0.0:
        yield f"another process on the same GPU that holds {amount}: llmplan doctor there names it"
        yield f"larger max_num_batched_tokens or max_num_seqs, whose activations take {amount} more"
        return
    yield f"smaller max_num_batched_tokens or max_num_seqs, whose activations take {amount} less"
    if ratio > 1.3 and "tp" not in stated:
        yield "more GPUs (tensor_parallel_size), each with a smaller part of the weights"


RULES = (kv_capacity,)
