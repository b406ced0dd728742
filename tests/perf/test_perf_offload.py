"""Work on the host: where bytes are read, what experts on the CPU cost, and measured hybrids."""

from __future__ import annotations

from dataclasses import replace

import pytest
from perf_builders import DESKTOP, LLAMA_8B, MIXTRAL, RTX4090, TYPICAL, coefficients, engine, replica

from llmplan.perf.offload import CORE_FLOP_PER_S, HANDOVER_S, host_link_bytes_per_s, placement_of
from llmplan.perf.step import StepModel
from llmplan.plan.deployment import Offload, Replica
from llmplan.plan.expert_layers import expert_share_on_host, routed_among_first
from llmplan.spec.gpu import GpuSpec

LLAMA_CPP = engine("llama-cpp", kv_pool_rule="explicit_context", host_layers=True)


def hybrid(layers: int, kind: str = "experts") -> Replica:
    offload = Offload(kind=kind, host_layers=layers)  # type: ignore[arg-type]
    return replica(MIXTRAL, RTX4090, host=DESKTOP, engine=LLAMA_CPP, offload=offload)


def step(of: Replica) -> StepModel:
    return StepModel(of, coefficients(TYPICAL), 4e5)


def test_experts_of_a_layer_cost_their_reads_and_one_handover() -> None:
    """Two of eight experts of 3 x 4096 x 14336 weights in 16 bit, at 80 % of 60 GB/s."""
    read_s = 2 * 3 * 4096 * 14336 * 2 / (60e9 * 0.8)
    for layers in (1, 8, 32):
        assert step(hybrid(layers)).terms(1, 100).host == pytest.approx(layers * (read_s + HANDOVER_S))


def test_experts_off_the_gpu_leave_everything_else_on_it() -> None:
    everything, none = step(hybrid(32)).terms(1, 100), step(replace(hybrid(1), offload=None)).terms(1, 100)
    assert everything.experts == 0.0
    assert everything.weights == none.weights
    assert everything.kv == none.kv
    half = step(hybrid(16)).terms(1, 100)
    assert half.experts == pytest.approx(none.experts / 2)


def test_a_step_of_many_tokens_is_bound_by_the_cpu_until_copying_is_faster() -> None:
    of = hybrid(32)
    flop = 2.0 * 2 * 3 * 4096 * 14336 * 32
    few = step(of).terms(16, 100).host - 32 * HANDOVER_S
    touched = 1 - 0.75 ** (16 ** TYPICAL["routing_exponent"])
    assert few == pytest.approx(
        max(16 * flop / (16 * CORE_FLOP_PER_S), 32 * 8 * 3 * 4096 * 14336 * 2 * touched / (60e9 * 0.8)), rel=1e-6
    )
    copied = 32 * 8 * 3 * 4096 * 14336 * 2 / (31.5e9 * 0.8)
    many = step(of).terms(4096, 1).host
    assert many - 32 * HANDOVER_S == pytest.approx(copied + 4096 * flop / (165.2e12 * 0.7 * 0.5), rel=1e-6)
    assert many < 4096 * flop / (16 * CORE_FLOP_PER_S)


def test_dense_layers_at_the_front_count_but_have_no_experts() -> None:
    first = replace(MIXTRAL.layers[0], count=3, feed_forward=LLAMA_8B.layers[0].feed_forward)
    model = replace(MIXTRAL, layers=(first, replace(MIXTRAL.layers[0], count=29)))
    assert routed_among_first(model, 3) == 0
    assert routed_among_first(model, 10) == 7
    assert expert_share_on_host(model, 32) == 1.0
    interleaved = replace(
        model, layers=(replace(first, indices=(0, 2, 4)), replace(model.layers[1], indices=(1, 3, *range(5, 32))))
    )
    assert routed_among_first(interleaved, 4) == 2


def test_whole_layers_have_no_handovers_and_stream_at_the_hosts_bandwidth() -> None:
    of = replica(LLAMA_8B, RTX4090, host=DESKTOP, engine=LLAMA_CPP, offload=Offload(kind="layers", host_layers=16))
    layer = 4096 * (4096 + 1024 + 1024 + 4096 + 3 * 14336)
    read = 16 * 2 * (layer + 2 * 4096)
    assert step(of).terms(1, 0.0).host == pytest.approx(read / (60e9 * 0.8))


def test_a_module_with_its_cpu_is_not_bound_by_pcie() -> None:
    grace = replace(RTX4090, form="superchip", pcie_bytes_per_s=63e9)
    host = replace(DESKTOP, pcie_bytes_per_s=450e9, memory_bandwidth_bytes_per_s=512e9)
    assert host_link_bytes_per_s(grace, host) == 450e9
    assert host_link_bytes_per_s(RTX4090, host) == 31.5e9
    of = replica(LLAMA_8B, grace, host=host, offload=Offload(kind="weights", host_weight_bytes=8 * 10**9))
    assert placement_of(of, coefficients(TYPICAL), 4e5).stream_bytes_per_s == pytest.approx(0.8 * 450e9)


@pytest.mark.parametrize(("limit", "expected"), [(None, 512), (128, 128), (4096, 2048)])
def test_llama_cpp_passes_over_the_weights_once_per_physical_batch(limit: int | None, expected: int) -> None:
    of = replica(LLAMA_8B, RTX4090, host=DESKTOP, engine=LLAMA_CPP, max_num_batched_tokens=2048)
    of = replace(of, settings=replace(of.settings, micro_batch_tokens=limit))
    assert of.pass_tokens == expected
    assert step(of).prefill_chunks(4096)[0] == 4096 / expected
    assert replace(of, engine=engine()).pass_tokens == 2048


def test_the_link_of_a_gpu_without_figures_is_the_slots() -> None:
    unknown: GpuSpec = replace(RTX4090, pcie_bytes_per_s=None)
    assert host_link_bytes_per_s(unknown, DESKTOP) == DESKTOP.pcie_bytes_per_s
