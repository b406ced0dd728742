"""A trace in memory: its parts, its tenants, and the same with more or fewer users."""

from __future__ import annotations

import numpy as np
import pytest

from llmplan.simulate.traffic.recorded import Recorded, together
from llmplan.spec.request_runs import joined
from llmplan.spec.requests import Prefixes, Requests


def trace(count: int = 6) -> Recorded:
    """A request a second; request i has i tokens more than 100, i % 3 blocks of prefix and the tenant i % 2."""
    sizes = np.arange(count) % 3
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    ids = np.concatenate([np.arange(size) + 10 * place for place, size in enumerate(sizes)]).astype(np.int64)
    requests = Requests(
        arrival_s=np.arange(count, dtype=float),
        input_tokens=100 + np.arange(count),
        output_tokens=np.full(count, 5),
        tenant=np.arange(count) % 2,
        prefixes=Prefixes(block_tokens=16, offsets=offsets, ids=ids),
    )
    return Recorded.of("t", [requests])


def test_a_part_counts_from_its_start_and_keeps_its_prefixes() -> None:
    part = trace().between(2.0, 4.0).requests
    assert part.arrival_s.tolist() == [0.0, 1.0, 2.0]
    assert part.input_tokens.tolist() == [102, 103, 104]
    assert part.prefixes is not None
    assert [part.prefixes.of(place) for place in range(3)] == [(20, 21), (), (40,)]


def test_a_tenant_keeps_its_times() -> None:
    assert trace().tenants == [0, 1]
    assert trace().of_tenant(1).requests.arrival_s.tolist() == [1.0, 3.0, 5.0]


def test_the_busiest_window_has_the_most_arrivals() -> None:
    arrival_s = np.array([0.0, 10.0, 20.0, 20.5, 21.0, 40.0])
    requests = Requests(arrival_s=arrival_s, input_tokens=np.full(6, 1), output_tokens=np.full(6, 1))
    assert Recorded.of("t", [requests]).busiest(2.0) == (20.0, 22.0)
    assert Recorded.of("t", [requests]).busiest(100.0) == (0.0, 40.0)


def test_runs_join_to_what_they_were_cut_from() -> None:
    whole = trace(7)
    again = joined([whole.between(0.0, 2.5).requests, whole.between(2.5, 6.5).requests])
    assert again.input_tokens.tolist() == whole.requests.input_tokens.tolist()
    assert again.prefixes is not None
    assert whole.requests.prefixes is not None
    assert [again.prefixes.of(i) for i in range(7)] == [whole.requests.prefixes.of(i) for i in range(7)]


@pytest.mark.parametrize("factor", [0.1, 0.5, 1.0, 1.5, 3.0])
def test_scaling_scales_the_rate_and_nothing_else(factor: float) -> None:
    rng = np.random.default_rng(5)
    count = 20_000
    hour = np.sort(rng.choice(24, count, p=np.arange(1, 25) / 300) + rng.random(count)) * 3600
    requests = Requests(
        arrival_s=hour, input_tokens=rng.integers(1, 999, count), output_tokens=rng.integers(1, 99, count)
    )
    before = Recorded.of("t", [requests])
    after = before.scaled(factor, seed=3)
    assert len(after) == pytest.approx(factor * count, rel=0.03)
    assert (np.diff(after.requests.arrival_s) >= 0).all()
    assert after.requests.input_tokens.mean() == pytest.approx(requests.input_tokens.mean(), rel=0.03)
    counts = [np.histogram(each.requests.arrival_s, bins=24)[0] / len(each) for each in (before, after)]
    assert counts[1] == pytest.approx(counts[0], abs=4 * float(np.sqrt(0.08 / len(after))))
    assert before.scaled(factor, seed=3).requests.arrival_s.tolist() == after.requests.arrival_s.tolist()


def test_one_time_as_many_is_the_trace_itself() -> None:
    assert trace().scaled(1.0).requests.arrival_s.tolist() == trace().requests.arrival_s.tolist()


def test_added_users_have_prefixes_of_their_own() -> None:
    doubled = trace().scaled(2.0).requests
    assert doubled.prefixes is not None
    groups = [doubled.prefixes.of(place) for place in range(len(doubled)) if doubled.prefixes.of(place)]
    assert len(groups) == len(set(groups)) == 8


def test_traces_of_one_tenant_each_are_served_together() -> None:
    first, second = trace(3), trace(5)
    both = together([first, second])
    assert (both.name, both.duration_s, len(both)) == ("t + t", 4.0, 8)
    assert both.requests.tenant is not None
    assert both.requests.tenant.tolist() == [0, 1, 0, 1, 0, 1, 1, 1]
    assert both.of_tenant(1).requests.input_tokens.tolist() == second.requests.input_tokens.tolist()
    assert both.requests.prefixes is not None
    texts = [both.requests.prefixes.of(place) for place in range(8)]
    assert texts[2] == (10,)
    assert texts[3] != (10,)
    assert len(texts[3]) == 1


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_a_factor_is_above_zero(factor: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        trace().scaled(factor)
