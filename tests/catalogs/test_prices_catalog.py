"""Price files: strict reading, dates, layers, and the packaged rows kept in step with the tables."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.prices import load_prices
from llmplan.errors import DataError
from llmplan.spec.price import PriceBook
from tests_support import DATA

DAY = date(2026, 11, 22)
ROOT = Path(__file__).resolve().parents[2]

FILE = """\
id: acme
name: Acme
tier: cloud
company: acme-group
aliases: [ac]
sources:
  list: {title: The price list, url: 'https://example.org/p', retrieved: 2026-11-01}
hourly:
  - instance: big.8
    gpu: h100-sxm-80gb
    gpus: 8
    vcpus: 96
    memory_gib: 1024
    offers:
      - {from: null, source: list, term: on-demand, usd_per_hour: {r1: 99, r2: 98}}
      - {from: 2026-01-01, source: list, term: on-demand, usd_per_hour: {r1: 40}}
      - {from: 2026-06-01, source: list, term: on-demand, usd_per_hour: {r1: 32.5}}
      - {from: 2026-06-01, source: list, term: spot, quality: derived, usd_per_hour: {r1: 12}, interruption: {r1: <5%}}
serverless:
  - {gpu: l4-24gb, from: 2026-03-01, source: list, mode: worker, usd_per_gpu_s: 0.0002, scales_to_zero: true,
     confidence: high, idle_window_s: 5, usd_per_vcpu_s: 0}
unpriced:
  - {product: T4 workers, gpu: t4-16gb, from: null, source: list, note: rate not found}
tokens:
  - {model: openai/gpt-oss-20b, listed_as: acme/oss, from: 2026-03-01, source: list, input_usd_per_mtok: 0.1,
     output_usd_per_mtok: 0.4, ends: 2026-09-01}
facts:
  egress: {value: 0.09, low: 0.05, high: 0.12, unit: USD/GB, as_of: 2026-05-06, source: list, kind: published}
"""


def layer(folder: Path, **files: str) -> Path:
    (folder / "prices").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / "prices" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def rents(book: PriceBook) -> dict[tuple[str, str], float]:
    return {(offer.region, offer.term): offer.usd_per_hour for offer in book.hourly}


def test_the_newest_offer_of_the_day_counts(tmp_path: Path) -> None:
    layers = (layer(tmp_path, acme=FILE),)

    assert rents(load_prices(layers, date(2025, 1, 1))) == {("r1", "on-demand"): 99, ("r2", "on-demand"): 98}
    assert rents(load_prices(layers, date(2026, 5, 31)))["r1", "on-demand"] == 40
    assert rents(load_prices(layers, date(2026, 6, 1)))["r1", "on-demand"] == 32.5


def test_every_field_and_its_provenance_survive_loading(tmp_path: Path) -> None:
    book = load_prices((layer(tmp_path, acme=FILE),), date(2026, 8, 1))

    seller = book.providers["acme"]
    assert (seller.name, seller.tier, seller.company, seller.aliases) == ("Acme", "cloud", "acme-group", ("ac",))
    spot = next(offer for offer in book.hourly if offer.term == "spot")
    assert (spot.gpus, spot.vcpus, spot.memory_bytes, spot.interruption) == (8, 96, 1024 * 1024**3, "<5%")
    assert (spot.provenance.kind, spot.provenance.as_of) == ("derived", date(2026, 6, 1))
    assert spot.provenance.source.url == "https://example.org/p"
    (second,) = book.serverless
    assert (second.idle_window_s, second.usd_per_vcpu_s, second.usd_per_gib_s) == (5, 0, None)
    (token,) = book.tokens
    assert (token.model_id, token.output_usd_per_mtok, token.ends) == ("openai/gpt-oss-20b", 0.4, date(2026, 9, 1))
    fact = book.facts["acme.egress"]
    assert (fact.value, fact.low, fact.high, fact.unit, fact.provenance.kind) == (
        0.09,
        0.05,
        0.12,
        "USD/GB",
        "published",
    )
    assert [offer.note for offer in book.unpriced] == ["rate not found"]


def test_a_listing_that_has_ended_is_gone(tmp_path: Path) -> None:
    assert load_prices((layer(tmp_path, acme=FILE),), date(2026, 9, 1)).tokens == ()


def test_a_later_layer_replaces_the_file(tmp_path: Path) -> None:
    mine = FILE.replace("{r1: 32.5}", "{r1: 30}")
    layers = (layer(tmp_path / "a", acme=FILE), layer(tmp_path / "b", acme=mine))
    assert rents(load_prices(layers, DAY))["r1", "on-demand"] == 30


def test_extends_adds_offers_to_the_file_below(tmp_path: Path) -> None:
    mine = (
        "id: acme\nname: Acme\nextends: acme\nsources:\n  deal: {title: Our contract}\nhourly:\n"
        "  - {instance: big.8, gpu: h100-sxm-80gb, gpus: 8, offers: "
        "[{from: 2026-07-01, source: deal, term: on-demand, usd_per_hour: {r1: 20}}]}\n"
    )
    layers = (layer(tmp_path / "a", acme=FILE), layer(tmp_path / "b", acme=mine))
    found = rents(load_prices(layers, DAY))
    assert found["r1", "on-demand"] == 20
    assert found["r2", "on-demand"] == 98


BROKEN = [
    ("tier: cloud", "tier: clowd", "acme.yaml:3:1: tier: one of hyperscaler, cloud"),
    ("tier: cloud\n", "", "tier: is missing"),
    ("gpus: 8\n", "gpus: 8\n    color: red\n", "hourly.0.color: unknown key"),
    ("    gpus: 8\n", "", "hourly.0.gpus: is missing"),
    ("{r1: 40}", "{r1: -40}", "acme.yaml:16:74: hourly.0.offers.1.usd_per_hour.r1: a number above 0"),
    ("{r1: 40}", "{r1: .inf}", "a number above 0"),
    ("{r1: 40}", "{r1: true}", "a number above 0"),
    ("{r1: 40}", "{}", "has no region"),
    ("from: 2026-01-01", "from: yesterday", "hourly.0.offers.1.from: a date"),
    ("term: spot", "term: monthly", "hourly.0.offers.3.term: one of on-demand"),
    ("term: spot,", "term: spot, upfront: all,", "only a reserved term is paid upfront"),
    ("source: list, mode", "source: rumour, mode", "serverless.0.source: 'rumour' is not among the sources"),
    ("  list:", "  extra: {title: x}\n  list:", "sources.extra: is declared and never used"),
    ("low: 0.05", "low: 0.10", "facts.egress.value: must be a number between low and high"),
    ("usd_per_gpu_s: 0.0002", "usd_per_gpu_s: fast", "serverless.0.usd_per_gpu_s: a number above 0"),
    ("input_usd_per_mtok: 0.1,", "", "tokens.0.input_usd_per_mtok: is missing"),
    ("id: acme", "id: other", "the file is named 'acme'"),
    ("    vcpus: 96", "    per_gpu: true", "a price per GPU is for one GPU"),
]


@pytest.mark.parametrize(("old", "new", "message"), BROKEN)
def test_a_wrong_file_is_refused_at_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in FILE
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        load_prices((layer(tmp_path, acme=FILE.replace(old, new, 1)),), DAY)
    assert re.match(r".*acme\.yaml:\d+:\d+: ", caught.value.message)


@pytest.fixture(scope="module")
def packaged() -> PriceBook:
    return load_prices((packaged_profiles(),), DAY)


def test_all_sellers_of_the_tables_are_there(packaged: PriceBook) -> None:
    by_the_hour = [
        "akamai",
        "akash",
        "aws",
        "azure",
        "civo",
        "coreweave",
        "crusoe",
        "digitalocean",
        "gcp",
        "hyperstack",
        "jarvislabs",
        "lambda",
        "lium",
        "massedcompute",
        "nebius",
        "oci",
        "ovhcloud",
        "runpod-community",
        "runpod-secure",
        "scaleway",
        "together",
        "vast",
        "verda",
        "vultr",
    ]
    by_the_second = [
        "modal",
        "runpod-serverless",
        "replicate",
        "baseten",
        "cerebrium",
        "beam",
        "fal",
        "koyeb",
        "google-cloud-run",
        "azure-container-apps",
        "aws-sagemaker",
        "hf-inference-endpoints",
        "together-dedicated",
        "vast-serverless",
    ]
    assert set(by_the_hour) == {offer.provider for offer in packaged.hourly}
    assert set(by_the_second) == {o.provider for o in packaged.serverless} | {o.provider for o in packaged.unpriced}
    assert all(packaged.providers[name].tier == "marketplace" for name in ("vast", "akash", "lium", "runpod-community"))


def test_known_prices_are_what_the_sellers_ask(packaged: PriceBook) -> None:
    """USD per GPU-hour of an H100 SXM on demand as surveyed in November 2026."""
    lowest: dict[str, float] = {}
    for offer in packaged.hourly:
        dated = offer.from_date is not None and offer.quality == "listed"
        if offer.gpu_id == "h100-sxm-80gb" and offer.term == "on-demand" and dated:
            price = offer.usd_per_hour / offer.gpus
            lowest[offer.provider] = min(price, lowest.get(offer.provider, price))
    wanted = {"runpod-community": 2.69, "hyperstack": 3.20, "lambda": 3.99, "nebius": 4.50, "aws": 6.88, "oci": 10.0}
    assert {name: round(lowest[name], 2) for name in wanted} == wanted


def test_parts_of_gpus_stay_parts(packaged: PriceBook) -> None:
    parts = {offer.instance: offer.gpus for offer in packaged.hourly if offer.gpus < 1}
    assert parts["Standard_NV6ads_A10_v5"] == 0.1667
    assert parts["g6f.xlarge"] == 0.125


def test_no_row_is_younger_than_its_day_and_none_lacks_a_source(packaged: PriceBook) -> None:
    offers: tuple[Any, ...] = (*packaged.hourly, *packaged.serverless, *packaged.tokens)
    for offer in offers:
        assert offer.from_date is None or offer.from_date <= DAY
        assert offer.provenance.source.title
    assert all(offer.ends is None or offer.ends > DAY for offer in packaged.tokens)


def test_gpu_ids_are_the_catalogues(packaged: PriceBook) -> None:
    profiles = {path.stem for path in (packaged_profiles() / "gpus").glob("*.yaml")}
    sold = {offer.gpu_id for offer in packaged.hourly} | {offer.gpu_id for offer in packaged.serverless}
    without_profile = {"rtx-4000-ada-20gb", "rtx-a4500-20gb", "rtx-4080-16gb", "rtx-3080-ti-12gb"}
    assert sold - profiles <= without_profile


def test_prices_before_all_dates_are_the_undated_ones(packaged: PriceBook) -> None:
    first = min(offer.from_date for offer in packaged.hourly if offer.from_date)
    early = load_prices((packaged_profiles(),), first - timedelta(days=1))
    assert all(offer.from_date is None for offer in early.hourly)


def test_the_files_are_what_the_tables_say() -> None:
    if not (DATA / "gpu_prices.csv").exists():
        pytest.skip(f"no price tables in {DATA}: set LLMPLAN_DATA")
    script = ROOT / "scripts" / "make_price_profiles.py"
    result = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
