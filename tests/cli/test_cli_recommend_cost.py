"""`recommend` and `cost` end to end on the packaged catalogue, at the prices of one day."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import plan_samples as sample
from llmplan.cli import main
from llmplan.cli._stored_cost import is_plan
from llmplan.cli.recommend import next_step
from llmplan.plan.deployment import STRATEGY_IDS
from llmplan.plan.outcome import Option
from tests_support import write_uncounted

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
TRAFFIC = ("--requests-per-second", "2", "--isl", "1000", "--osl", "300", "--as-of", "2026-11-22")
SMALL = (*TRAFFIC, "--gpu", "a10", "--gpu", "h100", "--ttft-p95-ms", "2000")


def ask(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    assert main([*argv, "--json"]) == code, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def plan_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "plan.yaml"
    assert main(["recommend", LLAMA, *SMALL, "-o", str(path)]) == 0
    return path


def test_five_rows_in_json_with_prices_that_name_their_source(capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, "recommend", LLAMA, *SMALL)
    assert found["schema"] == "llmplan.recommend/v1"
    assert [row["strategy"] for row in found["strategies"]] == list(STRATEGY_IDS)
    assert found["recommended"] in STRATEGY_IDS
    assert found["figures"]
    options = [row for row in found["strategies"] if row["status"] == "option"]
    assert options
    for row in options:
        quote = row["quote"]
        stated = [line["usd_per_month"] for line in quote["lines"] if line["usd_per_month"] is not None]
        assert quote["usd_per_month"] == pytest.approx(sum(stated))
        assert quote["usd_per_hour"] == pytest.approx(quote["usd_per_month"] / 730)
        for line in quote["lines"]:
            if line["figure"] is not None:
                assert {"provider", "region", "term", "source", "as_of"} <= set(line["figure"])


def test_plan_yaml_and_json_say_the_same(capsys: pytest.CaptureFixture[str], plan_path: Path) -> None:
    stored = yaml.safe_load(plan_path.read_text())
    found = ask(capsys, "recommend", LLAMA, *SMALL)
    assert stored["recommended"] == found["recommended"]
    assert [row["strategy"] for row in stored["strategies"]] == [row["strategy"] for row in found["strategies"]]


def test_an_existing_file_is_refused_before_planning(capsys: pytest.CaptureFixture[str], plan_path: Path) -> None:
    before = plan_path.read_bytes()
    assert main(["recommend", LLAMA, *SMALL, "-o", str(plan_path)]) == 1
    error = capsys.readouterr().err
    assert "is there already" in error
    assert "--force" in error
    assert plan_path.read_bytes() == before
    assert main(["recommend", LLAMA, *SMALL, "-o", str(plan_path), "--force"]) == 0


def test_a_folder_that_is_not_there_is_one_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["recommend", LLAMA, *SMALL, "-o", str(tmp_path / "no" / "plan.yaml")]) in (1, 2)
    error = capsys.readouterr().err
    assert error.count("error:") == 1
    assert "Traceback" not in error


def test_the_table_has_what_a_decision_needs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["recommend", LLAMA, *SMALL]) == 0
    out = capsys.readouterr().out
    for strategy in STRATEGY_IDS:
        assert strategy in out
    assert "▸ " in out
    for part in ("Recommended: ", "Defaults used", "max_num_seqs", "memory fraction", "of 2026-11-22", "Figures from"):
        assert part in out
    assert max(map(len, out.splitlines())) <= 80


def test_markdown_has_the_same_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", LLAMA, *SMALL, "--format", "markdown"]) == 0
    out = capsys.readouterr().out
    assert sum(line.startswith("| ") for line in out.splitlines()) == 2 + len(STRATEGY_IDS)


def test_nothing_feasible_is_3_and_still_five_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("recommend", "meta-llama/Llama-3.3-70B-Instruct", *TRAFFIC, "--have", "1x1xt4", "--ttft-p95-ms", "100")
    found = ask(capsys, *argv, code=3)
    assert found["recommended"] is None
    assert [row["status"] for row in found["strategies"]] == ["rejection"] * 5
    assert all(row["rejection"]["reason"] for row in found["strategies"])


def test_cost_puts_the_gpus_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, "cost", LLAMA, *SMALL)
    assert found["schema"] == "llmplan.cost/v1"
    assert [row["strategy"] for row in found["strategies"]] == list(STRATEGY_IDS)
    assert [row["gpu"] for row in found["by_gpu"]] == ["a10-24gb", "h100-sxm-80gb"]
    for row in found["by_gpu"]:
        if row["status"] == "option":
            assert row["deployment"]["gpu"] == row["gpu"]


def test_a_budget_that_is_broken_exits_4_after_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", LLAMA, *SMALL, "--max-usd-per-month", "1", "--json"]) == 4
    captured = capsys.readouterr()
    assert json.loads(captured.out)["limit"] == {"max_usd_per_month": 1.0, "exceeded": True}
    assert "over --max-usd-per-month" in captured.err
    assert main(["cost", LLAMA, *SMALL, "--max-usd-per-month", "1e9"]) == 0


def test_cost_of_a_plan_file(capsys: pytest.CaptureFixture[str], plan_path: Path) -> None:
    found = ask(capsys, "cost", str(plan_path))
    stored = yaml.safe_load(plan_path.read_text())
    assert [row["status"] for row in found["strategies"]] == [row["status"] for row in stored["strategies"]]
    assert {row["gpu"] for row in found["by_gpu"]} == {"a10-24gb", "h100-sxm-80gb"}


def test_a_plan_holds_its_question(capsys: pytest.CaptureFixture[str], plan_path: Path) -> None:
    assert main(["cost", str(plan_path), "--isl", "5", "--gpu", "l4"]) == 2
    assert "--isl, --gpu cannot change it" in capsys.readouterr().err


def test_the_environment_changes_no_plan_and_hides_no_flag(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, plan_path: Path
) -> None:
    monkeypatch.setenv("LLMPLAN_PRICE_DATE", "2026-11-22")
    monkeypatch.setenv("LLMPLAN_GPU", "l4")
    found = ask(capsys, "cost", str(plan_path))
    assert {row["gpu"] for row in found["by_gpu"]} == {"a10-24gb", "h100-sxm-80gb"}
    assert main(["cost", str(plan_path), "--gpu", "l4"]) == 2
    assert "--gpu cannot change it" in capsys.readouterr().err


def test_cost_of_the_json_that_recommend_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(ask(capsys, "recommend", LLAMA, *SMALL)))
    found = ask(capsys, "cost", str(path))
    assert [row["strategy"] for row in found["strategies"]] == list(STRATEGY_IDS)


@pytest.mark.parametrize("text", ['{"model_type": "llama"}', "[]", "{", '{"schema": 3}'])
def test_other_json_is_no_plan(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    assert not is_plan(str(path))
    assert not is_plan(str(tmp_path / "missing.json"))


@pytest.mark.parametrize(
    ("option", "engine", "said"),
    [
        (sample.token_option(), None, ""),
        (None, "vllm", "; next: llmplan emit-config p.yaml --target vllm"),
        (None, "llama-cpp", "; next: llmplan emit-config p.yaml --target llama-cpp"),
        (None, "sglang", "; next: llmplan emit-config p.yaml --target sglang"),
    ],
)
def test_what_is_next_depends_on_the_plan(option: Option | None, engine: str | None, said: str) -> None:
    chosen = option or sample.option(of=sample.replica(engine=sample.engine(engine or "")))
    row = chosen.deployment.strategy
    assert next_step(sample.plan(chosen, recommended=row), Path("p.yaml")) == said


@pytest.mark.parametrize("text", ["", "a: 1\n", "{", "schema: llmplan.recommend/v99\n"])
def test_a_broken_plan(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    assert main(["cost", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.count("error:") == 1
    assert "Traceback" not in error


def test_a_plan_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "nowhere.yaml"]) in (1, 2)
    assert "nowhere.yaml" in capsys.readouterr().err


def test_prices_of_a_day_to_come_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", LLAMA, *SMALL, "--as-of", "2999-01-01"]) == 2
    assert "in the future" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["recommend", "cost"])
def test_what_is_not_counted_of_a_model_is_said_and_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    write_uncounted(tmp_path)
    seen = (command, "acme/sees", "--catalog", str(tmp_path))
    argv = (*seen, "--requests-per-second", "2", "--isl", "1000", "--osl", "200", "--gpu", "l40s")
    assert main([*argv]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "676,550,144 parameters of the vision or audio tower" in out
    if command == "recommend":
        rows = ask(capsys, *argv)["strategies"]
        kept = [check["id"] for row in rows if row["strategy"] == "dedicated" for check in row["checks"]]
        assert "model-note" in kept
