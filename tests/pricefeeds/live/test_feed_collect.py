"""All sources together: one that breaks, in whatever way, costs only itself."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

import pytest

from feed_server import FeedServer, as_json, azure_item, only_loopback, quick_client, serving
from llmplan.errors import UnknownIdError
from llmplan.pricefeeds.live import SOURCES, Endpoint, Outcome, azure, collect, genai_prices, source_of
from llmplan.pricefeeds.live.feed import Asked, Fetched

TODAY = date(2026, 11, 26)
H100 = "Standard_ND96isr_H100_v5"
KNOWN: dict[str, Any] = {
    "azure": {
        "id": "azure", "name": "Microsoft Azure", "tier": "hyperscaler",
        "hourly": [{"instance": H100, "gpu": "h100-sxm-80gb", "gpus": 8, "offers": []}],
    },
    "groq": {"id": "groq", "name": "Groq", "tier": "api", "tokens": []},
}  # fmt: skip
GROQ = {
    "id": "groq", "name": "Groq", "pricing_urls": ["https://groq.com/pricing/"],
    "models": [{"id": "openai/gpt-oss-120b", "match": {}, "context_window": 131072,
                "prices": [{"constraint": {"start_date": "2026-01-01"},
                            "prices": {"input_mtok": 0.12, "output_mtok": 0.5}}]}],
}  # fmt: skip
ODD: tuple[Any, ...] = (None, [], {}, "", "x", -1, 1e308, True, [None], {"a": 1}, "2026-13-45", 10**400)


@pytest.fixture(autouse=True)
def _closed_world(monkeypatch: pytest.MonkeyPatch) -> None:
    only_loopback(monkeypatch)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with serving() as found:
        found.routes["/azure/api/retail/prices"] = as_json({"Items": [azure_item(H100, "eastus", 98.32)]})
        found.routes["/genai-prices/new_data/v2/data.json"] = as_json([GROQ])
        yield found


def collected(server: FeedServer, *sources: Any) -> list[Outcome]:
    mirrors: dict[str, Endpoint] = {source.id: server.at(f"/{source.id}") for source in SOURCES}
    return collect(
        sources, KNOWN, client=quick_client(), mirrors=mirrors, regions=frozenset(), today=TODAY, environ={},
        say=lambda _: None,
    )  # fmt: skip


def test_every_source_has_a_name_and_an_address_of_its_own() -> None:
    assert len({source.id for source in SOURCES}) == len({source.url for source in SOURCES}) == len(SOURCES)
    assert all(source.url.startswith("https://") for source in SOURCES)
    assert source_of(" Azure ").id == "azure"
    with pytest.raises(UnknownIdError, match="unknown source 'gcp'"):
        source_of("gcp")


def test_sources_are_asked_in_their_own_order(server: FeedServer) -> None:
    found = collected(server, genai_prices.SOURCE, azure.SOURCE)
    assert [(each.source.id, each.failed, set(each.documents)) for each in found] == [
        ("azure", False, {"azure"}), ("genai-prices", False, {"groq"}),
    ]  # fmt: skip
    assert all(each.bytes_read > 100 for each in found)


def test_a_seller_is_taken_from_the_first_source_that_has_it(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = replace(genai_prices.SOURCE, fetch=lambda _: Fetched(documents={"azure": {"id": "azure"}}))
    monkeypatch.setattr("llmplan.pricefeeds.live.collecting.SOURCES", (azure.SOURCE, copied))
    own, copy_of_it = collected(server, copied, azure.SOURCE)
    assert (set(own.documents), set(copy_of_it.documents)) == ({"azure"}, set())
    assert copy_of_it.notes == ("azure is already read from azure",)


def test_a_mistake_in_reading_one_source_costs_only_that_one(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(asked: Asked) -> Fetched:
        raise KeyError("price")

    wrong = replace(azure.SOURCE, fetch=broken)
    monkeypatch.setattr("llmplan.pricefeeds.live.collecting.SOURCES", (wrong, genai_prices.SOURCE))
    first, second = collected(server, wrong, genai_prices.SOURCE)
    assert first.error == "its answer has a shape that was not expected: KeyError('price')"
    assert (first.failed, second.failed) == (True, False)


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in a JSON document."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from spots(item, (*path, key))


def changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    result = copy.deepcopy(value)
    place = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = odd
    return result


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        (azure.SOURCE, {"Items": [azure_item(H100, "eastus", 98.32)], "NextPageLink": None}),
        (genai_prices.SOURCE, [GROQ]),
    ],
)
def test_any_odd_value_anywhere_is_a_price_or_a_failure_never_a_crash(
    monkeypatch: pytest.MonkeyPatch, source: Any, answer: Any
) -> None:
    """Every value of a real-shaped answer replaced by odd ones, without a server between."""
    client = quick_client()
    where = {source.id: Endpoint(base="http://127.0.0.1")}
    places = list(spots(answer))
    draw = random.Random(7)
    for place in places:
        for odd in draw.sample(ODD, 6):
            made = changed(answer, place, odd)
            monkeypatch.setattr(client, "json", partial(lambda value, _: value, made))
            (outcome,) = collect(
                [source], KNOWN, client=client, mirrors=where, regions=frozenset(), today=TODAY, environ={},
                say=lambda _: None,
            )  # fmt: skip
            assert outcome.failed != bool(outcome.documents), (place, odd)
