"""The machine against the engines that are to run on it: driver and CUDA, kernels, memory that others hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmplan.hardware.diagnosis import Finding, Subject, diagnose
from llmplan.hardware.errors import status
from llmplan.hardware.report import GpuReading, HardwareReport, HostReading, MemoryReading, ProcessReading, Visibility
from llmplan.spec.engine import EngineSpec
from plan_samples import PUBLISHED, engine, gpu

GIB = 1024**3
TOTAL = 81559 * 1024**2
SPEC = gpu(segment="datacenter", aliases=("NVIDIA H100 80GB HBM3",))
H100 = GpuReading(
    index=0,
    name="NVIDIA H100 80GB HBM3",
    compute_capability=(9, 0),
    memory=MemoryReading(total_bytes=TOTAL, used_bytes=0, free_bytes=TOTAL, source="nvml-v2"),
)
CUDA_12 = engine("old", cuda_version=(12, 8))
CUDA_13 = engine("new", cuda_version=(13, 0))
UNKNOWN = engine("unknown")


def machine(driver: str | None = "580.159.03", cuda: str | None = "13.0", *gpus: GpuReading) -> HardwareReport:
    present = gpus or (H100,)
    return HardwareReport(
        nvml=status("ok"),
        driver_version=driver,
        cuda_version=cuda,
        gpus=present,
        host=HostReading(memory_total_bytes=512 * GIB, memory_available_bytes=500 * GIB),
        visible=Visibility(variable=None, indexes=tuple(one.index for one in present)),
    )


def of(check: str, report: HardwareReport, *engines: EngineSpec, certain: bool = False) -> list[Finding]:
    subject = Subject(engines=engines, certain=certain)
    return [finding for finding in diagnose(report, {SPEC.id: SPEC}, subject) if finding.check == check]


@pytest.mark.parametrize(
    ("driver", "cuda", "engines", "statuses"),
    [
        # NVIDIA's table of minor-version compatibility: CUDA 13.x needs 580, 12.x needs 525
        ("580.65.06", "13.0", (CUDA_13, CUDA_12), ["ok"]),
        ("575.57.08", "12.9", (CUDA_13,), ["warn"]),
        ("525.60.13", "12.0", (CUDA_12,), ["ok"]),
        ("515.65.01", "11.7", (CUDA_12,), ["warn"]),
        ("570.124.06", "12.8", (CUDA_13, CUDA_12), ["warn", "ok"]),
        # a forward-compatible libcuda is newer than the kernel module
        ("535.104.05", "13.0", (CUDA_13,), ["ok"]),
        (None, "13.0", (CUDA_13,), ["ok"]),
        (None, "12.8", (CUDA_13,), ["warn"]),
        (None, None, (CUDA_13,), ["ok"]),
        ("580.65.06", "13.0", (UNKNOWN,), ["ok"]),
        ("580.65.06", "13.0", (replace(CUDA_13, cuda_version=(14, 0)),), ["ok"]),
    ],
)
def test_driver_against_cuda_of_the_build(
    driver: str | None, cuda: str | None, engines: tuple[EngineSpec, ...], statuses: list[str]
) -> None:
    assert [finding.status for finding in of("cuda", machine(driver, cuda), *engines)] == statuses


def test_a_driver_that_is_too_old_is_one_finding_with_all_engines_and_what_to_do() -> None:
    newer = engine("newest", cuda_version=(13, 1))
    (finding,) = of("cuda", machine("535.104.05", "12.2"), CUDA_13, newer)
    assert finding.message == (
        "driver 535.104.05 is too old for new@0.33.0 (CUDA 13.0), newest@0.33.0 (CUDA 13.1): 580 or newer is needed"
    )
    assert "cuda-compat-13-1" in (finding.advice or "")
    assert "minor-version-compatibility" in (finding.source or "")
    (card,) = of("cuda", machine("535.104.05", "12.2", replace(H100, name="NVIDIA GeForce")), CUDA_13)
    assert "cuda-compat" not in (card.advice or "")


def test_an_engine_that_is_asked_for_and_cannot_run_is_broken() -> None:
    (driver,) = of("cuda", machine("535.104.05", "12.2"), CUDA_13, certain=True)
    (kernels,) = of("kernels", machine(None, None, replace(H100, compute_capability=(7, 0))), CUDA_13, certain=True)
    assert (driver.status, kernels.status) == ("fail", "fail")


def test_an_engine_that_is_asked_for_and_sees_no_gpu_is_broken() -> None:
    hidden = replace(machine(), visible=Visibility(variable="", indexes=(), notes=("CUDA_VISIBLE_DEVICES is empty",)))
    statuses = [finding.status for certain in (False, True) for finding in of("visible", hidden, certain=certain)]
    assert statuses == ["warn", "fail"]


def test_what_is_not_known_is_said_to_be_not_known() -> None:
    (finding,) = of("cuda", machine(), UNKNOWN)
    assert finding.message == "no figure known of the driver that unknown@0.33.0 needs: not compared"
    (finding,) = of("cuda", machine(None, None), CUDA_13)
    assert "neither driver nor CUDA version is readable" in finding.message
    guessed = replace(CUDA_13, provenance={"builds.cuda": replace(PUBLISHED, kind="assumed")})
    (finding,) = of("cuda", machine(), guessed, CUDA_12)
    assert "new@0.33.0 (CUDA 13.0, assumed), old@0.33.0 (CUDA 12.8)" in finding.message
    unread = replace(H100, compute_capability=None, unread={"compute_capability": "Unknown Error"})
    (kernels,) = of("kernels", machine(None, None, unread), CUDA_13)
    assert (kernels.status, "Unknown Error" in kernels.message) == ("ok", True)


def test_a_newer_minor_version_runs_and_its_limit_is_told() -> None:
    (finding,) = of("cuda", machine(), engine("newest", cuda_version=(13, 1)))
    assert finding.status == "ok"
    assert "PTX" in (finding.advice or "")


def test_kernels_name_the_gpus_and_an_engine_that_has_them() -> None:
    turing = replace(H100, index=1, compute_capability=(7, 5))
    volta = replace(H100, index=2, compute_capability=(7, 0))
    anywhere = engine("anywhere", min_compute_capability=(6, 0), compute_capabilities=())
    turing_has, missing, volta_has = of("kernels", machine(None, None, turing, volta), CUDA_13, anywhere)
    assert [turing_has.status, missing.status, volta_has.status] == ["ok", "warn", "ok"]
    assert missing.message == (
        "new@0.33.0 has no kernels for compute capability 7.0 (GPU 2): built for 7.5, 8.0, 8.6, 8.9, 9.0, 10.0, 12.0"
    )
    assert missing.advice == "use anywhere@0.33.0"
    only_minimum = "above the minimum of anywhere@0.33.0 (from 6.0 on), which is all that is known of it"
    assert turing_has.message == f"compute capability 7.5 (GPU 1): kernels in new@0.33.0; {only_minimum}"
    assert volta_has.message == f"compute capability 7.0 (GPU 2): {only_minimum}"


def test_each_engine_makes_its_own_of_memory_that_is_held() -> None:
    held = replace(
        H100,
        memory=MemoryReading(total_bytes=TOTAL, used_bytes=20 * GIB, free_bytes=TOTAL - 20 * GIB, source="nvml-v2"),
        processes=(ProcessReading(pid=7, name="python3", memory_bytes=20 * GIB),),
    )
    total = engine("total")
    free = engine("free", kv_pool_rule="fraction_of_free")
    context = engine("context", kv_pool_rule="explicit_context")
    (finding,) = of("memory", machine(None, None, held), total, free, context)
    wanted = 0.92 * TOTAL / GIB
    assert f"total: refuses to start, for it wants 0.92 of all, {wanted:.2f} GiB" in finding.message
    assert "free: starts with a KV pool smaller" in finding.message
    assert "context: must fit weights and context in what is free" in finding.message
    share = int((TOTAL - 20.5 * GIB) / TOTAL * 100) / 100
    assert f"start total with --gpu-memory-utilization {share:.2f}" in (finding.advice or "")
    (certain,) = of("memory", machine(None, None, held), total, certain=True)
    assert certain.status == "fail"
    (modest,) = of("memory", machine(None, None, held), replace(total, memory_fraction=0.7), certain=True)
    assert modest.status == "ok"  # 59.6 of 79.6 GiB are free, 55.8 are wanted
    (other,) = of("memory", machine(None, None, held), free, certain=True)
    assert other.status == "warn"
