"""The solver, and what it makes of a machine whose coefficients are known because the test made them up."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np
import pytest
from perf_builders import H100, TYPICAL, budget, calibration, load, replica

from llmplan.errors import DataError
from llmplan.perf import estimate, select_calibration
from llmplan.perf.calibration import COEFFICIENT_NAMES, Coefficients
from llmplan.perf.coefficient_bounds import BOUNDS, MEANT, OWN, WIDTHS, bounds_of
from llmplan.perf.fitting import Box, minimize
from llmplan.perf.machine import Machine, Point, blended, fit_machine, impossible, predict
from llmplan.plan.machine_fit import MachineFit
from llmplan.spec.calibration import Calibration, ResidualBand
from llmplan.spec.provenance import Source

MACHINE = Machine(engine="vllm", generation="hopper", gpu="h100-sxm-80gb", model="m")
OURS = TYPICAL | {"memory_efficiency": 0.6, "launch_s": 5e-6, "request_s": 0.05, "attention_efficiency": 0.25}
"""a slower machine than TYPICAL in four respects"""
LOADS = [
    load(kind, value, isl, osl)
    for kind, value, isl, osl in (
        ("concurrency", 1, 200, 200), ("concurrency", 1, 8000, 200), ("concurrency", 4, 1000, 300),
        ("concurrency", 16, 1000, 300), ("concurrency", 64, 1000, 300), ("concurrency", 16, 6000, 100),
        ("rate", 2, 1000, 300), ("rate", 8, 500, 150), ("burst", 64, 500, 200), ("saturation", 0, 1000, 300),
    )
]  # fmt: skip
HELD_BACK = [load("concurrency", 8, 3000, 500), load("concurrency", 32, 300, 300), load("rate", 4, 2000, 200)]


def box(low: float, high: float, centre: float, width: float) -> Box:
    return Box(low=np.array([low]), high=np.array([high]), centre=np.array([centre]), width=np.array([width]))


def test_the_prior_and_the_data_meet_by_their_weights() -> None:
    """One error x - 1 with unit weight against a prior at 0 of width 1: halfway, as long as the loss is a square."""
    found = minimize(lambda x: x - 1.0, np.array([0.0]), box(-9, 9, 0.0, 1.0), rounds=30, knee=1e3)
    assert found[0] == pytest.approx(0.5, abs=1e-3)


def test_bounds_hold() -> None:
    found = minimize(lambda x: x - 5.0, np.array([0.0]), box(-1, 0.25, 0.0, 1e3), rounds=30, knee=0.3)
    assert found[0] == 0.25


def test_an_outlier_pulls_little() -> None:
    """Nine errors at 0 and one at 10: squares would settle at 1."""
    found = minimize(
        lambda x: np.append(np.repeat(x, 9), x - 10.0), np.array([0.0]), box(-20, 20, 0.0, 1e3), rounds=50, knee=0.1
    )
    assert abs(found[0]) < 0.05


def test_bounds_are_those_of_coefficients() -> None:
    assert {*BOUNDS, *OWN, *WIDTHS} <= set(COEFFICIENT_NAMES)
    assert set(MEANT) <= set(BOUNDS)
    assert bounds_of("memory_efficiency", 0.4) == (0.1, 1.0)
    assert bounds_of("launch_s", 4e-6) == (1e-6, 1.6e-5)
    assert bounds_of("dequantization_factor", 0.9) == (0.9, 2.5)


def points(truth: dict[str, float], loads: list = LOADS) -> list[Point]:  # type: ignore[type-arg]
    """What a machine with these coefficients would measure."""
    found = []
    for number, each in enumerate(loads):
        wanted = Point.of(str(number), replica(), budget(), each, dict.fromkeys(("tpot", "ttft", "throughput"), 1.0))
        found.append(replace(wanted, measured=predict(wanted, calibration(truth))))
    return found


def fitted(truth: dict[str, float]) -> MachineFit:
    source = Source(id="calibrate", title="a test")
    return fit_machine(points(truth), calibration(), MACHINE, source=source, day=date(2026, 11, 1), validity="some")


@cache
def ours() -> MachineFit:
    """The fit of the slower machine."""
    return fitted(OURS)


def worst(found: Calibration, truth: dict[str, float]) -> float:
    """The largest error on loads that were not fitted."""
    return max(
        abs(value / point.measured[name] - 1.0)
        for point in points(truth, HELD_BACK)
        for name, value in predict(point, found).items()
    )


def test_a_machine_is_found_again_from_ten_points() -> None:
    fit = ours()
    assert worst(calibration(), OURS) > 0.4
    assert worst(fit.calibration, OURS) < 0.05
    assert fit.calibration.coefficients["request_s"] == pytest.approx(0.05, rel=0.1)
    assert fit.calibration.coefficients["memory_efficiency"] == pytest.approx(0.6, rel=0.15)  # it was 0.85
    medians = {stage: max(each.median for each in fit.summaries(stage)) for stage in ("before", "after", "left_out")}  # type: ignore[arg-type]
    assert medians["after"] < 0.02 < medians["before"]
    assert medians["after"] <= medians["left_out"] < medians["before"]


def test_points_that_no_coefficient_reaches_are_counted() -> None:
    """Bounds are a quarter and four times: steps of a twentieth of the speed stay outside of the interval."""
    far = points(TYPICAL, LOADS[:3])
    slow = [replace(each, measured={name: 20.0 * value for name, value in each.measured.items() if name == "tpot"})
            for each in far]  # fmt: skip
    source = Source(id="calibrate", title="a test")
    fit = fit_machine(slow, calibration(), MACHINE, source=source, day=date(2026, 11, 1), validity="some")
    assert fit.outside("tpot") == (3, 3)
    assert ours().outside("tpot")[0] == 0


def test_what_no_point_tells_stays_where_it_was() -> None:
    fit = ours()
    told = {move.name for move in fit.moves}
    untold = ("matrix_8bit_efficiency", "expert_memory_efficiency", "allreduce_fast_efficiency", "network_latency_s")
    assert not told & set(untold)
    for name in untold:
        assert fit.calibration.coefficients[name] == TYPICAL[name]


def test_a_machine_that_is_as_predicted_changes_nothing() -> None:
    fit = fitted(TYPICAL)
    assert fit.moves == ()
    assert fit.far == ()
    assert fit.calibration.coefficients == pytest.approx(TYPICAL)


def test_the_calibration_is_keyed_and_sourced() -> None:
    found = ours().calibration
    assert (found.id, found.gpu, found.model, found.rows) == ("vllm-h100-sxm-80gb-m", "h100-sxm-80gb", "m", len(LOADS))
    assert found.provenance["request_s"].source.id == "calibrate"
    assert found.provenance["rows"].as_of == date(2026, 11, 1)
    assert found.fitted == date(2026, 11, 1)


def test_bands_mix_the_points_with_the_prior() -> None:
    prior = ResidualBand(low_ratio=0.5, high_ratio=2.0, rows=100)
    assert blended(prior, []) == prior
    low, high = np.percentile(np.log([0.9, 1.0, 1.0, 1.1, 1.2]), [10, 90])
    mixed = blended(prior, [0.9, 1.0, 1.0, 1.1, 1.2])
    assert mixed.low_ratio == pytest.approx(math.exp((5 * low + 5 * math.log(0.5)) / 10))
    assert mixed.high_ratio == pytest.approx(math.exp((5 * high + 5 * math.log(2.0)) / 10))
    assert mixed.rows == 5
    one_sided = blended(prior, [1.5] * 5)
    assert one_sided.low_ratio == pytest.approx(math.sqrt(0.5))


def test_one_wild_point_is_named_and_does_not_pull_the_rest() -> None:
    wild = points(OURS)
    tenfold = {name: value * 10.0 for name, value in wild[3].measured.items() if name == "tpot"}
    wild[3] = replace(wild[3], measured=tenfold)
    source = Source(id="calibrate", title="a test")
    fit = fit_machine(wild, calibration(), MACHINE, source=source, day=date(2026, 11, 1), validity="some")
    assert fit.far[0].origin == "3"
    assert worst(fit.calibration, OURS) < 0.15


def test_quantities_without_a_counterpart_are_not_compared() -> None:
    measured = {"tpot": 0.01, "ttft": 0.1, "throughput": 100.0}
    kept = {
        (each.kind, each.value): set(Point.of("", replica(), budget(), each, measured).measured)
        for each in (load("burst", 8), load("burst", 1), load("saturation", 0), load("concurrency", 8))
    }
    assert kept["burst", 8] == {"ttft", "throughput"}
    assert kept["saturation", 0] == {"tpot", "throughput"}
    assert kept["burst", 1] == kept["concurrency", 8] == set(measured)


def test_faster_than_the_memory_is_impossible() -> None:
    """8.03 B weights of 2 bytes over 3.35 TB/s are 4.8 ms."""
    bound_s = 2 * 8.03e9 / H100.memory_bandwidth_bytes_per_s
    slow = {"tpot": 1.1 * bound_s, "throughput": 0.9 / bound_s, "ttft": 1.1 * bound_s}
    fast = {"tpot": 0.5 * bound_s, "throughput": 2.0 / bound_s, "ttft": 0.5 * bound_s}
    alone = load("concurrency", 1, 10, 100)
    assert impossible(Point.of("", replica(), budget(), alone, slow)) == ()
    assert set(impossible(Point.of("", replica(), budget(), alone, fast))) == {"tpot", "throughput", "ttft"}


def test_no_points_are_refused() -> None:
    source = Source(id="calibrate", title="a test")
    with pytest.raises(DataError, match="nothing to calibrate with"):
        fit_machine([], calibration(), MACHINE, source=source, day=date(2026, 11, 1), validity="")


def test_a_machine_goes_before_its_generation_and_a_model_before_the_machine() -> None:
    engine, general = replica().engine, calibration()
    of_gpu = calibration(id="vllm-h100", gpu=H100.id)
    of_model = calibration(id="vllm-h100-m", gpu=H100.id, model="Org/M")
    other = calibration(id="vllm-other", gpu="another-gpu")
    known = [of_model, general, other, of_gpu]
    assert select_calibration(known, engine, H100, "org/m") is of_model
    assert select_calibration(known, engine, H100, "org/other") is of_gpu
    assert select_calibration(known, engine, H100) is of_gpu
    assert select_calibration([of_model, general], engine, H100, "org/other") is general
    assert select_calibration([other, general], engine, H100, "org/m") is general


def test_versions_with_kernels_of_another_making_have_calibrations_of_their_own() -> None:
    older = replace(replica().engine, version="0.1.0", calibrated_as="vllm-compiled")
    of_engine, apart = calibration(), calibration(id="vllm-compiled-any", engine="vllm-compiled", generation="any")
    of_gpu = calibration(id="vllm-h100", gpu=H100.id)
    of_gpu_apart = calibration(id="vllm-compiled-h100", engine="vllm-compiled", gpu=H100.id)
    assert select_calibration([of_engine, apart], older, H100).id == "vllm-compiled-any"
    assert select_calibration([of_engine, of_gpu, apart], older, H100).id == "vllm-compiled-any"
    assert select_calibration([of_engine, of_gpu, of_gpu_apart], older, H100) is of_gpu_apart
    nearest = select_calibration([of_engine], older, H100)
    assert (nearest.id, nearest.rows) == (of_engine.id, 0)
    assert select_calibration([of_engine, apart, of_gpu_apart], replica().engine, H100) is of_engine


def test_a_machine_calibrated_by_an_older_version_is_told_what_to_do() -> None:
    fewer = {name: value for name, value in TYPICAL.items() if name != "launch_s"}
    with pytest.raises(DataError, match="lacks the coefficient 'launch_s'") as shipped:
        Coefficients.of(calibration(fewer))
    assert shipped.value.hints == ()
    with pytest.raises(DataError) as own:
        Coefficients.of(calibration(fewer, gpu=H100.id))
    assert "llmplan calibrate" in own.value.hints[0]


def test_what_an_engine_measured_of_itself_lacks_the_client() -> None:
    measured, alone = {"ttft": 0.1, "tpot": 0.01}, load("concurrency", 1)
    over_http, inside = (
        Point.of("", replica(), budget(), alone, measured, client=client) for client in (True, False)
    )  # fmt: skip
    far, near = (predict(each, calibration()) for each in (over_http, inside))
    assert far["ttft"] - near["ttft"] == pytest.approx(TYPICAL["request_s"])
    assert far["tpot"] == near["tpot"]


def test_an_estimate_names_the_machine() -> None:
    found = ours().calibration
    answer = estimate(replica(), budget(), load("concurrency", 8), found)
    assert (answer.calibration_id, answer.extrapolated) == ("vllm-h100-sxm-80gb-m", False)
