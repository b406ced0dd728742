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
from llmplan.spec.price import HourlyOffer, PriceBook
from llmplan.spec.provenance import Provenance, Source

MIB = 1024**2
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


@pytest.mark.parametrize(
    ("scenario", "code", "status", "words"),
    [
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
    ],
)
def test_doctor_findings(llmplan: Run, scenario: str, code: int, status: str, words: str) -> None:
    done = llmplan(scenario, "doctor", "--json")
    assert done.returncode == code, done.stderr
    record = json.loads(done.stdout)
    assert record["schema"] == "llmplan.doctor/v1"
    assert [f["status"] for f in record["findings"] if words in f["message"]] == [status], record["findings"]
    assert sum(record["counts"].values()) == len(record["findings"])


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
