"""Break-evens: the order of two bills flips where it was solved to, by the planner's own evaluation on both sides."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.plan.comparisons import BreakEven, Comparisons
from llmplan.plan.outcome import Option
from llmplan.plan.plan import Plan
from llmplan.planner import compare, evaluate, recommend
from llmplan.planner.comparisons.base import context_of, machines_of
from llmplan.planner.comparisons.crossings import flips, root
from llmplan.planner.comparisons.machines import Machines
from llmplan.planner.comparisons.rivals import Rivals, rivals_of
from llmplan.planner.comparisons.seconds import Seconds
from llmplan.planner.comparisons.tokens import hosted
from llmplan.planner.context import Context
from llmplan.planner.demand import with_rate
from llmplan.spec.catalog import Catalog
from llmplan.spec.workload import Slo
from llmplan.units import SECONDS_PER_DAY
from tests_support import LLAMA_8B, LLAMA_70B, Ask

QUESTIONS: tuple[dict[str, object], ...] = (
    {"model": LLAMA_8B, "requests_per_s": 5.0, "ttft_p95_s": 2.0},
    {"model": LLAMA_8B, "requests_per_s": 0.05, "isl": 3000, "osl": 100},
    {"model": LLAMA_70B, "requests_per_s": 5.0, "ttft_p95_s": 2.0, "tpot_p95_s": 0.05},
    {"model": LLAMA_8B, "requests_per_s": 2.0, "gpu_ids": ("h100-sxm-80gb",)},
    {"model": LLAMA_70B, "requests_per_s": 0.05},
)


class Case:
    """A plan, what is set beside it, and the ways of it."""

    def __init__(self, plan: Plan, catalog: Catalog) -> None:
        self.plan = plan
        self.context = context_of(plan, catalog)
        self.found = compare(plan, catalog)
        own = machines_of(plan, self.context)
        assert own is not None
        machines = Machines.of(own, self.context)
        assert machines is not None
        rivals = rivals_of(plan, machines, self.context)
        assert rivals is not None
        self.own, self.machines, self.rivals = own, machines, rivals

    def at(self, rate: float, *, seller: str = "", slo: Slo | None = None) -> Context:
        """The question at another rate, asked anew."""
        question = self.context.question
        limits = replace(question.limits, provider_ids=(seller,)) if seller else question.limits
        there = replace(
            question,
            workload=with_rate(question.workload, rate),
            limits=limits,
            slo=question.slo if slo is None else slo,
        )
        return Context.of(there, self.context.catalog)

    def by_the_hour(self, rate: float) -> float:
        """The machines' bill by the whole of the planner: checks, memory, speed, size and price."""
        outcome = evaluate(replace(self.machines.deployment, replicas=None), self.at(rate))
        assert isinstance(outcome, Option)
        return outcome.quote.usd_per_month

    def by_the_token(self, rate: float, seller: str) -> float:
        """A seller's bill by the planner."""
        outcome = evaluate(hosted(self.machines.deployment), self.at(rate, seller=seller))
        assert isinstance(outcome, Option)
        return outcome.quote.usd_per_month


@pytest.fixture(scope="module")
def cases(catalog: Catalog, ask: Ask) -> list[Case]:
    return [Case(recommend(ask(**words), catalog), catalog) for words in QUESTIONS]


def sellers_of(case: Case) -> dict[str, BreakEven]:
    return {
        each.below.removesuffix(" by the token"): each
        for each in case.found.break_evens
        if each.below.endswith(" by the token")
    }


def assert_flips(loads: tuple[float, ...], below: Callable[[float], float], above: Callable[[float], float]) -> int:
    """Within 2 % of each load that was solved for, the cheaper one changes; where two are nearer, between them."""
    for place, load in enumerate(loads):
        before = max(load * 0.98, math.sqrt(load * loads[place - 1]) if place else 0.0)
        after = min(load * 1.02, math.sqrt(load * loads[place + 1]) if place + 1 < len(loads) else math.inf)
        assert (below(before) >= above(before)) == bool(place % 2), (place, load)
        assert (below(after) >= above(after)) != bool(place % 2), (place, load)
    return len(loads)


def test_tokens_cross_machines_where_it_was_solved(cases: list[Case]) -> None:
    tested = 0
    for case in cases:
        for seller, found in list(sellers_of(case).items())[::3]:
            tested += assert_flips(
                found.flips_requests_per_s[:6],
                lambda rate, seller=seller, case=case: case.by_the_token(rate, seller),  # type: ignore[misc]
                case.by_the_hour,
            )
    assert tested >= 8


def test_seconds_cross_machines_where_it_was_solved(cases: list[Case]) -> None:
    """By the planner's own evaluation of the worker at that seller, promises aside: the question is money."""
    tested = 0
    for case in cases:
        for seconds in case.rivals.seconds:
            loads = flips(seconds, case.machines, seconds.compared_upto(case.rivals.tried_per_s))

            def by_the_second(rate: float, seconds: Seconds = seconds, case: Case = case) -> float:
                there = case.at(rate, seller=seconds.offer.provider, slo=Slo())
                outcome = evaluate(seconds.deployment, there)
                assert isinstance(outcome, Option)
                return outcome.quote.usd_per_month

            if case.context.slo.is_empty and loads and loads[0] > 0:
                tested += assert_flips(loads[:4], by_the_second, case.by_the_hour)
    assert tested >= 2


def test_a_seller_that_is_never_undercut_is_cheaper_at_every_load(cases: list[Case]) -> None:
    tested = 0
    for case in cases:
        for seller, found in sellers_of(case).items():
            if found.requests_per_s is not None:
                continue
            assert found.usd_per_mtok_tokens is not None
            assert found.usd_per_mtok_full is not None
            assert found.usd_per_mtok_tokens < found.usd_per_mtok_full
            for share in (0.03, 0.11, 0.5, 1.0):
                rate = share * found.tried_requests_per_s
                assert case.by_the_token(rate, seller) < case.by_the_hour(rate)
            tested += 1
    assert tested >= 2


def test_edges_are_where_another_replica_is_due(cases: list[Case]) -> None:
    for case in cases:
        edge = case.machines.edges(case.rivals.tried_per_s)[2]
        assert case.machines.active(edge) == 3
        assert case.machines.active(edge * (1 + 1e-7)) == 4
        assert case.machines.usd_per_month(edge * 0.99) == pytest.approx(case.by_the_hour(edge * 0.99))
        assert case.machines.usd_per_month(edge * 1.01) == pytest.approx(case.by_the_hour(edge * 1.01))


def test_limits_without_load(cases: list[Case]) -> None:
    """Without any request tokens cost nothing, and machines one replica."""
    for case in cases:
        assert case.rivals.tokens == () or case.rivals.tokens[0].usd_per_month(0.0) == case.rivals.tokens[0].fixed_usd
        assert case.machines.replicas(0.0) == 1
        assert 0 < case.machines.usd_per_month(0.0) <= case.by_the_hour(case.machines.mean_per_replica_per_s)
        for seconds in case.rivals.seconds:
            if not seconds.deployment.purchase.keep_warm:
                assert seconds.usd_per_month(0.0) < 0.05 * case.machines.usd_per_month(0.0)


def dearest(case: Case) -> tuple[Rivals, float]:
    """The ways of a case, and the first crossing with its dearest seller of tokens."""
    seller = case.rivals.tokens[-1]
    return case.rivals, flips(seller, case.machines, case.rivals.tried_per_s)[0]


def test_the_first_break_even_is_inverse_to_the_token_price(cases: list[Case]) -> None:
    """Within the first step r = rent / price: twice the price, half the load; a price without end, no load at all."""
    case = cases[2]
    rivals, first = dearest(case)
    seller = rivals.tokens[-1]
    for factor in (2.0, 10.0, 1e9):
        priced = replace(seller, usd_per_request_per_s=seller.usd_per_request_per_s * factor)
        assert flips(priced, case.machines, rivals.tried_per_s)[0] == pytest.approx(first / factor, rel=2e-3)


def test_break_evens_grow_with_the_rent(cases: list[Case]) -> None:
    """Against each dearer seller of tokens machines pay at a smaller load."""
    for case in cases:
        firsts = [
            each.flips_requests_per_s[0] for each in sellers_of(case).values() if each.flips_requests_per_s
        ]  # fmt: skip
        assert firsts == sorted(firsts, reverse=True)


def test_a_break_even_in_every_unit(cases: list[Case]) -> None:
    for case in cases:
        tokens = case.context.workload.input_tokens.mean + case.context.workload.output_tokens.mean
        for found in case.found.break_evens:
            if found.requests_per_s is None:
                continue
            assert found.tokens_per_day == pytest.approx(found.requests_per_s * SECONDS_PER_DAY * tokens)
            assert found.usd_per_month == pytest.approx(case.by_the_hour(found.requests_per_s))
            assert found.utilization is not None
            assert 0 <= found.utilization <= case.context.limits.max_utilization + 1e-6


def test_curves_are_the_bills(cases: list[Case]) -> None:
    """Corners lie on the planner's bill, and between them it is the straight line that is drawn."""
    for case in cases:
        curve = case.found.curves[0]
        assert curve.label == case.machines.label
        assert curve.source
        pairs = list(zip(curve.requests_per_s, curve.usd_per_month, strict=True))
        for (low, usd_low), (high, usd_high) in pairwise(pairs[:6]):
            if high > low:
                middle = (low + high) / 2
                assert case.by_the_hour(middle) == pytest.approx((usd_low + usd_high) / 2, rel=1e-3)


def test_no_rate_no_break_even(catalog: Catalog, ask: Ask) -> None:
    found = compare(recommend(ask(LLAMA_8B, concurrency=8), catalog), catalog)
    assert found.break_evens == ()
    assert any("closed loop" in note for note in found.notes)
    assert found.influences
    assert found.gpus


def test_prompts_that_may_not_leave_are_set_against_no_token_api(catalog: Catalog, ask: Ask) -> None:
    found = compare(recommend(ask(LLAMA_8B, requests_per_s=2, privacy="private"), catalog), catalog)
    assert found.break_evens
    assert not any("by the token" in each.below for each in found.break_evens)
    assert any("no token API" in note for note in found.notes)


def test_nothing_feasible_is_nothing_to_compare(catalog: Catalog, ask: Ask) -> None:
    question = ask(LLAMA_70B, requests_per_s=2, gpu_ids=("l4-24gb",), max_gpus=1, weight_formats=("bf16",))
    plan = recommend(question, catalog)
    assert plan.chosen is None
    assert compare(plan, catalog) == Comparisons(notes=("no strategy is feasible: there is nothing to compare",))


def test_the_same_twice(catalog: Catalog, ask: Ask) -> None:
    plan = recommend(ask(LLAMA_8B, requests_per_s=5), catalog)
    assert compare(plan, catalog) == compare(plan, catalog)


@given(
    slope=st.floats(min_value=1e-6, max_value=1e6),
    place=st.floats(min_value=1e-6, max_value=1e6),
    bend=st.floats(min_value=0.2, max_value=5.0),
)
def test_roots_of_bent_lines(slope: float, place: float, bend: float) -> None:
    found = root(lambda x: slope * (x**bend - place**bend), 0.0, 3.0 * place)
    assert found == pytest.approx(place, rel=1e-6)


def test_loads_of_thousands_are_written_out(catalog: Catalog, ask: Ask) -> None:
    plan = recommend(ask("Qwen/Qwen3-8B", requests_per_s=5000.0, osl=200, gpu_ids=("h100-sxm-80gb",)), catalog)
    notes = [each.note for each in compare(plan, catalog).break_evens]
    notes += [note for row in plan.outcomes.values() if isinstance(row, Option) for note in row.notes]
    assert any("on average" in note for note in notes)
    assert not any("e+0" in note for note in notes)
