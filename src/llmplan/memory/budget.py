"""The memory of one GPU of a replica, line by line: weights + activation + non-torch + graphs + adapters + KV pool."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmplan.memory import sources
from llmplan.memory.adapters import adapters_bytes, slot_rank
from llmplan.memory.capacity import contiguous_bytes, cut_pool, layout_of
from llmplan.memory.drafts import draft_cache_share, draft_weight_bytes
from llmplan.memory.offload import Placement, host_share_bytes, place_weights
from llmplan.memory.pool import Pool, is_unified, pool_of, slack_of, visible_bytes
from llmplan.memory.rejections import host_too_small, no_room_for_one_request, pool_too_large, weights_do_not_fit
from llmplan.memory.runtime import RuntimeMemory, RuntimeSetting, runtime_memory, version_of
from llmplan.memory.shards import weights_on_rank
from llmplan.memory.weights import checkpoint_bytes
from llmplan.plan.cache import CacheLayout, KvRoom
from llmplan.plan.deployment import Replica
from llmplan.plan.ledger import Ledger, Line
from llmplan.plan.outcome import MemoryBudget, Rejection
from llmplan.spec.band import Band
from llmplan.units import format_bytes

UNIT = "B"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Everything that is known of one GPU before the pool is cut into blocks."""

    replica: Replica
    placement: Placement
    adapters_bytes: float
    draft_bytes: float
    runtime: RuntimeMemory
    pool: Pool
    layout: CacheLayout

    @property
    def fixed_bytes(self) -> float:
        """Weights, adapters and what drafts tokens."""
        return self.placement.gpu_weight_bytes + self.adapters_bytes + self.draft_bytes

    @property
    def spent_bytes(self) -> float:
        """Everything but the pool."""
        runtime = self.runtime
        other = (runtime.activation.size.mid, runtime.non_torch.size.mid, runtime.graphs.size.mid)
        return self.fixed_bytes + math.fsum(other)


def budget(replica: Replica) -> MemoryBudget | Rejection:
    """Account for the memory of one GPU of a replica, or say why it cannot start.

    replica: model, GPU, engine, parallelism, formats and settings.
    total x fraction = weights + activation peak + non-torch + CUDA graphs + LoRA adapters + KV pool, where the
    fraction's meaning is the engine's rule; `kv_cache_memory_bytes` replaces the estimated pool.
    Valid for discrete GPUs (unified memory: +-10 %). Reference: docs/how-it-works/memory.md.
    """
    account = _account(replica)
    needed_host = account.placement.host_bytes
    if needed_host and needed_host > host_share_bytes(replica):
        return host_too_small(replica, needed_host, host_share_bytes(replica), _ledger(account, 0.0))
    if replica.engine.kv_pool_rule == "explicit_context" and replica.settings.kv_cache_memory_bytes is None:
        return _contiguous(account)
    return _paged(account)


def _account(replica: Replica) -> Account:
    engine, settings, parallel = replica.engine, replica.settings, replica.parallel
    share = weights_on_rank(replica.model, replica.weights, parallel, engine)
    setting = RuntimeSetting(
        rule=engine.kv_pool_rule,
        version=version_of(engine.version),
        max_num_batched_tokens=settings.max_num_batched_tokens,
        max_num_seqs=settings.max_num_seqs,
        max_model_len=settings.max_model_len,
        parallel=parallel,
        graphs=engine.cuda_graphs_in_budget and not settings.enforce_eager,
        capability=replica.gpu.compute_capability,
        unified=is_unified(replica.gpu),
        fast_link=replica.gpu.has_fast_link,
        vendor=replica.gpu.vendor.lower(),
    )
    runtime = runtime_memory(replica.model, setting)
    placement = place_weights(replica, share)
    adapters, draft = adapters_bytes(replica), draft_weight_bytes(replica)
    fixed = placement.gpu_weight_bytes + adapters + draft
    slack = slack_of(replica.gpu, fixed, quantized=replica.weights.is_quantized)
    return Account(
        replica=replica,
        placement=placement,
        adapters_bytes=adapters,
        draft_bytes=draft,
        runtime=runtime,
        pool=pool_of(engine.kv_pool_rule, visible_bytes(replica.gpu), settings.memory_fraction, fixed, runtime, slack),
        layout=layout_of(replica),
    )


def _paged(account: Account) -> MemoryBudget | Rejection:
    """A pool of blocks, known or estimated."""
    replica, known = account.replica, account.replica.settings.kv_cache_memory_bytes
    available = account.pool.size.mid if known is None else float(known)
    limit = account.pool.usable_bytes if known is None else float(visible_bytes(replica.gpu))
    if account.fixed_bytes > limit or available <= 0:
        return weights_do_not_fit(replica, account.fixed_bytes, account.spent_bytes, limit, _ledger(account, 0.0))
    if known is not None and account.fixed_bytes + known > limit:
        return pool_too_large(replica, account.fixed_bytes, float(known), limit, _ledger(account, float(known)))
    cut = cut_pool(replica, account.layout, available * draft_cache_share(replica, account.layout))
    if cut.usable_blocks < cut.per_request or cut.room.state_slots < 1:
        ledger = _ledger(account, max(0.0, available))
        return no_room_for_one_request(replica, account.layout, cut.room.in_flight_tokens, available, ledger)
    band = Band.exact(available) if known is not None else _positive(account.pool.size)
    return _result(account, band, cut.room, cut.capacity_tokens, cut.concurrency)


def _contiguous(account: Account) -> MemoryBudget | Rejection:
    """llama.cpp: the cache is exactly the context asked for, shared out to slots in advance."""
    replica, settings = account.replica, account.replica.settings
    cache = contiguous_bytes(replica, account.placement.host_layers)
    limit = account.pool.usable_bytes
    if account.spent_bytes > limit:
        return weights_do_not_fit(replica, account.fixed_bytes, account.spent_bytes, limit, _ledger(account, 0.0))
    if account.spent_bytes + cache > limit:
        left = limit - account.spent_bytes
        return no_room_for_one_request(replica, account.layout, 0, left, _ledger(account, left), needed_bytes=cache)
    cells = settings.max_model_len * settings.max_num_seqs
    room = KvRoom(
        layout=account.layout,
        blocks=math.ceil(cells / account.layout.block_tokens),
        groups=replica.parallel.dp,
        state_slots=float(settings.max_num_seqs),
    )
    return _result(account, Band.exact(cache), room, cells, float(settings.max_num_seqs))


def _positive(band: Band) -> Band:
    return Band(low=max(0.0, band.low), mid=band.mid, high=band.high) if band.low < 0 else band


def _result(account: Account, pool: Band, room: KvRoom, capacity: int, concurrency: float) -> MemoryBudget:
    replica, runtime = account.replica, account.runtime
    ledger = _ledger(account, pool.mid)
    groups = replica.parallel.dp
    return MemoryBudget(
        total_bytes=visible_bytes(replica.gpu),
        budget_bytes=round(ledger.total),
        ledger=ledger,
        weights_bytes=account.placement.gpu_weight_bytes,
        activation_bytes=runtime.activation.size.mid,
        cuda_graph_bytes=runtime.graphs.size.mid,
        non_torch_bytes=runtime.non_torch.size.mid,
        kv_cache_bytes=pool,
        kv_bytes_per_token=account.layout.token_bytes,
        kv_bytes_per_sequence=account.layout.state_bytes,
        block_tokens=account.layout.block_tokens,
        blocks=room.blocks,
        room=room,
        capacity_tokens=capacity * groups,
        max_concurrency=concurrency * groups,
        checkpoint_bytes=checkpoint_bytes(replica.model, replica.weights),
        host_bytes=int(account.placement.host_bytes),
        notes=account.pool.notes if pool.low < pool.high else (),
    )


def _ledger(account: Account, pool_bytes: float) -> Ledger:
    replica, runtime = account.replica, account.runtime
    gguf = replica.weights.family == "gguf"
    explicit = replica.engine.kv_pool_rule == "explicit_context"
    lines: tuple[Line, ...] = (
        Line(
            name="weights", amount=account.placement.gpu_weight_bytes, unit=UNIT, formula=_weights_formula(account),
            provenance=sources.GGUF if gguf else sources.CUT,
        ),
        Line(
            name="activation peak", amount=runtime.activation.size.mid, unit=UNIT, formula=runtime.activation.formula,
            provenance=sources.COMPUTE_BUFFER if explicit else sources.ACTIVATION,
        ),
        Line(
            name="non-torch", amount=runtime.non_torch.size.mid, unit=UNIT, formula=runtime.non_torch.formula,
            provenance=sources.NON_TORCH,
        ),
        Line(
            name="CUDA graphs", amount=runtime.graphs.size.mid, unit=UNIT, formula=runtime.graphs.formula,
            provenance=sources.GRAPHS,
        ),
        Line(
            name="LoRA adapters", amount=account.adapters_bytes, unit=UNIT, formula=_adapters_formula(account),
            provenance=sources.ADAPTERS,
        ),
        Line(
            name="KV pool", amount=pool_bytes, unit=UNIT, formula=_pool_formula(account, pool_bytes),
            provenance=sources.POOL[replica.engine.kv_pool_rule],
        ),
    )  # fmt: skip
    if replica.speculation and account.draft_bytes:
        drafting = Line(
            name="drafting weights", amount=account.draft_bytes, unit=UNIT, formula=replica.speculation.label,
            provenance=sources.CUT,
        )  # fmt: skip
        lines = (lines[0], drafting, *lines[1:])
    return Ledger(unit=UNIT, lines=lines)


def _weights_formula(account: Account) -> str:
    replica, placement = account.replica, account.placement
    whole = format_bytes(checkpoint_bytes(replica.model, replica.weights))
    text = f"{replica.weights.id}: {whole} over {replica.parallel.describe()}"
    if placement.host_layers:
        text += f", {replica.model.layer_count - placement.host_layers} of {replica.model.layer_count} layers"
    elif replica.offload and replica.offload.kind == "experts":
        text += f", less the experts of the first {replica.offload.host_layers} layers in host memory"
    elif replica.offload and replica.offload.kind == "weights":
        text += f", less {format_bytes(replica.offload.host_weight_bytes)} in host memory"
    return text


def _adapters_formula(account: Account) -> str:
    replica, count = account.replica, account.replica.resident_adapters
    if not count:
        return "none"
    return f"{count} × rank {slot_rank(replica)} at {format_bytes(account.adapters_bytes / count)}"


def _pool_formula(account: Account, pool_bytes: float) -> str:
    settings = account.replica.settings
    if settings.kv_cache_memory_bytes is not None:
        return f"{format_bytes(settings.kv_cache_memory_bytes)} as set"
    if account.replica.engine.kv_pool_rule == "explicit_context":
        cells = settings.max_model_len * settings.max_num_seqs
        return f"{cells} tokens × {pool_bytes / cells:,.0f} B"
    return account.pool.formula
