"""Tenants that take turns: who comes next, and what a burst of one does to the others."""

from __future__ import annotations

import numpy as np
import pytest
from engine_builders import PlainTimes, played, poisson, rules

from llmplan.simulate.engine import Job
from llmplan.simulate.engine.fair_queue import FairQueue
from llmplan.spec.requests import Requests


def queue_of(*jobs: tuple[int, int]) -> FairQueue:
    """Jobs of (tenant, prompt tokens), in order of arrival, each with an answer of one token."""
    tenants = [tenant for tenant, _ in jobs]
    queue = FairQueue(lambda job: tenants[job.index])
    for index, (_, prompt) in enumerate(jobs):
        queue.append(Job(index, float(index), prompt, 1))
    return queue


def order_of(queue: FairQueue) -> list[int]:
    order = []
    while len(queue):
        job = queue.popleft()
        job.order = 1
        order.append(job.index)
    return order


def test_one_tenant_is_served_in_order() -> None:
    assert order_of(queue_of((5, 9), (5, 1), (5, 4))) == [0, 1, 2]


def test_two_tenants_take_turns_whoever_came_in_numbers() -> None:
    assert order_of(queue_of((1, 10), (1, 10), (1, 10), (2, 10), (2, 10))) == [0, 3, 1, 4, 2]


def test_long_requests_count_for_more() -> None:
    """A prompt of 50 + 2 x 1 is as much as four of 10 + 2 x 1 and a bit."""
    assert order_of(queue_of((1, 50), (1, 50), (2, 10), (2, 10), (2, 10), (2, 10), (2, 10))) == [0, 2, 3, 4, 5, 6, 1]


def test_silence_saves_up_nothing() -> None:
    """Tenant 2 was served 12 tokens and tenant 1 102; when 2 comes back while 1 waits, it starts at 102 as well."""
    queue = queue_of((1, 100), (1, 100), (2, 10))
    assert [queue.popleft().index for _ in range(2)] == [0, 2]
    queue.append(Job(2, 9.0, 10, 1))
    assert len(queue) == 2
    assert order_of(queue) == [1, 2]


def test_one_that_is_sent_back_comes_first_and_pays_once() -> None:
    queue = queue_of((1, 10), (1, 10), (2, 10))
    job = queue.popleft()
    job.order = 1
    queue.appendleft(job)
    assert [each.index for each in queue] == [0, 1, 2]
    assert order_of(queue) == [2, 0, 1]


def test_a_burst_of_one_tenant_does_not_delay_the_other() -> None:
    """Tenant 0 sends 400 requests at once, tenant 1 one each second: with turns it hardly waits."""
    steady = np.arange(1.0, 41.0)
    arrival_s = np.concatenate([np.zeros(400), steady])
    order = np.argsort(arrival_s, kind="stable")
    tenant = np.concatenate([np.zeros(400, dtype=np.int64), np.ones(40, dtype=np.int64)])
    traffic = Requests(
        arrival_s=arrival_s[order], input_tokens=np.full(440, 20), output_tokens=np.full(440, 100), tenant=tenant[order]
    )
    worst = {}
    for fair in (False, True):
        _, log = played(traffic, PlainTimes(step_s=0.01), rules(max_num_seqs=8, fair_share=fair))
        waits_s = np.asarray(log.column("first_s")) - traffic.arrival_s
        worst[fair] = float(waits_s[tenant[order] == 1].max())
        assert (log.column("done_s") > 0).all()
    assert worst[False] > 8.0
    assert worst[True] < 1.5


def test_without_tenants_it_is_first_come_first_served() -> None:
    traffic = poisson(300, 30.0, seed=3, spread=0.5)
    times = PlainTimes(sequence_s=1e-3)
    plain, fair = (played(traffic, times, rules(max_num_seqs=4, fair_share=fair))[1] for fair in (False, True))
    assert fair.column("done_s") == pytest.approx(plain.column("done_s"))
