"""Tables of prices into documents: names, dates, checks, appending and writing."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest
import yaml

from llmplan.catalogs.prices import load_prices
from llmplan.errors import DataError
from llmplan.pricefeeds import build_documents, check_documents, list_changes, merge_documents, write_documents
from llmplan.pricefeeds.gpu_names import catalog_gpu
from llmplan.pricefeeds.hub_ids import HUB_IDS
from llmplan.pricefeeds.model_names import hub_model, normal_form
from llmplan.pricefeeds.sources import clean_source
from llmplan.pricefeeds.tables import COLUMNS

TODAY = date(2026, 11, 25)
GPU_ROW = {
    "provider": "lambda", "instance_type": "gpu_8x_h100", "gpu": "H100-SXM-80GB", "gpu_count": "8", "region": "global",
    "on_demand_usd_per_hour": "31.92", "source": "a/b prices", "as_of": "2026-10-10",
}  # fmt: skip
SECOND_ROW = {
    "provider": "modal", "gpu": "L4", "usd_per_second": "0.000222", "mode": "function", "scale_to_zero": "yes",
    "billing_granularity": "per second", "source": "modal.com/pricing", "as_of": "2026-05-08",
    "confidence": "medium (two)",
}  # fmt: skip
TOKEN_ROW = {
    "provider": "groq", "model": "groq/openai/gpt-oss-120b", "input_usd_per_mtok": "0.15", "output_usd_per_mtok": "0.6",
    "context": "131072", "source": "litellm 1.109.1 prices", "as_of": "wheel (built after 2026-10-19)",
}  # fmt: skip


def table(folder: Path, name: str, *rows: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS[name], restval="")
        writer.writeheader()
        writer.writerows(rows)


def documents(folder: Path, *rows: dict[str, str], name: str = "gpu_prices") -> dict[str, dict[str, object]]:
    table(folder, name, *rows)
    return build_documents(folder, retrieved=TODAY)


@pytest.mark.parametrize(
    ("gpu", "provider", "instance", "gpu_id"),
    [
        ("A100-80GB", "aws", "p4de.24xlarge", "a100-sxm-80gb"),
        ("A100-80GB", "azure", "Standard_NC24ads_A100_v4", "a100-pcie-80gb"),
        ("A100-80GB", "azure", "Standard_ND96amsr_A100_v4", "a100-sxm-80gb"),
        ("A100-80GB", "hyperstack", "NVIDIA A100 NVLink", "a100-pcie-80gb"),
        ("A100-80GB", "modal", "", "a100-pcie-80gb"),
        ("A100-40GB", "gcp", "a2-highgpu-1g", "a100-sxm-40gb"),
        ("V100", "aws", "p3.2xlarge", "v100-sxm-16gb"),
        ("V100", "azure", "Standard_NC6s_v3", "v100-pcie-16gb"),
        ("H100-NVL (confidential)", "azure", "x", "h100-nvl-94gb"),
        ("L4 (fraction)", "aws", "g6f.xlarge", "l4-24gb"),
        ("RTX PRO 6000", "vast", "cheapest offer: RTX PRO 6000 Blackwell 96GB Max-Q", "rtx-pro-6000-max-q-96gb"),
    ],
)
def test_gpu_names(gpu: str, provider: str, instance: str, gpu_id: str) -> None:
    match = catalog_gpu(gpu, provider=provider, instance=instance)
    assert match is not None
    assert match.gpu_id == gpu_id


@pytest.mark.parametrize(
    ("listed_as", "model_id", "weights"),
    [
        ("fireworks_ai/accounts/fireworks/models/llama-v3p3-70b-instruct", "meta-llama/Llama-3.3-70B-Instruct", None),
        ("us.meta.llama3-2-11b-instruct-v1:0", "meta-llama/Llama-3.2-11B-Vision-Instruct", None),
        ("cloudflare/@cf/meta/llama-3.1-8b-instruct-fp8", "meta-llama/Llama-3.1-8B-Instruct", "fp8"),
        ("vertex_ai/openai/gpt-oss-120b-maas", "openai/gpt-oss-120b", None),
        ("mistral.mistral-7b-instruct-v0:2", "mistralai/Mistral-7B-Instruct-v0.2", None),
        ("baseten/deepseek-ai/DeepSeek-V3.1", "deepseek-ai/DeepSeek-V3.1", None),
        ("azure_ai/FW-Kimi-K2.5", "moonshotai/Kimi-K2.5", None),
    ],
)
def test_seller_names_that_are_clear(listed_as: str, model_id: str, weights: str | None) -> None:
    match = hub_model(listed_as)
    assert match is not None
    assert (match.model_id, match.weights) == (model_id, weights)


@pytest.mark.parametrize(
    "listed_as",
    [
        "cerebras/llama3.1-8b",  # base or instruct?
        "deepseek/deepseek-chat",  # floats
        "qwen.qwen3-next-80b-a3b",  # instruct or thinking?
        "bedrock/deepseek.v3-v1:0",  # is V3.1
        "openai/gpt-oss-120b:batch",  # not interactive
        "fireworks_ai/glm-5p3-spot",  # preemptible
        "x/deepseek-llama3.3-70b",  # a distillate
        "vertex_ai/meta/llama-4-scout-17b-128e-instruct-maas",  # no such model
    ],
)
def test_seller_names_that_would_take_a_guess(listed_as: str) -> None:
    assert hub_model(listed_as) is None


def test_no_two_models_share_a_normal_form() -> None:
    assert len({normal_form(hub_id) for hub_id in HUB_IDS}) == len(HUB_IDS)


def test_a_row_becomes_a_dated_offer_with_its_source(tmp_path: Path) -> None:
    found = documents(tmp_path / "in", GPU_ROW)
    write_documents(found, tmp_path / "out" / "prices")

    (offer,) = load_prices((tmp_path / "out",), TODAY).hourly
    assert (offer.provider, offer.gpus, offer.usd_per_hour, offer.from_date) == ("lambda", 8, 31.92, date(2026, 10, 10))
    assert offer.provenance.source.title == "a/b prices"
    assert offer.provenance.source.url == "https://github.com/a/b"


def test_on_demand_and_spot_of_one_row_keep_their_own_source_and_day(tmp_path: Path) -> None:
    row = GPU_ROW | {
        "spot_usd_per_hour": "9.5", "spot_kind": "derived: x", "source": "a/b prices + spot: c/d list",
        "as_of": "2026-10-10; spot 2025-06-28",
    }  # fmt: skip
    write_documents(documents(tmp_path / "in", row), tmp_path / "out" / "prices")

    offers = {offer.term: offer for offer in load_prices((tmp_path / "out",), TODAY).hourly}
    assert (offers["spot"].from_date, offers["spot"].provenance.source.title) == (date(2025, 6, 28), "c/d list")
    assert (offers["spot"].quality, offers["on-demand"].quality) == ("derived", "listed")
    assert offers["on-demand"].from_date == date(2026, 10, 10)


def test_seconds_and_tokens_come_with_their_rules(tmp_path: Path) -> None:
    table(tmp_path / "in", "serverless_gpu", SECOND_ROW, SECOND_ROW | {"gpu": "T4", "usd_per_second": ""})
    found = documents(tmp_path / "in", TOKEN_ROW, name="token_api_prices")
    write_documents(found, tmp_path / "out" / "prices")

    book = load_prices((tmp_path / "out",), TODAY)
    (second,), (token,), (unpriced,) = book.serverless, book.tokens, book.unpriced
    assert second.usd_per_vcpu_s == pytest.approx(0.0000131 / 2)
    assert (second.granularity_s, second.scales_to_zero, second.confidence) == (1.0, True, "medium")
    assert (token.model_id, token.from_date, token.context_tokens) == (
        "openai/gpt-oss-120b",
        date(2026, 10, 19),
        131072,
    )
    assert (unpriced.provider, unpriced.note) == ("modal", "rate not found")


def test_a_worker_with_one_of_several_gpus_is_offered_under_each(tmp_path: Path) -> None:
    row = SECOND_ROW | {"provider": "runpod-serverless", "gpu": "L4/A5000/RTX 3090 24GB"}
    offers = documents(tmp_path, row, name="serverless_gpu")["runpod-serverless"]["serverless"]
    assert [offer["gpu"] for offer in offers] == ["l4-24gb", "rtx-a5000-24gb", "rtx-3090-24gb"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"on_demand_usd_per_hour": "cheap"}, "is not a number"),
        ({"on_demand_usd_per_hour": "nan"}, "is not a finite number"),
        ({"on_demand_usd_per_hour": ""}, r"gpu_prices\.csv:2: no price \(row lambda, gpu_8x_h100"),
    ],
)
def test_rows_that_cannot_be_read(tmp_path: Path, change: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        documents(tmp_path, GPU_ROW | change)


def test_a_table_without_a_column_or_a_folder_without_tables(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no price table"):
        build_documents(tmp_path, retrieved=TODAY)
    (tmp_path / "gpu_prices.csv").write_text("provider,gpu\nlambda,L4\n", encoding="utf-8")
    with pytest.raises(DataError, match="the column 'instance_type' is missing"):
        build_documents(tmp_path, retrieved=TODAY)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"on_demand_usd_per_hour": "3192"}, "3192 USD/h for 8 GPUs"),
        ({"on_demand_usd_per_hour": "100.0"}, "31.92 became 100, more than a factor 3"),
        ({"as_of": "2027-01-01"}, "dated in the future"),
    ],
)
def test_a_snapshot_that_cannot_be_believed(tmp_path: Path, change: dict[str, str], message: str) -> None:
    known = documents(tmp_path / "a", GPU_ROW)
    new = documents(tmp_path / "b", GPU_ROW | {"as_of": "2026-11-20"} | change)
    problems = check_documents(new, known, today=TODAY)
    assert any(message in problem.message and problem.severity == "error" for problem in problems)


def test_a_snapshot_that_lost_most_rows_is_refused(tmp_path: Path) -> None:
    rows = [GPU_ROW | {"region": f"r{i}"} for i in range(10)]
    known, new = documents(tmp_path / "a", *rows), documents(tmp_path / "b", *rows[:3])
    (problem,) = check_documents(new, known, today=TODAY)
    assert problem.message == "only 3 hourly prices where 10 were known: none of its prices is used"


def test_new_prices_are_appended_and_old_days_stay(tmp_path: Path) -> None:
    known = documents(tmp_path / "a", GPU_ROW)
    new = documents(
        tmp_path / "b", GPU_ROW | {"on_demand_usd_per_hour": "28", "as_of": "2026-11-20", "source": "a/c new"}
    )
    merged = merge_documents(known, new)
    write_documents(merged, tmp_path / "out" / "prices")

    layers = (tmp_path / "out",)
    assert [o.usd_per_hour for o in load_prices(layers, date(2026, 11, 1)).hourly] == [31.92]
    assert [o.usd_per_hour for o in load_prices(layers, TODAY).hourly] == [28]
    (change,) = list_changes(known, new)
    assert (change.old_usd, change.new_usd) == (31.92, 28)
    assert merge_documents(merged, new) == merged


def test_sellers_that_a_snapshot_lacks_keep_their_rows(tmp_path: Path) -> None:
    known = documents(tmp_path / "a", GPU_ROW, GPU_ROW | {"provider": "oci"})
    merged = merge_documents(known, documents(tmp_path / "b", GPU_ROW | {"as_of": "2026-11-20"}))
    assert merged["oci"] == known["oci"]


def test_one_source_name_for_two_texts_is_numbered(tmp_path: Path) -> None:
    known = documents(tmp_path / "a", GPU_ROW | {"source": "a/b one"})
    merged = merge_documents(known, documents(tmp_path / "b", GPU_ROW | {"source": "x/b two", "as_of": "2026-11-20"}))
    titles = {name: source["title"] for name, source in merged["lambda"]["sources"].items()}
    assert titles == {"b": "a/b one", "b-2": "x/b two"}


def test_files_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = documents(tmp_path / "in", GPU_ROW, GPU_ROW | {"provider": "oci"})
    out = tmp_path / "out"
    write_documents(found, out)
    before = {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        write_documents({name: document | {"name": "New"} for name, document in found.items()}, out)
    assert {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()} == before


def test_numbers_are_written_as_in_the_table(tmp_path: Path) -> None:
    row = SECOND_ROW | {"usd_per_second": "0.00000655"}
    (path,) = write_documents(documents(tmp_path / "in", row, name="serverless_gpu"), tmp_path / "out")
    text = path.read_text(encoding="utf-8")
    assert "usd_per_gpu_s: 0.00000655" in text
    assert yaml.safe_load(text)["serverless"][0]["usd_per_gpu_s"] == 0.00000655


def test_a_collectors_own_locators_are_left_out() -> None:
    assert (
        clean_source("public appendix (note id 71217463788) citing X; b note id 68869698312")
        == "public appendix citing X; b note"
    )


def test_what_cannot_be_read_is_named_by_file_and_line(tmp_path: Path) -> None:
    table(tmp_path, "gpu_prices", GPU_ROW)
    path = tmp_path / "gpu_prices.csv"
    text = path.read_text(encoding="utf-8")
    for data, message in (
        ((text + text.splitlines()[1].replace("lambda", "für")).encode("latin-1"), r":3: not UTF-8 text"),
        (text.encode("utf-16"), r":1: not UTF-8 text"),
        ((text + '"never closed').encode(), r":3: not a CSV table"),
        ((text + "short,row\n").encode(), r":3: the row has not 1"),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=rf"gpu_prices\.csv{message}"):
            build_documents(tmp_path, retrieved=TODAY)


def test_the_mark_that_spreadsheets_put_before_a_table_is_no_part_of_it(tmp_path: Path) -> None:
    table(tmp_path, "gpu_prices", GPU_ROW)
    plain = build_documents(tmp_path, retrieved=TODAY)
    path = tmp_path / "gpu_prices.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert build_documents(tmp_path, retrieved=TODAY) == plain
