"""The speed model reads what the memory model holds: weights and adapters of one rank, cut alike."""

from __future__ import annotations

import pytest
from perf_builders import (
    DEEPSEEK_V3,
    FORMATS,
    HGX,
    KV,
    LLAMA_8B,
    LLAMA_70B,
    MIXTRAL,
    TYPICAL,
    coefficients,
    engine,
    replica,
)

from llmplan.memory.adapters import adapter_bytes, slot_rank
from llmplan.memory.shards import rank_weights
from llmplan.perf.step import StepModel
from llmplan.perf.work import adapter_slot_rank, work_of
from llmplan.plan.deployment import Parallelism, Tenancy
from llmplan.spec.model import ModelSpec

LAYOUTS = (
    Parallelism(), Parallelism(tp=2), Parallelism(tp=8), Parallelism(dp=2), Parallelism(dp=4, ep=True),
    Parallelism(tp=2, dp=2), Parallelism(tp=2, dp=4, ep=True),
)  # fmt: skip


@pytest.mark.parametrize("parallel", LAYOUTS, ids=Parallelism.describe)
@pytest.mark.parametrize("model", [LLAMA_8B, LLAMA_70B, MIXTRAL, DEEPSEEK_V3], ids=lambda model: model.id)
@pytest.mark.parametrize("weights", ["bf16", "fp8"])
def test_a_rank_reads_the_weights_that_it_holds(model: ModelSpec, parallel: Parallelism, weights: str) -> None:
    """All but the embedding, of which a step reads a few rows."""
    held = rank_weights(model, FORMATS[weights], parallel, 64, True)
    read = work_of(model, FORMATS[weights], KV["bf16"], parallel).resident_bytes
    assert read == pytest.approx(max(held.stages_bytes) + held.head_bytes, rel=0.02)


@pytest.mark.parametrize("pp", [2, 4])
def test_a_stage_reads_the_layers_that_it_holds(pp: int) -> None:
    held = rank_weights(LLAMA_70B, FORMATS["bf16"], Parallelism(pp=pp), 64, True)
    read = work_of(LLAMA_70B, FORMATS["bf16"], KV["bf16"], Parallelism(pp=pp)).resident_bytes
    assert read == pytest.approx(held.stages_bytes[-1] + held.head_bytes, rel=0.02)


@pytest.mark.parametrize("tp", [1, 2, 4, 16])
@pytest.mark.parametrize("model", [LLAMA_70B, MIXTRAL, DEEPSEEK_V3], ids=lambda model: model.id)
def test_an_adapter_is_cut_on_one_side_only(model: ModelSpec, tp: int) -> None:
    parallel = Parallelism(tp=tp)
    unit = work_of(model, FORMATS["bf16"], KV["bf16"], parallel).adapter_bytes_per_rank_unit
    assert unit * 16 == pytest.approx(adapter_bytes(model, parallel, 16), rel=1e-6)


@pytest.mark.parametrize("ranks", [(), (8, 16, 32, 64)])
@pytest.mark.parametrize("rank", [8, 12, 64, 100])
def test_a_slot_has_the_rank_that_memory_reserves(ranks: tuple[int, ...], rank: int) -> None:
    tenancy = Tenancy(tenants=2, adapters=2, lora_rank=rank)
    of = replica(tenancy=tenancy, engine=engine(max_lora_ranks=ranks))
    assert adapter_slot_rank(of) == slot_rank(of)


def test_experts_are_shared_by_data_parallel_groups_with_and_without_expert_parallelism() -> None:
    """Either way a rank holds half of them, and hidden vectors travel."""
    alone, split, whole = (
        StepModel(replica(MIXTRAL, host=HGX, parallel=parallel), coefficients(TYPICAL), 1e6).terms(64, 1000)
        for parallel in (Parallelism(), Parallelism(dp=2), Parallelism(dp=2, ep=True))
    )
    assert split.experts == pytest.approx(whole.experts)
    assert split.experts == pytest.approx(alone.experts / 2)
    assert min(split.all_to_all, whole.all_to_all) > 0.0
    assert alone.all_to_all == 0.0


def test_dense_groups_exchange_nothing() -> None:
    of = StepModel(replica(LLAMA_8B, parallel=Parallelism(dp=4)), coefficients(TYPICAL), 1e6)
    assert of.terms(64, 1000).all_to_all == 0.0
