"""A user's own price file is held to more than a packaged one: one clear error, at its place, with a way out."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from llmplan.catalogs import default_layers, load_catalog, packaged_profiles
from llmplan.catalogs.prices import load_prices
from llmplan.catalogs.schemas import schemas
from llmplan.catalogs.yaml_file import read_yaml
from llmplan.cli import main
from llmplan.errors import DataError
from llmplan.spec.price import PriceTier

TODAY = date(2026, 11, 26)
ROOT = Path(__file__).resolve().parents[2]
SCHEMA = jsonschema.Draft202012Validator(schemas()["prices"])

FILE = """\
id: acme
name: Acme
tier: cloud
currency: USD
sources:
  list: {title: The price list, retrieved: 2026-11-01}
hourly:
  - instance: big.8
    gpu: h100-sxm-80gb
    gpus: 8
    offers:
      - {from: 2026-06-01, source: list, term: on-demand, usd_per_hour: {r1: 32.5}}
      - {from: 2026-06-01, source: list, term: reserved-1y, upfront: none, confidence: high, usd_per_hour: {r1: 20}}
serverless:
  - {gpu: l4-24gb, from: 2026-03-01, source: list, mode: worker, usd_per_gpu_s: 0.0002, scales_to_zero: true,
     confidence: high}
tokens:
  - {model: openai/gpt-oss-20b, listed_as: acme/oss, from: 2026-03-01, source: list, input_usd_per_mtok: 0.1,
     output_usd_per_mtok: 0.4}
cpu:
  - region: r1
    architecture: arm64
    from: 2026-03-01
    source: list
    machines:
      c.4: [4, 16, 0.2, 0.05]
      c.8: [8, 32, 0.4]
facts:
  egress: {value: 0.09, unit: USD/GB, as_of: 2026-05-06, source: list, kind: published, confidence: medium,
           tiers: [{up_to: 100, usd: 0}, {up_to: 10000, usd: 0.09}, {usd: 0.05}]}
"""


def layers(folder: Path, text: str, name: str = "acme") -> tuple[Path, Path]:
    (folder / "prices").mkdir(parents=True, exist_ok=True)
    (folder / "prices" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return packaged_profiles(), folder


def test_what_is_new_in_a_file_survives_loading(tmp_path: Path) -> None:
    book = load_prices(layers(tmp_path, FILE)[1:], TODAY, today=TODAY)
    mine = [offer for offer in book.cpu if offer.provider == "acme"]
    assert [(o.instance, o.term, o.vcpus, o.memory_bytes / 2**30, o.usd_per_hour) for o in mine] == [
        ("c.4", "on-demand", 4, 16, 0.2), ("c.4", "spot", 4, 16, 0.05), ("c.8", "on-demand", 8, 32, 0.4),
    ]  # fmt: skip
    assert {(o.architecture, o.region, o.from_date, o.provenance.source.title) for o in mine} == {
        ("arm64", "r1", date(2026, 3, 1), "The price list")
    }
    committed = next(o for o in book.hourly if o.provider == "acme" and o.term == "reserved-1y")
    assert (committed.upfront, committed.confidence) == ("none", "high")
    fact = book.facts["acme.egress"]
    assert fact.confidence == "medium"
    assert fact.tiers == (
        PriceTier(up_to=100, usd=0), PriceTier(up_to=10_000, usd=0.09), PriceTier(up_to=None, usd=0.05),
    )  # fmt: skip


def test_machines_without_a_gpu_are_dated_too(tmp_path: Path) -> None:
    later = FILE.replace("facts:", "  - {region: r1, architecture: arm64, from: 2026-09-01, source: list, "
                         "machines: {c.8: [8, 32, 0.3]}}\nfacts:")  # fmt: skip
    where = layers(tmp_path, later)[1:]
    prices = {
        day: {o.usd_per_hour for o in load_prices(where, day, today=TODAY).cpu if o.instance == "c.8"}
        for day in (date(2026, 2, 1), date(2026, 5, 1), date(2026, 10, 1))
    }
    assert list(prices.values()) == [set(), {0.4}, {0.3}]


R1 = "hourly.0.offers.0.usd_per_hour.r1: a number above 0 is expected, not"
WRONG = [
    ("{r1: 32.5}", "{r1: -32.5}", "r1: -32.5", f"{R1} -32.5", ""),
    ("{r1: 32.5}", "{r1: 0}", "r1: 0}", f"{R1} 0", "what costs nothing is no offer"),
    ("{r1: 32.5}", "{r1: .nan}", "r1: .nan", f"{R1} nan", ""),
    ("{r1: 32.5}", "{r1: .inf}", "r1: .inf", f"{R1} inf", ""),
    ("0.0002", "-0.0002", "usd_per_gpu_s", "serverless.0.usd_per_gpu_s: a number above 0", ""),
    ("mtok: 0.1", "mtok: -1", "input_usd_per_mtok", "tokens.0.input_usd_per_mtok: a number above 0", ""),
    ("value: 0.09", "value: -0.09", "value:", "facts.egress.value: a number of 0 or more", ""),
    ("[8, 32, 0.4]", "[8, 32, -0.4]", "c.8:", "cpu.0.machines.c.8.USD an hour: a number above 0", ""),
    ("[8, 32, 0.4]", "[8, 32]", "c.8:", "cpu.0.machines.c.8: a list of vCPUs, GiB, USD an hour", ""),
    ("arm64", "sparc", "architecture", "cpu.0.architecture: one of x86-64, arm64 is expected", ""),
    (
        "term: reserved-1y", "term: reserved", "term: reserved,",
        "hourly.0.offers.1.term: one of on-demand, spot, reserved-1y, reserved-3y is expected, not 'reserved'",
        "a commitment states its years: reserved-1y or reserved-3y",
    ),
    ("currency: USD", "currency: EUR", "currency:", "currency: 'EUR': only USD is understood", "convert them"),
    (
        "usd_per_hour: {r1: 32.5}", "eur_per_hour: {r1: 32.5}", "eur_per_hour",
        "hourly.0.offers.0.eur_per_hour: unknown key", "prices are in USD: convert them",
    ),
    (
        "from: 2026-06-01", "from: 2027-01-01", "from: 2027",
        "hourly.0.offers.0.from: 2027-01-01 is in the future", "a price is written down when it holds",
    ),
    ("as_of: 2026-05-06", "as_of: 2027-05-06", "as_of:", "facts.egress.as_of: 2027-05-06 is in the future", ""),
    ("h100-sxm-80gb", "h100-smx-80gb", "gpu: h100", "hourly.0.gpu: unknown GPU 'h100-smx-80gb'", "mean h100-sxm-80gb"),
    ("gpu: h100-sxm-80gb", "gpu: H100-SXM", "gpu: H100", "hourly.0.gpu: unknown GPU 'H100-SXM'", "h100-sxm-80gb?"),
    ("l4-24gb", "l5-24gb", "gpu: l5", "serverless.0.gpu: unknown GPU 'l5-24gb'", "llmplan catalog list gpus"),
    (
        "up_to: 10000", "up_to: 50", "up_to: 50",
        "facts.egress.tiers.1.up_to: 50 is not above the 100 of the tier before", "grows from tier to tier",
    ),
    ("{usd: 0.05}", "{up_to: 5, usd: 0.05}", "up_to: 5,", "facts.egress.tiers.2.up_to: unknown key; known are usd", ""),
    ("{up_to: 10000, usd: 0.09}", "{usd: 0.09}", "{usd: 0.09}", "facts.egress.tiers.1.up_to: is missing", ""),
    ("usd: 0.05", "usd: -0.05", "usd: -0.05", "facts.egress.tiers.2.usd: a number of 0 or more", ""),
    ("value: 0.09", "value: 0.08", "tiers:", "facts.egress.tiers: the first rate above 0 is not the value 0.08", ""),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "at", "message", "hint"), WRONG)
def test_a_wrong_entry_is_refused_at_its_place(
    tmp_path: Path, old: str, new: str, at: str, message: str, hint: str
) -> None:
    text = FILE.replace(old, new, 1)
    assert text != FILE
    assert text.count(at) == 1 or at in FILE
    before = text[: text.index(at)]
    where = f"acme.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}: "
    folders = layers(tmp_path, text)
    with pytest.raises(DataError) as caught:
        load_prices(folders if "GPU" in message else folders[1:], TODAY, today=TODAY)
    assert caught.value.message.startswith(str(tmp_path))
    assert where + message in caught.value.message
    assert "\n" not in caught.value.message
    assert any(hint in each for each in caught.value.hints) or not hint


JUDGEMENTS = ("in the future", "unknown GPU", "of the tier before", "not the value", "nan", "inf", "tiers.1.up_to: is")
"""what takes more than a schema: other files, the clock, other entries, numbers that JSON does not have"""


@pytest.mark.parametrize(("old", "new", "message"), [(old, new, message) for old, new, _, message, _ in WRONG])
def test_the_schema_refuses_what_the_reader_refuses(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text(FILE.replace(old, new, 1), encoding="utf-8")
    refused = bool(list(SCHEMA.iter_errors(_with_text_dates(read_yaml(path)))))
    assert refused != any(each in message for each in JUDGEMENTS) or message.endswith("known are usd")


def test_the_schema_takes_what_the_reader_takes(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text(FILE, encoding="utf-8")
    data = _with_text_dates(read_yaml(path))
    assert [error.message for error in SCHEMA.iter_errors(data)] == []
    nameless = {key: value for key, value in data.items() if key != "tier"}
    assert [error.message for error in SCHEMA.iter_errors(nameless)] == ["'tier' is a required property"]


def _with_text_dates(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_text_dates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_text_dates(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def test_the_examples_of_the_page_load_and_fit_the_schema(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "adding-a-price.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        name = example.split()[1]
        book = load_prices(layers(tmp_path / name, example, name), TODAY, today=TODAY)
        data = read_yaml(tmp_path / name / "prices" / f"{name}.yaml")
        assert [error.message for error in SCHEMA.iter_errors(_with_text_dates(data))] == []
        sources = {offer.provenance.source.title for offer in (*book.hourly, *book.cpu) if offer.provider == name}
        assert {entry["title"] for entry in data["sources"].values()} <= sources
    assert len(book.facts["acme.egress"].tiers) == 3


TWICE = [
    ("hourly:\n", "      - {from: 2026-06-01, source: list, term: on-demand, usd_per_hour: {r1: 31}}\n", "serverless:",
     "hourly.0.offers.2.usd_per_hour.r1: says again what hourly.0.offers.0.usd_per_hour.r1 says"),
    ("tokens:\n", "  - {model: openai/gpt-oss-20b, listed_as: acme/oss, from: 2026-03-01, source: list, "
     "input_usd_per_mtok: 0.2, output_usd_per_mtok: 0.4}\n", "cpu:", "tokens.1: says again what tokens.0 says"),
    ("serverless:\n", "  - {gpu: l4-24gb, from: 2026-03-01, source: list, mode: worker, usd_per_gpu_s: 0.0003, "
     "scales_to_zero: true, confidence: low}\n", "tokens:", "serverless.1: says again what serverless.0 says"),
    ("cpu:\n", "  - {region: r1, architecture: arm64, from: 2026-03-01, source: list, machines: {c.8: [8, 32, 1]}}\n",
     "facts:", "cpu.1.machines.c.8: says again what cpu.0.machines.c.8 says"),
]  # fmt: skip


@pytest.mark.parametrize(("part", "row", "before", "message"), TWICE)
def test_a_row_is_said_once(tmp_path: Path, part: str, row: str, before: str, message: str) -> None:
    assert part in FILE
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        load_prices(layers(tmp_path, FILE.replace(before, row + before, 1))[1:], TODAY, today=TODAY)
    assert any("`from:`" in hint for hint in caught.value.hints)


def test_a_file_that_extends_is_wrong_at_its_own_line(tmp_path: Path) -> None:
    """The packaged file has hundreds of machines before it; the position is the user's."""
    mine = (
        "id: lambda\nname: Lambda\nextends: lambda\nsources:\n  deal: {title: Our contract}\nhourly:\n"
        "  - {instance: gpu_8x_h100_sxm_80gb, gpu: h100-sxm-80gb, gpus: 8, offers: [\n"
        "    {from: 2030-05-01, source: deal, term: reserved-1y, usd_per_hour: {us-east-1: 22.4}}]}\n"
    )
    with pytest.raises(DataError, match=r"lambda\.yaml:8:6: hourly\.0\.offers\.0\.from: 2030-05-01 is in the future"):
        load_prices(layers(tmp_path, mine, "lambda"), TODAY, today=TODAY)
    held = load_prices(layers(tmp_path, mine.replace("2030", "2026"), "lambda"), TODAY, today=TODAY)
    assert [offer.usd_per_hour for offer in held.hourly if offer.provenance.source.id == "deal"] == [22.4]


def test_the_packaged_files_hold_what_is_asked_of_a_users(tmp_path: Path) -> None:
    """Each of them would load as somebody's own: nothing from the future, nothing twice, no unknown GPU."""
    (tmp_path / "prices").mkdir()
    for path in (packaged_profiles() / "prices").glob("*.yaml"):
        (tmp_path / "prices" / path.name).write_bytes(path.read_bytes())
    both = load_prices((packaged_profiles(), tmp_path), TODAY, today=TODAY)
    assert len(both.hourly) == len(load_prices((packaged_profiles(),), TODAY).hourly)


def test_a_broken_price_file_is_in_the_way_of_prices_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layers(tmp_path, FILE.replace("{r1: 32.5}", "{r1: -1}"))
    monkeypatch.setenv("LLMPLAN_CATALOG", str(tmp_path))
    known = load_catalog(default_layers({"LLMPLAN_CATALOG": str(tmp_path)}), price_date=TODAY)
    assert known.gpus["l4"].id == "l4-24gb"
    assert main(["memory", "Qwen/Qwen3-0.6B", "--gpu", "l4", "--json"]) == 0
    capsys.readouterr()
    assert main(["catalog", "list", "providers"]) == 1
    error = capsys.readouterr().err
    assert "hourly.0.offers.0.usd_per_hour.r1: a number above 0 is expected, not -1" in error


def test_stale_prices_fail_a_strict_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layers(tmp_path, FILE)
    monkeypatch.setenv("LLMPLAN_CATALOG", str(tmp_path))
    assert main(["catalog", "check"]) == 0
    assert "prices of acme are" in "".join(capsys.readouterr())
    assert main(["catalog", "check", "--strict"]) == 4
