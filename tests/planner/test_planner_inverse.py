"""The budget asked backwards: every answer is the largest or the smallest that still starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmplan import memory
from llmplan.plan.deployment import EngineSettings, Parallelism, Replica
from llmplan.plan.outcome import MemoryBudget
from llmplan.planner import inverse
from llmplan.spec.catalog import Catalog
from tests_support import LLAMA_8B, LLAMA_70B


def replica(catalog: Catalog, model: str, gpu: str, tp: int, length: int) -> Replica:
    engine = catalog.engines["vllm"]
    spec, card = catalog.models[model], catalog.gpus[gpu]
    default = engine.scheduler_default(card.memory_bytes, card.architecture)
    settings = EngineSettings(
        max_model_len=length, max_num_seqs=default.max_num_seqs, max_num_batched_tokens=default.max_num_batched_tokens,
        memory_fraction=engine.memory_fraction, block_tokens=engine.block_tokens,
    )  # fmt: skip
    return Replica(
        model=spec, gpu=card, host=next(h for h in catalog.hosts.values() if h.takes(card)), engine=engine,
        parallel=Parallelism(tp=tp), weights=memory.weight_format("auto", spec), kv=memory.kv_format("auto", spec),
        settings=settings,
    )  # fmt: skip


def starts(one: Replica, length: int) -> bool:
    longer = replace(one, settings=replace(one.settings, max_model_len=length))
    return isinstance(memory.budget(longer), MemoryBudget)


def test_the_longest_context_starts_and_the_next_does_not(catalog: Catalog) -> None:
    one = replica(catalog, LLAMA_8B, "l4-24gb", 1, 16)
    longest = inverse.longest_context(one)
    assert 0 < longest < one.model.max_context_tokens
    assert starts(one, longest)
    assert not starts(one, longest + inverse.LENGTH_STEP_TOKENS)


def test_a_model_with_room_to_spare_has_its_own_limit(catalog: Catalog) -> None:
    one = replica(catalog, LLAMA_8B, "h200-sxm-141gb", 1, 16)
    assert inverse.longest_context(one) == one.model.max_context_tokens


def test_what_cannot_start_has_no_longest_context(catalog: Catalog) -> None:
    assert inverse.longest_context(replica(catalog, LLAMA_70B, "l4-24gb", 1, 16)) == 0


def test_longer_requests_are_fewer(catalog: Catalog) -> None:
    one = replica(catalog, LLAMA_8B, "h100-sxm-80gb", 1, 16)
    pairs = list(inverse.at_once(one, 100_000))
    assert [length for length, _ in pairs] == [2048, 8192, 32768, 100_000]
    counts = [requests for _, requests in pairs]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] <= one.settings.max_num_seqs
    # a pool of n tokens holds n / length requests, up to whole blocks
    assert counts[2] * 32768 == pytest.approx(counts[3] * 100_000, rel=1e-3)


def test_ranks_go_beyond_one_machine_only_where_none_within_starts(catalog: Catalog) -> None:
    def make(tp: int) -> Replica:
        return replica(catalog, LLAMA_70B, "h100-sxm-80gb", tp, 8192)

    within = inverse.by_ranks(make, 8)
    assert [each.label for each in within] == ["--tp 1", "--tp 2", "--tp 4", "--tp 8"]
    assert [each.fits for each in within] == [False, True, True, True]
    assert "do not fit" in within[0].reason
    assert [each.label for each in inverse.by_ranks(make, 1)] == ["--tp 1", "--tp 2"]


def test_each_gpu_is_tried_from_its_smallest_size_up(catalog: Catalog) -> None:
    def make(gpu: str, tp: int) -> Replica:
        return replica(catalog, LLAMA_70B, gpu, tp, 8192)

    tries = inverse.by_gpu(make, {"h100-sxm-80gb": (1, 2, 4, 8), "l4-24gb": (1, 2), "t4-16gb": ()})
    h100, l4, t4 = tries
    assert (h100.fits, h100.gpus) == (True, 2)
    assert not l4.fits
    assert "--tp 2" in l4.label
    assert t4.reason == "no machine in the catalogue has it"


def test_what_the_engine_refuses_keeps_the_engines_words(catalog: Catalog) -> None:
    tried = inverse.attempt("--tp 3", lambda: replica(catalog, LLAMA_8B, "h100-sxm-80gb", 3, 8192))
    assert not tried.fits
    assert "must be divisible by tensor parallel size (3)" in tried.reason
    assert tried.fix
