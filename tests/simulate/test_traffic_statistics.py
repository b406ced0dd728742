"""Figures of traffic: those that others published for the same traces, and plain arithmetic on small ones."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from llmplan.catalogs.traces import Trace
from llmplan.errors import DataError
from llmplan.simulate.traffic import describe, generate
from llmplan.simulate.traffic.prefix_hits import PrefixHits
from llmplan.spec.requests import Prefixes, Requests
from llmplan.spec.traffic import Histogram, Sessions, SharedPrefix, TrafficShape
from llmplan.spec.workload import Lengths, Workload
from simulate.traffic_columns import made
from tests_support import DATA

TRACES = DATA / "traces"
FILES = {
    "azure-2023-code": "AzureLLMInferenceTrace_code.csv.gz",
    "azure-2023-conv": "AzureLLMInferenceTrace_conv.csv.gz",
    "mooncake-conversation": "mooncake_conversation_trace.jsonl.gz",
}
TALK = Workload(
    requests_per_s=5.0,
    input_tokens=Lengths(mean=900, p50=500, p90=2000),
    output_tokens=Lengths(mean=100, p50=60, p90=220),
    tenants=3,
    traffic=TrafficShape(sessions=Sessions(turns=2.5, think_s=20.0), prefix=SharedPrefix(prefixes=3, tokens=64)),
)


@pytest.mark.skipif(not TRACES.is_dir(), reason="no trace files")
@pytest.mark.parametrize("name", FILES)
def test_published_statistics(name: str) -> None:
    """trace_stats.csv was computed by somebody else from the same files."""
    with (TRACES / "trace_stats.csv").open(newline="", encoding="utf-8") as file:
        (stated,) = (row for row in csv.DictReader(file) if row["trace"] == name)
    found = describe(Trace(str(TRACES / FILES[name])))
    minutes = found.bins[60.0]
    figures: dict[str, tuple[Any, float]] = {
        "requests": (found.requests, 0),
        "duration_h": (found.duration_s / 3600, 0.001),
        "mean_rps": (found.requests_per_s, 0.001),
        "cv_interarrival": (found.gap_cv, 0.001),
        "peak_mean_1s": (found.bins[1.0].peak_to_mean, 0.001),
        "peak_mean_minute": (minutes.peak_to_mean, 0.003),
        "idle_minutes_pct": (100 * minutes.idle_share, 0.001),
        "idc_minute": (minutes.dispersion, 0.001),
    }
    for side, lengths in (("in", found.input_tokens), ("out", found.output_tokens)):
        figures |= {f"{side}_{part}": (getattr(lengths, part), 0.001) for part in ("mean", "p50", "p99", "max")}
        figures |= {f"{side}_{part}": (getattr(lengths, part), 0.002) for part in ("p90", "p95")}
    if found.prefixes is not None:
        figures |= {
            "prefix_hit_blocks": (found.prefixes.hit_block_share, 0.001),
            "prefix_hit_tokens": (found.prefixes.hit_share, 0.001),
            "unique_blocks": (found.prefixes.unique_blocks, 0),
        }
    assert {key: value for key, (value, _) in figures.items()} == {
        key: pytest.approx(float(stated[key]), rel=tolerance, abs=1.01 if key in ("out_p99", "in_p99") else 1e-3)
        for key, (_, tolerance) in figures.items()
    }


def test_a_trace_that_can_be_counted_by_hand() -> None:
    run = Requests(
        arrival_s=np.array([0.0, 1.0, 1.0, 61.0, 181.0]),
        input_tokens=np.array([10, 20, 30, 40, 50]),
        output_tokens=np.array([1, 1, 1, 1, 6]),
        tenant=np.array([0, 1, 1, 1, 0]),
    )
    found = describe([run])
    assert (found.requests, found.duration_s, found.longest_request_tokens) == (5, 181.0, 56)
    assert found.requests_per_s == pytest.approx(5 / 181)
    gaps = np.array([1, 0, 60, 120])
    assert found.gap_cv == pytest.approx(gaps.std() / gaps.mean())
    assert found.equal_stamp_share == 1 / 5
    minutes = found.bins[60.0]  # 3, 1, 0 requests in three whole minutes; the fourth is not over
    assert (minutes.bins, minutes.peak_to_mean, minutes.idle_share) == (3, pytest.approx(9 / 4), pytest.approx(1 / 3))
    assert minutes.dispersion == pytest.approx(np.var([3, 1, 0]) / (4 / 3))
    assert (found.input_tokens.p50, found.input_tokens.p90, found.input_tokens.max) == (30, 50, 50)
    assert (found.output_tokens.mean, found.output_tokens.p50, found.output_tokens.p95) == (2.0, 1, 6)
    assert [(each.tenant, each.request_share) for each in found.tenants] == [(1, 0.6), (0, 0.4)]
    assert found.tenants[0].token_share == pytest.approx(93 / 160)
    assert 3600.0 not in found.bins


@pytest.mark.parametrize("size", [1, 777, 65_536])
def test_the_figures_do_not_depend_on_the_runs(size: int) -> None:
    whole = made(TALK, requests=5_000)
    pieces = []
    for run in whole.runs:
        for begin in range(0, len(run), size):
            end = min(begin + size, len(run))
            assert run.prefixes is not None
            assert run.tenant is not None
            offsets = run.prefixes.offsets[begin : end + 1]
            prefixes = Prefixes(
                block_tokens=run.prefixes.block_tokens,
                offsets=offsets - offsets[0],
                ids=run.prefixes.ids[offsets[0] : offsets[-1]],
            )
            pieces.append(
                Requests(
                    arrival_s=run.arrival_s[begin:end],
                    input_tokens=run.input_tokens[begin:end],
                    output_tokens=run.output_tokens[begin:end],
                    tenant=run.tenant[begin:end],
                    prefixes=prefixes,
                )
            )
    one, other = describe(whole.runs), describe(pieces)
    assert one.prefixes == other.prefixes
    assert one.bins == other.bins
    assert one.input_tokens == other.input_tokens
    assert one.tenants == other.tenants
    assert one.gap_cv == pytest.approx(other.gap_cv)
    assert one.prefixes is not None
    assert one.prefixes.hit_share == pytest.approx(whole.prefix_hit_share(), rel=1e-12)


def test_more_blocks_than_are_remembered_make_a_lower_bound() -> None:
    whole = made(TALK, requests=5_000)
    hits = PrefixHits(most_blocks=500)
    for run in whole.runs:
        assert run.prefixes is not None
        for begin in range(0, len(run), 100):
            offsets = run.prefixes.offsets[begin : begin + 101]
            ids = run.prefixes.ids[offsets[0] : offsets[-1]]
            prefixes = Prefixes(block_tokens=run.prefixes.block_tokens, offsets=offsets - offsets[0], ids=ids)
            hits.add(prefixes, run.input_tokens[begin : begin + 100])
    found = hits.finish()
    assert found is not None
    assert not found.exact
    assert found.unique_blocks <= 500
    assert 0 < found.hit_share < whole.prefix_hit_share()


def test_a_histogram_keeps_percentiles_and_the_mean() -> None:
    """Its bins end at percentiles, so that traffic drawn from it has those of the traffic it was made from."""
    stated = Workload(requests_per_s=1.0, input_tokens=Lengths(mean=2000, p50=1000, p90=5000, p99=20_000),
                      output_tokens=Lengths(mean=28, p50=13, p90=55, p99=251))  # fmt: skip
    measured = describe(generate(stated, seed=1, requests=200_000))
    for lengths in (measured.input_tokens, measured.output_tokens):
        drawn = replace(stated, traffic=TrafficShape(input_tokens=lengths.histogram))
        again = describe(generate(drawn, seed=2, requests=200_000))
        for part, tolerance in (("mean", 0.02), ("p50", 0.03), ("p90", 0.03), ("p99", 0.05)):
            assert getattr(again.input_tokens, part) == pytest.approx(getattr(lengths, part), rel=tolerance, abs=1)
        assert len(lengths.histogram.shares) < 80
        assert isinstance(lengths.histogram, Histogram)


def test_nothing_to_describe() -> None:
    with pytest.raises(DataError, match="nothing to describe"):
        describe([])


def test_one_request_has_no_rate_to_speak_of() -> None:
    one = np.array([1])
    found = describe([Requests(arrival_s=np.array([0.0]), input_tokens=one, output_tokens=one)])
    assert (found.requests, found.gap_cv, found.bins) == (1, None, {})
