"""What drafts tokens takes memory, and experts on the CPU give theirs back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from llmplan import memory
from llmplan.plan.deployment import Offload, Replica
from llmplan.plan.outcome import MemoryBudget
from llmplan.plan.speculation import Speculation

Make = Callable[..., Replica]
HEAD = 128256 * 4096
LAYER = 4096 * (4096 + 1024 + 1024 + 4096 + 3 * 14336) + 2 * 4096


def fits(replica: Replica) -> MemoryBudget:
    outcome = memory.budget(replica)
    assert isinstance(outcome, MemoryBudget), outcome
    return outcome


def drafting(make: Make, **changes: object) -> Replica:
    how = {"tokens": 3, "acceptance_rate": 0.7, "drafter": "eagle"} | changes
    return replace(make(), speculation=Speculation(**how))  # type: ignore[arg-type]


def test_an_eagle_layer_is_held_without_head_and_embedding(make: Make) -> None:
    plain, with_layer = fits(make()), fits(drafting(make))
    held = with_layer.ledger["drafting weights"].amount
    assert held == pytest.approx(2 * (LAYER + 2 * 4096 * 4096), rel=0.01)
    assert plain.kv_cache_bytes.mid - with_layer.kv_cache_bytes.mid == pytest.approx(held, rel=1e-3)


def test_the_pool_is_shared_with_what_drafts(make: Make) -> None:
    """One layer beside 32: 32/33 of the blocks."""
    plain, with_layer = fits(make()), fits(drafting(make))
    pools = with_layer.kv_cache_bytes.mid / plain.kv_cache_bytes.mid
    assert with_layer.blocks / plain.blocks == pytest.approx(pools * 32 / 33, rel=1e-3)


def test_a_drafting_model_is_held_whole(make: Make) -> None:
    small = make("llama-3.2-3b").model
    result = fits(drafting(make, drafter="model", model=small, weights=memory.weight_format("auto", small)))
    assert result.ledger["drafting weights"].amount == pytest.approx(2 * small.total_parameters, rel=0.01)


@pytest.mark.parametrize("changes", [{"drafter": "ngram"}, {"tokens": 0}])
def test_nothing_that_drafts_takes_nothing(make: Make, changes: dict[str, object]) -> None:
    plain, free = fits(make()), fits(drafting(make, **changes))
    assert free.kv_cache_bytes == plain.kv_cache_bytes
    assert free.blocks == plain.blocks
    assert "drafting weights" not in {line.name for line in free.ledger.lines}


def test_experts_on_the_cpu_leave_their_cache_on_the_gpu(make: Make) -> None:
    """gpt-oss-20b: 24 layers of 32 experts, 3 x 2880 x 2880 weights each."""
    settings = {"engine": "llama-cpp", "kv": "fp16", "max_num_seqs": 1, "host_gpus": 1}
    whole = fits(make("gpt-oss-20b", **settings))
    half = fits(make("gpt-oss-20b", **settings, offload=Offload(kind="experts", host_layers=12)))
    moved = whole.weights_bytes - half.weights_bytes
    assert moved > 12 * 32 * 3 * 2880 * 2880 * 0.5  # 4 bits a weight, and scales
    assert half.host_bytes - whole.host_bytes == pytest.approx(moved, rel=1e-6)
    assert half.kv_cache_bytes.mid == whole.kv_cache_bytes.mid
    everything = fits(make("gpt-oss-20b", **settings, offload=Offload(kind="experts", host_layers=24)))
    assert whole.weights_bytes - everything.weights_bytes == pytest.approx(2 * moved)
