"""genai-prices: plain token prices of open-weight models, under the names that the catalogue has for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from feed_server import FeedServer, as_json, only_loopback, priced, quick_client, serving
from llmplan.pricefeeds.live import FeedError, genai_prices
from llmplan.pricefeeds.live.feed import Asked, Fetched

TODAY = date(2026, 11, 26)
KNOWN: dict[str, Any] = {
    "groq": {
        "id": "groq", "name": "Groq", "tier": "api",
        "tokens": [{"model": "openai/gpt-oss-120b", "listed_as": "groq/openai/gpt-oss-120b", "from": date(2026, 10, 19),
                    "source": "x", "input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6}],
    },
    "bedrock": {"id": "bedrock", "name": "Amazon Bedrock", "tier": "api", "tokens": []},
}  # fmt: skip
MODEL = {
    "id": "openai/gpt-oss-120b", "name": "gpt-oss", "match": {"equals": "openai/gpt-oss-120b"},
    "context_window": 131072, "prices": {"input_mtok": 0.12, "cache_read_mtok": 0.06, "output_mtok": 0.5},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _closed_world(monkeypatch: pytest.MonkeyPatch) -> None:
    only_loopback(monkeypatch)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with serving() as found:
        yield found


def seller(*models: Any, name: str = "groq") -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "api_pattern": "x",
        "pricing_urls": ["https://groq.com/pricing/"],
        "models": [*models],
    }


def fetch(server: FeedServer, answer: Any) -> Fetched:
    server.routes["/prices/new_data/v2/data.json"] = as_json(answer)
    asked = Asked(
        client=quick_client(), endpoint=server.at("/prices"), known=KNOWN, regions=frozenset(), today=TODAY, environ={}
    )
    return genai_prices.fetch(asked)


def test_a_price_replaces_the_one_under_the_catalogues_name(server: FeedServer) -> None:
    document = fetch(server, [seller(MODEL)]).documents["groq"]
    (offer,) = document["tokens"]
    assert (offer["listed_as"], offer["from"], offer["context_tokens"]) == ("groq/openai/gpt-oss-120b", TODAY, 131072)
    assert priced(document) == {
        "groq/openai/gpt-oss-120b input": 0.12,
        "groq/openai/gpt-oss-120b output": 0.5,
        "groq/openai/gpt-oss-120b cached_input": 0.06,
    }
    (source,) = document["sources"].values()
    assert (source["title"], source["locator"]) == ("genai-prices", "https://groq.com/pricing/")


def test_two_listings_of_one_model_keep_their_own_names(server: FeedServer) -> None:
    other = MODEL | {"id": "gpt-oss-120b"}
    names = {offer["listed_as"] for offer in fetch(server, [seller(MODEL, other)]).documents["groq"]["tokens"]}
    assert names == {"openai/gpt-oss-120b", "gpt-oss-120b"}


def test_the_last_price_in_force_counts(server: FeedServer) -> None:
    prices = [
        {"prices": {"input_mtok": 0.15, "output_mtok": 0.6}},
        {"constraint": {"start_date": "2026-11-01"}, "prices": {"input_mtok": 0.1, "output_mtok": 0.4}},
        {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 0.2, "output_mtok": 0.8}},
        {"constraint": {"start_time": "00:30:00Z", "end_time": "16:30:00Z"}, "prices": {"input_mtok": 9}},
    ]  # fmt: skip
    document = fetch(server, [seller(MODEL | {"prices": prices})]).documents["groq"]
    assert list(priced(document).values()) == [0.1, 0.4]


def test_another_id_and_sellers_that_the_catalogue_does_not_have(server: FeedServer) -> None:
    stated = [seller(MODEL, name="aws"), seller(MODEL, name="google"), seller(MODEL, name="nobody")]
    assert set(fetch(server, stated).documents) == {"bedrock"}


def test_what_has_no_plain_price_or_no_clear_name_is_left_out(server: FeedServer) -> None:
    tiered = MODEL | {"id": "openai/gpt-oss-20b", "prices": {
        "input_mtok": {"base": 1.25, "tiers": [{"start": 200000, "price": 2.5}]}, "output_mtok": 10}}  # fmt: skip
    found = fetch(server, [seller(MODEL, tiered, MODEL | {"id": "llama-latest"}, MODEL | {"prices": {}})])
    assert len(found.documents["groq"]["tokens"]) == 1
    assert found.notes == (
        "1 models whose name leaves open which weights are meant",
        "1 models whose price depends on the length of the request",
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"providers": []}, "a list of sellers is expected"),
        ([{"id": "groq"}], "a seller without a list of models"),
        ([seller({"name": "no id"})], "a model without an id"),
        ([seller(MODEL | {"prices": {"input_mtok": "0.15", "output_mtok": 0.6}})], "'0.15' is not a price"),
        ([], "no model of a seller that the catalogue has"),
    ],
)
def test_answers_that_are_not_its_list(server: FeedServer, answer: Any, message: str) -> None:
    with pytest.raises(FeedError, match=message):
        fetch(server, answer)
