"""No row of a table vanishes: it becomes prices and figures, or it is left out for a reason."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.prices import load_prices, read_price_documents
from llmplan.pricefeeds import Tally, build_documents
from llmplan.pricefeeds.fact_rules import LEFT_OUT, RULES
from llmplan.pricefeeds.gpu_names import catalog_gpu
from llmplan.pricefeeds.model_names import hub_model, is_us_only, why_no_model
from llmplan.pricefeeds.providers import seller_of
from llmplan.pricefeeds.tables import COLUMNS
from tests_support import DATA

TODAY = date(2026, 11, 26)
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the data tables are not at {DATA} (set LLMPLAN_DATA)")


@cache
def built() -> tuple[dict[str, Any], Tally]:
    tally = Tally()
    return build_documents(DATA, retrieved=TODAY, tally=tally), tally


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@needs_data
@pytest.mark.parametrize("name", COLUMNS)
def test_rows_in_are_rows_used_and_rows_left_out(name: str) -> None:
    table = built()[1].tables[name]
    assert table.rows == len(rows(name)) > 0
    assert table.rows == table.used + table.left_out_rows


@needs_data
def test_prices_out_are_those_of_the_documents() -> None:
    documents, tally = built()
    sold = documents.values()
    machines = [offer for each in sold for entry in each.get("hourly", ()) for offer in entry["offers"]]
    committed = sum(offer["term"].startswith("reserved") for offer in machines)
    out = {name: table.offers for name, table in tally.tables.items()}
    assert out["gpu_prices"] == sum(len(offer["usd_per_hour"]) for offer in machines) - committed
    assert out["serverless_gpu"] == sum(
        len(each.get("serverless", ())) + len(each.get("unpriced", ())) for each in sold
    )
    assert out["token_api_prices"] == sum(len(each.get("tokens", ())) for each in sold)
    groups = [group for each in sold for group in each.get("cpu", ())]
    assert out["cpu_prices"] == sum(len(row) - 2 for group in groups for row in group["machines"].values())
    assert out["cost_facts"] == sum(len(each.get("facts", {})) for each in sold) + committed
    assert out["spot_interruption_aws"] == sum(len(offer.get("interruption", {})) for offer in machines)


@needs_data
def test_every_row_of_machines_is_in_the_packaged_files_at_its_price() -> None:
    """Of every GPU row and every CPU row, both prices, straight from the table."""
    known = set(_packaged_machines())
    missing = []
    for name in ("gpu_prices", "cpu_prices"):
        for row in rows(name):
            for term in ("on_demand", "spot"):
                price = row[f"{term}_usd_per_hour"]
                key = (seller_of(row["provider"]).id, row["instance_type"], row["region"], term.replace("_", "-"))
                if price and (*key, float(price)) not in known:
                    missing.append((*key, price))
    assert missing == []


def _packaged_machines() -> Iterator[tuple[str, str, str, str, float]]:
    for seller, document in read_price_documents((packaged_profiles(),)).items():
        for entry in document.get("hourly", ()):
            for offer in entry["offers"]:
                for region, price in offer["usd_per_hour"].items():
                    yield seller, entry["instance"], region, offer["term"], price
        for group in document.get("cpu", ()):
            for name, (_, _, *prices) in group["machines"].items():
                for term, price in zip(("on-demand", "spot"), prices, strict=False):
                    yield seller, name, group["region"], term, price


@needs_data
def test_every_listing_of_a_known_model_is_in_the_packaged_files() -> None:
    documents = read_price_documents((packaged_profiles(),))
    known = {
        (seller, offer["listed_as"]): (offer["input_usd_per_mtok"], offer["output_usd_per_mtok"])
        for seller, document in documents.items()
        for offer in document.get("tokens", ())
    }
    listed = 0
    for row in rows("token_api_prices"):
        key = (seller_of(row["provider"]).id, row["model"])
        assert (key in known) == (hub_model(row["model"]) is not None), key
        if key in known:
            assert known[key] == (float(row["input_usd_per_mtok"]), float(row["output_usd_per_mtok"]))
            listed += 1
    assert listed == built()[1].tables["token_api_prices"].used > 1100


@needs_data
def test_every_per_second_rate_is_in_the_packaged_files() -> None:
    documents = read_price_documents((packaged_profiles(),))
    for row in rows("serverless_gpu"):
        document = documents[seller_of(row["provider"]).id]
        if row["usd_per_second"]:
            rates = {offer["usd_per_gpu_s"] for offer in document["serverless"]}
            assert float(row["usd_per_second"]) in rates, row
        else:
            assert any(row["gpu"] in product["product"] for product in document["unpriced"]), row


@needs_data
def test_reasons_are_stated_and_no_gpu_is_unknown() -> None:
    tables = built()[1].tables
    assert tables["gpu_prices"].left_out_rows == tables["serverless_gpu"].left_out_rows == 0
    assert set(tables["cost_facts"].left_out) == {reason for _, _, reason in LEFT_OUT}
    assert sum(map(len, tables["cost_facts"].left_out.values())) == 8
    assert not [row for row in rows("gpu_prices") if catalog_gpu(row["gpu"], instance=row["instance_type"]) is None]


@needs_data
def test_no_rule_of_the_facts_is_without_a_row() -> None:
    items = [(row["topic"], row["item"]) for row in rows("cost_facts")]
    idle = [rule.id for rule in RULES if not any(t == rule.topic and i.startswith(rule.item) for t, i in items)]
    assert idle == []


def test_the_report_names_tables_reasons_and_rows() -> None:
    tally = Tally()
    tally.read("gpu_prices", 3)
    tally.use("gpu_prices", 2)
    tally.leave_out("gpu_prices", {"provider": "a", "gpu": "TPU v5e"}, "no GPU is known by this name")
    tally.leave_out("gpu_prices", {"provider": "b", "gpu": "TPU v6"}, "no GPU is known by this name")
    assert list(tally.lines(1)) == [
        "gpu_prices: 3 rows in, 1 used (2 prices and figures), 2 left out",
        "      2  no GPU is known by this name",
        "         a, TPU v5e",
    ]


@pytest.mark.parametrize(
    ("listed_as", "reason"),
    [
        ("openrouter/openai/gpt-oss-120b:batch", "a batch or preemptible listing"),
        ("fireworks_ai/accounts/fireworks/routers/glm-5p3-spot", "a batch or preemptible listing"),
        ("~moonshotai/kimi-latest", "a name that floats from model to model"),
        ("deepseek-reasoner", "a name that floats from model to model"),
        ("z-ai/glm-5-turbo", "a name that reads as another model than the one served"),
        ("dashscope/qwen-plus-2025-01-25", "no open checkpoint is known by this name beyond doubt"),
    ],
)
def test_why_a_listing_is_no_offer(listed_as: str, reason: str) -> None:
    assert hub_model(listed_as) is None
    assert why_no_model(listed_as) == reason


@pytest.mark.parametrize(
    ("listed_as", "model_id", "weights"),
    [
        ("perplexity/llama-2-70b-chat", "meta-llama/Llama-2-70b-chat-hf", None),
        ("meta.llama2-13b-chat-v1", "meta-llama/Llama-2-13b-chat-hf", None),
        ("cloudflare/@cf/meta/llama-2-7b-chat-int8", "meta-llama/Llama-2-7b-chat-hf", "int8"),
        ("us-gov.nvidia.nemotron-nano-9b-v2", "nvidia/NVIDIA-Nemotron-Nano-9B-v2", None),
        ("azure_ai/FW-Nemotron-3-Ultra-NVFP4", "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B", "nvfp4"),
        ("fireworks_ai/glm-5p3-us", "zai-org/GLM-5.3", None),
        ("nebius/NousResearch/Hermes-4-405B", "NousResearch/Hermes-4-405B", None),
        ("together_ai/meta-llama/Meta-Llama-3.1-8B", "meta-llama/Meta-Llama-3.1-8B", None),
        ("wandb/OpenPipe/Qwen3-14B-Instruct", "OpenPipe/Qwen3-14B-Instruct", None),
    ],
)
def test_listings_that_name_one_model_beyond_doubt(listed_as: str, model_id: str, weights: str | None) -> None:
    match = hub_model(listed_as)
    assert match is not None
    assert (match.model_id, match.weights) == (model_id, weights)


def test_a_service_that_stays_in_the_united_states_is_of_that_region(tmp_path: Path) -> None:
    fields = dict.fromkeys(COLUMNS["token_api_prices"], "")
    row = fields | {
        "provider": "fireworks_ai", "model": "fireworks_ai/glm-5p3-us", "input_usd_per_mtok": "2.1",
        "output_usd_per_mtok": "6.6", "source": "litellm 1.109.1 prices", "as_of": "2026-10-19",
    }  # fmt: skip
    with (tmp_path / "token_api_prices.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(fields))
        writer.writeheader()
        writer.writerow(row)
    (offer,) = build_documents(tmp_path, retrieved=TODAY)["fireworks"]["tokens"]
    assert is_us_only(row["model"])
    assert offer["region"] == "us"


def test_an_undated_row_is_marked_so() -> None:
    book = load_prices((packaged_profiles(),), TODAY)
    undated = {offer.provider for offer in book.cpu if offer.from_date is None}
    assert undated == {"nebius", "oci"}
    assert {offer.provider for offer in book.cpu} == {"aws", "azure", "gcp", "nebius", "oci"}
