"""The identity, the rules of four engines, offloading, adapters and rejections."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from llmplan import memory
from llmplan.memory.capacity import contiguous_bytes
from llmplan.memory.offload import host_cache_bytes
from llmplan.memory.pool import visible_bytes
from llmplan.plan.deployment import Offload, Replica, Tenancy
from llmplan.plan.outcome import MemoryBudget, Rejection
from llmplan.spec.engine import FormatSupport
from llmplan.units import GIB, MIB

Make = Callable[..., Replica]


def fits(replica: Replica) -> MemoryBudget:
    outcome = memory.budget(replica)
    assert isinstance(outcome, MemoryBudget), outcome
    return outcome


def rejected(replica: Replica) -> Rejection:
    outcome = memory.budget(replica)
    assert isinstance(outcome, Rejection), outcome
    return outcome


def test_lines_add_up_to_the_budget(make: Make) -> None:
    result = fits(make())
    assert result.ledger.total == pytest.approx(math.ceil(result.total_bytes * 0.92), abs=1)
    assert result.budget_bytes == math.ceil(result.total_bytes * 0.92)
    assert [line.name for line in result.ledger.lines] == [
        "weights", "activation peak", "non-torch", "CUDA graphs", "LoRA adapters", "KV pool",
    ]  # fmt: skip
    assert result.ledger["KV pool"].amount == result.kv_cache_bytes.mid
    assert all(line.formula and line.provenance for line in result.ledger.lines)


def test_a_known_pool_is_taken_as_it_is(make: Make) -> None:
    """NousResearch/Hermes-3-Llama-3.1-8B on an RTX 3090: 3.78 GiB are 30,960 tokens."""
    result = fits(make(gpu_gib=23.56, max_model_len=16384, kv_cache_memory_bytes=round(3.78 * GIB)))
    assert result.kv_cache_bytes.is_exact
    assert result.capacity_tokens == pytest.approx(30960, rel=2e-3)
    assert result.max_concurrency == pytest.approx(30960 / 16384, rel=2e-3)


def test_eager_execution_leaves_the_graphs_to_the_pool(make: Make) -> None:
    captured, eager = fits(make()), fits(make(enforce_eager=True))
    assert eager.cuda_graph_bytes == 0
    assert eager.kv_cache_bytes.mid == pytest.approx(captured.kv_cache_bytes.mid + captured.cuda_graph_bytes)


def test_data_parallel_groups_add_capacity_but_no_blocks(make: Make) -> None:
    one, two = fits(make(max_num_seqs=64)), fits(make(max_num_seqs=64, dp=2))
    assert two.capacity_tokens == pytest.approx(2 * one.capacity_tokens, rel=0.05)
    assert two.blocks == pytest.approx(one.blocks, rel=0.05)


@pytest.mark.parametrize(
    ("nvml_mib", "printed_gib"),
    # NVML totals, and the total that CUDA reported in a start-up log of the same kind of GPU
    [
        (23034, 22.05), (23028, 21.99), (24576, 23.56), (32607, 31.40), (81559, 79.18), (81920, 79.15),
        (143771, 139.72), (183359, 178.36), (189471, 184.31),
    ],
)  # fmt: skip
def test_the_driver_keeps_a_part_of_the_memory(make: Make, nvml_mib: int, printed_gib: float) -> None:
    gpu = replace(make().gpu, memory_bytes=nvml_mib * MIB)
    assert visible_bytes(gpu) / GIB == pytest.approx(printed_gib, abs=0.3)
    assert visible_bytes(replace(gpu, vendor="amd")) == gpu.memory_bytes


def test_weights_that_fill_the_budget_widen_the_band_and_say_so(make: Make) -> None:
    """Qwen3-32B class on an 80 GB GPU: 61 GiB of weights, 4.5 of cache."""
    roomy, full = fits(make(max_num_seqs=64)), fits(make(gpu_gib=19.8, max_model_len=1024, max_num_seqs=16))
    assert not roomy.notes
    (note,) = full.notes
    assert note.startswith("weights fill")
    assert "read its band" in note


def test_unified_memory_has_a_tenth_either_way(make: Make) -> None:
    replica = make(max_num_seqs=64)
    mapped = fits(replace(replica, gpu=replace(replica.gpu, form="superchip")))
    shared = fits(replace(replica, gpu=replace(replica.gpu, form="SoC")))
    assert mapped.kv_cache_bytes.mid - mapped.kv_cache_bytes.low >= 0.0999 * mapped.budget_bytes
    assert shared.total_bytes == replica.gpu.memory_bytes
    assert shared.kv_cache_bytes.mid - shared.kv_cache_bytes.low >= 0.0999 * shared.budget_bytes
    assert shared.kv_cache_bytes.high - shared.kv_cache_bytes.mid >= 0.0999 * shared.budget_bytes


def test_tensorrt_llm_takes_a_fraction_of_what_is_free(make: Make) -> None:
    result = fits(make(engine="tensorrt-llm"))
    spent = result.weights_bytes + result.activation_bytes + result.non_torch_bytes + result.cuda_graph_bytes
    assert result.kv_cache_bytes.mid == pytest.approx(0.9 * (result.total_bytes - spent))
    assert result.block_tokens == 32
    assert result.capacity_tokens == result.blocks * 32


def test_sglang_leaves_everything_else_outside_the_fraction(make: Make) -> None:
    """Qwen2.5-7B class logs: weights + pool = fraction x memory before loading."""
    result = fits(make(engine="sglang"))
    before = result.total_bytes - result.non_torch_bytes
    assert result.weights_bytes + result.kv_cache_bytes.mid == pytest.approx(0.835 * before)


def test_llama_cpp_allocates_the_context_exactly(make: Make) -> None:
    result = fits(make(engine="llama-cpp", weights="q4_k_m", kv="fp16", max_model_len=4096, max_num_seqs=4))
    assert result.kv_cache_bytes.mid == 4 * 4096 * 32 * 2 * 8 * 128 * 2
    assert result.max_concurrency == 4
    assert result.budget_bytes < result.total_bytes


def test_llama_cpp_layers_on_the_host(make: Make) -> None:
    half = Offload(kind="layers", host_layers=16)
    settings = {"engine": "llama-cpp", "weights": "q8_0", "kv": "fp16", "max_num_seqs": 1}
    whole, split = fits(make(**settings)), fits(make(**settings, offload=half))
    assert split.kv_cache_bytes.mid == whole.kv_cache_bytes.mid / 2
    moved = whole.weights_bytes - split.weights_bytes
    head = 128256 * 4096 * 34 / 32
    assert moved == pytest.approx((whole.weights_bytes - head) / 2, rel=1e-3)
    assert split.host_bytes == pytest.approx(whole.host_bytes + moved + whole.kv_cache_bytes.mid / 2, rel=1e-6)


def test_streamed_weights_make_room_for_cache(make: Make) -> None:
    moved = 8 * GIB
    plain = fits(make(gpu_gib=24, max_num_seqs=64))
    streamed = fits(make(gpu_gib=24, max_num_seqs=64, offload=Offload(kind="weights", host_weight_bytes=moved)))
    assert streamed.kv_cache_bytes.mid - plain.kv_cache_bytes.mid == pytest.approx(moved)
    assert streamed.host_bytes == moved


def test_host_memory_is_the_gpus_share(make: Make) -> None:
    result = rejected(
        make(gpu_gib=24, host_gib=64, host_gpus=8, offload=Offload(kind="weights", host_weight_bytes=8 * GIB))
    )
    assert result.code == "host_memory"
    assert 0 < result.closeness < 1


def test_adapters_take_memory_per_rank(make: Make) -> None:
    """Llama-3.1-8B, rank 16 on all projections: 41,943,040 parameters (as PEFT prints)."""
    result = fits(make(tenancy=Tenancy(tenants=20, adapters=20, lora_rank=16)))
    assert result.ledger["LoRA adapters"].amount == 20 * 41943040 * 2


def test_adapters_beyond_the_running_sequences_wait_in_host_memory(make: Make) -> None:
    result = fits(make(max_num_seqs=8, tenancy=Tenancy(tenants=20, adapters=20, lora_rank=16)))
    assert result.ledger["LoRA adapters"].amount == 8 * 41943040 * 2
    assert result.host_bytes == 12 * 41943040 * 2


def test_a_known_pool_of_exactly_one_request_is_enough(make: Make) -> None:
    """MiniMax-M2.7 class logs start with a concurrency of 1.00x."""
    result = fits(make(max_model_len=4096, kv_cache_memory_bytes=4096 * 131072))
    assert result.max_concurrency == 1
    assert rejected(make(max_model_len=4096, kv_cache_memory_bytes=4095 * 131072)).code == "no_room_for_one_request"


def test_weights_that_do_not_fit_name_the_way_out(make: Make) -> None:
    result = rejected(make("llama-3.3-70b"))
    assert result.code == "weights_do_not_fit"
    assert result.fix == "--tp 2"
    assert result.ledger is not None
    assert 0.4 < result.closeness < 0.6


def test_a_format_is_suggested_only_where_the_engine_runs_it_on_the_gpu(make: Make) -> None:
    replica = make("llama-3.3-70b", tp=8, gpu_gib=14)
    ada, turing = (FormatSupport(min_compute_capability=since) for since in ((8, 9), (7, 5)))
    engine = replace(replica.engine, weight_formats={"fp8": ada, "awq-int4": turing})
    fixes = []
    for capability in ((8, 6), (8, 9)):
        gpu = replace(replica.gpu, compute_capability=capability)
        fixes.append(rejected(replace(replica, engine=engine, gpu=gpu)).fix)
    assert fixes == ["--weights awq-int4", "--weights fp8"]


def test_deepseek_in_fp8_needs_more_than_eight_80_gb_gpus(make: Make) -> None:
    assert rejected(make("deepseek-v3", tp=8)).code == "weights_do_not_fit"
    assert fits(make("deepseek-v3", tp=8, gpu_gib=140.4)).max_concurrency > 1


def test_one_request_must_fit(make: Make) -> None:
    result = rejected(make(gpu_gib=22.5, max_model_len=131072, max_num_seqs=64))
    assert result.code == "no_room_for_one_request"
    shorter = int(result.fix.removeprefix("--max-model-len "))
    assert fits(make(gpu_gib=22.5, max_model_len=shorter, max_num_seqs=64)).max_concurrency >= 1


def test_a_70b_does_not_fit_one_consumer_gpu_at_4_bits(make: Make) -> None:
    assert rejected(make("llama-3.3-70b", weights="awq-int4", gpu_gib=23.99)).code == "weights_do_not_fit"


def test_layers_on_a_24_gb_gpu(make: Make) -> None:
    """70B Q4_K_M: published hybrid setups put 45 to 55 % of the layers on a 24 GB card."""
    replica = make("llama-3.3-70b", engine="llama-cpp", weights="q4_k_m", kv="fp16", gpu_gib=23.99, host_gpus=1)
    layers = memory.layers_on_gpu(
        model=replica.model, weight_format=replica.weights, kv_format=replica.kv, gpu=replica.gpu,
        engine=replica.engine, context_tokens=8192, slots=1,
    )  # fmt: skip
    assert 36 <= layers <= 44
    offload = Offload(kind="layers", host_layers=80 - layers)
    split = fits(
        make(
            "llama-3.3-70b", engine="llama-cpp", weights="q4_k_m", kv="fp16", gpu_gib=23.99, host_gib=64, host_gpus=1,
            max_num_seqs=1, offload=offload,
        )
    )  # fmt: skip
    assert split.budget_bytes <= split.total_bytes


def test_pruning_agrees_with_the_budget(make: Make) -> None:
    small, large = make("llama-3.3-70b"), make("llama-3.3-70b", tp=4)
    for replica, answer in ((small, False), (large, True)):
        fit = memory.fits_weights(replica.model, replica.weights, replica.parallel, replica.gpu, replica.engine)
        assert fit is answer


def test_a_pool_that_does_not_go_beside_the_weights_is_named_as_such(make: Make) -> None:
    outcome = rejected(make(gpu_gib=24, kv_cache_memory_bytes=500 * GIB))
    assert outcome.code == "kv_pool_too_large"
    assert "--kv-cache-memory-gib" in outcome.fix


@pytest.mark.parametrize("batched_tokens", [128, 512, 2048])
def test_the_caches_of_gpu_and_host_are_the_whole_cache(make: Make, batched_tokens: int) -> None:
    """Windows keep the physical batch of 512 tokens beside them, wherever a layer is computed."""
    settings = {"engine": "llama-cpp", "kv": "fp16", "max_num_seqs": 2, "max_num_batched_tokens": batched_tokens}
    whole = make("gpt-oss-20b", **settings)
    split = make("gpt-oss-20b", **settings, offload=Offload(kind="layers", host_layers=9))
    parts = contiguous_bytes(split, 9) + host_cache_bytes(split, 9)
    assert parts == pytest.approx(contiguous_bytes(whole, 0))
