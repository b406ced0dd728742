"""The machine interface: values as JSON objects whose shapes are a contract (docs/reference/json.md).

Numbers are plain base units with the unit in the key; times are in ms here because that is how latency is written
in the field. A quantity without bound is null.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from llmplan.plan.deployment import Replica
from llmplan.plan.disaggregation import PoolState
from llmplan.plan.ledger import Ledger
from llmplan.plan.outcome import CheckResult, Estimate, KvPool, MemoryBudget, Rejection
from llmplan.report.json_extras import disaggregation, extras
from llmplan.spec.band import Band
from llmplan.spec.model import ModelSpec
from llmplan.spec.provenance import Provenance
from llmplan.units import MS_PER_S

Record = dict[str, Any]


def schema(command: str) -> str:
    """The versioned name of a shape.

    >>> schema("memory")
    'llmplan.memory/v1'
    """
    return f"llmplan.{command}/v1"


def memory(
    replica: Replica,
    outcome: MemoryBudget | Rejection,
    checkpoint_bytes: int,
    kv_bytes_per_token: float,
    checks: Iterable[CheckResult],
    assumed: Mapping[str, str],
    pool: KvPool | None = None,
) -> Record:
    """`llmplan memory --json`. What does not fit still says what its lines came to, as far as they were computed, and
    what its pool would hold."""
    found = tuple(checks)
    budget = outcome if isinstance(outcome, MemoryBudget) else None
    return {
        "schema": schema("memory"),
        "model": replica.model.id,
        "parameters": parameters(replica.model),
        "checkpoint_bytes": checkpoint_bytes,
        "per_gpu": per_gpu(replica, budget) if budget else failed_per_gpu(replica, outcome.ledger),
        "kv": {**kv(budget or pool), "bytes_per_token_per_gpu": kv_bytes_per_token},
        "notes": list(budget.notes) if budget else [],
        "fits": budget is not None,
        "starts": budget is not None and all(each.severity != "error" for each in found),
        "rejection": rejection(outcome) if isinstance(outcome, Rejection) else None,
        "checks": [check(each) for each in found],
        "ledger": ledger(outcome.ledger),
        "deployment": deployment(replica),
        "assumed": dict(assumed),
    }


def parameters(model: ModelSpec) -> Record:
    """How many weights, how many of them work on a token, how many are the embedding and the encoders; layers that only
    draft tokens are not in the total."""
    return {
        "total": model.total_parameters,
        "active": model.active_parameters,
        "embedding": model.embedding_parameters,
        "encoders": model.tower_parameters,
        "draft": model.draft_parameters,
    }


def per_gpu(replica: Replica, budget: MemoryBudget) -> Record:
    """One GPU's memory."""
    return {
        "total_bytes": budget.total_bytes,
        "budget_bytes": budget.budget_bytes,
        "weights_bytes": round(budget.weights_bytes),
        "activation_bytes": round(budget.activation_bytes),
        "cuda_graph_bytes": round(budget.cuda_graph_bytes),
        "non_torch_bytes": round(budget.non_torch_bytes),
        "kv_cache_bytes": whole(budget.kv_cache_bytes),
        "host_bytes": budget.host_bytes,
    }


FAILED_LINES = {
    "weights_bytes": "weights",
    "activation_bytes": "activation peak",
    "cuda_graph_bytes": "CUDA graphs",
    "non_torch_bytes": "non-torch",
}


def failed_per_gpu(replica: Replica, failed: Ledger | None) -> Record:
    """One GPU's memory where the budget could not be made: its lines, null where there are none."""
    amounts = {line.name: round(line.amount) for line in failed.lines if line.amount is not None} if failed else {}
    pool = amounts.get("KV pool")
    return {
        "total_bytes": replica.gpu.memory_bytes,
        "budget_bytes": round(failed.total) if failed else None,
        **{key: amounts.get(name) for key, name in FAILED_LINES.items()},
        "kv_cache_bytes": None if pool is None else {"low": pool, "mid": pool, "high": pool},
        "host_bytes": None,
    }


def kv(budget: MemoryBudget | KvPool | None) -> Record:
    """The paged cache."""
    return {
        "bytes_per_token_per_gpu": budget.kv_bytes_per_token if budget else None,
        "unbounded_bytes_per_token_per_gpu": budget.unbounded_kv_bytes_per_token if budget else None,
        "bytes_per_sequence_per_gpu": budget.kv_bytes_per_sequence if budget else None,
        "block_tokens": budget.block_tokens if budget else None,
        "blocks": budget.blocks if budget else None,
        "capacity_tokens": budget.capacity_tokens if budget else None,
        "max_concurrency": finite(budget.max_concurrency) if budget else None,
    }


def predict(
    replica: Replica,
    estimate: Estimate,
    budget: MemoryBudget,
    checks: Iterable[CheckResult],
    assumed: Mapping[str, str],
    pools: PoolState | None = None,
) -> Record:
    """`llmplan predict --json`."""
    return {**predicted(replica, estimate, pools), **setting(replica, budget, checks, assumed)}


def predicted(replica: Replica, estimate: Estimate, pools: PoolState | None = None) -> Record:
    """What is predicted for one load."""
    found = {"schema": schema("predict"), "model": replica.model.id, **speed(estimate)}
    return found | ({"disaggregation": disaggregation(pools)} if pools is not None else {})


def setting(
    replica: Replica, budget: MemoryBudget, checks: Iterable[CheckResult], assumed: Mapping[str, str]
) -> Record:
    """What is the same for every load that one replica is asked about."""
    return {
        "checks": [check(each) for each in checks],
        "kv": kv(budget),
        "deployment": deployment(replica),
        "assumed": dict(assumed),
    }


def speed(estimate: Estimate) -> Record:
    """One estimate; latencies in ms."""
    return {
        "ttft_ms": band(estimate.ttft_s, MS_PER_S),
        "tpot_ms": band(estimate.tpot_s, MS_PER_S),
        "e2e_ms": band(estimate.e2e_s, MS_PER_S),
        "ttft_ms_p95": finite(estimate.ttft_p95_s * MS_PER_S),
        "tpot_ms_p95": finite(estimate.tpot_p95_s * MS_PER_S),
        "output_tokens_per_s": band(estimate.output_tokens_per_s),
        "total_tokens_per_s": band(estimate.total_tokens_per_s),
        "requests_per_s": band(estimate.requests_per_s),
        "capacity_requests_per_s": finite(estimate.capacity_requests_per_s),
        "utilization": finite(estimate.utilization),
        "batch_size": finite(estimate.batch_size),
        "kv_limited": estimate.kv_limited,
        "saturated": estimate.saturated,
        "bottleneck": estimate.bottleneck,
        "calibration": {"id": estimate.calibration_id, "extrapolated": estimate.extrapolated},
        "step": ledger(estimate.step_ledger),
    }


def deployment(replica: Replica) -> Record:
    """What was asked about, every default filled in."""
    settings, parallel = replica.settings, replica.parallel
    return {
        "gpu": replica.gpu.id,
        "gpus": parallel.gpus,
        "host": replica.host.id,
        "engine": replica.engine.id,
        "engine_version": replica.engine.version,
        "tp": parallel.tp,
        "pp": parallel.pp,
        "dp": parallel.dp,
        "ep": parallel.tp * parallel.dp if parallel.ep else 1,
        "dcp": parallel.dcp,
        "weights": replica.weights.id,
        "kv_cache": replica.kv.id,
        "max_model_len": settings.max_model_len,
        "max_num_seqs": settings.max_num_seqs,
        "max_num_batched_tokens": settings.max_num_batched_tokens,
        "gpu_memory_utilization": settings.memory_fraction,
        "block_size": settings.block_tokens,
        "enforce_eager": settings.enforce_eager,
        "kv_cache_memory_bytes": settings.kv_cache_memory_bytes,
        **extras(replica),
    }


def band(value: Band, factor: float = 1.0) -> Record:
    """`{low, mid, high}`."""
    return {
        "low": finite(value.low * factor),
        "mid": finite(value.mid * factor),
        "high": finite(value.high * factor),
    }


def whole(value: Band) -> Record:
    """`{low, mid, high}` in whole bytes."""
    return {"low": round(value.low), "mid": round(value.mid), "high": round(value.high)}


def check(result: CheckResult) -> Record:
    """What an engine rule says."""
    return {
        "id": result.id,
        "severity": result.severity,
        "message": result.message,
        "fix": result.fix,
        "source": result.source,
    }


def rejection(value: Rejection) -> Record:
    """Why not, and what would change it."""
    return {
        "code": value.code,
        "reason": value.reason,
        "needed": value.needed,
        "available": value.available,
        "fix": value.fix,
    }


def ledger(value: Ledger | None) -> Record | None:
    """Lines in one unit and their sum."""
    if value is None:
        return None
    return {
        "unit": value.unit,
        "lines": [
            {
                "name": line.name,
                "amount": None if line.amount is None else finite(line.amount),
                "formula": line.formula,
                "sources": [source(each) for each in line.provenance],
            }
            for line in value.lines
        ],
        "total": finite(value.total),
        "complete": value.complete,
    }


def source(value: Provenance) -> Record:
    """Where a figure comes from."""
    return {
        "title": value.source.title,
        "url": value.source.url,
        "as_of": value.as_of.isoformat() if value.as_of else None,
        "kind": value.kind,
        "note": value.note,
    }


def finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None
