"""The arithmetic behind a step is the estimate's own, with its sources."""

import pytest

from llmplan import memory, perf
from llmplan.plan.deployment import Parallelism
from llmplan.plan.load import Load
from llmplan.plan.outcome import MemoryBudget
from llmplan.planner.market import build_market
from llmplan.spec.catalog import Catalog
from llmplan.spec.workload import Lengths
from llmplan.strategies._replica import make_replica
from tests_support import LLAMA_70B


def test_lines_keep_their_amounts_and_gain_numbers_and_sources(catalog: Catalog, ask) -> None:  # type: ignore[no-untyped-def]
    question = ask(LLAMA_70B, requests_per_s=2, gpu_ids=("h100-sxm-80gb",))
    market = build_market(question, catalog, catalog.models[LLAMA_70B])
    replica = make_replica(
        market, market.hourly[0], market.engines["vllm"], Parallelism(tp=2), market.weight_formats["fp8"]
    )
    budget = memory.budget(replica)
    assert isinstance(budget, MemoryBudget)
    load = Load(kind="rate", value=2.0, input_tokens=Lengths.fixed(1000), output_tokens=Lengths.fixed(300))
    calibration = perf.select_calibration(catalog.calibrations, replica.engine, replica.gpu)
    found = perf.estimate(replica, budget, load, calibration)
    ledger = perf.explain_step(replica, budget, found, load, calibration)

    assert [(line.name, line.amount) for line in ledger.lines] == [
        (line.name, line.amount) for line in found.step_ledger.lines
    ]
    assert ledger.total == pytest.approx(found.tpot_s.mid)
    reads = ledger["weight reads"]
    gigabytes, rate = float(reads.formula.split()[0]), float(reads.formula.split()[3].replace(",", ""))
    assert gigabytes / rate == pytest.approx(reads.amount, rel=0.01)
    assert 34 < gigabytes < 35.5  # 70.6B weights less embedding and head, one byte each, over two GPUs
    assert {source.source.title for source in reads.provenance} >= {
        replica.gpu.provenance["memory_bandwidth_bytes_per_s"].source.title
    }
