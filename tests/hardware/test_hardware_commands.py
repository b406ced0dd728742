"""`llmplan hardware` and `llmplan doctor` as a user runs them, on machines that the fake NVML stands for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from llmplan.cli._installation import check_installation, check_prices, check_programs
from llmplan.cli.doctor import exit_code
from llmplan.hardware import Finding
from llmplan.planfile import write_plan
from llmplan.spec.price import HourlyOffer, PriceBook
from llmplan.spec.provenance import Provenance, Source
from plan_samples import engine, option, plan, replica, token_option

MIB = 1024**2
SURROUNDINGS = {"prices", "disk", "weights", "limits", "host memory", "/dev/shm"}
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def llmplan(run_with_nvml: Run) -> Run:
    """`llmplan ARGUMENTS` on a scenario's machine."""

    def run(scenario: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return run_with_nvml(["-m", "llmplan", *arguments], scenario, **options)

    return run


@pytest.fixture
def no_library(tmp_path: Path) -> Path:
    """A folder whose libnvidia-ml.so.1 cannot be loaded."""
    (tmp_path / "none").mkdir()
    (tmp_path / "none/libnvidia-ml.so.1").write_text("no library")
    return tmp_path / "none"


def test_hardware_json_of_two_h100(llmplan: Run) -> None:
    done = llmplan("ok", "hardware", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads(done.stdout)
    assert record["schema"] == "llmplan.hardware/v1"
    assert [gpu["catalogue_id"] for gpu in record["gpus"]] == ["h100-sxm-80gb"] * 2
    (group,) = record["inventory"]["groups"]
    assert (group["gpu_id"], group["gpus_per_node"], group["fast_link"]) == ("h100-sxm-80gb", 2, True)
    assert group["gpu_memory_bytes"] == 81559 * MIB


def test_hardware_table_and_markdown_say_the_same(llmplan: Run) -> None:
    for arguments in ((), ("--format", "markdown")):
        done = llmplan("a10", "hardware", *arguments)
        assert done.returncode == 0
        for text in ("NVIDIA A10", "a10-24gb", "22.49 GiB", "x8", "of x16", "150 W", "570.124.06"):
            assert text in done.stdout, (arguments, text)


def test_hardware_shows_mig_instances_and_leaves_them_out_of_plans(llmplan: Run) -> None:
    done = llmplan("mig", "hardware")
    assert "3g.40gb" in done.stdout
    assert "39.50 GiB" in done.stdout
    assert json.loads(llmplan("mig", "hardware", "--json").stdout)["inventory"]["groups"] == []


def test_hardware_of_an_unknown_product(llmplan: Run) -> None:
    record = json.loads(llmplan("unknown_product", "hardware", "--json").stdout)
    assert record["gpus"][0]["catalogue_id"] is None
    assert record["inventory"]["groups"][0]["gpu_memory_bytes"] == 81559 * MIB
    assert "not in the catalogue" in record["inventory"]["notes"][0]


def test_hardware_without_a_gpu_is_an_answer(llmplan: Run, no_library: Path) -> None:
    done = llmplan("ok", "hardware", library=no_library)
    assert (done.returncode, done.stderr) == (0, "")
    assert "No GPU can be read here" in done.stdout
    assert "--gpu" in done.stdout


def test_hardware_explains_what_was_not_read(llmplan: Run) -> None:
    assert "nvlinks: Not Supported" in llmplan("a10", "hardware", "--explain").stdout


def test_hardware_without_a_gpu_reads_no_catalogue(run_with_nvml: Run, no_library: Path) -> None:
    script = (
        "import sys; from llmplan.cli import main; code = main(['hardware', '--json']); "
        "print(code, [m for m in ('numpy', 'yaml', 'rich', 'llmplan.catalogs') if m in sys.modules], file=sys.stderr)"
    )
    done = run_with_nvml(["-c", script], "ok", library=no_library)
    assert done.stderr.strip() == "0 []"


DOCTORS = """
import contextlib, functools, os, sys
from datetime import UTC, datetime
from llmplan import catalogs
from llmplan.cli import main
catalogs.check = functools.cache(catalogs.check)
catalogs.check(catalogs.default_layers(os.environ, None), today=datetime.now(tz=UTC).date())
for scenario in sys.argv[1:]:
    os.environ["FAKE_NVML"] = scenario
    if not (child := os.fork()):
        with open(scenario, "w") as answer, contextlib.redirect_stdout(answer):
            code = main(["doctor", "--json"])
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
"""each machine in a process of its own that has read the catalogue already, since that takes longest"""
DOCTOR_CASES = (
    ("ok", 0, "ok", "driver 570.124.06, CUDA up to 12.8"),
    ("version_mismatch", 1, "fail", "version mismatch"),
    ("no_permission", 1, "fail", "no permission"),
    ("wsl", 0, "warn", "unknown error"),
    ("driver_not_loaded", 0, "warn", "driver not loaded"),
    ("lost", 1, "fail", "cannot be used: GPU is lost"),
    ("links_down", 1, "fail", "3 uncorrected ECC errors"),
    ("a10", 0, "warn", "held by a process outside this container (pid 9999, 7.81 GiB)"),
    ("mig", 0, "ok", "3g.40gb (39.50 GiB)"),
    ("unknown_product", 0, "warn", "not in the catalogue"),
    (
        "ok",
        0,
        "warn",
        "too old for sglang@0.5.23 (CUDA 13.0), tensorrt-llm@1.2.1 (CUDA 13.1, derived), vllm@0.33.0",
    ),
    ("too_old", 0, "ok", "driver 535.104.05 runs llama-cpp@b11434 (CUDA 12.8, assumed)"),
    ("forward_compatible", 0, "ok", "through the forward-compatible libcuda"),
    ("pcie_x4", 0, "warn", "PCIe x4 of x16"),
    ("links_down", 1, "warn", "NVLink 16 of 18 up, down: 0, 1"),
    ("remap_pending", 0, "warn", "a memory row waits to be remapped"),
    ("remap_pending", 0, "ok", "2 over the board's life"),
    ("t4", 0, "warn", "memory pages wait to be retired"),
    ("throttled", 0, "warn", "clocks are held down at 41 °C: heat (hardware)"),
    ("throttled", 0, "warn", "power limit 500 W, by default 700 W"),
    ("processes", 0, "warn", "/usr/bin/python3 (pid 4242, 1,000.0 MiB)"),
    ("mixed", 0, "warn", "unlike GPUs: 1 x NVIDIA A10, 1 x NVIDIA H100 80GB HBM3"),
    ("mig", 0, "warn", "instances of unlike size (1g.10gb, 3g.40gb)"),
)


def test_doctor_findings(run_with_nvml: Run, tmp_path: Path) -> None:
    scenarios = list(dict.fromkeys(case[0] for case in DOCTOR_CASES))
    done = run_with_nvml(["-c", f"import os; os.chdir({str(tmp_path)!r})\n{DOCTORS}", *scenarios], "ok")
    codes = dict(zip(scenarios, map(int, done.stdout.split()), strict=True))
    for scenario, code, status, words in DOCTOR_CASES:
        record = json.loads((tmp_path / scenario).read_text(encoding="utf-8"))
        assert (codes[scenario], record["schema"]) == (code, "llmplan.doctor/v1"), scenario
        said = [each["status"] for each in record["findings"] if words in each["message"]]
        assert said == [status], (scenario, words, record["findings"])
        assert sum(record["counts"].values()) == len(record["findings"])


def hardware_problems(record: dict[str, Any]) -> list[str]:
    """Checks of the machine itself that are not in order: prices age, and this machine's disk may be full."""
    return [f["check"] for f in record["findings"] if f["status"] != "ok" and f["check"] not in SURROUNDINGS]


def test_one_h100_of_a_larger_machine_gives_no_false_alarm(llmplan: Run) -> None:
    """Driver 580, its links there and off, no fabric, idle at PCIe generation 1."""
    record = json.loads(llmplan("h100_vm", "doctor", "--json").stdout)
    assert hardware_problems(record) == []
    (cuda,) = [finding for finding in record["findings"] if finding["check"] == "cuda"]
    for name in ("llama-cpp@", "sglang@", "tensorrt-llm@", "vllm@"):
        assert name in cuda["message"]
    assert cuda["source"].startswith("https://docs.nvidia.com/")


def test_an_engine_that_is_named_and_cannot_run_is_broken(llmplan: Run) -> None:
    done = llmplan("too_old", "doctor", "--json", "--engine", "vllm@0.33")
    assert done.returncode == 1
    assert hardware_problems(json.loads(done.stdout)) == ["cuda"]
    older = llmplan("too_old", "doctor", "--json", "--engine", "vllm@0.11")  # CUDA 12.8, as torch 2.8.0 brings it
    assert (older.returncode, hardware_problems(json.loads(older.stdout))) == (0, [])
    assert llmplan("too_old", "doctor", "--engine", "nothing").returncode == 2


def test_a_models_weights_want_room_on_disk_and_gpu(llmplan: Run, tmp_path: Path) -> None:
    cache = tmp_path / "hub"
    (cache / "models--meta-llama--Llama-3.1-8B-Instruct/blobs").mkdir(parents=True)
    model = ("--model", "meta-llama/Llama-3.1-8B-Instruct")
    with (cache / "models--meta-llama--Llama-3.1-8B-Instruct/blobs/weights").open("wb") as sparse:
        sparse.truncate(16_060_522_496)  # the size of the published files, without their bytes
    done = llmplan("h100_vm", "doctor", "--json", *model, environ={"HF_HUB_CACHE": str(cache)})
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert "as much of it lies in" in findings["weights"]["message"]
    assert findings["fit"]["advice"].endswith("--gpu h100-sxm-80gb")


def test_a_plan_is_held_against_the_machine(llmplan: Run, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    one = replica(engine=engine())  # vllm@0.33.0 from before the catalogue said which CUDA that is built on
    write_plan(plan(option(of=one), token_option()), path)
    good = llmplan("h100_vm", "doctor", "--json", str(path))
    assert hardware_problems(json.loads(good.stdout)) == []
    other = llmplan("a10", "doctor", "--json", str(path))
    assert other.returncode == 1
    assert {"cuda", "memory", "plan"} <= set(hardware_problems(json.loads(other.stdout)))
    hosted = llmplan("h100_vm", "doctor", str(path), "--strategy", "serverless")
    assert "is a hosted API" in " ".join(hosted.stdout.split())
    rejected = llmplan("h100_vm", "doctor", str(path), "--strategy", "quantized")
    assert (rejected.returncode, "is a rejection: does not fit" in rejected.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--strategy", "dedicated"), "is a row of a plan"),
        (("PLAN", "--engine", "vllm"), "a plan names its engine"),
        (("PLAN", "--model", "x/y"), "a plan names its engine"),
        (("--model", "x/y"), "unknown model"),
    ],
)
def test_what_doctor_refuses(llmplan: Run, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    path = tmp_path / "plan.yaml"
    write_plan(plan(), path)
    done = llmplan("no_gpu", "doctor", *(str(path) if word == "PLAN" else word for word in arguments))
    assert (done.returncode, words in done.stderr, "--hub" in done.stderr) == (2, True, False)


def test_doctor_fits_eighty_columns(llmplan: Run) -> None:
    done = llmplan("processes", "doctor", "--explain", environ={"COLUMNS": "80", "NO_COLOR": "1"})
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "source:" in done.stdout


def test_doctor_says_the_same_of_several_gpus_once(llmplan: Run) -> None:
    done = llmplan("links_down", "doctor")
    assert done.returncode == 1
    assert "GPU 0, 1: NVIDIA H100 80GB HBM3 is h100-sxm-80gb" in done.stdout
    assert "GPU 1: NVLink 16 of 18 up, down: 0, 1" in done.stdout


def test_doctor_is_at_ease_without_a_gpu(llmplan: Run, no_library: Path) -> None:
    done = llmplan("ok", "doctor", library=no_library)
    assert done.returncode == 0
    assert "planning needs none" in done.stdout


def test_doctor_strict_turns_warnings_into_4(llmplan: Run) -> None:
    assert llmplan("a10", "doctor", "--strict").returncode == 4


def test_doctor_names_a_broken_catalogue_file(llmplan: Run, tmp_path: Path) -> None:
    broken = tmp_path / "layer/gpus"
    broken.mkdir(parents=True)
    (broken / "mine.yaml").write_text("id: mine\nname: [unclosed\n")
    done = llmplan("no_gpu", "doctor", "--json", "--catalog", str(tmp_path / "layer"))
    assert done.returncode == 1
    (finding,) = [finding for finding in json.loads(done.stdout)["findings"] if finding["check"] == "catalogue"]
    assert finding["status"] == "fail"
    assert "mine.yaml:3" in finding["message"] or "mine.yaml:2" in finding["message"]


def offer(provider: str, seen: date | None) -> HourlyOffer:
    source = Source(id="list", title="price list")
    return HourlyOffer(
        provider=provider, instance="x", gpu_id="a10-24gb", gpus=1, region="r", term="on-demand", usd_per_hour=1.0,
        from_date=None, quality="listed", provenance=Provenance(source=source, as_of=seen, kind="published"),
    )  # fmt: skip


def test_a_seller_is_stale_when_his_newest_price_is_older_than_45_days() -> None:
    today, limit = date(2026, 11, 25), timedelta(days=45)
    fresh = check_prices(PriceBook(hourly=(offer("a", date(2026, 10, 11)),), as_of=today), today, limit)
    assert (fresh.status, "45 to 45 days old" in fresh.message) == ("ok", True)
    offers = (
        offer("a", date(2026, 10, 10)),
        offer("b", date(2026, 11, 25)),
        offer("b", date(2020, 1, 1)),
        offer("c", None),
    )
    old = check_prices(PriceBook(hourly=offers, as_of=today), today, limit)
    assert old.status == "warn"
    assert (
        "4 offers of 2 sellers, the newest of each 0 to 46 days old; 1 have none of the last 45 days (a 46)"
        in old.message
    )
    assert "none of them dated" in check_prices(PriceBook(as_of=today), today, limit).message


def test_this_installation_is_whole() -> None:
    assert {finding.status for finding in check_installation()} == {"ok"}


def test_programs_are_found_on_the_path_given(tmp_path: Path) -> None:
    program = tmp_path / "llama-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    finding = check_programs(("vllm", "llama-server"), {"PATH": str(tmp_path)})
    assert finding.message == "on PATH: llama-server; not here: vllm"


@pytest.mark.parametrize(
    ("statuses", "strict", "code"),
    [((), False, 0), (("ok", "warn"), False, 0), (("ok", "warn"), True, 4), (("warn", "fail"), True, 1)],
)
def test_exit_codes(statuses: tuple[Any, ...], strict: bool, code: int) -> None:
    findings = [Finding(check="x", status=status, message="") for status in statuses]
    assert exit_code(findings, strict=strict) == code
