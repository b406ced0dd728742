"""Random valid plans: what a strategy proposes for a random question on the packaged catalogue, varied by what a user
may ask for on top, and kept where the planner's own `prepare` takes it. Speed and price are samples.

The same seed gives the same plans. `python tests/random_plans.py COUNT SEED` says what is among them.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from typing import TypeVar

import numpy as np

import plan_samples
from llmplan import memory
from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.plan.deployment import STRATEGY_IDS, Deployment, Offload, Parallelism, Purchase, Replica, StrategyId
from llmplan.plan.hosts import host_for
from llmplan.plan.outcome import Option, Rejection
from llmplan.plan.plan import Plan
from llmplan.planner.evaluate import prepare
from llmplan.planner.quality import quality_of
from llmplan.spec.catalog import Catalog
from llmplan.spec.formats import KV_FORMATS, WEIGHT_FORMATS
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.model import ModelSpec
from llmplan.spec.workload import Lengths, Limits, Question, Slo, Workload
from llmplan.strategies import STRATEGIES, Machine, Market
from llmplan.units import GIB

ENGINES = ("vllm", "vllm", "vllm", "sglang", "tensorrt-llm", "llama-cpp")
"""as often as it is drawn"""
PRICE_DATE = date(2026, 11, 22)
PROPOSALS_TRIED = 4
WEIGHTS_ASKED = (
    "bf16", "fp16", "fp8", "fp8-block", "int8", "w8a16", "awq-int4", "gptq-int4", "gptq-int8", "w4a16", "nvfp4",
    "mxfp4",
)  # fmt: skip
"""formats that `--weights` asks for, now and then"""
TURNS: Mapping[str, tuple[StrategyId, ...]] = {
    "llama-cpp": ("hybrid_offload",),
    "tensorrt-llm": ("dedicated", "quantized"),
    "sglang": ("serverless", "dedicated", "quantized", "multi_tenant"),
}
"""strategies that propose an engine, where not all of them do"""
GENERATORS = {strategy.id: strategy for strategy in STRATEGIES}
Item = TypeVar("Item")


class Draw:
    """Choices from one seed."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def one_of(self, items: Sequence[Item]) -> Item:
        """One of them, each as likely."""
        return items[int(self._rng.integers(len(items)))]

    def chance(self, share: float) -> bool:
        """True in that share of cases."""
        return bool(self._rng.random() < share)

    def some_of(self, items: Sequence[Item], most: int) -> list[Item]:
        """Up to so many of them, in random order."""
        return [items[place] for place in self._rng.permutation(len(items))[:most]]


@cache
def catalog() -> Catalog:
    """The packaged one, on a fixed date."""
    return load_catalog((packaged_profiles(),), price_date=PRICE_DATE)


@cache
def gpus() -> tuple[GpuSpec, ...]:
    """Those that an engine's published build may run on."""
    return tuple(gpu for name in sorted(catalog().gpus) if (gpu := catalog().gpus[name]).is_nvidia)


@cache
def models() -> tuple[str, ...]:
    """Every model of the catalogue."""
    return tuple(sorted(catalog().models))


def random_plans(count: int, seed: int, *, engine: str | None = None) -> Iterator[Plan]:
    """So many plans, each with one launchable row, which is the recommended one; strategies in turn.

    `engine`: of this engine only (its bare id), by the strategies that ever propose it.
    """
    draw, made = Draw(seed), 0
    turns = TURNS.get(engine, STRATEGY_IDS) if engine else STRATEGY_IDS
    while made < count:
        plan = _attempt(turns[made % len(turns)], draw, engine)
        if plan is not None:
            made += 1
            yield plan


@cache
def plans_of(count: int, seed: int, *, engine: str | None = None) -> tuple[Plan, ...]:
    """The same, made once for all tests of a process."""
    return tuple(random_plans(count, seed, engine=engine))


def replica_of(plan: Plan) -> Replica:
    """The one replica of a plan made here."""
    assert plan.chosen is not None
    assert plan.chosen.deployment.replica is not None
    return plan.chosen.deployment.replica


def _attempt(strategy: StrategyId, draw: Draw, engine: str | None) -> Plan | None:
    model = catalog().models[draw.one_of(models())]
    gpu = draw.one_of(gpus())
    question = _question(model, draw)
    market = _market(question, model, gpu, draw, engine)
    proposals = list(GENERATORS[strategy].propose(market))
    for proposed in draw.some_of([each for each in proposals if each.replica], PROPOSALS_TRIED):
        assert proposed.replica is not None
        varied = _varied(proposed.replica, draw)
        option = _option(_bought(replace(proposed, replica=varied), draw), varied, draw)
        if option is not None:
            return plan_samples.plan(option, recommended=strategy, question=question, price_date=PRICE_DATE)
    return None


def _question(model: ModelSpec, draw: Draw) -> Question:
    limit = model.max_context_tokens
    isl = min(draw.one_of((64, 300, 1000, 3000, 12000, 30000)), limit // 2)
    osl = min(draw.one_of((16, 128, 300, 1000, 4000)), limit // 4)
    workload = Workload(
        requests_per_s=draw.one_of((0.1, 1.0, 5.0, 30.0)),
        input_tokens=Lengths.fixed(float(isl)),
        output_tokens=Lengths.fixed(float(osl)),
        prefix_share=draw.one_of((0.0, 0.0, 0.5)),
        tenants=draw.one_of((1, 1, 5, 40)),
        adapters=draw.one_of((1, 3, 20)) if draw.chance(0.25) else 0,
        lora_rank=draw.one_of((8, 16, 24, 64)),
        context_tokens=min(limit, draw.one_of((4096, 32768, 131072))) if draw.chance(0.3) else None,
    )
    if workload.context_tokens is not None and workload.context_tokens < isl + osl:
        workload = replace(workload, context_tokens=None)
    limits = Limits(
        weight_formats=(draw.one_of(WEIGHTS_ASKED),) if draw.chance(0.4) else (),
        kv_formats=("fp8",) if draw.chance(0.15) else (),
        terms=("spot",) if draw.chance(0.2) else ("on-demand",),
    )
    return Question(model_id=model.id, workload=workload, slo=Slo(ttft_p95_s=2.0), limits=limits)


def _market(question: Question, model: ModelSpec, gpu: GpuSpec, draw: Draw, engine: str | None) -> Market:
    host = host_for(gpu, catalog().hosts)
    machine = Machine(gpu=gpu, host=host, network_known=True)
    chosen = catalog().engines[engine or draw.one_of(ENGINES)]
    return Market(
        question=question,
        model=model,
        hourly=(machine,),
        serverless=(machine,),
        engines={chosen.id: chosen},
        weight_formats={each.id: each for each in WEIGHT_FORMATS}
        | {model.checkpoint_format: memory.weight_format("auto", model)},
        kv_formats={each.id: each for each in KV_FORMATS},
        token_api=False,
    )


def _varied(replica: Replica, draw: Draw) -> Replica:
    """With settings that no strategy proposes but a command line states."""
    settings = replica.settings
    if replica.engine.id == "llama-cpp" and draw.chance(0.25):  # two GPUs in the machine: layers are cut over them
        replica = replace(replica, host=replace(replica.host, gpus=2))
    if draw.chance(0.2):
        settings = replace(settings, prefix_caching=False)
    if draw.chance(0.1):
        settings = replace(settings, enforce_eager=True)
    if draw.chance(0.3) and replica.engine.id != "llama-cpp":
        settings = replace(settings, max_num_seqs=draw.one_of((16, 64, 200)))
    if draw.chance(0.1) and replica.engine.id == "vllm":
        settings = replace(settings, kv_cache_memory_bytes=draw.one_of((2, 5, 9)) * GIB)
    if draw.chance(0.1):
        settings = replace(settings, memory_fraction=draw.one_of((0.8, 0.875, 0.9)))
    offload = replica.offload
    if offload is not None and offload.kind == "layers" and replica.model.is_moe and draw.chance(0.5):
        offload = replace(offload, kind="experts")
    if offload is None and replica.engine.host_kv and draw.chance(0.1):
        offload = Offload(kind="kv", host_kv_bytes=draw.one_of((8, 33)) * GIB)
    return replace(replica, settings=settings, offload=offload, parallel=_cut(replica, draw))


def _cut(replica: Replica, draw: Draw) -> Parallelism:
    """The same TP, sometimes with data-parallel groups, stages or a cache shared among ranks."""
    parallel = replica.parallel
    if replica.model.is_mla and replica.engine.id == "vllm" and draw.chance(0.4):
        return replace(parallel, dcp=parallel.tp)
    if replica.engine.id == "llama-cpp":
        return replace(parallel, pp=2) if replica.host.gpus > 1 and replica.model.layer_count > 1 else parallel
    if not draw.chance(0.25) or parallel.pp > 1:
        return parallel
    if draw.chance(0.4) and replica.model.layer_count >= 2:
        return replace(parallel, pp=2, ep=False)
    return replace(parallel, dp=draw.one_of((2, 4, 8)), ep=parallel.ep or replica.model.is_moe)


def _bought(deployment: Deployment, draw: Draw) -> Deployment:
    """Sized as if by the planner, on the terms asked for."""
    if deployment.purchase.kind == "serverless":
        return replace(deployment, replicas=1)
    if draw.chance(0.1):
        return replace(deployment, replicas=1, purchase=Purchase(kind="owned"))
    return replace(deployment, replicas=draw.one_of((1, 1, 2, 5)))


def _option(deployment: Deployment, replica: Replica, draw: Draw) -> Option | None:
    prepared = prepare(deployment, replica)
    if isinstance(prepared, Rejection):
        return None
    findings, budget = prepared
    terms = deployment.purchase.terms
    quote = plan_samples.quote(usd_per_month=draw.one_of((840.0, 2500.0, 31000.0)))
    lines = tuple(
        replace(line, figure=replace(line.figure, term=terms[0])) if line.figure and terms else line
        for line in quote.lines
    )
    return Option(
        deployment=deployment,
        memory=budget,
        estimate=plan_samples.estimate(),
        quote=replace(quote, lines=lines),
        quality=quality_of(deployment, catalog()),
        checks=findings,
        meets_slo=True,
        cold={"cold_start_s": 95.0} if deployment.purchase.kind == "serverless" else {},
    )


def census(plans: Sequence[Plan]) -> dict[str, Counter[str]]:
    """What is among the plans, and how often."""
    counts: dict[str, Counter[str]] = {}

    def count(what: str, value: object) -> None:
        counts.setdefault(what, Counter())[str(value)] += 1

    for plan in plans:
        replica = replica_of(plan)
        parallel, offload, tenancy = replica.parallel, replica.offload, replica.tenancy
        count("strategy", plan.recommended)
        count("engine", replica.engine.ref)
        count("model", replica.model.id)
        count("gpu", replica.gpu.id)
        count("weights", replica.weights.id)
        count("kv", replica.kv.id)
        count("parallel", parallel.describe())
        count("offload", offload.kind if offload else None)
        count("adapters", bool(tenancy and tenancy.adapters))
        count("prefix caching", replica.settings.prefix_caching)
        count("nodes", -(-parallel.gpus // replica.host.gpus))
        assert plan.chosen is not None
        count("purchase", (plan.chosen.deployment.purchase.kind, *plan.chosen.deployment.purchase.terms))
    return counts


if __name__ == "__main__":
    for name, found in census(list(random_plans(int(sys.argv[1]), int(sys.argv[2])))).items():
        most = ", ".join(f"{value} {number}" for value, number in found.most_common(14))
        print(f"{name} ({len(found)}): {most}")
