"""`llmplan prices update --source`: sources played by a server on this machine, one failing while another works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from feed_server import (
    FeedServer,
    as_json,
    azure_item,
    azure_list,
    cut_short,
    only_loopback,
    quick_client,
    redirect,
    reply,
    serving,
)
from llmplan.catalogs import packaged_profiles
from llmplan.cli import _price_update, main
from llmplan.pricefeeds import write_documents

H100 = "Standard_ND96isr_H100_v5"
T4 = "Standard_NC4as_T4_v3"
KEY = f"{H100} h100-sxm-80gb 8 on-demand"
REGIONS = ("eastus2", "westus", "westus2", "westus3")
GROQ = {
    "id": "groq", "name": "Groq", "pricing_urls": [],
    "models": [{"id": "openai/gpt-oss-120b", "match": {}, "prices": {"input_mtok": 0.12, "output_mtok": 0.5}}],
}  # fmt: skip


AZURE = [
    {"instance": name, "gpu": gpu, "gpus": gpus, "offers": [
        {"from": date(2026, 6, 18), "source": "old", "term": "on-demand", "usd_per_hour": prices}]}
    for name, gpu, gpus, prices in (
        (H100, "h100-sxm-80gb", 8, dict.fromkeys(REGIONS, 98.32)), (T4, "t4-16gb", 1, {"eastus2": 0.526}),
    )
]  # fmt: skip
TOKENS = [
    {"model": "openai/gpt-oss-120b", "listed_as": "groq/openai/gpt-oss-120b", "from": date(2026, 10, 19),
     "source": "old", "input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6}
]  # fmt: skip


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged profiles with two sellers only, so that reading them takes no time."""
    folder = tmp_path_factory.mktemp("packaged")
    for path in packaged_profiles().iterdir():
        if path.name != "prices":
            (folder / path.name).symlink_to(path)
    (folder / "prices").mkdir()
    for name, tier, part, rows in (("azure", "hyperscaler", "hourly", AZURE), ("groq", "api", "tokens", TOKENS)):
        sources = {"old": {"title": "an old list", "retrieved": date(2026, 11, 22)}}
        document = {"id": name, "name": name, "tier": tier, "sources": sources, part: rows}
        write_documents({name: document}, folder / "prices")
    return folder


@pytest.fixture(autouse=True)
def _own_home(packaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only_loopback(monkeypatch)
    for place in ("llmplan.catalogs.packaged_profiles", "llmplan.catalogs.layers.packaged_profiles"):
        monkeypatch.setattr(place, lambda: packaged)
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("LLMPLAN_CATALOG", "LLMPLAN_PRICE_DATE", "LLMPLAN_PRICE_MIRROR", "GPUHUNT_CATALOG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_price_update, "new_client", quick_client)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with serving() as found:
        found.routes["/azure/api/retail/prices"] = azure_list([azure_item(H100, region, 90.0) for region in REGIONS])
        found.routes["/genai-prices/new_data/v2/data.json"] = as_json([GROQ])
        yield found


def update(
    capsys: pytest.CaptureFixture[str], server: FeedServer, *flags: str, source: str = "azure", code: int = 0
) -> Any:
    argv = ["prices", "update", "--mirror", server.url, *flags, "--json"]
    for name in source.split():
        argv += ["--source", name]
    assert main(argv) == code
    return json.loads(capsys.readouterr().out)


def price(capsys: pytest.CaptureFixture[str], region: str, day: str = "", machine: str = H100) -> dict[str, Any]:
    argv = ["prices", "show", "--provider", "azure", "--term", "on-demand", "--json"]
    assert main([*argv, *(["--as-of", day] if day else [])]) == 0
    rows = json.loads(capsys.readouterr().out)["prices"]
    return dict(next(row for row in rows if row["instance"] == machine and row["region"] == region))


def test_an_update_is_written_with_source_and_day_and_old_days_stay(
    capsys: pytest.CaptureFixture[str], server: FeedServer
) -> None:
    found = update(capsys, server)
    assert {each["price"] for each in found["changes"]} == {f"{KEY} {region}" for region in REGIONS}
    (source,) = found["sources"]
    assert (source["source"], source["status"], source["prices"]) == ("azure", "ok", 4)
    row = price(capsys, "eastus2")
    assert (row["usd_per_hour"], row["source"]) == (90.0, "Azure Retail Prices API, version 2023-01-01-preview")
    assert row["url"] == f"{server.url}/azure/api/retail/prices"
    assert price(capsys, "eastus2", "2026-11-22")["usd_per_hour"] == 98.32


def test_nothing_is_asked_without_being_named(capsys: pytest.CaptureFixture[str], server: FeedServer) -> None:
    assert main(["prices", "update", "--mirror", server.url]) == 2
    assert main(["prices", "update"]) == 2
    assert "--source all asks every source (network)" in capsys.readouterr().err
    for argv in (["show", "--gpu", "h100"], ["diff"], ["check"]):
        assert main(["prices", *argv]) == 0
    assert server.seen == []


def test_who_is_asked_is_said(capsys: pytest.CaptureFixture[str], server: FeedServer) -> None:
    assert main(["prices", "update", "--source", "azure", "--mirror", server.url, "--dry-run"]) == 0
    captured = capsys.readouterr()
    assert f"asking {server.url}/azure (Azure Retail Prices API)" in captured.err
    assert "dry run, nothing written" in captured.out


def test_prices_that_were_only_confirmed_are_fresh_again(
    capsys: pytest.CaptureFixture[str], server: FeedServer
) -> None:
    server.routes["/azure/api/retail/prices"] = azure_list([azure_item(H100, "eastus2", 98.32)])
    found = update(capsys, server)
    assert (found["changes"], found["confirmed"]) == ([], 1)
    assert price(capsys, "eastus2")["as_of"] > "2026-11-22"
    assert update(capsys, server, "--check")["written"] == []


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (reply("no", 404), "404"),
        (reply(status=500), "500"),
        (reply("<html>", Content_Type="text/html"), "web page"),
        (cut_short(b"[]"), "cut short"),
        (redirect("https://elsewhere.example/"), "not asked for: refused"),
        (as_json([{"id": "groq", "models": [7]}]), "a model without an id"),
        (as_json([]), "no model of a seller"),
    ],
)
def test_a_source_that_fails_keeps_its_old_prices_and_costs_only_itself(
    capsys: pytest.CaptureFixture[str], server: FeedServer, broken: Any, why: str
) -> None:
    server.routes["/genai-prices/new_data/v2/data.json"] = broken
    found = update(capsys, server, source="azure genai-prices", code=1)
    azure, genai = found["sources"]
    assert (azure["status"], genai["status"]) == ("ok", "failed")
    assert why in genai["failures"][0]
    assert [Path(path).stem for path in found["written"]] == ["azure"]
    assert price(capsys, "eastus2")["usd_per_hour"] == 90.0
    assert main(["prices", "show", "--provider", "groq", "--json"]) == 0
    (row,) = [r for r in json.loads(capsys.readouterr().out)["prices"] if r["model"] == "openai/gpt-oss-120b"]
    assert row["input_usd_per_mtok"] == 0.15


def test_if_nothing_could_be_used_that_is_an_error(capsys: pytest.CaptureFixture[str], server: FeedServer) -> None:
    server.routes.clear()
    argv = ["prices", "update", "--source", "azure,genai-prices", "--mirror", server.url]
    assert main(argv) == 1
    captured = capsys.readouterr()
    assert "nothing could be used; the old prices stay" in captured.err
    assert captured.out.count("failed") == 2
    assert main(["prices", "diff", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["differences"] == []


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_tenfold_price_is_held_back_and_the_rest_goes_through(
    capsys: pytest.CaptureFixture[str], server: FeedServer, factor: float
) -> None:
    items = [azure_item(H100, region, 90.0) for region in REGIONS]
    server.routes["/azure/api/retail/prices"] = azure_list([azure_item(T4, "eastus2", 0.526 * factor), *items])
    found = update(capsys, server, code=1)
    (held,) = found["held"]
    assert held["accept"] == f"azure: {T4} t4-16gb 1 on-demand eastus2"
    assert price(capsys, "eastus2", machine=T4)["usd_per_hour"] == 0.526
    assert price(capsys, "westus")["usd_per_hour"] == 90.0
    assert update(capsys, server, "--accept-jump", held["accept"])["held"] == []
    assert price(capsys, "eastus2", machine=T4)["usd_per_hour"] == pytest.approx(0.526 * factor)


@pytest.mark.parametrize("bad", [-90.0, 1e9])
def test_a_price_that_cannot_be_right_is_left_out(
    capsys: pytest.CaptureFixture[str], server: FeedServer, bad: float
) -> None:
    items = [azure_item(H100, f"r{index}", 90.0) for index in range(5)]
    server.routes["/azure/api/retail/prices"] = azure_list([azure_item(H100, "eastus2", bad), *items])
    found = update(capsys, server, code=1)
    assert "left out" in found["problems"][0]["message"]
    assert price(capsys, "eastus2")["usd_per_hour"] == 98.32
    assert price(capsys, "r0")["usd_per_hour"] == 90.0


def test_not_a_number_is_not_json(capsys: pytest.CaptureFixture[str], server: FeedServer) -> None:
    server.routes["/azure/api/retail/prices"] = as_json({"Items": [azure_item(H100, "eastus2", float("nan"))]})
    assert main(["prices", "update", "--source", "azure", "--mirror", server.url]) == 1
    assert "NaN is not a number" in " ".join(capsys.readouterr().out.split())


def test_an_interrupted_update_writes_nothing(
    capsys: pytest.CaptureFixture[str], server: FeedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmplan.pricefeeds.live import azure

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(azure, "_take", interrupted)
    assert main(["prices", "update", "--source", "azure", "--mirror", server.url]) == 130
    assert not (tmp_path / "XDG_CACHE_HOME").exists()


def test_a_full_disk_leaves_the_old_prices(
    capsys: pytest.CaptureFixture[str], server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    update(capsys, server)
    server.routes["/azure/api/retail/prices"] = azure_list([azure_item(H100, "eastus2", 80.0)])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        assert main(["prices", "update", "--source", "azure", "--mirror", server.url]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert price(capsys, "eastus2")["usd_per_hour"] == 90.0
    assert main(["prices", "check"]) == 0


def test_one_mirror_for_one_source_and_from_the_environment(
    capsys: pytest.CaptureFixture[str], server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = ["prices", "update", "--source", "azure", "--dry-run"]
    assert main([*argv, "--mirror", f"azure={server.url}/azure/"]) == 0
    monkeypatch.setenv("LLMPLAN_PRICE_MIRROR", server.url)
    assert main(argv) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--source", "azur"], "did you mean azure"),
        (["--source", "azure", "--mirror", "gcp=https://m.example"], "unknown source 'gcp'"),
        (["--source", "azure", "--mirror", "m.example"], "not an address"),
        (["--from", "/no/such/folder"], "is not a folder"),
    ],
)
def test_wrong_flags_ask_nobody(capsys: pytest.CaptureFixture[str], flags: list[str], message: str) -> None:
    assert main(["prices", "update", *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_region_that_was_asked_for_is_all_that_is_read(
    capsys: pytest.CaptureFixture[str], server: FeedServer
) -> None:
    assert [each["price"] for each in update(capsys, server, "--region", "westus")["changes"]] == [f"{KEY} westus"]


def test_the_network_is_imported_only_when_it_is_asked() -> None:
    import subprocess
    import sys

    script = (
        "import sys, llmplan.pricefeeds, llmplan.catalogs, llmplan.cli.prices\n"
        "print([name for name in ('urllib.request', 'ssl', 'llmplan.pricefeeds.live') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
