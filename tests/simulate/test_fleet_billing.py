"""Billed seconds life by life against the platforms' rules, worked out by hand."""

from dataclasses import replace
from datetime import date

import pytest
from perf_builders import DESKTOP, H100, replica

from llmplan.plan.deployment import Deployment, Purchase
from llmplan.plan.outcome import Rejection
from llmplan.plan.simulated import ReplicaLife, Simulated
from llmplan.pricing.serverless import Worker, serverless_lines
from llmplan.simulate.fleet import FleetSpec, Workers, summarize
from llmplan.simulate.fleet.billing import billed_s, life_s, rented_s, serverless_usage
from llmplan.simulate.fleet.bills import bills
from llmplan.spec.catalog import Catalog
from llmplan.spec.price import ServerlessOffer
from llmplan.spec.provenance import Provenance, Source
from llmplan.spec.workload import Limits, Slo
from llmplan.units import GIB, SECONDS_PER_MONTH
from simulate.fleet_samples import requests, served

PROVENANCE = Provenance(source=Source(id="s", title="t"), as_of=None, kind="published")
OFFER = ServerlessOffer(
    provider="p", gpu_id="l4-24gb", mode="m", usd_per_gpu_s=0.001, scales_to_zero=True, granularity_s=1.0,
    idle_window_s=30.0, usd_per_vcpu_s=0.0, usd_per_gib_s=0.0, confidence="high", from_date=date(2026, 1, 1),
    provenance=PROVENANCE,
)  # fmt: skip
LIFE = ReplicaLife(launched_s=10.0, ready_s=40.0, stopped_s=100.2, busy_s=25.0)


@pytest.mark.parametrize(
    ("changes", "expected_s"),
    [
        ({}, 91.0),
        ({"bills_start": False}, 61.0),
        ({"granularity_s": 60.0}, 120.0),
        ({"granularity_s": None}, 90.2),
        ({"granularity_s": 0.1}, 90.2),
        ({"min_billed_s": 300.0}, 300.0),
        ({"min_billed_s": 60.0, "bills_start": False, "granularity_s": 0.1}, 60.2),
    ],
)
def test_each_platform_rounds_by_its_own_rules(changes: dict[str, float], expected_s: float) -> None:
    """From 10 s to 100.2 s, ready at 40 s."""
    assert billed_s(LIFE, 1000.0, replace(OFFER, **changes)) == pytest.approx(expected_s)


def test_whoever_is_there_at_the_end_is_cut_off_and_not_rounded() -> None:
    kept = ReplicaLife(launched_s=0.0, ready_s=0.0)
    assert billed_s(kept, 99.5, replace(OFFER, granularity_s=60.0, min_billed_s=1e6)) == 99.5
    assert life_s(ReplicaLife(launched_s=50.0), 99.5, bills_start=False) == 0.0


def test_machines_are_rented_by_the_second_while_a_replica_is_there() -> None:
    lives = (LIFE, ReplicaLife(launched_s=0.0, ready_s=0.0), ReplicaLife(launched_s=90.0, stopped_s=92.5))
    assert rented_s(lives, 200.0) == 91 + 200 + 3


def walked() -> Simulated:
    """One worker per request at a time: two requests of 2 s, far apart, each with a start of 10 s and a window."""
    policy = Workers(target_concurrency=1, idle_window_s=30.25)
    fleet = served(FleetSpec(start_s=10.0, autoscaler=policy), requests([0.0, 500.0], output_tokens=200))
    return summarize(fleet, Slo(), period_s=1000.0)


def test_a_month_of_workers_that_come_and_go() -> None:
    """Each life: 10 s start, 2 s work, 30.25 s window; rounded up 42.25 -> 43 s; 1000 s stand for the month."""
    scale = SECONDS_PER_MONTH / 1000.0
    usage = serverless_usage(walked(), OFFER, 10.0)
    assert usage.busy_replica_s_per_month == pytest.approx(4.0 * scale)
    assert usage.idle_replica_s_per_month == pytest.approx(60.5 * scale)
    assert usage.starting_replica_s_per_month == pytest.approx(20.0 * scale)
    assert usage.rounding_replica_s_per_month == pytest.approx(1.5 * scale)
    assert usage.billed_replica_s_per_month == pytest.approx(86.0 * scale)
    assert usage.starts_per_month == pytest.approx(2.0 * scale)
    assert (usage.cold_request_share, usage.peak_replicas) == (1.0, 1)


@pytest.mark.parametrize("changes", [{}, {"bills_start": False}, {"min_billed_s": 300.0}, {"granularity_s": 60.0}])
def test_the_lines_of_the_bill_are_the_billed_seconds(changes: dict[str, float]) -> None:
    """Two GPUs a worker at 0.001 USD per GPU-second: nothing is estimated where every life is known."""
    offer = replace(OFFER, **changes)
    run = walked()
    usage = serverless_usage(run, offer, 10.0)
    lines = serverless_lines(offer, Worker(gpu_id="l4-24gb", gpus=2), usage)
    billed = sum(billed_s(life, run.span_s, offer) for life in run.lives) * SECONDS_PER_MONTH / run.span_s
    assert sum(line.usd_per_month or 0.0 for line in lines) == pytest.approx(billed * 2 * 0.001)


def test_a_worker_that_never_got_ready_is_billed_for_its_start() -> None:
    life = ReplicaLife(launched_s=5.0, stopped_s=9.5, cause="scaled down")
    assert billed_s(life, 100.0, OFFER) == 5.0
    assert billed_s(life, 100.0, replace(OFFER, bills_start=False)) == 0.0


def test_a_machine_has_the_host_memory_that_offloading_replicas_need(catalog: Catalog) -> None:
    """An A10G comes in machines from 16 GiB up: 150 GiB beside it, as offloaded weights take, need a larger one."""
    machine = replica(gpu=replace(H100, id="a10g-24gb"), host=DESKTOP)
    bought = Deployment(
        strategy="hybrid_offload", model=machine.model, replica=machine, levers=(), replicas=1,
        purchase=Purchase(kind="hourly", terms=("on-demand",)),
    )  # fmt: skip
    limits = Limits(provider_ids=("aws",), terms=("on-demand",))
    run = summarize(served(FleetSpec(), [requests([0.0, 50.0])]), Slo())
    for by_lives in (False, True):
        usual, larger = (
            bills(run, bought, limits, catalog.prices, by_lives=by_lives, host_bytes=host_bytes)
            for host_bytes in (0, 150 * GIB)
        )
        assert not isinstance(usual, Rejection)
        assert not isinstance(larger, Rejection)
        assert larger[0].usd > 1.2 * usual[0].usd > 0
