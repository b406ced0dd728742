"""Why a replica cannot start for want of memory, and which flag would change that."""

from __future__ import annotations

import math

from llmplan.plan.cache import CacheLayout
from llmplan.plan.deployment import Replica
from llmplan.plan.ledger import Ledger
from llmplan.plan.outcome import Rejection
from llmplan.units import format_bytes, to_gib


def _closeness(available_bytes: float, needed_bytes: float) -> float:
    """How near: available / needed, between 0 and 1."""
    return min(1.0, max(0.0, available_bytes / needed_bytes)) if needed_bytes > 0 else 0.0


def weights_do_not_fit(
    replica: Replica, fixed_bytes: float, needed_bytes: float, available_bytes: float, ledger: Ledger
) -> Rejection:
    """Weights, or weights with what every step needs, exceed what the engine may use."""
    alone = fixed_bytes > available_bytes
    what = "the weights" if alone else "weights and runtime memory leave no KV cache: they"
    return Rejection(
        reason=f"{what} do not fit one {replica.gpu.name}" if alone else f"{what} fill one {replica.gpu.name}",
        needed=f"more than {format_bytes(needed_bytes)} per GPU",
        available=f"{format_bytes(available_bytes)} per GPU ({replica.parallel.describe()})",
        fix=_more_memory(replica, needed_bytes / max(available_bytes, 1.0)),
        ledger=ledger,
        code="weights_do_not_fit",
        closeness=_closeness(available_bytes, needed_bytes),
    )


def pool_too_large(
    replica: Replica, fixed_bytes: float, pool_bytes: float, total_bytes: float, ledger: Ledger
) -> Rejection:
    """The pool that was asked for does not go beside the weights."""
    room = max(0.0, total_bytes - fixed_bytes)
    return Rejection(
        reason=f"the KV pool asked for does not go beside the weights on one {replica.gpu.name}",
        needed=f"{format_bytes(fixed_bytes + pool_bytes)} per GPU",
        available=f"{format_bytes(total_bytes)} per GPU",
        fix=f"--kv-cache-memory-gib {to_gib(room):.1f} at most",
        ledger=ledger,
        code="kv_pool_too_large",
        closeness=_closeness(total_bytes, fixed_bytes + pool_bytes),
    )


def no_room_for_one_request(
    replica: Replica,
    layout: CacheLayout,
    ahead_tokens: int,
    pool_bytes: float,
    ledger: Ledger,
    *,
    needed_bytes: float | None = None,
) -> Rejection:
    """The pool cannot hold a single request of `max_model_len`."""
    settings = replica.settings
    if needed_bytes is None:
        needed_bytes = (layout.blocks_per_request(settings.max_model_len, ahead_tokens) + 1) * layout.block_bytes
        fits = longest_request(layout, ahead_tokens, pool_bytes, settings.max_model_len)
        whose = f"one request of {settings.max_model_len:,} tokens"
    else:
        fits = int(settings.max_model_len * pool_bytes / needed_bytes)
        whose = f"{settings.max_num_seqs} slots of {settings.max_model_len:,} tokens"
    shorter = f"--max-model-len {fits}" if fits >= layout.block_tokens else ""
    return Rejection(
        reason=f"no room in the KV cache for {whose}",
        needed=f"{format_bytes(needed_bytes)} of KV cache per GPU",
        available=f"{format_bytes(max(0.0, pool_bytes))} per GPU",
        fix=shorter or _more_memory(replica, 1.1),
        ledger=ledger,
        code="no_room_for_one_request",
        closeness=_closeness(pool_bytes, needed_bytes),
    )


def host_too_small(replica: Replica, needed_bytes: float, available_bytes: float, ledger: Ledger) -> Rejection:
    """What is offloaded exceeds the host memory that belongs to these GPUs."""
    return Rejection(
        reason=f"host memory of {replica.host.name} is too small for what is offloaded",
        needed=f"{format_bytes(needed_bytes)} of host memory",
        available=f"{format_bytes(available_bytes)} (these GPUs' share, less the system's)",
        fix=_fewer_bits(replica, needed_bytes / max(available_bytes, 1.0)) or "--gpu with more memory, to offload less",
        ledger=ledger,
        code="host_memory",
        closeness=_closeness(available_bytes, needed_bytes),
    )


def longest_request(layout: CacheLayout, ahead_tokens: int, pool_bytes: float, at_most: int) -> int:
    """The longest request that a pool holds [tokens], a multiple of the block, 0 if none.

    layout: how the pool is cut; ahead_tokens [tokens] in flight; pool_bytes [B]; at_most [tokens].
    The largest n with blocks(n x block) <= blocks of the pool - 1, by bisection.
    Valid for paged pools, of which vLLM keeps one block back. Reference: `CacheLayout.blocks_per_request`.
    """
    blocks = layout.blocks_in(pool_bytes) - 1
    low, high = 0, at_most // layout.block_tokens
    while low < high:
        middle = (low + high + 1) // 2
        if layout.blocks_per_request(middle * layout.block_tokens, ahead_tokens) <= blocks:
            low = middle
        else:
            high = middle - 1
    return low * layout.block_tokens


def _more_memory(replica: Replica, factor: float) -> str:
    """The next flag to try: more ranks in the host, else fewer bits, else a larger GPU."""
    tp = replica.parallel.tp
    wanted = tp * 2 ** max(1, math.ceil(math.log2(max(factor, 1.0))))
    if replica.model.divisible_heads % wanted:
        wanted = 2 ** math.ceil(math.log2(tp * max(factor, 1.0)))
    if replica.engine.tensor_parallel and wanted * replica.parallel.pp <= replica.host.gpus:
        return f"--tp {wanted}"
    stages = replica.parallel.pp * math.ceil(factor)
    if not replica.engine.tensor_parallel and replica.parallel.pp < stages <= replica.host.gpus:
        return f"--pp {stages}"
    return _fewer_bits(replica, factor) or "--gpu with more memory"


def _fewer_bits(replica: Replica, factor: float) -> str:
    """A format that saves that factor in bits and that the engine runs on this GPU, as far as its table says; none
    from 5 bits down."""
    known, capability = replica.engine.weight_formats, replica.gpu.compute_capability
    for wanted, most_bits in (("fp8", 8.0), ("awq-int4", 4.0), ("gguf-q4_k_m", 4.9)):
        support = known.get(wanted)
        runs = support is not None and (capability is None or support.runs_on(capability))
        saves = replica.weights.bits / most_bits >= factor
        if replica.weights.bits > max(most_bits, 5.0) and saves and (runs or not known):
            return f"--weights {wanted}"
    return ""
