"""A plan survives being written as plain data; what is not a plan is refused by the name of the key."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import plan_samples as sample
from llmplan.errors import DataError
from llmplan.plan.codec import Decoder, Encoder
from llmplan.plan.deployment import Offload, Parallelism, Tenancy
from llmplan.plan.document import SCHEMA, from_document, to_document
from llmplan.plan.outcome import CheckResult, Option
from llmplan.plan.plain import check_bounds
from llmplan.plan.plan import Plan
from llmplan.spec.band import Band
from llmplan.spec.formats import FormatQuality
from llmplan.spec.inventory import Inventory, NodeGroup


def through_json(plan: Plan) -> Plan:
    return from_document(json.loads(json.dumps(to_document(plan), allow_nan=False)))


def rich_plan() -> Plan:
    moe = sample.replica(
        model=sample.model(feed_forward=sample.experts(8, 2, 1536, 4096), latent=True, id="a/moe"),
        parallel=Parallelism(tp=4, ep=True),
        weights="fp8-block",
        kv="fp8",
        offload=Offload(kind="kv", host_kv_bytes=2**34),
        tenancy=Tenancy(tenants=40, adapters=12),
    )
    option = sample.option(
        "multi_tenant",
        moe,
        quality=FormatQuality(relative_change=-0.004, measurements=3, provenance=(sample.PUBLISHED,)),
        checks=(CheckResult(id="V-O1", severity="warning", message="slow", fix="do not", source="code"),),
        cold={"share": 0.1},
        notes=("first: measure",),
    )
    inventory = Inventory(groups=(NodeGroup(nodes=1, gpus_per_node=2, gpu_id="a10-24gb", fast_link=False),))
    plan = sample.plan(sample.option(), sample.token_option(), option, alternatives=(sample.option(),))
    limits = replace(plan.question.limits, inventory=inventory, price_date=date(2026, 1, 2))
    return replace(plan, question=replace(plan.question, limits=limits), warnings=("prices are old",))


def test_a_plan_comes_back_equal() -> None:
    assert through_json(sample.plan()) == sample.plan()
    assert through_json(rich_plan()) == rich_plan()


def test_rows_are_five_and_name_entities_by_id() -> None:
    document = to_document(rich_plan())
    assert document["schema"] == SCHEMA
    assert [row["status"] for row in document["strategies"]] == ["option", "option", *["rejection"] * 2, "option"]
    row = document["strategies"][1]
    assert row["deployment"]["replica"]["gpu"] == "h100-sxm-80gb"
    assert row["deployment"]["gpus"] == 2
    assert row["levers"] == ["sized for the peak"]
    assert set(document["entities"]["models"]) == {"meta-llama/Llama-3.1-8B-Instruct", "a/moe"}
    assert document["entities"]["gpus"]["h100-sxm-80gb"]["provenance"]["memory_bytes"]["source"] == "datasheet"
    assert list(document["entities"]["sources"]) == ["datasheet"]


def test_quote_carries_totals_of_its_lines() -> None:
    quote = to_document(sample.plan())["strategies"][1]["quote"]
    assert quote["usd_per_month"] == 2500.0
    assert quote["usd_per_hour"] == pytest.approx(2500 / 730)
    assert quote["usd_per_million_tokens"]["blended"] == pytest.approx(2500 / 17_000)
    assert quote["complete"] is True
    assert quote["lines"][0]["figure"]["as_of"] == "2026-11-20"


def test_a_missing_price_is_a_lower_bound_not_zero() -> None:
    option = sample.option(quote=sample.quote(None))
    quote = to_document(sample.plan(option))["strategies"][1]["quote"]
    assert (quote["complete"], quote["lines"][0]["usd_per_month"]) == (False, None)


def test_two_gpus_of_one_id_are_kept_apart() -> None:
    less = sample.replica(gpu=sample.gpu(memory_bytes=84_000_000_000))
    plan = sample.plan(sample.option(), sample.option("quantized", less))
    assert set(to_document(plan)["entities"]["gpus"]) == {"h100-sxm-80gb", "h100-sxm-80gb#2"}
    assert through_json(plan) == plan


def test_infinity_is_a_text_and_nan_is_refused() -> None:
    estimate = replace(sample.estimate(), ttft_s=Band(low=1.0, mid=math.inf, high=math.inf))
    plan = sample.plan(sample.option(estimate=estimate))
    assert to_document(plan)["strategies"][1]["estimate"]["ttft_s"]["high"] == "infinite"
    assert through_json(plan) == plan
    wrong = sample.plan(sample.option(estimate=replace(estimate, ttft_p95_s=math.nan)))
    with pytest.raises(DataError, match=r"ttft_p95_s: is not a number"):
        to_document(wrong)


def test_numpy_numbers_become_plain() -> None:
    np = pytest.importorskip("numpy")
    odd = sample.settings(max_num_seqs=np.int64(64), memory_fraction=np.float64(0.92), enforce_eager=np.bool_(False))
    plan = sample.plan(sample.option(of=sample.replica(settings=odd)))
    assert through_json(plan) == sample.plan()


BROKEN: tuple[tuple[tuple[Any, ...], Any, str], ...] = (
    (("strategies", 1, "deployment", "replica", "settings", "max_num_seqs"), "many", r"max_num_seqs: expected int"),
    (("strategies", 1, "deployment", "replica", "settings", "max_num_seqs"), True, r"max_num_seqs: expected int"),
    (("strategies", 1, "deployment", "replica", "gpu"), "b200", r"replica\.gpu: refers to 'b200'"),
    (("strategies", 1, "status"), "maybe", r"strategies\[1\]\.status: expected option or rejection"),
    (("strategies", 1, "estimate", "ttft_s", "low"), 9.0, r"ttft_s: a band must be ordered"),
    (("strategies", 1, "quote", "as_of"), "yesterday", r"quote\.as_of: Invalid isoformat"),
    (("strategies", 1, "memory", "ledger", "unit"), "s", r"memory\.ledger: a ledger in s"),
    (("strategies", 0, "strategy"), "dedicated", r"one row per strategy"),
    (("recommended",), "quantized", r"rejected strategy cannot be recommended"),
    (("recommended",), "cheapest", r"recommended: expected one of"),
    (("price_date",), None, r"price_date: expected date"),
    (("reasons",), "because", r"reasons: expected a list"),
    (("entities", "gpus", "h100-sxm-80gb", "colour"), "green", r"entities\.gpus\.h100-sxm-80gb: unknown key 'colour'"),
    (("entities", "gpus", "h100-sxm-80gb", "compute_capability"), [9], r"compute_capability: expected 2 values"),
    (("note",), "hello", r"unknown key 'note'"),
    (("schema",), "llmplan.recommend/v9", r"which this version of llmplan does not know"),
    (("schema",), "kind: Deployment", r"not a plan"),
)


@pytest.mark.parametrize(("where", "value", "message"), BROKEN)
def test_what_is_wrong_is_named(where: tuple[Any, ...], value: Any, message: str) -> None:
    document = to_document(sample.plan())
    parent = document
    for key in where[:-1]:
        parent = parent[key]
    parent[where[-1]] = value
    with pytest.raises(DataError, match=message):
        from_document(document)


def test_every_missing_key_is_named() -> None:
    document = to_document(sample.plan())
    for key in document.keys() - {"over_time", "engines"}:
        less = {name: value for name, value in document.items() if name != key}
        with pytest.raises(DataError, match=key if key != "schema" else "not a plan"):
            from_document(less)
    del document["strategies"][1]["deployment"]["replica"]["settings"]["max_model_len"]
    with pytest.raises(DataError, match=r"strategies\[1\]\.deployment\.replica\.settings\.max_model_len: is missing"):
        from_document(document)


@pytest.mark.parametrize("junk", [None, [], "text", 3, {"schema": SCHEMA}])
def test_junk_is_refused(junk: Any) -> None:
    with pytest.raises(DataError):
        from_document(junk)


def test_deep_and_large_data_is_refused() -> None:
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(DataError, match="nested"):
        check_bounds(deep)
    wide: Any = [1] * 100
    for _ in range(5):
        wide = [wide] * 100
    with pytest.raises(DataError, match="more than"):
        check_bounds(wide)


NUMBERS = st.floats(min_value=0, allow_nan=False)
TEXTS = st.text(max_size=30)


@st.composite
def options(draw: st.DrawFn) -> Option:
    tenancy = st.builds(
        Tenancy, tenants=st.integers(1, 10**6), adapters=st.integers(0, 99), prefix_share=st.floats(0, 1)
    )
    offload = st.builds(Offload, kind=st.sampled_from(["layers", "weights", "kv"]), host_layers=st.integers(0, 80))
    replica = sample.replica(
        weights=draw(st.sampled_from(sorted(sample.WEIGHTS))),
        kv=draw(st.sampled_from(sorted(sample.KV))),
        parallel=draw(st.builds(Parallelism, tp=st.integers(1, 64), dp=st.integers(1, 8), ep=st.booleans())),
        model=sample.model(id=draw(TEXTS.filter(bool)), tied_embeddings=draw(st.booleans())),
        settings=sample.settings(kv_cache_memory_bytes=draw(st.none() | st.integers(0, 2**60))),
        tenancy=draw(st.none() | tenancy),
        offload=draw(st.none() | offload),
    )
    low, mid, high = sorted(draw(st.tuples(NUMBERS, NUMBERS, NUMBERS)))
    estimate = replace(sample.estimate(), ttft_s=Band(low=low, mid=mid, high=high), bottleneck=draw(TEXTS))
    return sample.option(
        draw(st.sampled_from(["dedicated", "quantized", "multi_tenant"])),
        replica,
        estimate=draw(st.none() | st.just(estimate)),
        notes=tuple(draw(st.lists(TEXTS, max_size=3))),
        cold=draw(st.dictionaries(TEXTS, NUMBERS, max_size=3)),
        quote=sample.quote(draw(st.none() | st.floats(0, 1e9))),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(option=options(), reasons=st.lists(TEXTS, max_size=3))
def test_random_plans_come_back_equal(option: Option, reasons: list[str]) -> None:
    plan = sample.plan(option, recommended=option.deployment.strategy, reasons=tuple(reasons))
    document = to_document(plan)
    before = copy.deepcopy(document)
    assert from_document(document) == plan
    assert document == before
    assert to_document(from_document(document)) == document


def test_codec_says_which_member_of_a_union_it_holds() -> None:
    attention = sample.gqa(32, 8, 128, 4096)
    hint = sample.GqaAttention | sample.MlaAttention
    data = Encoder().encode(attention, hint)
    assert data["type"] == "GqaAttention"
    assert Decoder().decode(data, hint) == attention
    with pytest.raises(DataError, match="expected one of GqaAttention, MlaAttention"):
        Decoder().decode({**data, "type": "Linear"}, hint, "attention")
