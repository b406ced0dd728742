"""A server's work for each sequence, more sequences than anybody measured, and a GPU's share of its host."""

from __future__ import annotations

import math
from datetime import date

import pytest
from perf_builders import HGX, LLAMA_8B, budget, calibration, coefficients, load, replica

from llmplan.perf import estimate
from llmplan.perf.calibration import widened_for
from llmplan.perf.machine import Machine, Point, fit_machine, predict
from llmplan.perf.step import StepModel
from llmplan.plan.deployment import Offload, Parallelism
from llmplan.plan.hosts import share_of
from llmplan.spec.provenance import Source

SEQUENCE_S = 1e-3
SOURCE = Source(id="own", title="a test")


@pytest.mark.parametrize(("batch", "pp", "dp", "chosen"), [(1, 1, 1, 1), (1, 4, 1, 1), (8, 4, 1, 8), (8, 1, 2, 4)])
def test_each_token_is_chosen_once_whatever_the_stages(batch: int, pp: int, dp: int, chosen: int) -> None:
    """Of a data-parallel group: 1 of 1, also through 4 stages; 8 of 8 in 4 micro-batches; 4 of 8 in one of 2 groups."""
    of = replica(parallel=Parallelism(pp=pp, dp=dp))
    with_work, without = (
        StepModel(of, coefficients(sequence_s=seconds), 1e6).decode_s(batch, 500) for seconds in (SEQUENCE_S, 0.0)
    )
    assert with_work - without == pytest.approx(chosen * SEQUENCE_S)


def test_what_only_ran_the_model_is_held_against_a_prediction_without_that_work() -> None:
    one = load("concurrency", 1)
    server, bench = (
        predict(Point.of("row", replica(), budget(), one, {"tpot": 0.01}, samples=samples), calibration())["tpot"]
        for samples in (True, False)
    )
    assert server - bench == pytest.approx(calibration().coefficients["sequence_s"], rel=1e-6)


@pytest.mark.parametrize(("batch", "exponent"), [(1.0, 1.0), (2.0, 2.0), (8.0, 4.0), (1000.0, 5.0)])
def test_each_doubling_beyond_what_was_measured_adds_the_band_once_more(batch: float, exponent: float) -> None:
    seen = calibration(most_seqs=1)
    found = widened_for(seen, batch)
    before, after = seen.bands["tpot"], found.bands["tpot"]
    assert math.log(after.high_ratio) == pytest.approx(exponent * math.log(before.high_ratio))
    assert math.log(after.low_ratio) == pytest.approx(exponent * math.log(before.low_ratio))
    assert (found.rows == 0) == (batch > 1)
    assert widened_for(calibration(), batch) == calibration()


def test_an_answer_for_more_sequences_than_were_measured_says_so() -> None:
    found = [estimate(replica(), budget(), load("concurrency", users), calibration(most_seqs=4)) for users in (2, 64)]
    assert [each.extrapolated for each in found] == [False, True]


def test_a_fit_to_more_sequences_has_seen_them() -> None:
    prior = calibration(most_seqs=1)
    point = Point.of("row", replica(), budget(), load("concurrency", 8), {"tpot": 0.01})
    machine = Machine(engine="vllm", generation="hopper", gpu="h100-sxm-80gb", model=None)
    fitted = fit_machine([point], prior, machine, source=SOURCE, day=date(2026, 1, 1), validity="")
    assert fitted.calibration.most_seqs == 8
    assert "most_seqs" in fitted.calibration.provenance


def test_a_gpu_of_eight_has_an_eighth_of_the_host() -> None:
    share = share_of(HGX, 1)
    assert (share.gpus, share.memory_bytes, share.cpu_cores) == (1, HGX.memory_bytes // 8, HGX.cpu_cores // 8)
    assert share.memory_bandwidth_bytes_per_s == HGX.memory_bandwidth_bytes_per_s / 8
    assert share_of(HGX, 8) == HGX


def test_layers_on_the_cpu_were_in_no_fit() -> None:
    split = replica(LLAMA_8B, offload=Offload(kind="layers", host_layers=8))
    assert estimate(split, budget(), load("concurrency", 1), calibration()).extrapolated
