"""How many workers come beside the first, in cases that can be counted by hand."""

from __future__ import annotations

import math

import pytest

from llmplan.planner.comparisons.one_worker import at_least, further_workers, last_good


def test_poisson_tails() -> None:
    assert at_least(0, 3.0) == 1.0
    assert at_least(2, 0.7) == pytest.approx(1.0 - math.exp(-0.7) * 1.7)
    assert at_least(5, 500.0) == pytest.approx(1.0)
    assert at_least(3, 0.0) == 0.0


def test_a_crowd_that_waits_for_a_start_brings_a_worker_for_each_slotful() -> None:
    """40 requests come within a start of 40 s and one worker takes 10: four more for each start, 60 s each."""
    more = further_workers(
        requests_per_s=1.0, starts_per_s=0.001, slots=10, service_s=0.0, start_s=40.0, window_s=20.0
    )  # fmt: skip
    assert more == pytest.approx(4 * 0.001 * 60.0, rel=1e-3)


def test_requests_that_find_a_full_worker_start_another() -> None:
    """One slot, half a request in flight: the share 1 - exp(-1/2) of requests finds it taken."""
    more = further_workers(
        requests_per_s=0.1, starts_per_s=0.0, slots=1, service_s=5.0, start_s=0.0, window_s=5.0
    )  # fmt: skip
    assert more == pytest.approx(0.1 * (1.0 - math.exp(-0.5)) * 10.0)


def test_the_last_load_at_which_it_holds() -> None:
    assert last_good(lambda load: load <= 0.3, (0.25, 0.5, 1.0)) == pytest.approx(0.3)
    assert last_good(lambda load: True, (0.25, 0.5, 1.0)) == 1.0
    assert last_good(lambda load: False, (0.25, 0.5, 1.0)) == pytest.approx(0.0, abs=1e-6)
