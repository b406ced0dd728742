"""`observe` as it is typed: against servers on this machine that play four engines, and against saved files."""

from __future__ import annotations

import dataclasses
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import served_samples as samples
from feed_server import FeedServer, as_json, in_turn, only_loopback, redirect, reply, serving
from llmplan.cli import _observed, main
from llmplan.errors import DataError
from served_samples import LLAMA_PROPS, SGLANG_INFO, Served

MODEL, GPU = "Qwen/Qwen3-0.6B", "l4-24gb"
SECRET = "sk-planted-secret-4711"
START = Served(requests=1000.0, running=4.0)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without profiles, on a machine without network."""
    only_loopback(monkeypatch)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("LLMPLAN_CATALOG", "LLMPLAN_GPU", "LLMPLAN_ENGINE", "LLMPLAN_FORMAT", "LLMPLAN_ISL", "LLMPLAN_OSL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with serving() as found:
        yield found


@pytest.fixture
def plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "plan.yaml"
    asked = ("--requests-per-second", "5", "--isl", "1000", "--osl", "300", "--gpu", "h100")
    assert main(["recommend", "meta-llama/Llama-3.1-8B-Instruct", *asked, "-o", str(path)]) == 0
    capsys.readouterr()
    return path


def ask(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    assert main(["observe", *argv, "--json"]) == code, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def error(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 1) -> str:
    assert main(["observe", *argv]) == code
    return capsys.readouterr().err


def row(found: Any, name: str) -> Any:
    return next(each for each in found["compared"] if each["id"] == name)


def vllm(server: FeedServer, *served: Served, root: str = MODEL, version: str = "0.33.0") -> None:
    """A vLLM that is at one state after the other."""
    server.routes = {
        "/metrics": in_turn(*(reply(samples.vllm(each), Content_Type="text/plain") for each in served)),
        "/v1/models": as_json(samples.models("tiny", root=root)),
        "/version": as_json({"version": version}),
    }


def save(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_one_look_at_vllm(server: FeedServer, capsys: pytest.CaptureFixture[str]) -> None:
    vllm(server, START)
    found = ask(capsys, server.url)
    assert found["schema"] == "llmplan.observe/v1"
    assert {key: found["server"][key] for key in ("engine", "version", "served_name", "model")} == {
        "engine": "vllm", "version": "0.33.0", "served_name": "tiny", "model": MODEL,
    }  # fmt: skip
    assert found["looks"] == {"asked": 1, "used": 1, "span_s": None, "since_start": True}
    assert (found["against"], found["drift"]) == (None, [])
    assert row(found, "kv_tokens")["observed"] == 400_000
    assert row(found, "ttft_p95")["low"] == 0.1
    assert row(found, "ttft_p95")["high"] == 0.25
    # 950 of 1000 in the bucket of 0.1 to 0.25
    assert row(found, "ttft_p95")["observed"] == pytest.approx(0.1 + 0.15 * 0.95)
    assert server.seen == ["/v1/models", "/metrics", "/version"]


@pytest.mark.parametrize("end", ["", "/", "/v1", "/metrics", "/v1/models"])
def test_whatever_address_of_it_is_pasted(server: FeedServer, end: str, capsys: pytest.CaptureFixture[str]) -> None:
    vllm(server, START)
    assert ask(capsys, server.url + end)["server"]["engine"] == "vllm"


def test_sglang(server: FeedServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.routes = {
        "/metrics": reply(samples.sglang(START)), "/v1/models": as_json(samples.models("tiny", owner="sglang")),
        "/server_info": as_json(SGLANG_INFO | {"api_key": SECRET}),
    }  # fmt: skip
    assert main(["observe", server.url, "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert (found["server"]["version"], found["server"]["model"]) == ("0.5.23", "org/Tiny-1B")
    assert found["server"]["settings"]["max_num_seqs"] == 512
    assert SECRET not in captured.out + captured.err
    assert "/get_server_info" not in server.seen
    server.routes["/get_server_info"] = server.routes.pop("/server_info")
    assert ask(capsys, server.url)["server"]["version"] == "0.5.23"


def test_tensorrt_llm_is_read_without_taking_its_records_away(
    server: FeedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.routes = {
        "/prometheus/metrics": reply(samples.trtllm(START)), "/metrics": reply(samples.trtllm_iterations(START)),
        "/v1/models": as_json(samples.models("tiny", owner="tensorrt_llm", context=None)),
        "/version": as_json({"version": "1.2.1"}),
    }  # fmt: skip
    found = ask(capsys, server.url)
    assert (found["server"]["engine"], found["server"]["version"]) == ("tensorrt-llm", "1.2.1")
    assert row(found, "tpot")["observed"] == pytest.approx(0.012)
    assert "/metrics" not in server.seen


def test_tensorrt_llm_with_iterations_alone(server: FeedServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.routes = {
        "/metrics": reply(samples.trtllm_iterations(START)),
        "/v1/models": as_json(samples.models("tiny", owner="tensorrt_llm")),
    }
    found = ask(capsys, server.url)
    assert row(found, "kv_tokens")["observed"] == 400_000
    assert "return_perf_metrics" in found["notes"][0]


def test_llama_cpp(server: FeedServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.routes = {
        "/metrics": reply(samples.llama_cpp(START)), "/props": as_json(LLAMA_PROPS),
        "/v1/models": as_json(samples.models("tiny", owner="llamacpp", context=None)),
    }  # fmt: skip
    found = ask(capsys, server.url)
    assert (found["server"]["engine"], found["server"]["version"]) == ("llama-cpp", "b11434")
    assert row(found, "kv_tokens")["observed"] == 4 * 4096


def test_beside_a_plan(plan: Path, server: FeedServer, capsys: pytest.CaptureFixture[str]) -> None:
    vllm(server, START, START.after(60.0), root="meta-llama/Llama-3.1-8B-Instruct")
    found = ask(capsys, server.url, "--plan", str(plan), "--strategy", "dedicated", "--interval", "0.1s")
    assert found["against"]["name"] == "plan.yaml, dedicated"
    assert found["against"]["load"]["isl"] == 1000
    assert found["looks"]["used"] == 2
    assert row(found, "requests_per_s")["planned"]["mid"] == pytest.approx(5.0)
    assert row(found, "kv_tokens")["verdict"] == "differs"
    assert row(found, "block_size")["verdict"] == "agrees"
    assert row(found, "tpot")["predicted"]["mid"] > 0
    assert set(found["drift"]) >= {"kv-capacity", "changed-flag"}
    assert "other-traffic" in [each["id"] for each in found["findings"]]


def test_strict_exits_4_with_the_answer(plan: Path, server: FeedServer, capsys: pytest.CaptureFixture[str]) -> None:
    vllm(server, START, root="meta-llama/Llama-3.1-8B-Instruct")
    assert main(["observe", server.url, "--plan", str(plan), "--strategy", "dedicated", "--strict"]) == 4
    captured = capsys.readouterr()
    assert "KV capacity" in captured.out
    assert "not as planned: changed-flag, kv-capacity" in captured.err


def memory(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert main(["memory", MODEL, "--gpu", GPU, *argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_beside_a_replica_whose_settings_the_server_fills_in(
    server: FeedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    as_is = memory(capsys, "--max-model-len", "8192", "--gpu-memory-utilization", "0.85", "--block-size", "32")
    tokens = as_is["kv"]["capacity_tokens"]
    vllm(server, Served(requests=1000.0, kv_tokens=tokens, fraction=0.85, block=32))
    found = ask(capsys, server.url, "--model", MODEL, "--gpu", GPU)
    assert row(found, "kv_tokens")["planned"]["mid"] == tokens
    assert row(found, "kv_tokens")["verdict"] == "agrees"
    assert found["drift"] == []
    assert found["against"]["taken_from_server"] == {
        "engine": "vllm", "engine_version": "0.33.0", "block_size": "32", "max_model_len": "8192",
        "gpu_memory_utilization": "0.85",
    }  # fmt: skip
    stated = ask(capsys, server.url, "--model", MODEL, "--gpu", GPU, "--gpu-memory-utilization", "0.9")
    assert set(stated["drift"]) == {"changed-flag", "kv-capacity"}


REAL_POOL = (
    'vllm:cache_config_info{block_size="32",cache_dtype="bfloat16",engine="0",gpu_memory_utilization="0.92",'
    'kv_cache_max_concurrency="4.5625",kv_cache_memory_bytes="536870912",kv_cache_size_tokens="4672",'
    'num_gpu_blocks="146",num_gpu_blocks_override="None"} 1.0\n'
)
"""what vLLM 0.32 said of its own pool, serving Qwen3-0.6B on a CPU with 0.5 GiB for it and a context of 1,024"""


def test_the_pool_of_a_real_server_is_what_was_expected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    served = save(tmp_path / "metrics.txt", REAL_POOL)
    listed = save(tmp_path / "models.json", json.dumps(samples.models("tiny", root=MODEL, context=1024)))
    found = ask(capsys, "--metrics-file", served, "--models-file", listed, "--model", MODEL, "--gpu", GPU)
    assert row(found, "kv_tokens")["planned"] == {"low": 4672.0, "mid": 4672.0, "high": 4672.0}
    assert row(found, "max_concurrency")["planned"]["mid"] == row(found, "max_concurrency")["observed"] == 4.5625
    assert {row(found, name)["verdict"] for name in ("kv_tokens", "max_concurrency")} == {"agrees"}
    assert found["drift"] == []


def test_rows_that_calibrate_reads_and_that_shrink_its_bands(
    server: FeedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that is 1.4 times as slow as predicted, under six loads: its rows teach that."""
    tokens = memory(capsys, "--max-model-len", "8192")["kv"]["capacity_tokens"]
    states = [Served(requests=100.0, kv_tokens=tokens)]
    looks_s = 10.0
    for users, isl, osl in (
        (1, 200, 200),
        (4, 500, 100),
        (8, 1000, 300),
        (16, 300, 200),
        (32, 800, 100),
        (64, 500, 200),
    ):
        assert main(["predict", MODEL, "--gpu", GPU, "--max-model-len", "8192", "--isl", str(isl), "--osl", str(osl),
                     "--concurrency", str(users), "--json"]) == 0  # fmt: skip
        speed = json.loads(capsys.readouterr().out)
        tpot_s, ttft_s = (1.4 * speed[name]["mid"] / 1e3 for name in ("tpot_ms", "ttft_ms"))
        e2e_s = ttft_s + (osl - 1) * tpot_s
        requests = float(max(12, round(users * looks_s / e2e_s)))
        more = states[-1].after(
            requests,
            input_tokens=isl,
            output_tokens=osl,
            tpot_s=tpot_s,
            ttft_s=ttft_s,
            e2e_s=users * looks_s / requests,
        )
        states.append(more)
    vllm(server, *states)
    ticks = iter(range(0, 1000, 10))
    monkeypatch.setattr(_observed, "over_time", paced(lambda: float(next(ticks))))
    seen = tmp_path / "seen.jsonl"
    assert main(["observe", server.url, "--model", MODEL, "--gpu", GPU, "--samples", "7", "--interval", "10s",
                 "-o", str(seen)]) == 0  # fmt: skip
    captured = capsys.readouterr()
    assert "wrote 6 rows; llmplan calibrate" in captured.err
    rows = [json.loads(line) for line in seen.read_text(encoding="utf-8").splitlines()]
    assert [each["concurrency"] for each in rows] == [1.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    assert all(each["client"] is False and each["model"] == MODEL and each["gpu"] == GPU for each in rows)

    assert main(["calibrate", str(seen), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["calibration"]["points"] == 6
    assert found["skipped"] == []
    before, after = (found["errors"][stage]["tpot_ms"]["median_relative"] for stage in ("before", "left_out"))
    assert before == pytest.approx(1 - 1 / 1.4, abs=0.06)
    assert after < 0.08
    # the written profile is what predict then uses, with a narrower band
    flags = ["--isl", "600", "--osl", "200", "--concurrency", "12", "--max-model-len", "8192", "--json"]
    assert main(["predict", MODEL, "--gpu", GPU, *flags]) == 0
    now = json.loads(capsys.readouterr().out)
    assert now["calibration"]["id"] == found["calibration"]["id"]
    band = now["tpot_ms"]
    shipped = found["calibration"]["prior"]
    assert shipped == "vllm-ada"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nobody"))
    assert main(["predict", MODEL, "--gpu", GPU, *flags]) == 0
    was = json.loads(capsys.readouterr().out)["tpot_ms"]
    assert (band["high"] - band["low"]) / band["mid"] < (was["high"] - was["low"]) / was["mid"]
    assert band["mid"] == pytest.approx(1.4 * was["mid"], rel=0.1)


def paced(clock: Callable[[], float]) -> Callable[..., Any]:
    """Looks one after the other without waiting, on a clock of the test's own."""
    original = _observed.over_time

    def over_time(server: Any, flags: Any) -> Any:
        server.clock = clock
        return original(server, dataclasses.replace(flags, interval=1e-6))

    return over_time


def test_saved_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, then = (
        save(tmp_path / "a.txt", samples.vllm(START)),
        save(tmp_path / "b.txt", samples.vllm(START.after(90.0))),
    )
    listed = save(tmp_path / "models.json", json.dumps(samples.models("tiny", root=MODEL)))
    both = ("--metrics-file", first, "--metrics-file", then, "--models-file", listed)
    found = ask(capsys, *both, "--interval", "30s")
    assert (found["traffic"]["requests"], found["traffic"]["requests_per_s"]) == (90.0, 3.0)
    assert found["server"]["settings"]["max_model_len"] == 8192
    assert found["traffic"]["in_flight"] == pytest.approx(3.0 * 4.0)
    assert ask(capsys, *both)["traffic"]["requests_per_s"] is None
    assert ask(capsys, "--metrics-file", first)["looks"]["since_start"]


def test_two_replicas_behind_one_address(server: FeedServer, capsys: pytest.CaptureFixture[str]) -> None:
    vllm(server, START, Served(requests=9000.0, started=START.started + 5.0))
    found = ask(capsys, server.url, "--interval", "0.05s")
    assert "several-processes" in [each["id"] for each in found["findings"]]
    assert found["looks"] == {"asked": 2, "used": 1, "span_s": None, "since_start": True}


def test_a_header_that_says_when_the_process_started(server: FeedServer, capsys: pytest.CaptureFixture[str]) -> None:
    listed = as_json(samples.models("tiny", owner="llamacpp"))
    first, later = (reply(samples.llama_cpp(each), Process_Start_Time_Unix=at)
                    for each, at in ((START, "1795355015"), (START.after(10.0), "1795355999")))  # fmt: skip
    server.routes = {"/v1/models": listed, "/metrics": in_turn(first, later)}
    assert ask(capsys, server.url, "--interval", "0.05s")["looks"]["used"] == 1
    server.routes = {"/v1/models": listed, "/metrics": in_turn(first, first)}
    assert ask(capsys, server.url, "--interval", "0.05s")["looks"]["used"] == 2


def test_a_server_that_goes_away_ends_the_looks(server: FeedServer, capsys: pytest.CaptureFixture[str]) -> None:
    vllm(server, START)
    server.routes["/metrics"] = in_turn(reply(samples.vllm(START)), reply("", 500))
    assert main(["observe", server.url, "--interval", "0.05s", "--samples", "5"]) == 0
    assert "look 2 of 5" in capsys.readouterr().err


def test_a_prediction_that_cannot_be_made_is_said(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: Any) -> None:
        raise DataError("nobody states its bandwidth")

    monkeypatch.setattr("llmplan.cli._expected.predicted", fails)
    vllm(server, START, START.after(50.0))
    found = ask(capsys, server.url, "--model", MODEL, "--gpu", GPU, "--interval", "0.05s")
    assert found["notes"] == [
        "not compared, since vllm does not say it: sequences in a step, tokens in a step, weight format (bf16 planned)",
        "latency could not be predicted: nobody states its bandwidth",
    ]
    assert row(found, "kv_tokens")["planned"] is not None
    assert row(found, "tpot")["verdict"] is None


def test_no_rows_no_file(server: FeedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vllm(server, START, START.after(3.0))
    target = tmp_path / "seen.jsonl"
    assert "one look says neither rate" in error(capsys, server.url, "-o", str(target))
    vllm(server, START, START.after(3.0))
    said = error(capsys, server.url, "-o", str(target), "--interval", "0.05s")
    assert "interval 1: 3 requests answered, fewer than 10" in said
    assert not target.exists()
    target.write_text("mine")
    assert "is there already" in error(capsys, server.url, "-o", str(target))


def test_rows_without_a_model_name_what_calibrate_needs(
    server: FeedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vllm(server, START, START.after(50.0))
    target = tmp_path / "seen.jsonl"
    assert main(["observe", server.url, "--interval", "0.05s", "-o", str(target)]) == 0
    assert "--model MODEL --gpu ID" in capsys.readouterr().err
    assert "gpu" not in json.loads(target.read_text())


def test_explain_puts_the_numbers_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, then = (
        save(tmp_path / "a.txt", samples.vllm(START)),
        save(tmp_path / "b.txt", samples.vllm(START.after(90.0))),
    )
    assert main(["observe", "--metrics-file", first, "--metrics-file", then, "--interval", "30s", "--explain"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "requests/s = requests answered / time = 90 / 30 s = 3" in out
    assert "360 s / 30 s = 12 (Little's law)" in out
    assert "TTFT mean = sum / count = 13.5 s / 90 = 0.15 s" in out


SWITCHED_OFF = [
    ("sglang", "--enable-metrics"), ("llamacpp", "llama-server answers it with --metrics"),
    ("tensorrt_llm", "return_perf_metrics: true"), ("somebody", "--enable-metrics"),
]  # fmt: skip


@pytest.mark.parametrize(("owner", "hint"), SWITCHED_OFF)
def test_metrics_that_are_off(server: FeedServer, owner: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    server.routes = {"/v1/models": as_json(samples.models("tiny", owner=owner))}
    said = error(capsys, server.url)
    assert "its metrics are off" in said
    assert hint in said


def test_what_else_goes_wrong(server: FeedServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no inference server" in error(capsys, server.url)
    server.routes = {"/metrics": reply("<html>hello</html>"), "/v1/models": reply("<html>hello</html>")}
    assert "no sample" in error(capsys, server.url)
    vllm(server, START)
    server.routes["/metrics"] = reply("loading", 503)
    assert "may still be loading" in error(capsys, server.url)
    assert "nobody listens there" in error(capsys, "http://127.0.0.1:1")
    vllm(server, START)
    server.routes["/v1/models"] = as_json(samples.models("one", "two"))
    server.routes["/metrics"] = reply(samples.vllm(START) + samples.vllm(Served(model="two")))
    assert "say which: --served-model-name NAME" in error(capsys, server.url, code=2)
    assert ask(capsys, server.url, "--served-model-name", "two")["server"]["served_name"] == "two"


@pytest.mark.parametrize(("status", "said"), [(401, "wants to know who asks"), (403, "does not let this reader in")])
def test_a_locked_server(server: FeedServer, status: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    server.routes = {"/v1/models": reply("", status)}
    found = error(capsys, server.url)
    assert said in found
    assert "--auth-env" in found


def test_a_planted_key_is_sent_and_never_printed(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERVER_KEY", SECRET)
    keys: list[str | None] = []

    def locked(handler: BaseHTTPRequestHandler) -> None:
        keys.append(handler.headers.get("Authorization"))
        reply(f"your key {keys[-1]} is wrong", 401)(handler)

    target, everything = tmp_path / "seen.jsonl", ""
    for argv in (
        (server.url, "--auth-env", "SERVER_KEY", "--json"),
        (server.url, "--auth-env", "SERVER_KEY", "--interval", "0.05s", "-o", str(target)),
        (server.url, "--auth-env", "SERVER_KEY", "--format", "markdown", "--explain"),
        ("http://127.0.0.1:1", "--auth-env", "SERVER_KEY"),
        ("http://llm.example:8000", "--auth-env", "SERVER_KEY"),
        (server.url, "--auth-env", "SERVER_KEY", "--model", "no/such", "--gpu", "l4"),
    ):
        vllm(server, START, START.after(40.0))
        main(["observe", *argv])
        captured = capsys.readouterr()
        everything += captured.out + captured.err
    server.routes = {"/v1/models": locked}
    main(["observe", server.url, "--auth-env", "SERVER_KEY"])
    server.routes = {"/v1/models": redirect("http://127.0.0.1:9/elsewhere")}
    main(["observe", server.url, "--auth-env", "SERVER_KEY"])
    captured = capsys.readouterr()
    everything += captured.out + captured.err
    assert keys == [f"Bearer {SECRET}"]
    assert len(everything) > 1000
    assert SECRET not in everything + target.read_text(encoding="utf-8")


def test_keys_that_are_not_sent(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such environment variable" in error(capsys, "http://localhost:1", "--auth-env", "ABSENT", code=2)
    monkeypatch.setenv("SERVER_KEY", SECRET)
    said = error(capsys, "http://llm.example", "--auth-env", "SERVER_KEY", code=2)
    assert "in the clear" in said
    assert "https://llm.example" in said


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "URL is missing"),
        (("localhost:8000",), "no address of the web"),
        (("http://localhost", "--metrics-file", "x"), "two places"),
        (("http://localhost", "--models-file", "x"), "beside --metrics-file"),
        (("http://localhost", "--strategy", "dedicated"), "--strategy is a row of a plan"),
        (("http://localhost", "--gpu", "l4"), "--model is missing"),
        (("http://localhost", "--plan", "p.yaml", "--gpu", "l4"), "--gpu cannot change it"),
        (("http://localhost", "--interval", "0"), "--interval must be a time"),
        (("http://localhost", "--samples", "0"), "--samples must be"),
        (("http://user:pass@localhost",), "password"),
    ],
)
def test_mistakes(argv: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in error(capsys, *argv, code=2)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost that no authority signed, with its key in one file."""
    folder = tmp_path_factory.mktemp("tls")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    make = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", names, "-keyout", str(folder / "key.pem"),
        "-out", str(folder / "cert.pem"),
    ]  # fmt: skip
    try:
        subprocess.run(make, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl cannot make a certificate here")
    return folder / "cert.pem"


def test_certificates_are_checked(certificate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {"/metrics": reply(samples.vllm(START)), "/v1/models": as_json(samples.models("tiny"))}
            answers.get(self.path, reply("", 404))(self)

        def log_message(self, *words: object) -> None:
            pass

    class Quiet(HTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with Quiet(("127.0.0.1", 0), Handler) as http:
        http.socket = context.wrap_socket(http.socket, server_side=True)
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        url = f"https://127.0.0.1:{http.server_address[1]}"
        assert "its certificate cannot be trusted" in error(capsys, url)
        assert ask(capsys, url, "--ca-file", str(certificate))["server"]["engine"] == "vllm"
        assert main(["observe", url, "--insecure"]) == 0
        assert "warning: --insecure" in capsys.readouterr().err
        http.shutdown()


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits(
    width: int, plan: Path, server: FeedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    vllm(server, START, START.after(60.0), root="meta-llama/Llama-3.1-8B-Instruct")
    assert main(["observe", server.url, "--plan", str(plan), "--strategy", "dedicated", "--interval", "0.1s"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    assert "\x1b" not in out
    # one line a quantity
    assert (
        sum(line.startswith(("KV capacity ", "TTFT, mean ", "prompt in prefix cache ")) for line in out.splitlines())
        == 3
    )
