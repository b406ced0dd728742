"""`cost` against an older answer, at other prices, in other money and other formats, end to end."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmplan.cli import main

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
DAY = ("--as-of", "2026-11-22")
LIMITS = ("--gpu", "l4", "--gpu", "l40s", "--ttft-p95-ms", "2000", "--privacy", "private")
TRAFFIC = ("--isl", "1000", "--osl", "300")


def asked(rate: str) -> tuple[str, ...]:
    return (LLAMA, "--requests-per-second", rate, *TRAFFIC, *LIMITS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("against")
    for name, rate in (("old", "2"), ("new", "30")):
        assert main(["recommend", *asked(rate), *DAY, "-o", str(path / f"{name}.yaml")]) == 0
    return path


def run(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["cost", *argv]) == code, capsys.readouterr().err
    return capsys.readouterr().out


def ask(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    return json.loads(run(capsys, *argv, "--json", code=code))


def test_a_plan_against_a_plan(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    found = ask(capsys, str(folder / "new.yaml"), "--against", str(folder / "old.yaml"))["against"]
    stored = {name: yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in ("old", "new")}
    for place, row in enumerate(found["strategies"]):
        before, after = (stored[name]["strategies"][place]["quote"] for name in ("old", "new"))
        if before and after:
            total = row["usd_per_month"]
            assert total["before"] == pytest.approx(before["usd_per_month"])
            assert total["difference"] == pytest.approx(after["usd_per_month"] - before["usd_per_month"])
            assert sum(each["usd_per_month"] for each in row["effects"]) == pytest.approx(total["difference"])
    assert found["question"] == [{"field": "workload.requests_per_s", "before": 2.0, "after": 30.0}]
    assert found["figures"] == []
    assert found["changed"]


def test_the_table_names_what_moved_and_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = run(capsys, str(folder / "new.yaml"), "--against", str(folder / "old.yaml"))
    assert "requests_per_s 2 → 30" in out
    assert re.search(r"^~ ", out, re.MULTILINE)
    assert "Why" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out


def test_an_older_plan_may_come_through_a_pipe(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """As from `<(git show main:plan.yaml)`, which can be read only once."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes((folder / "old.yaml").read_bytes()), daemon=True)
    writer.start()
    found = ask(capsys, str(folder / "old.yaml"), "--against", str(pipe))
    writer.join(timeout=10)
    assert found["against"]["file"] == "pipe"
    assert not found["against"]["changed"]


def test_a_model_against_a_plan_and_against_printed_json(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    again = ask(capsys, *asked("2"), *DAY, "--against", str(folder / "old.yaml"))
    assert not again["against"]["changed"]
    assert again["against"]["question"] == []
    path = tmp_path / "base.json"
    path.write_text(run(capsys, str(folder / "old.yaml"), "--json"))
    by_json = ask(capsys, str(folder / "new.yaml"), "--against", str(path))["against"]
    by_plan = ask(capsys, str(folder / "new.yaml"), "--against", str(folder / "old.yaml"))["against"]
    assert by_json == by_plan | {"file": "base.json"}


def test_what_moved_at_once_is_planned_step_by_step(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """The step between, asked as a question of its own, is what the parts meet at."""
    limits = ("--gpu", "l4", "--privacy", "private")
    loose, tight = ("--ttft-p95-ms", "2000"), ("--ttft-p95-ms", "400", "--tpot-p95-ms", "60")
    slow, fast = ((LLAMA, "--requests-per-second", rate, *TRAFFIC, *limits) for rate in ("30", "60"))
    path = folder / "slow.yaml"
    assert main(["recommend", *slow, *loose, *DAY, "-o", str(path), "--force"]) == 0
    found = ask(capsys, *fast, *tight, *DAY, "--against", str(path))["against"]
    row = next(each for each in found["strategies"] if each["strategy"] == "dedicated")
    parts = {effect["cause"]: effect["usd_per_month"] for effect in row["effects"]}
    middle = ask(capsys, *fast, *loose, *DAY)["strategies"][1]["quote"]["usd_per_month"]
    assert parts["workload"] == pytest.approx(middle - row["usd_per_month"]["before"])
    assert parts["promise"] == pytest.approx(row["usd_per_month"]["after"] - middle)
    printed = folder / "slow.json"
    printed.write_text(run(capsys, *slow, *loose, *DAY, "--json"))
    bills_only = ask(capsys, *fast, *tight, *DAY, "--against", str(printed))["against"]
    assert {each["cause"] for each in bills_only["strategies"][1]["effects"]} == {"several"}


def test_another_model_is_allowed_and_said(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    argv = ["cost", "mistralai/Mistral-7B-Instruct-v0.3", *asked("2")[1:], *DAY, "--against", str(folder / "old.yaml")]
    assert main(argv) == 0
    captured = capsys.readouterr()
    assert "old.yaml is of another model: meta-llama/Llama-3.1-8B-Instruct" in captured.err
    assert "bills of two models" in " ".join(captured.out.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no plan file"),
        ("", "not a plan"),
        ("a: 1\n", "not a plan"),
        ("{", "not valid YAML"),
        ("schema: llmplan.recommend/v99\n", "does not know"),
        ("schema: llmplan.cost/v99\n", "does not know"),
        ("schema: llmplan.cost/v1\n", "is missing"),
        ("schema: llmplan.memory/v1\n", "not a plan"),
        ("\x00\x01", "not valid"),
    ],
)
def test_an_older_answer_that_is_none_is_one_error(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "what.yaml"
    if text is not None:
        path.write_text(text)
    assert main(["cost", str(folder / "new.yaml"), "--against", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("error:") == 1
    assert "--against" in captured.err.splitlines()[0]
    assert said in captured.err
    assert "hint:" in captured.err


def test_an_older_plan_that_was_changed_by_hand(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "edited.yaml"
    path.write_text((folder / "old.yaml").read_text().replace("replicas: 1", "replicas: 2", 1))
    argv = ["cost", str(folder / "new.yaml"), "--against", str(path)]
    assert main(argv) == 1
    assert "does not match its digest" in capsys.readouterr().err
    assert main([*argv, "--force"]) == 0


def test_a_plan_at_the_prices_of_another_day(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    plan = str(folder / "new.yaml")
    same = ask(capsys, plan, *DAY)
    kept = ask(capsys, plan)
    assert same["usd_per_month"] == pytest.approx(kept["usd_per_month"])
    older = ask(capsys, plan, "--as-of", "2026-10-05")
    assert older["price_date"] == "2026-10-05"
    assert "quoted again" in older["remarks"][0]
    assert "2026-11-22" in older["remarks"][0]
    for row, was in zip(older["strategies"], kept["strategies"], strict=True):
        if row["status"] == "option":
            assert row["deployment"] == was["deployment"]
            days = [line["figure"]["as_of"] for line in row["quote"]["lines"] if line["figure"]]
            assert days
            assert all(day is None or day <= "2026-10-05" for day in days)
    out = run(capsys, plan, "--as-of", "2026-10-05")
    assert "quoted again" in " ".join(out.split())
    against = ask(capsys, plan, "--as-of", "2026-10-05", "--against", plan)["against"]
    assert against["question"] == []
    assert {effect["cause"] for effect in against["effects"]} <= {"price", "deployment", "coverage", "unknown"}


def test_a_day_to_come_is_refused(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main(["cost", str(folder / "new.yaml"), "--as-of", "2999-01-01"]) == 2
    assert "in the future" in capsys.readouterr().err


def test_another_currency(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    plan, money = str(folder / "new.yaml"), ("--currency", "eur", "--usd-rate", "0.92")
    out = run(capsys, plan, *money)
    assert "$" not in out
    assert "EUR at 0.92 per USD, a rate given with --usd-rate" in " ".join(out.split())
    assert "$" not in run(capsys, plan, *money, "--against", str(folder / "old.yaml"), "--format", "markdown")
    dollars, euros = ask(capsys, plan), ask(capsys, plan, *money)
    assert euros["currency"] == {"code": "EUR", "per_usd": 0.92}
    assert dollars["currency"] == {"code": "USD", "per_usd": 1.0}
    assert {**euros, "currency": None} == {**dollars, "currency": None}
    totals = [
        sum(float(row[name]) for row in csv.DictReader(io.StringIO(text)) if row["recommended"] == "yes")
        for name, text in (
            ("eur_per_month", run(capsys, plan, *money, "--format", "csv")),
            ("usd_per_month", run(capsys, plan, "--format", "csv")),
        )
    ]
    assert totals == [pytest.approx(0.92 * totals[1]), pytest.approx(dollars["usd_per_month"])]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--currency", "EUR"), "needs --usd-rate"),
        (("--currency", "EU", "--usd-rate", "1"), "did you mean EUR"),
        (("--currency", "", "--usd-rate", "1"), "ISO 4217"),
        (("--currency", "XXX", "--usd-rate", "1"), "ISO 4217"),
        (("--usd-rate", "0.9"), "--currency, which is missing"),
        (("--currency", "USD", "--usd-rate", "2"), "a US dollar is one US dollar"),
        *(
            (("--currency", "EUR", "--usd-rate", value), "--usd-rate must be")
            for value in ("0", "-1", "nan", "inf", "1e300", "1e-300", "x")
        ),
    ],
)
def test_a_currency_that_cannot_be_is_one_error(
    capsys: pytest.CaptureFixture[str], folder: Path, argv: tuple[str, ...], said: str
) -> None:
    assert main(["cost", str(folder / "new.yaml"), *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("error:") == 1
    assert said in captured.err


def test_csv_is_for_cost_alone(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(capsys, str(folder / "new.yaml"), "--format", "csv"))))
    found = ask(capsys, str(folder / "new.yaml"))
    lines = [line for row in found["strategies"] if row["quote"] for line in row["quote"]["lines"]]
    assert [row["line"] for row in rows if row["status"] == "option"] == [line["name"] for line in lines]
    assert main(["recommend", *asked("2"), *DAY, "--format", "csv"]) == 2
    assert "one of table, json, markdown" in capsys.readouterr().err


def test_a_comment_has_the_marker_and_fits(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    argv = (str(folder / "new.yaml"), "--against", str(folder / "old.yaml"), "--format", "markdown", "--explain")
    out = run(capsys, *argv)
    assert out.startswith("<!-- llmplan-cost -->\n## meta-llama/Llama-3.1-8B-Instruct: $")
    assert len(out.encode()) <= 65_536
    assert out.count("<details>") == out.count("</details>") > 2


def test_gates_speak_after_the_answer_and_name_every_line_that_breaks(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    argv = ["cost", str(folder / "new.yaml"), "--max-usd-per-month", "1", "--max-usd-per-million-tokens", "1e-9"]
    assert main([*argv, "--require-slo", "--json"]) == 4
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert [(gate["gate"], gate["broken"]) for gate in found["gates"]] == [
        ("max_usd_per_month", True), ("max_usd_per_million_tokens", True), ("require_slo", False),
    ]  # fmt: skip
    assert captured.err.count("error:") == 1
    assert captured.err.count("the largest line:") == 2
    chosen = next(row for row in found["strategies"] if row["strategy"] == found["recommended"])
    largest = max(chosen["quote"]["lines"], key=lambda line: line["usd_per_month"] or 0)
    assert largest["name"] in captured.err
    assert f"--max-usd-per-month {int(found['usd_per_month']) + 1}" in captured.err
    assert main([*argv[:2], "--max-usd-per-month", "1e9", "--max-usd-per-million-tokens", "1e6", "--require-slo"]) == 0
    assert "holds: " in capsys.readouterr().out


def test_without_a_promise_there_is_none_to_require(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["cost", LLAMA, "--requests-per-second", "2", *TRAFFIC, "--gpu", "l4", *DAY, "--require-slo"]
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--require-slo: which latency?" in captured.err


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "x"])
@pytest.mark.parametrize("flag", ["--max-usd-per-month", "--max-usd-per-million-tokens"])
def test_a_gate_of_nothing_is_one_error(
    capsys: pytest.CaptureFixture[str], folder: Path, flag: str, value: str
) -> None:
    assert main(["cost", str(folder / "new.yaml"), flag, value]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("error:") == 1
    assert f"{flag} must be a number above 0" in captured.err


def test_nothing_feasible_is_3_whatever_the_gates_say(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("meta-llama/Llama-3.3-70B-Instruct", "--requests-per-second", "2", *TRAFFIC, "--have", "1x1xt4")
    found = ask(capsys, *argv, *DAY, "--max-usd-per-month", "1", code=3)
    assert (found["recommended"], found["gates"]) == (None, [])
