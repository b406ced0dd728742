"""Formats side by side: signs against brute force, physics that must hold, and words that follow from the numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan import memory, perf
from llmplan.plan.deployment import EngineSettings, Parallelism, Replica
from llmplan.plan.format_rows import FormatComparison, FormatRow, FormatSpeed, Stretch
from llmplan.plan.load import Load
from llmplan.plan.outcome import Option
from llmplan.planner import format_advice as words
from llmplan.planner import recommend
from llmplan.planner.format_rows import ample, compare, ratio, signs, sixteen_bit
from llmplan.spec.calibration import Calibration
from llmplan.spec.catalog import Catalog
from llmplan.spec.formats import SpeedFigure
from llmplan.spec.provenance import Source
from llmplan.spec.workload import Lengths
from tests_support import DEEPSEEK_R1, LLAMA_8B, LLAMA_70B, Ask

LOAD = Load(kind="concurrency", value=8.0, input_tokens=Lengths.fixed(1024), output_tokens=Lengths.fixed(256))


def maker(catalog: Catalog, model: str, gpu: str, tp: int = 1, seqs: int = 256) -> Callable[[str], Replica]:
    engine, spec, card = catalog.engines["vllm"], catalog.models[model], catalog.gpus[gpu]
    settings = EngineSettings(
        max_model_len=2048, max_num_seqs=seqs, max_num_batched_tokens=8192, memory_fraction=0.9, block_tokens=16
    )

    def make(name: str) -> Replica:
        return Replica(
            model=spec, gpu=card, host=next(h for h in catalog.hosts.values() if h.takes(card)), engine=engine,
            parallel=Parallelism(tp=tp), weights=memory.weight_format(name, spec), kv=memory.kv_format("bf16", spec),
            settings=settings,
        )  # fmt: skip

    return make


def calibrated(catalog: Catalog) -> Callable[[Replica], Calibration]:
    return lambda replica: perf.select_calibration(catalog.calibrations, replica.engine, replica.gpu)


def compared(catalog: Catalog, model: str, gpu: str, *names: str, tp: int = 1) -> FormatComparison:
    make = maker(catalog, model, gpu, tp)
    return compare("weights", make, names, LOAD, catalog, calibrated(catalog))


def speed_of(found: FormatComparison, name: str) -> FormatSpeed:
    row = row_of(found, name)
    assert row.speed is not None, row.reason
    return row.speed


def row_of(found: FormatComparison, name: str) -> FormatRow:
    return next(row for row in found.rows if row.format_id == name)


@given(st.floats(0.3, 3.0), st.floats(0.3, 3.0), st.floats(1.0, 500.0), st.integers(1, 700))
def test_signs_are_those_of_every_number_one_by_one(first: float, last: float, scale: float, most: int) -> None:
    """A ratio that goes from one value to another turns once: bisection must find the same stretches as a count."""

    def of(n: int) -> float:
        return last + (first - last) / (1.0 + (n - 1) / scale)

    counted: list[Stretch] = []
    for n in range(1, most + 1):
        if not counted or counted[-1].faster != words.side(of(n)):
            counted.append(Stretch(requests=n, faster=words.side(of(n))))
    assert list(signs(of, most)) == counted


def test_a_ratio_where_one_side_falls_behind() -> None:
    assert ratio(0.0, 0.0) is None
    assert ratio(2.0, 0.0) == math.inf
    assert ratio(0.0, 2.0) == 0.0


@pytest.mark.parametrize("gpu", ["rtx-4090-24gb", "h100-sxm-80gb", "a100-sxm-80gb"])
@pytest.mark.parametrize("name", ["fp8", "awq-int4", "w8a16", "int8"])
def test_each_stretch_is_what_two_predictions_at_its_edges_say(catalog: Catalog, gpu: str, name: str) -> None:
    """Asked apart, with a pool that is never full, the ratio changes its sign where the comparison says."""
    found, calibrate = compared(catalog, LLAMA_8B, gpu, "bf16", name), calibrated(catalog)
    mine, base = speed_of(found, name), speed_of(found, "bf16")

    def at(requests: int) -> bool | None:
        load = replace(LOAD, value=float(requests))
        speeds = [
            perf.estimate(each.replica, ample(each.budget), load, calibrate(each.replica)).output_tokens_per_s.mid
            for each in (mine, base)
        ]
        return words.side(speeds[0] / speeds[1])

    edges = [each.requests for each in mine.stretches]
    assert edges[0] == 1
    for stretch in mine.stretches:
        assert at(stretch.requests) == stretch.faster
        if stretch.requests > 1:
            assert at(stretch.requests - 1) != stretch.faster


def test_fewer_bytes_are_faster_alone_and_never_by_more_than_the_bytes(catalog: Catalog) -> None:
    found = compared(catalog, LLAMA_8B, "h100-sxm-80gb", "bf16", "fp8", "awq-int4")
    base = speed_of(found, "bf16")
    for name in ("fp8", "awq-int4"):
        mine = speed_of(found, name)
        saved = base.budget.weights_bytes / mine.budget.weights_bytes
        assert mine.ratio_alone is not None
        assert 1.0 < mine.ratio_alone < saved
        assert words.times(saved) in mine.advice


def test_a_starved_16_bit_pool_makes_smaller_weights_faster_again(catalog: Catalog) -> None:
    """Two H100 leave a 70B in bf16 some ten requests: what fewer bytes free counts for more than what they save."""
    found = compared(catalog, LLAMA_70B, "h100-sxm-80gb", "bf16", "fp8", "awq-int4", tp=2)
    base = speed_of(found, "bf16")
    # 2 x (0.9 x 79.6 GiB - weights) at most, over 320 KiB a token
    room = 2 * (0.9 * base.budget.total_bytes - base.budget.weights_bytes) / (2 * 80 * 8 * 128 * 2)
    assert base.pool_requests <= room / (1024 + 128)
    for name in ("fp8", "awq-int4"):
        mine = speed_of(found, name)
        assert mine.pool_requests > 5 * base.pool_requests
        assert mine.ratio_saturated is not None
        assert mine.ratio_alone is not None
        assert mine.ratio_saturated > max(1.0, mine.ratio_alone)
        assert "faster at saturation" in mine.advice or "faster again at saturation" in mine.advice


def test_fp8_computes_on_hopper_and_is_weight_only_on_ampere(catalog: Catalog) -> None:
    hopper = speed_of(compared(catalog, LLAMA_8B, "h100-sxm-80gb", "bf16", "fp8"), "fp8")
    ampere = speed_of(compared(catalog, LLAMA_8B, "a100-sxm-80gb", "bf16", "fp8"), "fp8")
    assert hopper.native
    assert "computed in fp8" in hopper.advice
    assert not ampere.native
    assert "expanded to 16 bit to compute (no fp8 arithmetic here)" in ampere.advice


def test_what_does_not_run_says_why_and_keeps_its_quality(catalog: Catalog) -> None:
    found = compared(catalog, LLAMA_8B, "h200-sxm-141gb", "bf16", "nf4", "gguf-q4_k_m")
    assert row_of(found, "nf4").speed is None
    assert "vllm-bnb-plugin" in row_of(found, "nf4").reason
    assert row_of(found, "nf4").quality is None
    assert row_of(found, "gguf-q4_k_m").reason
    quality = row_of(found, "gguf-q4_k_m").quality
    # the scoreboard has -0.389 % with an importance matrix and -0.596 % without
    assert quality is not None
    assert quality.relative_change == pytest.approx((-0.00389 - 0.00596) / 2)


def test_where_16_bit_does_not_fit_the_widest_that_runs_is_the_measure(catalog: Catalog) -> None:
    found = compared(catalog, DEEPSEEK_R1, "h200-sxm-141gb", "bf16", "awq-int4", "auto", tp=8)
    assert row_of(found, "bf16").speed is None
    assert "do not fit" in row_of(found, "bf16").reason
    assert found.baseline == "fp8-block"
    assert speed_of(found, "fp8-block").ratio_load is None
    assert speed_of(found, "awq-int4").ratio_load is not None
    nothing = compared(catalog, DEEPSEEK_R1, "l4-24gb", "bf16", "awq-int4")
    assert nothing.baseline is None
    assert not nothing.runs


def test_an_open_load_that_only_one_side_carries(catalog: Catalog) -> None:
    make = maker(catalog, LLAMA_70B, "h100-sxm-80gb", tp=2)
    load = replace(LOAD, kind="rate", value=4.0)
    found = compare("weights", make, ("bf16", "fp8"), load, catalog, calibrated(catalog))
    base, mine = speed_of(found, "bf16"), speed_of(found, "fp8")
    assert base.estimate.saturated
    assert not mine.estimate.saturated
    assert mine.ratio_load == math.inf


def test_a_smaller_cache_has_no_quality_figure(catalog: Catalog) -> None:
    make = maker(catalog, LLAMA_8B, "h100-sxm-80gb")
    spec = catalog.models[LLAMA_8B]

    def cached(name: str) -> Replica:
        return replace(make("bf16"), kv=memory.kv_format(name, spec))

    found = compare("kv_cache", cached, ("bf16", "fp8"), LOAD, catalog, calibrated(catalog))
    fp8 = row_of(found, "fp8")
    assert fp8.quality is not None
    assert fp8.quality.summary() == "no figures known"
    assert speed_of(found, "fp8").pool_requests == pytest.approx(2 * speed_of(found, "bf16").pool_requests, rel=0.01)
    assert "the ratios are an upper bound" in speed_of(found, "fp8").advice


def test_the_stretches_in_words(catalog: Catalog) -> None:
    found = speed_of(compared(catalog, LLAMA_8B, "h100-sxm-80gb", "bf16", "fp8"), "fp8")

    def said(*stretches: tuple[int, bool | None]) -> str:
        return words.by_requests(
            replace(found, stretches=tuple(Stretch(requests=n, faster=faster) for n, faster in stretches))
        )

    assert said((1, True)) == "faster at any number of requests at once up to 256"
    assert said((1, True), (60, False)) == "faster up to 59 requests at once, slower from 60 on"
    assert said((1, True), (51, None), (66, False)) == (
        "faster up to 50 requests at once, as fast up to 65, slower from 66 on"
    )
    assert said((1, False), (2, True)) == "slower up to 1 request at once, faster from 2 on"


def test_the_pools_in_words(catalog: Catalog) -> None:
    found = compared(catalog, LLAMA_8B, "rtx-4090-24gb", "bf16", "awq-int4")
    mine, base = speed_of(found, "awq-int4"), replace(speed_of(found, "bf16"), pool_requests=41.2)
    mine = replace(mine, pool_requests=110.4, ratio_saturated=1.4)

    def said(turn: int, full: float) -> str:
        both = (Stretch(requests=1, faster=True), Stretch(requests=turn, faster=False))
        return words.at_saturation(replace(mine, stretches=both, ratio_saturated=full), base)

    assert said(20, 1.4) == "faster again at saturation, where the bf16 pool holds 41 such requests and this one 110"
    assert said(20, 0.8).startswith("slower at saturation")
    assert said(20, 1.01).startswith("as fast at saturation")
    assert said(100, 1.4) == (
        "faster at saturation, where the bf16 pool holds 41 such requests, so never so many at once, and this one 110"
    )


def test_published_ratios_of_another_sign_are_told(catalog: Catalog) -> None:
    """By the number of requests: as many as are in flight, or saturation beyond what the pool holds; elsewhere: no."""
    mine = speed_of(compared(catalog, LLAMA_8B, "h100-sxm-80gb", "bf16", "awq-int4"), "awq-int4")
    both = (Stretch(requests=1, faster=True), Stretch(requests=60, faster=False))
    mine = replace(mine, stretches=both, most_requests=256, pool_requests=200.0, ratio_saturated=1.3)

    def row(value: float, requests: int, gpu_id: str = "h100-sxm-80gb") -> SpeedFigure:
        return SpeedFigure(
            ratio=value, gpu="a card", gpu_id=gpu_id, model="m", engine="e", requests=requests, input_tokens=1,
            output_tokens=1, source=Source(id="s", title="S"),
        )  # fmt: skip

    agreeing = [row(1.4, 1), row(1.4, 59), row(0.8, 60), row(0.8, 200), row(1.2, 1000), row(1.01, 100)]
    disputing = [row(0.8, 59), row(1.4, 60), row(0.73, 1000)]
    elsewhere = [row(0.8, 1, "h200-sxm-141gb")]
    assert words.disputed_by(mine, (*agreeing, *disputing, *elsewhere)) == tuple(disputing)
    assert replace(mine, disputed=tuple(disputing)).dispute.startswith("3 on this GPU contradict the sign")
    assert replace(mine, disputed=()).dispute == ""
    assert not words.contradicts(0.92, None)
    assert words.contradicts(0.73, None)


def test_sixteen_bit_is_fp16_where_the_gpu_has_no_bf16(catalog: Catalog) -> None:
    model = catalog.models[LLAMA_8B]
    assert sixteen_bit(model, catalog.gpus["t4-16gb"]) == "fp16"
    assert sixteen_bit(model, catalog.gpus["h100-sxm-80gb"]) == "bf16"


def test_a_recommended_conversion_says_its_speed_and_its_quality_with_sources(catalog: Catalog, ask: Ask) -> None:
    question = ask(LLAMA_8B, requests_per_s=5, ttft_p95_s=2.0, tpot_p95_s=0.05)
    option = recommend(question, catalog).outcomes["quantized"]
    assert isinstance(option, Option)
    replica = option.deployment.replica
    assert replica is not None
    assert replica.weights.is_quantized
    name = replica.weights.id
    speed, quality = (next(note for note in option.notes if note.startswith(f"{name} {what}")) for what in WHAT)
    assert "on the same GPUs" in speed
    assert "pool" in speed or "requests at once" in speed
    assert "TRT-LLM quantization blog" in quality
    assert option.quality is not None
    assert f"of {option.quality.measurements} measurements" in quality


WHAT = ("speed", "quality")
