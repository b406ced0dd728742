"""Requests on their way to the scheduler, and steps that prompts have for themselves."""

from __future__ import annotations

from collections import deque

import pytest
from engine_builders import PlainTimes, rules

from llmplan.simulate.engine import Job, ReplicaRun, RequestLog, Rules
from llmplan.simulate.engine.front_end import FrontEnd


def passed(front: FrontEnd, now_s: float) -> list[int]:
    waiting: deque[Job] = deque()
    front.pass_on(now_s, waiting)
    return [job.index for job in waiting]


def test_one_request_waits_its_own_time() -> None:
    front = FrontEnd(0.5, 1)
    front.add(Job(0, 2.0, 1, 1), 2.0)
    assert front.next_s == 2.5
    assert passed(front, 2.25) == []
    assert passed(front, 2.5) == [0]
    assert len(front) == 0


def test_all_at_once_wait_for_all_of_them() -> None:
    """Four at t = 0 take 4 x 0.5 s together; two servers halve that."""
    for servers, through_s in ((1, 2.0), (2, 1.0)):
        front = FrontEnd(0.5, servers)
        for index in range(4):
            front.add(Job(index, 0.0, 1, 1), 0.0)
        assert passed(front, through_s - 0.01) == []
        assert front.next_s == through_s
        assert passed(front, through_s) == [0, 1, 2, 3]


def test_who_comes_during_a_round_is_in_the_next() -> None:
    """The first alone until 0.5, then the two that came meanwhile until 1.5, then the last until 2.0."""
    front = FrontEnd(0.5, 1)
    for index, at_s in enumerate((0.0, 0.1, 0.4, 0.6)):
        front.add(Job(index, at_s, 1, 1), at_s)
    assert [passed(front, now_s) for now_s in (0.5, 1.49, 1.5, 1.99, 2.0)] == [[0], [], [1, 2], [], [3]]


def test_nothing_is_lost_on_the_way() -> None:
    front = FrontEnd(0.5, 1)
    for index, at_s in enumerate((0.0, 0.1)):
        front.add(Job(index, at_s, 1, 1), at_s)
    passed(front, 0.2)
    assert [job.index for job in front.take()] == [0, 1]
    assert len(front) == 0
    front.add(Job(2, 7.0, 1, 1), 7.0)
    assert front.next_s == 7.5


def times_of(times: PlainTimes, stated: Rules, jobs: list[tuple[float, int, int]]) -> list[tuple[float, float]]:
    log = RequestLog()
    run = ReplicaRun(times, stated, log)
    for arrival_s, prompt, output in jobs:
        run.submit(Job(log.add(arrival_s, prompt, output), arrival_s, prompt, output))
    run.advance(1e9)
    return list(zip(log.column("first_s").tolist(), log.column("done_s").tolist(), strict=True))


@pytest.mark.parametrize(("first", "done_s"), [(False, 5.0), (True, 7.0)])
def test_running_sequences_stand_still_while_prompts_go_first(first: bool, done_s: float) -> None:
    """Steps of 1 s, 10 tokens each. A: prompt 10, answer 5: first token at 1 s, four more steps. B comes at 1 s with
    20 tokens. Mixed, its chunks share A's steps. Alone, they take two steps of their own, in which A stands still."""
    times = PlainTimes(step_s=1.0, budget_tokens=11 if not first else 10)
    found = times_of(times, rules(prompts_first=first), [(0.0, 10, 5), (1.0, 20, 1)])
    assert found[0] == pytest.approx((1.0, done_s))
    assert found[1] == pytest.approx((3.0, 3.0))


class TwoGroups(PlainTimes):
    """Each group has its own budget, and a step is as long as its fuller one."""

    def __init__(self) -> None:
        super().__init__(step_s=1.0, budget_tokens=10)
        self.groups = 2


def test_each_group_takes_a_prompt() -> None:
    """Two prompts of 30 tokens, 10 a step and group: both are through after three steps, not one after the other."""
    found = times_of(TwoGroups(), rules(), [(0.0, 30, 1), (0.0, 30, 1)])
    assert [each for pair in found for each in pair] == pytest.approx([3.0] * 4)
