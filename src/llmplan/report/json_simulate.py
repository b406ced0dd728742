"""`llmplan simulate --json` (docs/reference/json.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmplan.plan.simulated import ReplicaLife, Series, Simulated, SimulatedBill, SimulatedFleet, Spread, TenantOutcome
from llmplan.report.json import Record, deployment, ledger, schema
from llmplan.report.json_money import quote
from llmplan.units import MS_PER_S


def simulate(
    asked: SimulatedFleet,
    run: Simulated,
    bills: Sequence[SimulatedBill],
    notes: Sequence[str],
    assumed: Mapping[str, str],
) -> Record:
    """The answer to `simulate`."""
    reached = run.attainment
    return {
        "schema": schema("simulate"),
        "model": asked.replica.model.id,
        "fleet": _fleet(asked),
        "traffic": asked.traffic,
        "simulated_s": run.span_s,
        "finished": run.finished,
        "requests": {
            "came": run.requests, "answered": run.answered, "refused": dict(run.refused),
            "unfinished": run.unfinished, "cold": run.cold, "cold_share": run.cold_share, "retries": run.retries,
            "preemptions": run.preemptions,
        },
        "tokens": {"input": run.input_tokens, "output": run.output_tokens, "prefix_hit_share": run.prefix_hit_share},
        "ttft_ms": _spread(run.ttft_s),
        "tpot_ms": _spread(run.tpot_s),
        "e2e_ms": _spread(run.e2e_s),
        "wait_ms": _spread(run.wait_s),
        "promises_kept": run.keeps(asked.slo),
        "attainment": {"ttft": reached.ttft, "tpot": reached.tpot, "e2e": reached.e2e, "joint": reached.joint,
                       "joint_low": reached.joint_low},
        "goodput_requests_per_s": run.goodput_requests_per_s,
        "requests_per_s": run.requests_per_s,
        "output_tokens_per_s": run.output_tokens_per_s,
        "mean_in_flight": run.mean_in_system,
        "utilization": run.utilization,
        "kv_peak_share": run.kv_peak,
        "peak_replicas": run.peak_replicas,
        "replicas": [_life(life) for life in run.lives],
        "tenants": [_tenant(each) for each in run.tenants],
        "series": _series(run.series),
        "bills": [_bill(bill) for bill in bills],
        "calibration": {"id": asked.calibration_id, "extrapolated": asked.extrapolated},
        "notes": list(notes),
        "assumed": dict(assumed),
    }  # fmt: skip


def _fleet(asked: SimulatedFleet) -> Record:
    slo = asked.slo
    promised = {"ttft": slo.ttft_p95_s, "tpot": slo.tpot_p95_s, "e2e": slo.e2e_p95_s}
    return {
        "deployment": deployment(asked.replica),
        "replicas": asked.replicas,
        "router": asked.router,
        "autoscaler": asked.scaling or None,
        "faults": asked.faults or None,
        "start": None if asked.start is None else ledger(asked.start),
        "promised_p95_ms": {name: None if value is None else value * MS_PER_S for name, value in promised.items()},
        "seed": asked.seed,
    }


def _spread(value: Spread | None) -> Record | None:
    if value is None:
        return None
    stated = {
        "mean": value.mean, "p50": value.p50, "p95": value.p95, "p99": value.p99, "p95_low": value.p95_low,
        "p95_high": value.p95_high,
    }  # fmt: skip
    return {name: None if seconds is None else seconds * MS_PER_S for name, seconds in stated.items()}


def _life(life: ReplicaLife) -> Record:
    return {
        "launched_s": life.launched_s,
        "ready_s": life.ready_s,
        "draining_s": life.draining_s,
        "stopped_s": life.stopped_s,
        "cause": life.cause or None,
        "busy_s": life.busy_s,
    }


def _tenant(each: TenantOutcome) -> Record:
    stated = {"ttft_ms_p95": each.ttft_p95_s, "tpot_ms_p95": each.tpot_p95_s, "e2e_ms_p95": each.e2e_p95_s}
    latency = {name: None if value is None else value * MS_PER_S for name, value in stated.items()}
    return {"tenant": each.tenant, "requests": each.requests, **latency, "attainment": each.attainment}


def _series(series: Series) -> Record:
    return {
        "bin_s": series.bin_s,
        "arrivals_per_s": list(series.arrivals_per_s),
        "waiting": list(series.waiting),
        "running": list(series.running),
        "kv_share": list(series.kv_share),
        "ready_replicas": list(series.ready),
        "starting_replicas": list(series.starting),
        "billed_gpu_s": list(series.billed_gpu_s),
        "attainment": list(series.attainment),
    }


def _bill(bill: SimulatedBill) -> Record:
    usage = bill.usage
    return {
        "seller": bill.seller,
        "usd": bill.usd,
        "quote": quote(bill.quote),
        "usage": None
        if usage is None
        else {
            "billed_replica_s_per_month": usage.billed_replica_s_per_month,
            "busy_replica_s_per_month": usage.busy_replica_s_per_month,
            "idle_replica_s_per_month": usage.idle_replica_s_per_month,
            "starting_replica_s_per_month": usage.starting_replica_s_per_month,
            "rounding_replica_s_per_month": usage.rounding_replica_s_per_month,
            "starts_per_month": usage.starts_per_month,
        },
        "notes": list(bill.notes),
    }
