"""`llmplan prices`: what is shown and where it is from, and updates from tables that never half happen."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path
from statistics import median
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
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
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


def test_show_names_seller_region_term_day_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "show", "--gpu", "h100", "--provider", "aws", "--term", "on-demand", "--as-of", "2026-11-22")

    assert found["schema"] == "llmplan.prices/v1"
    row = next(row for row in found["prices"] if row["region"] == "us-east-1" and row["instance"] == "p5.48xlarge")
    assert (row["gpus"], row["usd_per_hour"], row["as_of"]) == (8, 55.04, "2026-10-10")
    assert row["url"] == "https://github.com/ewyluda/gpu-price-index"
    per_gpu = [row["usd_per_hour"] / row["gpus"] for row in found["prices"]]
    assert per_gpu == sorted(per_gpu)
    assert [entry["provider"] for entry in found["unpriced"]] == []


def test_a_seller_is_also_meant_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "show", "--provider", "Amazon Web Services")
    assert {row["provider"] for row in found["prices"]} == {"aws"}


def test_a_company_lists_all_its_products(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "show", "--provider", "RunPod")
    assert {row["provider"] for row in found["prices"]} == {"runpod-secure", "runpod-community", "runpod-serverless"}


def test_tokens_of_one_model(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "show", "--model", "OPENAI/gpt-oss-120b", "--as-of", "2026-11-22")
    groq = next(row for row in found["prices"] if row["provider"] == "groq")
    assert (groq["input_usd_per_mtok"], groq["output_usd_per_mtok"]) == (0.15, 0.6)


def test_the_table_says_how_many_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "show", "--limit", "3", "--as-of", "2026-11-22"]) == 0
    text = capsys.readouterr().out
    assert "3 of " in text
    assert "as of 2026-11-22" in text


def test_the_market_counts_each_seller_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The medians again, from the rows that the same answer lists."""
    sellers = ("azure", "aws", "runpod-secure", "crusoe", "hyperstack")
    flags = [part for name in sellers for part in ("--provider", name)]
    found = answer(capsys, "show", "--gpu", "h100", "--term", "on-demand", "--as-of", "2026-11-22", *flags)
    (market,) = found["market"]
    by_seller: dict[str, list[float]] = {}
    for row in found["prices"]:
        if row["as_of"]:
            by_seller.setdefault(row["provider"], []).append(row["usd_per_hour"] / row["gpus"])
    assert market["sellers"] == len(by_seller)
    assert market["usd_per_gpu_hour"] == pytest.approx(median(median(prices) for prices in by_seller.values()))
    every = [price for prices in by_seller.values() for price in prices]
    assert (market["low_usd_per_gpu_hour"], market["high_usd_per_gpu_hour"]) == (min(every), max(every))
    days = [row["as_of"] for row in found["prices"] if row["as_of"]]
    assert market["newest"] == max(days)


def test_the_market_of_a_models_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "show", "--model", "openai/gpt-oss-120b", "--as-of", "2026-11-22")
    (market,) = found["market"]
    by_seller: dict[str, list[float]] = {}
    for row in found["prices"]:
        by_seller.setdefault(row["provider"], []).append(row["input_usd_per_mtok"])
    assert market["input_usd_per_mtok"] == pytest.approx(median(median(prices) for prices in by_seller.values()))
    assert (market["sellers"], market["rows"]) == (len(by_seller), len(found["prices"]))


def test_machines_without_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "show", "--cpu", "--provider", "aws", "--term", "on-demand", "--as-of", "2026-11-22")
    assert {(row["kind"], row["term"]) for row in found["prices"]} == {("cpu", "on-demand")}
    arm = [row["usd_per_hour"] / row["vcpus"] for row in found["prices"] if row["architecture"] == "arm64"]
    market = next(line for line in found["market"] if line["cpu"] == "arm64")
    assert market["usd_per_vcpu_hour"] == pytest.approx(median(arm))
    assert found["unpriced"] == []
    assert main(["prices", "show", "--cpu", "--gpu", "h100"]) == 2


@pytest.mark.parametrize("columns", ["80", "120"])
def test_the_tables_fit_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["prices", "show", "--gpu", "h100", "--limit", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert sum(line.startswith("h100-sxm-80gb") for line in lines) == 5


def test_names_stay_whole_and_every_price_names_its_source(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    flags = ["--term", "per-second", "--as-of", "2026-11-22"]
    rows = answer(capsys, "show", *flags)["prices"]
    assert main(["prices", "show", *flags, "--limit", "0"]) == 0
    market, _, text = capsys.readouterr().out.partition("provider, region")
    assert {row["provider"] for row in rows} >= {"hf-inference-endpoints", "runpod-serverless"}
    for name in {row["gpu"] for row in rows}:
        assert f" 1 x {name} " in text, name
    table, _, sources = text.partition("\nSources\n")
    cited = [int(number) for number in re.findall(r"(?:undated|2026-\d\d-\d\d) \[(\d+)\]", table)]
    assert len(cited) == len(rows)
    assert {*cited} == {int(number) for number in re.findall(r"(?m)^ +\[(\d+)\]", sources)}
    assert table.count("sure: ") == sum(row["confidence"] is not None for row in rows) > 0
    assert "do not count in the medians" in " ".join(market.split())


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["show", "--provider", "lamda"], "did you mean lambda"),
        (["show", "--gpu", "h100-smx-80gb"], "did you mean h100-sxm-80gb"),
        (["show", "--term", "spott"], "did you mean spot"),
        (["show", "--model", "openai/gpt-oss-121b"], "did you mean openai/gpt-oss-120b"),
        (["update", "--from", "/no/such/folder"], "is not a folder"),
    ],
)
def test_wrong_names_are_usage_errors(arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", *arguments]) == 2
    assert hint in capsys.readouterr().err


def test_an_update_lands_in_the_cache_and_keeps_old_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = snapshot(tmp_path / "in")
    planned = answer(capsys, "update", "--from", str(folder), "--dry-run")
    assert (planned["written"], planned["snapshot"]) == ([], None)
    assert not (tmp_path / "cache").exists()
    change = next(c for c in planned["changes"] if c["price"].startswith("gpu_8x_h100_sxm_80gb"))
    assert (change["old_usd"], change["new_usd"]) == (31.92, 30)

    done = answer(capsys, "update", "--from", str(folder))
    assert done["written"] == [f"{done['snapshot']}/prices/lambda.yaml"]
    assert Path(done["snapshot"]).parent == tmp_path / "cache" / "llmplan" / "prices"
    for day, price in (("2026-11-01", 31.92), ("2026-11-22", 30)):
        rows = answer(capsys, "show", "--provider", "lambda", "--gpu", "h100", "--as-of", day)["prices"]
        assert next(row["usd_per_hour"] for row in rows if row["instance"] == "gpu_8x_h100_sxm_80gb") == price
    again = answer(capsys, "update", "--from", str(folder), "--check")
    assert (again["changes"], again["snapshot"]) == ([], None)


def test_what_a_user_wrote_by_hand_wins_over_the_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "config" / "llmplan" / "profiles" / "prices"
    own.mkdir(parents=True)
    (own / "lambda.yaml").write_text(
        "id: lambda\nextends: lambda\nsources: {contract: {title: Our contract}}\nhourly:\n"
        "  - {instance: gpu_8x_h100_sxm_80gb, gpu: h100-sxm-80gb, gpus: 8, offers: [{from: 2026-11-21,"
        " source: contract, term: on-demand, usd_per_hour: {global: 20.0}}]}\n",
        encoding="utf-8",
    )
    answer(capsys, "update", "--from", str(snapshot(tmp_path / "in")))
    rows = answer(capsys, "show", "--provider", "lambda", "--gpu", "h100")["prices"]
    row = next(row for row in rows if row["instance"] == "gpu_8x_h100_sxm_80gb")
    assert (row["usd_per_hour"], row["source"]) == (20.0, "Our contract")


def test_check_exits_with_one_when_something_is_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "update", "--from", str(snapshot(tmp_path / "in")), "--check", code=1)


def test_a_jump_is_held_back_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = snapshot(tmp_path / "in", on_demand_usd_per_hour="3.00")
    done = answer(capsys, "update", "--from", str(folder), code=1)
    (held,) = done["held"]
    assert (held["old_usd"], held["new_usd"]) == (31.92, 3)
    assert len(done["changes"]) == 39
    rows = answer(capsys, "show", "--provider", "lambda", "--gpu", "h100")["prices"]
    assert next(row["usd_per_hour"] for row in rows if row["instance"] == "gpu_8x_h100_sxm_80gb") == 31.92

    accepted = answer(capsys, "update", "--from", str(folder), "--accept-jump", held["accept"])
    assert [change["new_usd"] for change in accepted["changes"]] == [3]
    rows = answer(capsys, "show", "--provider", "lambda", "--gpu", "h100")["prices"]
    assert next(row["usd_per_hour"] for row in rows if row["instance"] == "gpu_8x_h100_sxm_80gb") == 3


@pytest.mark.parametrize("flags", [["--accept-jumps"], ["--accept-jump", "lambda: gpu_8x*"]])
def test_jumps_are_accepted_by_pattern_or_all_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    folder = snapshot(tmp_path / "in", on_demand_usd_per_hour="3.00")
    assert answer(capsys, "update", "--from", str(folder), *flags)["held"] == []


def test_the_command_that_accepts_a_jump_can_be_pasted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folder = snapshot(tmp_path / "a folder with blanks in its name", on_demand_usd_per_hour="3.00")
    assert main(["prices", "update", "--from", str(folder), "--region", "global"]) == 1
    (command,) = (line for line in capsys.readouterr().out.splitlines() if "--accept-jump" in line)
    words = shlex.split(command)
    assert words[:5] == ["llmplan", "prices", "update", "--from", str(folder)]
    assert words[5:7] == ["--region", "global"]
    assert main(words[1:]) == 0


def test_a_name_broken_by_the_terminal_and_one_that_names_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = snapshot(tmp_path / "in", on_demand_usd_per_hour="3.00")
    (held,) = answer(capsys, "update", "--from", str(folder), "--accept-jump", "lambda: rack*", code=1)["held"]
    found = answer(capsys, "update", "--from", str(folder), "--accept-jump", "lambda: gpu_9x*", code=1)
    assert [each["message"] for each in found["problems"]] == ["'lambda: gpu_9x*' names no price that jumped"]
    broken = held["accept"].replace(" ", "\n  ")
    assert answer(capsys, "update", "--from", str(folder), "--accept-jump", broken)["held"] == []


def test_rows_of_a_table_that_become_no_price_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = snapshot(tmp_path / "in", gpu="Zorkmid 9000")
    (said,) = answer(capsys, "update", "--from", str(folder))["problems"]
    assert said["severity"] == "warning"
    assert said["message"].startswith("1 of 40 rows left out: no GPU is known by this name")
    assert "Zorkmid 9000" in said["message"]


def test_a_table_of_which_nothing_can_be_used_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header, *_, last = (snapshot(tmp_path / "in", gpu="Zorkmid 9000") / "gpu_prices.csv").read_text().splitlines()
    (tmp_path / "in" / "gpu_prices.csv").write_text(f"{header}\n{last}\n")
    assert main(["prices", "update", "--from", str(tmp_path / "in")]) == 1
    captured = capsys.readouterr()
    assert "nothing could be used" in captured.err
    assert "no GPU is known by this name" in " ".join(captured.out.split())


def test_diff_of_the_packaged_prices_and_the_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "diff")["differences"] == []
    answer(capsys, "update", "--from", str(snapshot(tmp_path / "in")))
    found = answer(capsys, "diff", "--provider", "lambda", "--gpu", "h100")
    first = found["differences"][0]
    assert (first["sign"], first["old_usd"], first["new_usd"]) == ("~", 31.92, 30)
    assert first["change"] == pytest.approx(30 / 31.92 - 1)
    assert [each["sign"] for each in found["differences"][1:]] == ["+"] * 39
    (group,) = found["groups"]
    assert (group["provider"], group["subject"], group["moved"], group["added"]) == ("lambda", "h100-sxm-80gb", 1, 39)
    assert main(["prices", "diff", "--provider", "lambda", "--limit", "1"]) == 0
    text = capsys.readouterr().out
    assert "-6.0 %" in text
    assert "~ 1 moved, + 39 new, - 0 gone; 1 of 40 shown" in text


def test_diff_of_two_days_and_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = snapshot(tmp_path / "in")
    beside = answer(capsys, "diff", str(folder), "--provider", "lambda", "--gpu", "h100")["differences"]
    assert (beside[0]["old_usd"], beside[0]["new_usd"]) == (31.92, 30)
    answer(capsys, "update", "--from", str(folder))
    days = answer(capsys, "diff", "--from-date", "2026-11-19", "--to-date", "2026-11-20", "--provider", "lambda")
    assert (days["differences"][0]["old_as_of"], days["differences"][0]["new_as_of"]) == ("2026-10-10", "2026-11-20")
    before = answer(capsys, "diff", "--previous", "--provider", "lambda")
    assert (before["old"], len(before["differences"])) == ("packaged prices", 40)
    assert main(["prices", "diff", "--previous", str(folder)]) == 2
    assert main(["prices", "diff", "--from-date", "2026-11-20", "--to-date", "2026-11-19"]) == 2


def test_check_of_the_packaged_prices(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "check", "--as-of", "2026-11-22")
    assert (found["snapshot"], found["stale_after_days"]) == (None, 45)
    assert not [each for each in found["problems"] if each["severity"] == "error"]
    ages = {each["provider"]: each["age_days"] for each in found["sellers"]}
    assert ages["modal"] == 198
    assert any("198 days ago" in each["message"] for each in found["problems"])


def test_check_is_strict_about_warnings_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "check", "--strict"]) == 4
    assert "--strict allows none" in capsys.readouterr().err


def test_check_sees_a_file_that_was_changed_and_update_does_not_build_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = snapshot(tmp_path / "in")
    path = Path(answer(capsys, "update", "--from", str(folder))["written"][0])
    assert answer(capsys, "check")["files_verified"] == 1
    path.write_text(path.read_text(encoding="utf-8").replace("usd_per_hour", "usd_per_hour "), encoding="utf-8")
    found = answer(capsys, "check", code=1)
    assert any("was changed since it was written" in each["message"] for each in found["problems"])
    assert main(["prices", "update", "--from", str(folder)]) == 1
    captured = capsys.readouterr()
    assert "the cached prices are damaged" in captured.err
    assert "it is a cache" in captured.err


@pytest.mark.parametrize("how", ["price", "added", "manifest", "version"])
def test_nothing_is_quoted_from_a_damaged_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    path = Path(answer(capsys, "update", "--from", str(snapshot(tmp_path / "in")))["written"][0])
    manifest = path.parents[1] / "manifest.json"
    if how == "price":
        path.write_text(path.read_text(encoding="utf-8").replace("30", "20", 1), encoding="utf-8")
    elif how == "added":
        path.with_name("aws.yaml").write_text("id: aws\nextends: aws\n", encoding="utf-8")
    elif how == "manifest":
        manifest.unlink()
    else:
        manifest.write_text(
            manifest.read_text(encoding="utf-8").replace("snapshot/v1", "snapshot/v2"), encoding="utf-8"
        )

    machine = ["Qwen/Qwen3-8B", "--gpu", "h100"]
    assert main(["prices", "show", "--gpu", "h100"]) == 1
    assert main(["cost", *machine, "--requests-per-second", "1", "--isl", "500", "--osl", "100"]) == 1
    assert main(["prices", "diff"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("another version of llmplan" if how == "version" else "cached prices are damaged") == 3
    assert captured.err.count("it is a cache; the packaged prices count until the next update") == 3

    assert main(["memory", *machine]) == 0
    assert main(["prices", "check"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "is left out of what follows" in text
    assert "lambda" in text


def test_check_says_what_a_file_of_ones_own_hides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "update", "--from", str(snapshot(tmp_path / "in")))
    own = tmp_path / "config" / "llmplan" / "profiles" / "prices"
    own.mkdir(parents=True)
    (own / "lambda.yaml").write_text("id: lambda\nname: Lambda\ntier: cloud\nsources: {}\n", encoding="utf-8")
    found = answer(capsys, "check")
    assert any("replaces the cached prices" in each["message"] for each in found["problems"])


def test_names_cannot_command_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They come from files and from the network; a title is text, a machine with such a name is no offer."""
    folder = snapshot(tmp_path / "in", instance_type="rack\x1b]0;owned\x07", source="list \x1b[31m of prices")
    with (folder / "gpu_prices.csv").open("a", encoding="utf-8", newline="") as file:
        row = ROW | {"instance_type": "rack40", "source": "list \x1b[31m of prices"}
        csv.DictWriter(file, COLUMNS["gpu_prices"], restval="").writerow(row)
    assert main(["prices", "update", "--from", str(folder)]) == 1
    said = capsys.readouterr().out
    assert "a name with characters that cannot be printed: left out" in " ".join(said.split())
    assert main(["prices", "show", "--provider", "lambda", "--limit", "0"]) == 0
    shown = capsys.readouterr().out
    assert "rack40" in shown
    assert "list \N{REPLACEMENT CHARACTER}[31m of prices" in shown
    assert "\x1b" not in said + shown
    assert "\x07" not in said + shown
