"""`llmplan prices`: lists with sources, and updates that never half happen."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from llmplan.cli import main
from llmplan.pricefeeds.tables import COLUMNS

ROW = {
    "provider": "lambda", "instance_type": "gpu_8x_h100_sxm_80gb", "gpu": "H100-SXM-80GB", "gpu_count": "8",
    "region": "global", "on_demand_usd_per_hour": "30.00", "source": "lambda.ai/pricing", "as_of": "2026-11-20",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("LLMPLAN_CATALOG", raising=False)
    monkeypatch.delenv("LLMPLAN_PRICE_DATE", raising=False)


def snapshot(folder: Path, **change: str) -> Path:
    """A table with all of Lambda's machines, so that nothing looks lost, and one of them changed."""
    folder.mkdir()
    with (folder / "gpu_prices.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS["gpu_prices"], restval="")
        writer.writeheader()
        for size in range(1, 40):
            writer.writerow(ROW | {"instance_type": f"rack{size}"})
        writer.writerow(ROW | change)
    return folder


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main(["prices", *arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_list_names_seller_region_term_day_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "list", "--gpu", "h100", "--provider", "aws", "--term", "on-demand", "--as-of", "2026-11-22")

    assert found["schema"] == "llmplan.prices/v1"
    row = next(row for row in found["prices"] if row["region"] == "us-east-1" and row["instance"] == "p5.48xlarge")
    assert (row["gpus"], row["usd_per_hour"], row["as_of"]) == (8, 55.04, "2026-10-10")
    assert row["url"] == "https://github.com/ewyluda/gpu-price-index"
    per_gpu = [row["usd_per_hour"] / row["gpus"] for row in found["prices"]]
    assert per_gpu == sorted(per_gpu)
    assert [entry["provider"] for entry in found["unpriced"]] == []


def test_a_seller_is_also_meant_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "list", "--provider", "Amazon Web Services")
    assert {row["provider"] for row in found["prices"]} == {"aws"}


def test_a_company_lists_all_its_products(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "list", "--provider", "RunPod")
    assert {row["provider"] for row in found["prices"]} == {"runpod-secure", "runpod-community", "runpod-serverless"}


def test_tokens_of_one_model(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "list", "--model", "OPENAI/gpt-oss-120b", "--as-of", "2026-11-22")
    groq = next(row for row in found["prices"] if row["provider"] == "groq")
    assert (groq["input_usd_per_mtok"], groq["output_usd_per_mtok"]) == (0.15, 0.6)


def test_the_table_says_how_many_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "list", "--limit", "3", "--as-of", "2026-11-22"]) == 0
    text = capsys.readouterr().out
    assert "3 of " in text
    assert "as of 2026-11-22" in text


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["list", "--provider", "lamda"], "did you mean lambda"),
        (["list", "--gpu", "h100-smx-80gb"], "did you mean h100-sxm-80gb"),
        (["list", "--term", "spott"], "did you mean spot"),
        (["list", "--model", "openai/gpt-oss-121b"], "did you mean openai/gpt-oss-120b"),
        (["update", "--from", "/no/such/folder"], "is not a folder"),
    ],
)
def test_wrong_names_are_usage_errors(arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", *arguments]) == 2
    assert hint in capsys.readouterr().err


def test_an_update_lands_in_the_users_layer_and_keeps_old_days(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = snapshot(tmp_path / "in")
    planned = answer(capsys, "update", "--from", str(folder), "--dry-run")
    assert planned["written"] == []
    assert not (tmp_path / "config").exists()
    change = next(c for c in planned["changes"] if c["price"].startswith("gpu_8x_h100_sxm_80gb"))
    assert (change["old_usd"], change["new_usd"]) == (31.92, 30)

    done = answer(capsys, "update", "--from", str(folder))
    assert done["written"] == [str(tmp_path / "config" / "llmplan" / "profiles" / "prices" / "lambda.yaml")]
    for day, price in (("2026-11-01", 31.92), ("2026-11-22", 30)):
        rows = answer(capsys, "list", "--provider", "lambda", "--gpu", "h100", "--as-of", day)["prices"]
        assert next(row["usd_per_hour"] for row in rows if row["instance"] == "gpu_8x_h100_sxm_80gb") == price
    assert answer(capsys, "update", "--from", str(folder), "--check")["changes"] == []


def test_check_exits_with_one_when_something_is_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "update", "--from", str(snapshot(tmp_path / "in")), "--check", code=1)


def test_a_jump_is_held_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = snapshot(tmp_path / "in", on_demand_usd_per_hour="3.00")
    assert main(["prices", "update", "--from", str(folder)]) == 1
    captured = capsys.readouterr()
    assert "31.92 became 3, more than a factor 3" in " ".join(captured.out.split())
    assert "the old prices stay" in captured.err
    assert not (tmp_path / "config").exists()
