"""What is stated of costs beside the GPUs: from flags into the question, the plan and the bill."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from llmplan.cli import main
from llmplan.cli._expense_flags import ExpenseFlags, expenses_of
from llmplan.errors import UsageError
from llmplan.plan.document import from_document
from llmplan.spec.expenses import Expenses

ASKED = ("--requests-per-second", "2", "--isl", "800", "--osl", "200", "--gpu", "l4-24gb", "--privacy", "private")
MODEL = "meta-llama/Llama-3.1-8B-Instruct"


def answer(capsys: pytest.CaptureFixture[str], command: str, *flags: str) -> dict[str, Any]:
    assert main([command, MODEL, *ASKED, *flags, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def lines(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    chosen = next(row for row in found["strategies"] if row["strategy"] == found["recommended"])
    return {line["name"]: line for line in chosen["quote"]["lines"]}


def test_every_flag_reaches_the_question() -> None:
    numbers = {field.name: float(position) for position, field in enumerate(fields(ExpenseFlags), start=2)}
    asked = expenses_of(ExpenseFlags(**numbers))  # type: ignore[arg-type]

    said = [getattr(asked.owned, field.name) for field in fields(asked.owned)]
    said += [getattr(asked, field.name) for field in fields(asked) if field.name != "owned"]
    assert sorted(said) == sorted(numbers.values())


def test_nothing_said_is_nothing_stated() -> None:
    assert expenses_of(ExpenseFlags()) == Expenses()


def test_half_of_what_an_hour_costs_is_refused() -> None:
    with pytest.raises(UsageError, match="one of the two is missing"):
        expenses_of(ExpenseFlags(engineering_hours_per_month=10.0))


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--owned-usd-per-gpu", "-1"), ("--pue", "0.9"), ("--owned-life-years", "0"), ("--owned-residual-share", "1.5"),
        ("--clusters", "-1"), ("--spot-interruptions-per-month", "nan"), ("--electricity-usd-per-kwh", "much"),
    ],
)  # fmt: skip
def test_figures_that_make_no_sense_are_refused(capsys: pytest.CaptureFixture[str], flag: str, value: str) -> None:
    assert main(["recommend", MODEL, *ASKED, flag, value]) == 2
    assert flag in capsys.readouterr().err


def test_they_change_the_bill_by_just_that(capsys: pytest.CaptureFixture[str]) -> None:
    plain = answer(capsys, "cost", "--provider", "aws")
    more = answer(
        capsys, "cost", "--provider", "aws", "--engineering-hours-per-month", "10", "--engineering-usd-per-hour", "90"
    )
    assert more["usd_per_month"] == pytest.approx(plain["usd_per_month"] + 900)
    assert lines(more)["engineering"]["figure"]["instance"] == "--engineering-usd-per-hour"
    assert lines(plain)["egress"]["figure"]["provider"] == "aws"


def test_a_plan_keeps_them_and_cannot_be_told_others(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    assert (
        main(["recommend", MODEL, *ASKED, "--provider", "aws", "--egress-bytes-per-token", "5", "-o", str(path)]) == 0
    )
    capsys.readouterr()

    assert main(["cost", str(path), "--json"]) == 0
    stored = json.loads(capsys.readouterr().out)
    assert stored["usd_per_month"] > 0
    assert "egress" not in lines(stored)  # 2 GB a month, of which 100 are free

    assert main(["cost", str(path), "--egress-bytes-per-token", "300"]) == 2
    assert "--egress-bytes-per-token" in capsys.readouterr().err


def test_a_plan_from_before_is_read_as_one_that_said_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    document = answer(capsys, "recommend") | {"schema": "llmplan.recommend/v1"}
    del document["question"]["expenses"]
    for row in document["strategies"]:
        for line in row["quote"]["lines"] if row["quote"] else ():
            del line["beside"]
        for name in ("requests_per_month", "tenants", "usd_per_mtok_cached_input"):
            if row["quote"]:
                del row["quote"][name]

    assert from_document(document).question.expenses == Expenses()


def test_own_hardware_is_a_bill_once_it_is_stated(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--requests-per-second", "1", "--isl", "800", "--osl", "200", "--have", "1x2xa10")
    assert main(["cost", MODEL, *asked, "--json"]) == 0
    unstated = json.loads(capsys.readouterr().out)
    stated = ("--owned-usd-per-gpu", "4000", "--owned-network-usd-per-gpu", "0", "--colocation-usd-per-kw-month", "0",
              "--owned-people-usd-per-month", "0", "--owned-life-years", "4")  # fmt: skip
    assert main(["cost", MODEL, *asked, *stated, "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)

    assert [row["quote"]["complete"] for row in unstated["strategies"] if row["quote"]].count(True) == 0
    chosen = next(row for row in whole["strategies"] if row["strategy"] == whole["recommended"])
    assert chosen["quote"]["complete"]
    gpus = chosen["deployment"]["gpus"]
    assert lines(whole)["servers"]["usd_per_month"] == pytest.approx(gpus * 4000 / 48)
