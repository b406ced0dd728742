"""`simulate`: shapes, refusals, files, Ctrl-C, plans, and the look of the answer."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmplan.cli import _progress, main
from llmplan.cli import simulate as command

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
HERE = ("--gpu", "h100", "--isl", "500", "--osl", "50")
STEADY = (*HERE, "--requests-per-second", "5", "--requests", "300", "--no-bands")


def ask(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    assert main(["simulate", *argv, "--json"]) == code, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def said(capsys: pytest.CaptureFixture[str], *argv: str, code: int) -> str:
    assert main(["simulate", *argv]) == code
    captured = capsys.readouterr()
    assert not captured.out
    return captured.err


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.csv"
    rows = [f"{0.5 * place},{100 + place % 7},{20 + place % 5}" for place in range(200)]
    path.write_text("\n".join(("arrival_s,input_tokens,output_tokens", *rows)) + "\n")
    return path


def test_the_json_has_the_documented_shape(capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(capsys, LLAMA, *STEADY, "--replicas", "2", "--ttft-p95-ms", "500", "--tpot-p95-ms", "50")
    assert found["schema"] == "llmplan.simulate/v1"
    assert found["requests"] == {
        "came": 300, "answered": 300, "refused": {}, "unfinished": 0, "cold": 0, "cold_share": 0.0, "retries": 0,
        "preemptions": 0,
    }  # fmt: skip
    assert found["promises_kept"] is True
    assert found["attainment"] == {"ttft": 1.0, "tpot": 1.0, "e2e": None, "joint": 1.0, "joint_low": None}
    assert found["fleet"]["replicas"] == 2
    assert found["fleet"]["promised_p95_ms"] == {"ttft": 500.0, "tpot": 50.0, "e2e": None}
    assert found["tokens"] == {"input": 300 * 500, "output": 300 * 50, "prefix_hit_share": 0.0}
    for name in ("ttft_ms", "tpot_ms", "e2e_ms"):
        assert 0 < found[name]["p50"] <= found[name]["p95"] <= found[name]["p99"]
    assert found["e2e_ms"]["mean"] == pytest.approx(found["ttft_ms"]["mean"] + 49 * found["tpot_ms"]["mean"])
    assert found["requests_per_s"] * found["simulated_s"] == pytest.approx(300)
    assert found["mean_in_flight"] * found["simulated_s"] == pytest.approx(300 * found["e2e_ms"]["mean"] / 1000)
    series = found["series"]
    assert len({len(values) for name, values in series.items() if name != "bin_s"}) == 1
    (bill,) = found["bills"]
    assert bill["usd"] == pytest.approx(bill["quote"]["usd_per_month"] * found["simulated_s"] / (730 * 3600))
    assert bill["quote"]["lines"][0]["quantity"] == 2 * 730


def test_bands_come_from_slower_and_faster_engines(capsys: pytest.CaptureFixture[str]) -> None:
    asked = (LLAMA, *HERE, "--requests-per-second", "5", "--requests", "200", "--tpot-p95-ms", "50")
    found = ask(capsys, *asked)
    for name in ("ttft_ms", "tpot_ms", "e2e_ms"):
        assert found[name]["p95_low"] < found[name]["p95"] < found[name]["p95_high"]
    assert found["attainment"]["joint_low"] <= found["attainment"]["joint"]
    assert ask(capsys, *asked, "--no-bands")["tpot_ms"]["p95_low"] is None


def test_same_seed_same_answer(capsys: pytest.CaptureFixture[str]) -> None:
    argv = (LLAMA, *STEADY, "--mtbf", "30", "--replicas", "2", "--start-delay", "5")
    first, again = ask(capsys, *argv), ask(capsys, *argv)
    assert first == again
    assert ask(capsys, *argv, "--seed", "1")["e2e_ms"] != first["e2e_ms"]


def test_a_trace_scaled_cut_and_looped(capsys: pytest.CaptureFixture[str], trace: Path) -> None:
    argv = (LLAMA, "--gpu", "h100", "--max-model-len", "4096", "--no-bands", "--trace", str(trace))
    assert ask(capsys, *argv)["simulated_s"] == pytest.approx(99.5, abs=1.0)
    assert ask(capsys, *argv, "--rate-scale", "10")["simulated_s"] == pytest.approx(9.95, abs=1.0)
    assert ask(capsys, *argv, "--duration", "10s")["requests"]["came"] == 20
    assert ask(capsys, *argv, "--requests", "30")["requests"]["came"] == 30
    looped = ask(capsys, *argv, "--concurrency", "4")
    assert looped["requests"]["answered"] == 200
    assert looped["mean_in_flight"] == pytest.approx(4, rel=0.05)


def test_bad_rows_are_refused_or_named(capsys: pytest.CaptureFixture[str], trace: Path) -> None:
    trace.write_text(trace.read_text() + "100,0,5\n")
    argv = (LLAMA, "--gpu", "h100", "--max-model-len", "4096", "--trace", str(trace))
    assert "no input tokens" in said(capsys, *argv, code=1)
    assert main(["simulate", *argv, "--bad-rows", "skip", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["requests"]["came"] == 200
    assert "1 left out" in captured.err


def test_requests_beyond_the_context_are_counted_and_named(capsys: pytest.CaptureFixture[str], trace: Path) -> None:
    found = ask(capsys, LLAMA, "--gpu", "h100", "--max-model-len", "124", "--no-bands", "--trace", str(trace))
    too_long = sum(100 + place % 7 + 20 + place % 5 > 124 for place in range(200))
    assert found["requests"]["refused"] == {"longer than max_model_len": too_long}
    assert found["requests"]["answered"] == 200 - too_long


def test_serverless_workers_are_billed_by_the_second(capsys: pytest.CaptureFixture[str]) -> None:
    found = ask(
        capsys, LLAMA, *HERE, "--requests-per-second", "0.01", "--requests", "20", "--no-bands",
        "--autoscale", "serverless", "--idle-window", "20s", "--start-delay", "60",
    )  # fmt: skip
    assert found["requests"]["cold"] > 10
    assert found["fleet"]["autoscaler"].startswith("serverless: ")
    assert len(found["bills"]) > 3
    costs = [bill["quote"]["usd_per_month"] for bill in found["bills"] if bill["quote"]["complete"]]
    assert costs == sorted(costs)
    scale = 730 * 3600 / found["simulated_s"]
    lived = sum(life["stopped_s"] - life["launched_s"] for life in found["replicas"])
    for bill in found["bills"]:
        usage = bill["usage"]
        exact = usage["busy_replica_s_per_month"] + usage["idle_replica_s_per_month"]
        assert exact + usage["starting_replica_s_per_month"] == pytest.approx(lived * scale)
        assert usage["billed_replica_s_per_month"] >= exact


@pytest.mark.parametrize("policy", ["knative", "keda"])
def test_machines_by_the_hour_are_rented_while_replicas_are_there(
    capsys: pytest.CaptureFixture[str], policy: str
) -> None:
    found = ask(
        capsys, LLAMA, *STEADY, "--autoscale", policy, "--start-delay", "10", "--max-replicas", "3",
        "--target-concurrency", "2",
    )  # fmt: skip
    assert found["peak_replicas"] <= 3
    there = sum((life["stopped_s"] or found["simulated_s"]) - life["launched_s"] for life in found["replicas"])
    (bill,) = found["bills"]
    hours = bill["quote"]["lines"][0]["quantity"]
    assert hours == pytest.approx(730 * there / found["simulated_s"], rel=0.05)
    assert bill["notes"] == ["billed by the second while a replica is there, rounded up for each"]


@pytest.mark.parametrize(
    ("argv", "needle"),
    [
        ((LLAMA, "--gpu", "h100"), "which requests?"),
        ((LLAMA, *HERE, "--requests-per-second", "1", "--min-replicas", "1"), "needs --autoscale"),
        ((LLAMA, *HERE, "--requests-per-second", "1", "--idle-window", "5"), "--idle-window is for"),
        ((LLAMA, *HERE, "--requests-per-second", "1", "--spot-notice", "30s"), "--spot-notice needs --mtbf"),
        ((LLAMA, *HERE, "--requests-per-second", "1", "--think", "5"), "--think is for users"),
        ((LLAMA, *HERE, "--concurrency", "5", "--rate-scale", "2"), "no rate that --rate-scale"),
        ((LLAMA, *HERE, "--concurrency", "5", "--duration", "1h"), "as long as its requests take"),
        ((LLAMA, *HERE, "--requests-per-second", "1", "--strategy", "dedicated"), "no plan is given"),
        ((LLAMA, "--gpu", "h100", "--trace", "t.csv", "--isl", "5"), "has requests of its own"),
        ((LLAMA, *HERE, "--requests-per-second", "1", "--duration", "soon"), "--duration must be a time"),
        (
            (LLAMA, *HERE, "--requests-per-second", "1", "--autoscale", "keda", "--min-replicas", "5",
             "--max-replicas", "2"),
            "--max-replicas 2 is less than the 5",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], needle: str) -> None:
    assert needle in said(capsys, *argv, code=2)


def test_a_replica_that_does_not_fit_exits_3(capsys: pytest.CaptureFixture[str]) -> None:
    argv = (
        "meta-llama/Llama-3.3-70B-Instruct",
        "--gpu",
        "l4-24gb",
        "--isl",
        "100",
        "--osl",
        "10",
        "--concurrency",
        "1",
    )
    assert "error:" in said(capsys, *argv, code=3)


def test_without_a_context_the_longest_with_room_is_taken(capsys: pytest.CaptureFixture[str], trace: Path) -> None:
    """131,072 tokens need 16 GiB of KV cache, which an L4 does not have beside 15 GiB of weights."""
    found = ask(capsys, LLAMA, "--gpu", "l4-24gb", "--no-bands", "--trace", str(trace))
    assert 20_000 < found["fleet"]["deployment"]["max_model_len"] < 40_000
    assert found["assumed"]["max_model_len"] == str(found["fleet"]["deployment"]["max_model_len"])


def test_the_run_over_time_as_csv(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    found = ask(capsys, LLAMA, *STEADY, "--timeseries", str(path), "--ttft-p95-ms", "500")
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert len(rows) == len(found["series"]["running"])
    assert list(rows[0]) == [
        "start_s", "end_s", "arrivals_per_s", "waiting", "running", "kv_share", "ready_replicas", "starting_replicas",
        "billed_gpu_s", "slo_attainment",
    ]  # fmt: skip
    came = sum(float(row["arrivals_per_s"]) * (float(row["end_s"]) - float(row["start_s"])) for row in rows)
    assert came == pytest.approx(300)
    assert float(rows[-1]["end_s"]) == pytest.approx(found["simulated_s"])
    assert "is there already" in said(capsys, LLAMA, *STEADY, "--timeseries", str(path), code=1)
    assert main(["simulate", LLAMA, *STEADY, "--timeseries", str(path), "--force"]) == 0


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as in the foreground of a terminal, wherever the tests run."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_answers_with_what_was_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A signal while the second of many steps is shown: the run stops there, and the answer adds up."""
    watched = _progress.watched

    def pressing(steps: Iterator[Any], describe: Callable[[Any], str], share: Callable[[Any], Any]) -> Iterator[Any]:
        for place, step in enumerate(watched(steps, describe, share)):
            if place == 1:
                os.kill(os.getpid(), signal.SIGINT)
            yield step

    monkeypatch.setattr(_progress, "watched", pressing)
    path = tmp_path / "part.csv"
    argv = (LLAMA, *HERE, "--requests-per-second", "5", "--requests", "50000", "--timeseries", str(path))
    assert main(["simulate", *argv, "--json"]) == 130
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    counts = found["requests"]
    assert found["finished"] is False
    assert 4096 <= counts["came"] < 50_000
    assert counts["came"] == counts["answered"] + counts["unfinished"]
    assert f"stopped after {counts['came']:,} of 50,000 requests, " in captured.err
    assert path.is_file()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_plan_is_simulated_as_it_was_bought(capsys: pytest.CaptureFixture[str], tmp_path: Path, trace: Path) -> None:
    plan = tmp_path / "plan.yaml"
    assert main(["recommend", LLAMA, "--requests-per-second", "20", "--isl", "500", "--osl", "200",
                 "--ttft-p95-ms", "500", "-o", str(plan), "--json"]) == 0  # fmt: skip
    rows = {row["strategy"]: row for row in json.loads(capsys.readouterr().out)["strategies"]}
    dedicated = rows["dedicated"]
    found = ask(capsys, str(plan), "--strategy", "dedicated", "--trace", str(trace), "--no-bands")
    assert found["fleet"]["deployment"]["gpu"] == dedicated["deployment"]["replica"]["gpu"]
    assert found["fleet"]["replicas"] == dedicated["deployment"]["replicas"]
    assert found["fleet"]["promised_p95_ms"]["ttft"] == 500.0
    assert found["bills"][0]["seller"] == dedicated["quote"]["lines"][0]["figure"]["provider"]
    assert found["bills"][0]["quote"]["usd_per_month"] == pytest.approx(dedicated["quote"]["usd_per_month"])
    own = ask(capsys, str(plan), "--strategy", "dedicated", "--requests", "500", "--no-bands")
    assert own["requests_per_s"] == pytest.approx(20, rel=0.2)
    assert "cannot change it" in said(capsys, str(plan), "--gpu", "h100", code=2)
    assert "unknown strategy" in said(capsys, str(plan), "--strategy", "nope", code=2)


def test_tokens_of_an_api_cannot_be_simulated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    assert main(["recommend", LLAMA, "--requests-per-second", "0.5", "--isl", "500", "--osl", "200",
                 "-o", str(plan), "--json"]) == 0  # fmt: skip
    rows = {row["strategy"]: row for row in json.loads(capsys.readouterr().out)["strategies"]}
    assert rows["serverless"]["deployment"]["replica"] is None
    assert "buys tokens" in said(capsys, str(plan), "--strategy", "serverless", code=2)


def test_a_plan_by_the_second_keeps_its_platform_and_window(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trace: Path
) -> None:
    plan = tmp_path / "plan.yaml"
    assert main(["recommend", LLAMA, "--requests-per-minute", "2", "--isl", "500", "--osl", "200",
                 "--privacy", "private", "-o", str(plan), "--json"]) == 0  # fmt: skip
    rows = {row["strategy"]: row for row in json.loads(capsys.readouterr().out)["strategies"]}
    planned = rows["serverless"]
    assert planned["deployment"]["purchase"]["kind"] == "serverless"
    found = ask(capsys, str(plan), "--strategy", "serverless", "--trace", str(trace), "--no-bands")
    (bill,) = found["bills"]
    assert bill["seller"] == planned["quote"]["lines"][0]["figure"]["provider"]
    warm = planned["deployment"]["purchase"]["keep_warm"]
    assert found["fleet"]["autoscaler"].endswith(f", {warm} to 100 replicas")
    window = planned["cold"]["idle_window_s"]
    ends = [life["stopped_s"] - life["ready_s"] for life in found["replicas"] if life["cause"] == "idle"]
    assert all(end >= window for end in ends)
    assert len(ends) == sum(life["ready_s"] is not None for life in found["replicas"]) - warm
    assert ends or warm


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_and_tells_the_same_without_colour(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    argv = ["simulate", LLAMA, *STEADY, "--ttft-p95-ms", "1", "--autoscale", "serverless", "--explain"]
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(argv) == 0
    plain = capsys.readouterr().out
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(argv) == 0
    assert "\x1b[" in capsys.readouterr().out
    assert "\x1b[" not in plain
    assert max(map(len, plain.splitlines())) <= width
    for needle in ("Breaks its promises: TTFT for", "queue wait", "Fleet", "Over time", "▁", "Money:", "load weights"):
        assert needle in plain


def test_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", LLAMA, *STEADY, "--format", "markdown"]) == 0
    assert "| latency | mean |" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_shows_on_a_terminal_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, clock = Terminal(), iter(0.4 * place for place in range(100))
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(_progress.time, "monotonic", lambda: next(clock))
    assert list(_progress.watched(range(2), str, lambda step: None)) == [0, 1]
    assert not stream.getvalue()
    steps = _progress.watched(range(8), lambda step: f"step {step}", lambda step: step / 8)
    assert list(steps) == list(range(8))
    assert "step 7" in stream.getvalue()


def test_no_bar_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(_progress.time, "monotonic", lambda: pytest.fail("nobody asks the time"))
    assert list(_progress.watched(range(5), str, lambda step: None)) == list(range(5))
    assert not stream.getvalue()


@pytest.mark.usefixtures("interruptible")
def test_a_second_ctrl_c_interrupts() -> None:
    with _progress.stoppable() as asked:
        os.kill(os.getpid(), signal.SIGINT)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_help_names_what_there_is() -> None:
    from llmplan.cli._fleet_flags import ROUTERS
    from llmplan.simulate.fleet import ROUTER_IDS

    assert ROUTERS == ROUTER_IDS
    assert command.EXIT_INTERRUPTED == 130


def test_in_the_background_ctrl_c_is_not_for_us() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _progress.stoppable() as stopped:
            os.kill(os.getpid(), signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            assert not stopped()
    finally:
        signal.signal(signal.SIGINT, before)
