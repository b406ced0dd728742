"""Step times against rooflines worked out by hand, and the directions in which they may move."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perf_builders import (
    A100,
    DEEPSEEK_V3,
    DESKTOP,
    FORMATS,
    H100,
    HGX,
    IDEAL,
    KV,
    LLAMA_8B,
    LLAMA_70B,
    MIXTRAL,
    RTX4090,
    TYPICAL,
    build_model,
    coefficients,
    dense_ffn,
    engine,
    gqa,
    replica,
)

from llmplan.errors import DataError
from llmplan.perf.offload import hybrid_decode_bound_tokens_per_s
from llmplan.perf.rates import computes_natively
from llmplan.perf.step import StepModel
from llmplan.plan.deployment import Offload, Parallelism, Replica, Tenancy
from llmplan.spec.engine import FormatSupport
from llmplan.spec.formats import WeightFormat

LLAMA_8B_LINEAR = 32 * (2 * 4096 * 4096 + 2 * 1024 * 4096 + 3 * 4096 * 14336)
LLAMA_8B_HEAD = 128256 * 4096


def model(of: Replica, values: dict[str, float] = TYPICAL, **changes: float) -> StepModel:
    return StepModel(of, coefficients(values, **changes), 1e6)


def test_ideal_decode_is_bytes_over_bandwidth() -> None:
    """8B bf16 at batch 1 reads each weight and 1000 tokens of cache once."""
    norms = 32 * 2 * 4096
    expected = (2 * (LLAMA_8B_LINEAR + LLAMA_8B_HEAD + norms) + 1000 * 131072) / 3.35e12
    assert model(replica(), IDEAL).decode_s(1, 1000) == pytest.approx(expected, rel=1e-3)


def test_ideal_prefill_is_two_flop_per_weight_and_token() -> None:
    tokens = 4096
    linear = 2 * LLAMA_8B_LINEAR * tokens / 989e12
    attention = 32 * 16384 * tokens * tokens / 2 / 989e12
    head_read = 2 * LLAMA_8B_HEAD / 3.35e12
    assert model(replica(), IDEAL).prefill_s(tokens) == pytest.approx(linear + attention + head_read, rel=1e-3)


def test_single_stream_70b_fp8_on_one_h100_stays_below_47_tokens_per_s() -> None:
    """3350 GB/s over 70.6 GB; pages that claim 120 tok/s speculate or err."""
    of = replica(LLAMA_70B, weights=FORMATS["fp8"])
    assert 1 / model(of, IDEAL).decode_s(1, 1) < 48.5  # embedding rows are not read: 69.5 of 70.6 GB
    assert 1 / model(of).decode_s(1, 1000) < 47


def test_fp8_is_native_only_where_gpu_and_engine_have_it() -> None:
    fp8 = FORMATS["fp8"]
    assert computes_natively(replica(weights=fp8))
    assert not computes_natively(replica(gpu=A100, weights=fp8))
    never = engine(weight_formats={"fp8": FormatSupport(min_compute_capability=(8, 0))})
    assert not computes_natively(replica(weights=fp8, engine=never))
    assert not computes_natively(replica(weights=FORMATS["awq-int4"]))


def test_fp8_on_ampere_saves_reads_and_not_arithmetic() -> None:
    """Measured on A100: 0.96 to 1.08 times 16 bit at large batch."""
    wide, narrow = model(replica(gpu=A100)), model(replica(gpu=A100, weights=FORMATS["fp8"]))
    assert narrow.decode_s(1, 100) < wide.decode_s(1, 100)
    assert narrow.prefill_s(4096) > wide.prefill_s(4096)


def test_four_bit_weights_win_small_batches_and_lose_large_ones() -> None:
    wide, narrow = model(replica()), model(replica(weights=FORMATS["awq-int4"]))
    assert narrow.decode_s(1, 100) < 0.6 * wide.decode_s(1, 100)
    assert narrow.decode_s(1024, 100) > wide.decode_s(1024, 100)


def test_pcie_all_reduce_costs_more_than_nvlink() -> None:
    """8B at 150 prompts: A100 with NVLink gains up to 8 GPUs, 4090 over PCIe loses from 4 to 8."""
    nvlink = [model(replica(gpu=A100, parallel=Parallelism(tp=tp))).decode_s(150, 400) for tp in (1, 2, 4, 8)]
    assert nvlink == sorted(nvlink, reverse=True)
    host = replace(HGX, fast_link_gpus=0)
    pcie = [model(replica(gpu=RTX4090, host=host, parallel=Parallelism(tp=tp))).prefill_s(2048) for tp in (1, 2, 4, 8)]
    assert pcie[3] > 0.5 * pcie[1]


def test_several_hosts_need_a_known_network() -> None:
    with pytest.raises(DataError, match="network speed is not known"):
        model(replica(LLAMA_70B, host=replace(HGX, network_bytes_per_s=None), parallel=Parallelism(tp=16)))
    inside = model(replica(LLAMA_70B, parallel=Parallelism(tp=8))).decode_s(32, 1000)
    across = model(replica(LLAMA_70B, parallel=Parallelism(tp=16))).decode_s(32, 1000)
    assert across > inside


def test_pipeline_gains_throughput_and_not_latency() -> None:
    alone, staged = model(replica(LLAMA_70B)), model(replica(LLAMA_70B, parallel=Parallelism(pp=4)))
    assert staged.decode_s(1, 100) >= 0.99 * alone.decode_s(1, 100)
    assert staged.decode_s(256, 4000) < alone.decode_s(256, 4000)


def test_a_batch_touches_more_experts_until_all_are_read() -> None:
    moe = model(replica(MIXTRAL), IDEAL)
    one, eight, many = (moe.terms(batch, 10).experts for batch in (1, 8, 512))
    assert eight / one == pytest.approx((1 - 0.75**8) / 0.25)
    assert many / one == pytest.approx(4.0, rel=1e-3)


def test_mla_decode_computes_on_the_latent() -> None:
    """Absorbed: 2 x 128 heads x (2 x 512 + 64) FLOP against 1152 bytes of cache a layer, 242 FLOP per byte."""
    terms = model(replica(DEEPSEEK_V3, parallel=Parallelism(tp=1)), IDEAL, roofline_exponent=1.0).terms(64, 8000)
    flop_per_byte = terms.attention_math * 989e12 / (terms.kv * 3.35e12)
    assert flop_per_byte == pytest.approx(2 * 128 * 1088 / 1152)


GGUF_Q4 = WeightFormat(id="q4-mix", bits=4.85, compute="bf16", weight_only=True, family="gguf", head_bits=6.56)


def lab_machine(host_bytes_per_s: float) -> Replica:
    """Scenario: 70B in Q4_K_M (42.5 GB) on a 24 GB card with half of its layers in host memory."""
    return replica(
        LLAMA_70B,
        RTX4090,
        host=replace(DESKTOP, memory_bandwidth_bytes_per_s=host_bytes_per_s),
        engine=engine("llama-cpp", host_layers=True),
        weights=GGUF_Q4,
        offload=Offload(kind="layers", host_layers=40),
        max_num_batched_tokens=512,
    )


@pytest.mark.parametrize(("host_gb_per_s", "bound"), [(60, 2.8), (89, 4.0), (200, 8.0)])
def test_layers_in_host_memory_are_bound_by_its_bandwidth(host_gb_per_s: float, bound: float) -> None:
    """Published 14.8 and 17.8 tok/s for this machine would need 448 and 596 GB/s of host memory."""
    share = 1 - 20e9 / 42.5e9
    assert hybrid_decode_bound_tokens_per_s(42.5e9, share, 1008e9, host_gb_per_s * 1e9) == pytest.approx(
        bound, rel=0.03
    )
    predicted = 1 / model(lab_machine(host_gb_per_s * 1e9)).decode_s(1, 500)
    assert 0.6 * bound < predicted < bound


def test_dual_channel_ddr5_gives_two_to_five_tokens_per_s() -> None:
    for host_gb_per_s in (60, 89):
        assert 2 <= 1 / model(lab_machine(host_gb_per_s * 1e9)).decode_s(1, 500) <= 5


def test_streaming_weights_over_pcie_is_paid_every_step() -> None:
    """vLLM's cpu-offload: 10 GB at 31.5 GB/s are at least 0.32 s a step."""
    of = replica(gpu=RTX4090, host=DESKTOP, offload=Offload(kind="weights", host_weight_bytes=10 * 10**9))
    assert model(of, IDEAL).decode_s(1, 10) > 10e9 / 31.5e9


def test_streaming_over_a_fast_coherent_link_matches_a_report() -> None:
    """Llama-3-70B bf16 on GH200 96 GB, 80 % of the card's memory for weights, the rest over NVLink-C2C (450 GB/s):
    4.6 tokens/s reported for vLLM 0.5.1's offload."""
    gh200 = replace(H100, memory_bandwidth_bytes_per_s=4.0e12, pcie_bytes_per_s=450e9)
    host = replace(DESKTOP, memory_bandwidth_bytes_per_s=500e9, pcie_bytes_per_s=450e9)
    on_host = int(141.1e9 - 0.8 * 96e9)
    of = replica(LLAMA_70B, gh200, host=host, offload=Offload(kind="weights", host_weight_bytes=on_host))
    assert 1 / model(of).decode_s(1, 500) == pytest.approx(4.6, rel=0.15)


def test_spilled_cache_is_read_over_pcie() -> None:
    of = replica(offload=Offload(kind="kv", host_kv_bytes=10**11))
    spilling = StepModel(of, coefficients(), 100_000)
    assert spilling.decode_s(50, 2000) == model(replica()).decode_s(50, 2000)
    assert spilling.decode_s(100, 2000) > model(replica()).decode_s(100, 2000) + 100_000 * 131072 / 63e9


def test_adapters_cost_something_and_only_those_in_the_batch() -> None:
    plain = model(replica())
    adapted = model(replica(tenancy=Tenancy(tenants=50, adapters=50)))
    assert plain.decode_s(8, 500) < adapted.decode_s(8, 500) < 1.5 * plain.decode_s(8, 500)


positive = st.floats(min_value=1.0, max_value=4.0)
batches = st.floats(min_value=1.0, max_value=512.0)
contexts = st.floats(min_value=16.0, max_value=32768.0)
models = st.sampled_from([LLAMA_8B, MIXTRAL, DEEPSEEK_V3])
parallels = st.sampled_from([Parallelism(), Parallelism(tp=4), Parallelism(pp=2), Parallelism(tp=2, dp=4, ep=True)])


@settings(max_examples=60, deadline=None)
@given(of=models, parallel=parallels, faster=positive, batch=batches, context=contexts)
def test_a_faster_gpu_is_never_slower(of, parallel, faster, batch, context) -> None:  # type: ignore[no-untyped-def]
    slow = replica(of, parallel=parallel)
    quick = [
        replace(H100, memory_bandwidth_bytes_per_s=faster * H100.memory_bandwidth_bytes_per_s),
        replace(H100, peak_flop_per_s={k: v * faster for k, v in H100.peak_flop_per_s.items()}),
        replace(H100, link_bytes_per_s=faster * H100.link_bytes_per_s),
    ]
    for gpu in quick:
        better, worse = model(replace(slow, gpu=gpu)), model(slow)
        assert better.decode_s(batch, context) <= worse.decode_s(batch, context) * (1 + 1e-9)
        assert better.prefill_s(context, batch=batch) <= worse.prefill_s(context, batch=batch) * (1 + 1e-9)


@settings(max_examples=60, deadline=None)
@given(of=models, parallel=parallels, batch=batches, context=contexts, more=positive)
def test_more_work_is_never_faster(of, parallel, batch, context, more) -> None:  # type: ignore[no-untyped-def]
    steps = model(replica(of, parallel=parallel))
    assert steps.decode_s(batch * more, context) >= steps.decode_s(batch, context) * (1 - 1e-9)
    assert steps.decode_s(batch, context * more) >= steps.decode_s(batch, context) * (1 - 1e-9)
    assert steps.prefill_s(context * more) >= steps.prefill_s(context) * (1 - 1e-9)
    assert steps.prefill_s(context, cached=context / 2) <= steps.prefill_s(context) * (1 + 1e-9)


@settings(max_examples=30, deadline=None)
@given(batch=batches, context=contexts, count=st.integers(min_value=1, max_value=40))
def test_doubling_the_layers_is_never_faster(batch, context, count) -> None:  # type: ignore[no-untyped-def]
    def stack(layers: int) -> StepModel:
        return model(replica(build_model("m", 1024, 32000, [(layers, gqa(1024, 8, 8, 128), dense_ffn(1024, 4096))])))

    assert stack(2 * count).decode_s(batch, context) >= stack(count).decode_s(batch, context)
    assert stack(2 * count).prefill_s(context) >= stack(count).prefill_s(context)


def test_infinite_bandwidth_leaves_compute_and_fixed_time() -> None:
    endless = replace(H100, memory_bandwidth_bytes_per_s=1e30)
    values = TYPICAL | {"roofline_exponent": 1e3}
    terms = model(replica(gpu=endless), values).terms(32, 1000)
    flop_s = 2 * 32 * LLAMA_8B_LINEAR / (989e12 * 0.7)
    assert terms.weights == pytest.approx(0.0, abs=1e-12)
    assert terms.weight_math == pytest.approx(flop_s)
    assert terms.fixed == pytest.approx(1e-3 + 32 * 2e-5)


def test_terms_add_up_to_the_step() -> None:
    steps = model(replica(MIXTRAL, parallel=Parallelism(tp=2)))
    terms = steps.terms(17, 900)
    total = sum(getattr(terms, name) for name in terms.__slots__)
    assert total == pytest.approx(steps.decode_s(17, 900))


def test_windowed_layers_stop_reading_at_the_window() -> None:
    windowed = build_model("w", 4096, 32000, [(32, gqa(4096, 32, 8, 128, window=4096), dense_ffn(4096, 14336))])
    steps = model(replica(windowed))
    assert steps.decode_s(8, 4096) == steps.decode_s(8, 32768)
    assert steps.prefill_s(32768) < model(replica(LLAMA_8B)).prefill_s(32768)


def test_smaller_cache_elements_read_faster() -> None:
    assert model(replica(kv=KV["fp8"])).decode_s(64, 8000) < model(replica()).decode_s(64, 8000)
