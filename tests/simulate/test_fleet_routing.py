"""Where requests go, and that a fleet is no more than its replicas."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from engine_builders import PlainTimes
from hypothesis import given
from hypothesis import strategies as st

from llmplan.simulate.engine import Job, ReplicaRun, RequestLog, Rules
from llmplan.simulate.fleet import Faults, FleetSpec, RouterId, Users, Workers
from llmplan.simulate.fleet.instance import Instance
from llmplan.simulate.fleet.routing import make_router
from llmplan.simulate.fleet.sampler import Sampler
from llmplan.spec.requests import Prefixes, Requests
from simulate.fleet_samples import ROOMY, columns, poisson, requests, served

TIGHT = Rules(max_num_seqs=8, blocks=120, block_tokens=16)
TIMES = PlainTimes(step_s=0.01, prompt_s=2e-5, context_s=1e-6, request_s=0.002)


def alone(traffic: Requests, rules: Rules = ROOMY, times: PlainTimes = TIMES) -> tuple[np.ndarray, np.ndarray]:
    """First tokens and ends of one engine that gets everything."""
    log = RequestLog()
    log.extend(traffic)
    run = ReplicaRun(times, rules, log)
    for index in range(len(traffic)):
        prompt, output = int(traffic.input_tokens[index]), int(traffic.output_tokens[index])
        run.submit(Job(index, float(traffic.arrival_s[index]), prompt, output))
    run.advance(float("inf"))
    return log.column("first_s"), log.column("done_s")


@pytest.mark.parametrize("router", ["round-robin", "least-loaded", "prefix-affine"])
@pytest.mark.parametrize("rules", [ROOMY, TIGHT])
def test_a_fleet_of_one_is_its_engine(router: RouterId, rules: Rules) -> None:
    traffic = poisson(600, 4.0)
    fleet = served(FleetSpec(router=router), traffic, times=TIMES, rules=rules)
    first_s, done_s = alone(traffic, rules)
    assert columns(fleet)[1] == pytest.approx(first_s, rel=1e-11)
    assert columns(fleet)[2] == pytest.approx(done_s, rel=1e-11)


def test_two_replicas_on_pairs_of_requests_are_two_engines() -> None:
    """Each request comes twice: by turns, both replicas get the same."""
    half = poisson(500, 5.0)
    pairs = requests(
        np.repeat(half.arrival_s, 2).tolist(),
        np.repeat(half.input_tokens, 2).tolist(),
        np.repeat(half.output_tokens, 2).tolist(),
    )
    fleet = served(FleetSpec(replicas=2), pairs, times=TIMES)
    first_s, done_s = alone(half)
    for place in (0, 1):
        assert set(fleet.replica_of[place::2]) == {place}
        assert columns(fleet)[1][place::2] == pytest.approx(first_s, rel=1e-11)
        assert columns(fleet)[2][place::2] == pytest.approx(done_s, rel=1e-11)


def test_round_robin_takes_turns_over_runs_of_requests() -> None:
    traffic = [requests([0.0, 1.0]), requests([2.0, 3.0, 4.0])]
    assert served(FleetSpec(replicas=3), traffic).replica_of.tolist() == [0, 1, 2, 0, 1]


def test_least_loaded_sends_to_whoever_has_fewest() -> None:
    """The first request is long; until it is done its replica gets none, unless the other has as many."""
    traffic = requests([0.0, 1.0, 3.0, 3.1, 30.0], output_tokens=[1000, 100, 100, 100, 10])
    fleet = served(FleetSpec(replicas=2, router="least-loaded"), traffic)
    assert fleet.replica_of.tolist() == [0, 1, 1, 0, 0]


def test_a_packed_fleet_fills_one_replica_before_the_next_and_lets_it_run_empty() -> None:
    """Up to two at once on the first, the third on the second, the fuller one when the first is empty."""
    traffic = requests([0.0, 0.1, 0.2, 5.0, 5.01], output_tokens=[100, 100, 1000, 10, 10])
    fleet = served(FleetSpec(replicas=2, router="packed", packed_up_to=2), traffic)
    assert fleet.replica_of.tolist() == [0, 0, 1, 1, 0]


def test_beyond_what_is_packed_the_least_loaded_gets_more() -> None:
    fleet = served(FleetSpec(replicas=2, router="packed", packed_up_to=1), requests([0.0] * 6, output_tokens=[100] * 6))
    assert fleet.replica_of.tolist() == [0, 1, 0, 1, 0, 1]


def test_equal_beginnings_go_to_one_replica_until_it_has_too_much() -> None:
    """200 at once: the home takes 65, which is 64 more than the emptiest has; then all go to the least loaded."""
    calm = requests(np.arange(40.0).tolist(), prefix=[7, 8] * 20)
    homes = served(FleetSpec(replicas=4, router="prefix-affine"), calm).replica_of.tolist()
    assert len(set(homes[::2])) == 1
    assert len(set(homes[1::2])) == 1
    crowd = requests([0.0] * 200, prefix=[7] * 200)
    spread = np.bincount(served(FleetSpec(replicas=4, router="prefix-affine"), crowd).replica_of)
    assert spread.max() - spread.min() <= 65
    assert spread.max() >= 65


def test_conversations_stay_where_their_history_is_and_new_ones_spread() -> None:
    """All begin with block 1; each turn of a conversation has the blocks of the turns before it and two more."""
    turns, talks = 5, range(1, 13)
    ids = [[1, *(100 * talk + each for each in range(2 * turn + 2))] for turn in range(turns) for talk in talks]
    traffic = requests(np.arange(float(turns * len(talks))).tolist(), output_tokens=150)
    traffic = replace(
        traffic,
        prefixes=Prefixes(
            block_tokens=16,
            offsets=np.concatenate(([0], np.cumsum([len(each) for each in ids]))),
            ids=np.concatenate(ids),
        ),
    )
    homes = np.array(served(FleetSpec(replicas=3, router="prefix-affine"), traffic).replica_of).reshape(
        turns, len(talks)
    )
    assert (homes == homes[0]).all()
    assert len(set(homes[0].tolist())) == 3


def test_tenants_without_prefixes_have_homes_too() -> None:
    """When a replica fails, only its own tenants move, and only to who is left."""
    traffic = requests(np.arange(240.0).tolist(), tenant=list(range(40)) * 6)
    spec = FleetSpec(replicas=4, router="prefix-affine", start_s=1000.0, faults=Faults(at=((119.5, 1),)))
    homes = np.array(served(spec, traffic).replica_of).reshape(6, 40)
    before, after = homes[:3], homes[3:]
    assert (before == before[0]).all()
    assert (after == after[0]).all()
    assert set(before[0].tolist()) == {0, 1, 2, 3}
    moved = before[0] != after[0]
    assert (before[0][moved] == 1).all()
    assert 1 not in after[0]


def test_one_queue_for_all_workers_serves_in_order_of_arrival() -> None:
    """Workers with one place each are a queue with several servers: each request begins when the first of them is
    free, as the recursion of Kiefer and Wolfowitz has it."""
    traffic = poisson(400, 2.5, seed=3, mean_input=1, mean_output=100)
    policy = Workers(target_concurrency=1, min_replicas=3, max_replicas=3)
    fleet = served(FleetSpec(autoscaler=policy), traffic)
    free, ends = [0.0, 0.0, 0.0], []
    for arrival_s, output in zip(traffic.arrival_s, traffic.output_tokens, strict=True):
        begin = max(arrival_s, min(free))
        free.remove(min(free))
        free.append(begin + 0.01 * output)
        ends.append(free[-1])
    assert columns(fleet)[2] == pytest.approx(ends, rel=1e-9)
    assert max(np.array(ends) - traffic.arrival_s - 0.01 * traffic.output_tokens) > 1.0


@pytest.mark.parametrize("think_s", [0.0, 0.5])
def test_users_send_one_request_after_the_other(think_s: float) -> None:
    """Steps of 10 ms, 10 of them a request: 10 users alone, each served in 100 ms, then thinking."""
    traffic = requests([0.0] * 100)
    fleet = served(FleetSpec(), traffic, users=Users(count=10, think_s=think_s))
    arrival_s, _, done_s = columns(fleet)
    assert done_s - arrival_s == pytest.approx(np.full(100, 0.1))
    assert sorted(arrival_s) == pytest.approx(np.repeat(np.arange(10) * (0.1 + think_s), 10))


def test_users_of_several_replicas_are_as_many_as_of_one_engine() -> None:
    """With steps that take the same whatever the batch, where users go changes nothing; the walk over four replicas
    and the jumps of one give the same times."""
    traffic = poisson(500, 1.0, mean_input=1)
    exact = PlainTimes(step_s=1.0 / 128.0)
    one = served(FleetSpec(), traffic, users=Users(count=8), times=exact)
    four = served(FleetSpec(replicas=4), traffic, users=Users(count=8), times=exact)
    assert np.sort(columns(four)[2]) == pytest.approx(np.sort(columns(one)[2]), rel=1e-9)
    assert len(set(four.replica_of)) == 4


def test_requests_that_never_fit_are_refused_and_named() -> None:
    rules = Rules(max_num_seqs=8, blocks=10, block_tokens=16, longest_tokens=500)
    traffic = requests([0.0, 1.0, 2.0, 3.0], input_tokens=[10, 600, 200, 20])
    for router in ("round-robin", "least-loaded"):
        fleet = served(FleetSpec(router=router, replicas=2), traffic, rules=rules)
        assert fleet.refusals == {"longer than max_model_len": 1, "larger than the KV pool": 1}
        assert fleet.log.refused == 2
        assert (columns(fleet)[2] > 0).tolist() == [True, False, False, True]
    fleet = served(FleetSpec(), traffic, rules=rules, users=Users(count=1))
    assert fleet.log.refused == 2
    assert (columns(fleet)[2] > 0).sum() == 2


class Holding(Instance):
    """A replica that holds so many requests."""

    __slots__ = ("count",)

    def __init__(self, number: int, count: int) -> None:
        super().__init__(number, 0.0, Sampler())
        self.count = count

    def held(self, now_s: float) -> int:
        return self.count


@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=6), router=st.sampled_from(["least-loaded", "packed"]),
    up_to=st.integers(1, 8), slots=st.sampled_from([None, 3, 10]),
)  # fmt: skip
def test_many_requests_at_once_go_where_one_after_the_other_would(
    counts: list[int], router: RouterId, up_to: int, slots: int | None
) -> None:
    replicas = [Holding(number, count) for number, count in enumerate(counts)]
    at_once = make_router(router, up_to).places(replicas, 0.0, slots)
    assert at_once is not None
    found = [each.id for each in islice(at_once, 30)]
    one_by_one = []
    while len(one_by_one) < 30:
        room = [each for each in replicas if slots is None or each.count < slots]
        if not room:
            break
        chosen = make_router(router, up_to).pick(room, Job(0, 0.0, 1, 1), 0, 0.0)
        assert isinstance(chosen, Holding)
        chosen.count += 1
        one_by_one.append(chosen.id)
    assert found == one_by_one
