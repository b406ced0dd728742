"""Each check of the diagnosis, on a machine with exactly one thing wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmplan.hardware.diagnosis import Finding, diagnose
from llmplan.hardware.errors import status
from llmplan.hardware.report import (
    DiskReading,
    EccReading,
    GpuReading,
    HardwareReport,
    HostReading,
    LimitsReading,
    MemoryReading,
    MigReading,
    NvLinkReading,
    PcieReading,
    ProcessReading,
    Visibility,
)
from llmplan.spec.gpu import GpuSpec

GIB = 1024**3
CATALOGUE = {
    "big-80gb": GpuSpec(
        id="big-80gb", name="Big", aliases=("NVIDIA Big",), vendor="NVIDIA", architecture="any", segment="datacenter",
        form="SXM5", memory_bytes=80 * GIB, memory_bandwidth_bytes_per_s=1e12,
    )
}  # fmt: skip
ECC = EccReading(
    enabled=True,
    corrected_volatile=0,
    uncorrected_volatile=0,
    uncorrected_aggregate=0,
    row_remap_pending=False,
    row_remap_failed=False,
)
GPU = GpuReading(
    index=0,
    name="NVIDIA Big",
    memory=MemoryReading(total_bytes=80 * GIB, used_bytes=0, free_bytes=79 * GIB, source="nvml-v2"),
    pcie=PcieReading(generation=1, max_generation=5, width=16, max_width=16),
    nvlinks=tuple(NvLinkReading(link=port, active=True) for port in range(18)),
    fabric_state="completed",
    mig_enabled=False,
    mig_enabled_after_reset=False,
    ecc=ECC,
    processes=(),
)
HOST = HostReading(
    memory_total_bytes=512 * GIB,
    memory_available_bytes=500 * GIB,
    shm=DiskReading(path="/dev/shm", total_bytes=256 * GIB, free_bytes=256 * GIB),
    disks=(DiskReading(path="/data", total_bytes=1000 * GIB, free_bytes=900 * GIB),),
)
HEALTHY = HardwareReport(
    nvml=status("ok"),
    driver_version="570.124.06",
    cuda_version="12.8",
    gpus=(GPU, replace(GPU, index=1)),
    host=HOST,
    visible=Visibility(variable=None, indexes=(0, 1)),
)


def with_gpu(**fields: object) -> HardwareReport:
    return replace(HEALTHY, gpus=(replace(GPU, **fields), replace(GPU, index=1)))  # type: ignore[arg-type]


def only_problem(report: HardwareReport) -> Finding:
    (finding,) = [finding for finding in diagnose(report, CATALOGUE) if finding.status != "ok"]
    return finding


def test_a_healthy_machine_has_no_problem() -> None:
    findings = diagnose(HEALTHY, CATALOGUE)
    assert {finding.status for finding in findings} == {"ok"}
    assert [(finding.gpu, finding.message) for finding in findings if finding.check == "gpu"] == [
        (0, "NVIDIA Big is big-80gb"),
        (1, "NVIDIA Big is big-80gb"),
    ]


def test_no_gpu_is_in_order_even_with_little_shm_and_disk() -> None:
    small = DiskReading(path="/", total_bytes=GIB // 16, free_bytes=GIB // 16)
    laptop = HardwareReport(
        nvml=status("no_library"),
        host=replace(HOST, shm=small, disks=(small,)),
        visible=Visibility(variable=None, indexes=()),
    )
    assert {finding.status for finding in diagnose(laptop, CATALOGUE)} == {"ok"}


@pytest.mark.parametrize(
    ("state", "severity"),
    [
        ("driver_not_loaded", "warn"),
        ("unknown_error", "warn"),
        ("blocked", "warn"),
        ("version_mismatch", "fail"),
        ("no_permission", "fail"),
        ("no_binding", "fail"),
    ],
)
def test_states_of_the_driver(state: str, severity: str) -> None:
    finding = only_problem(replace(HEALTHY, nvml=status(state, "said so"), gpus=()))  # type: ignore[arg-type]
    assert (finding.check, finding.status) == ("driver", severity)
    assert finding.advice


@pytest.mark.parametrize(
    ("fields", "check", "severity", "words"),
    [
        ({"access": "lost", "access_error": "GPU is lost"}, "gpu", "fail", "GPU is lost"),
        ({"name": "NVIDIA Other"}, "gpu", "warn", "not in the catalogue"),
        ({"pcie": PcieReading(generation=4, max_generation=4, width=8, max_width=16)}, "pcie", "warn", "x8 of x16"),
        (
            {"nvlinks": tuple(NvLinkReading(link=port, active=port not in (3, 4)) for port in range(18))},
            "nvlink", "warn", "16 of 18 up, down: 3, 4",
        ),
        (
            {"nvlinks": tuple(NvLinkReading(link=port, active=False) for port in range(18))},
            "nvlink", "warn", "all 18 NVLinks are down",
        ),
        ({"fabric_state": "in progress"}, "fabric", "fail", "802"),
        (
            {"pcie": PcieReading(generation=1, max_generation=5, width=16, max_width=16), "utilization": 0.9},
            "pcie", "warn", "generation 1 of 5, and the GPU is busy",
        ),
        ({"power_limit_w": 500.0, "power_limit_default_w": 700.0}, "power", "warn", "500 W, by default 700 W"),
        ({"slowdowns": ("power cap", "heat (driver)"), "temperature_c": 91.0}, "clocks", "warn", "at 91 °C: heat"),
        (
            {"ecc": replace(ECC, row_remap_pending=None, retired_pages=2, retired_pages_pending=True)},
            "ecc", "warn", "wait to be retired",
        ),
        ({"ecc": replace(ECC, uncorrected_volatile=3)}, "ecc", "fail", "3 uncorrected"),
        ({"ecc": replace(ECC, row_remap_failed=True)}, "ecc", "fail", "remapping failed"),
        ({"ecc": replace(ECC, row_remap_pending=True)}, "ecc", "warn", "waits to be remapped"),
        ({"mig_enabled_after_reset": True}, "mig", "warn", "next reset"),
        ({"mig_enabled": True, "mig_enabled_after_reset": True}, "mig", "warn", "no instance visible"),
        ({"memory": None, "unread": {"memory": "Unknown Error"}}, "memory", "warn", "Unknown Error"),
    ],
)  # fmt: skip
def test_one_thing_wrong_with_a_gpu(fields: dict[str, object], check: str, severity: str, words: str) -> None:
    report = with_gpu(**fields)
    findings = [finding for finding in diagnose(report, CATALOGUE) if finding.status != "ok" and finding.check == check]
    assert [finding.status for finding in findings] == [severity]
    assert words in findings[0].message


@pytest.mark.parametrize(
    ("fields", "check", "words"),
    [
        ({"slowdowns": ("power cap",)}, "clocks", None),
        ({"power_limit_w": 700.0, "power_limit_default_w": 700.0}, "power", None),
        ({"power_limit_w": 700.0, "power_limit_default_w": None}, "power", None),
        ({"persistence": False}, "persistence", "persistence mode is off"),
        ({"ecc": replace(ECC, uncorrected_aggregate=4)}, "ecc", "4 over the board's life"),
        ({"ecc": replace(ECC, uncorrected_volatile=None)}, "ecc", "counters are not readable"),
        (
            {"utilization": 0.9, "pcie": PcieReading(generation=5, max_generation=5, width=16, max_width=16)},
            "pcie",
            "x16",
        ),
        ({"utilization": 0.1}, "pcie", "generation 1 of 5"),
    ],
)
def test_what_costs_nothing_is_in_order(fields: dict[str, object], check: str, words: str | None) -> None:
    findings = [f for f in diagnose(with_gpu(**fields), CATALOGUE) if f.check == check and f.gpu == 0]
    assert [finding.status for finding in findings] == (["ok"] if words else [])
    assert all(words in finding.message for finding in findings if words)


def test_a_gpu_alone_needs_no_links_and_no_fabric() -> None:
    """One H100 of a larger machine: its ports are there and off, and nobody takes it into a fabric."""
    off = tuple(NvLinkReading(link=port, active=False) for port in range(18))
    alone = replace(GPU, nvlinks=off, fabric_state="in progress")
    visible = Visibility(variable=None, indexes=(0,))
    findings = diagnose(replace(HEALTHY, gpus=(alone,), visible=visible), CATALOGUE)
    assert {finding.status for finding in findings} == {"ok"}
    assert "802" in next(finding.message for finding in findings if finding.check == "fabric")
    some = replace(alone, nvlinks=(*off[:2], *GPU.nvlinks[2:]), fabric_state=None)
    assert {f.status for f in diagnose(replace(HEALTHY, gpus=(some,), visible=visible), CATALOGUE)} == {"ok"}


def test_bridged_cards_are_held_to_their_neighbours_and_switched_ones_to_all_ports() -> None:
    def links(up: int, remote: str | None) -> tuple[NvLinkReading, ...]:
        return tuple(
            NvLinkReading(link=port, active=port < up, remote=remote if port < up else None) for port in range(18)
        )

    def nvlink(*gpus: GpuReading) -> list[str]:
        return [f.status for f in diagnose(replace(HEALTHY, gpus=gpus), CATALOGUE) if f.check == "nvlink"]

    bridged = replace(GPU, nvlinks=links(12, "gpu"))
    assert nvlink(bridged, replace(bridged, index=1)) == ["ok", "ok"]
    assert nvlink(replace(GPU, nvlinks=links(8, "gpu")), replace(bridged, index=1)) == ["warn", "ok"]
    switched = replace(GPU, nvlinks=links(12, "switch"))
    assert nvlink(switched, replace(switched, index=1)) == ["warn", "warn"]


def test_memory_held_on_a_gpu_that_cuda_does_not_see_is_no_trouble() -> None:
    busy = MemoryReading(total_bytes=80 * GIB, used_bytes=70 * GIB, free_bytes=10 * GIB, source="nvml-v2")
    report = replace(with_gpu(memory=busy), visible=Visibility(variable="1", indexes=(1,)))
    assert {finding.status for finding in diagnose(report, CATALOGUE)} == {"ok"}


def test_unlike_gpus_are_named_and_those_that_are_hidden_are_not() -> None:
    other = replace(GPU, index=1, name="NVIDIA Small")
    findings = diagnose(replace(HEALTHY, gpus=(GPU, other)), {})
    (finding,) = [finding for finding in findings if finding.check == "mixture"]
    assert finding.message == "unlike GPUs: 1 x NVIDIA Big, 1 x NVIDIA Small"
    hidden = replace(HEALTHY, gpus=(GPU, other), visible=Visibility(variable="0", indexes=(0,)))
    assert not [finding for finding in diagnose(hidden, {}) if finding.check == "mixture"]


def test_few_open_files_warn_and_locked_memory_is_told() -> None:
    few = replace(HOST, limits=LimitsReading(open_files=1024, locked_memory_bytes=64 * 1024))
    files, locked = [f for f in diagnose(replace(HEALTHY, host=few), CATALOGUE) if f.check == "limits"]
    assert (files.status, "1,024 open files" in files.message) == ("warn", True)
    assert (locked.status, "64.0 KiB" in locked.message) == ("ok", True)
    none = replace(HOST, limits=LimitsReading(open_files=None, locked_memory_bytes=None))
    assert not [f for f in diagnose(replace(HEALTHY, host=none), CATALOGUE) if f.check == "limits"]


def test_small_shared_memory_is_enough_for_one_gpu() -> None:
    docker = replace(HOST, shm=DiskReading(path="/dev/shm", total_bytes=64 * 1024**2, free_bytes=64 * 1024**2))
    alone = replace(HEALTHY, gpus=(GPU,), host=docker, visible=Visibility(variable=None, indexes=(0,)))
    assert {finding.status for finding in diagnose(alone, CATALOGUE)} == {"ok"}


def test_instances_of_unlike_size_warn_and_equal_ones_do_not() -> None:
    def instance(slot: int, profile: str) -> MigReading:
        return MigReading(
            index=slot, uuid=f"MIG-{slot}", name=None, profile=profile, gpu_instance_id=slot, compute_instance_id=0,
            memory_bytes=10 * GIB, multiprocessors=16, memory=None,
        )  # fmt: skip

    def statuses(*profiles: str) -> list[str]:
        mig = tuple(instance(slot, profile) for slot, profile in enumerate(profiles))
        report = with_gpu(mig_enabled=True, mig_enabled_after_reset=True, mig=mig, nvlinks=())
        return [finding.status for finding in diagnose(report, CATALOGUE) if finding.check == "mig"]

    assert statuses("1g.10gb", "1g.10gb") == ["ok"]
    assert statuses("1g.10gb", "3g.40gb") == ["ok", "warn"]


def test_held_memory_names_the_holder_and_the_share_that_is_left() -> None:
    report = with_gpu(
        memory=MemoryReading(total_bytes=80 * GIB, used_bytes=20 * GIB, free_bytes=60 * GIB, source="nvml-v2"),
        processes=(
            ProcessReading(pid=7, name="/usr/bin/python3", memory_bytes=19 * GIB),
            ProcessReading(pid=8, name=None, memory_bytes=None),
        ),
    )
    finding = only_problem(report)
    assert finding.check == "memory"
    assert "60.00 GiB of 80.00 GiB free" in finding.message
    assert "/usr/bin/python3 (pid 7, 19.00 GiB)" in finding.message
    assert "a process outside this container (pid 8)" in finding.message
    assert "ps -o pid,user,etime,args -p 7,8" in (finding.advice or "")
    assert "export CUDA_VISIBLE_DEVICES=1" in (finding.advice or "")
    assert "--gpu-memory-utilization 0.74" in (finding.advice or "")  # (60 - 0.5 for a CUDA context) / 80


def test_a_split_gpu_is_in_order() -> None:
    slice_ = MigReading(
        index=0, uuid="MIG-1", name=None, profile="3g.40gb", gpu_instance_id=1, compute_instance_id=0,
        memory_bytes=40 * GIB, multiprocessors=60, memory=None,
    )  # fmt: skip
    findings = diagnose(with_gpu(mig_enabled=True, mig_enabled_after_reset=True, mig=(slice_,), nvlinks=()), CATALOGUE)
    (finding,) = [finding for finding in findings if finding.check == "mig"]
    assert finding.status == "ok"
    assert "3g.40gb (40.00 GiB)" in finding.message


def test_small_shared_memory_and_disk_matter_beside_gpus() -> None:
    docker = DiskReading(path="/dev/shm", total_bytes=64 * 1024**2, free_bytes=64 * 1024**2)
    assert "--ipc=host" in (only_problem(replace(HEALTHY, host=replace(HOST, shm=docker))).advice or "")
    full = DiskReading(path="/", total_bytes=100 * GIB, free_bytes=5 * GIB)
    assert "HF_HOME" in (only_problem(replace(HEALTHY, host=replace(HOST, disks=(full,)))).advice or "")


def test_a_container_with_less_memory_than_half_of_its_gpus() -> None:
    finding = only_problem(replace(HEALTHY, host=replace(HOST, cgroup_memory_limit_bytes=64 * GIB)))
    assert finding.check == "host memory"
    assert "64.00 GiB of 512.00 GiB" in finding.message
    assert "half of the GPUs' 160.00 GiB" in (finding.advice or "")
    generous = replace(HEALTHY, host=replace(HOST, cgroup_memory_limit_bytes=80 * GIB))
    assert {finding.status for finding in diagnose(generous, CATALOGUE)} == {"ok"}


def test_odd_visible_devices_warn_and_plain_ones_do_not() -> None:
    odd = Visibility(variable="0,9", indexes=(0,), notes=("entry '9' names no GPU here and ends the list",))
    assert "'0,9'" in only_problem(replace(HEALTHY, visible=odd)).message
    plain = replace(HEALTHY, visible=Visibility(variable="0", indexes=(0,)))
    assert {finding.status for finding in diagnose(plain, CATALOGUE)} == {"ok"}


def test_links_of_cards_without_a_bridge_are_in_order() -> None:
    card = {"big-80gb": replace(CATALOGUE["big-80gb"], form="PCIe")}
    report = with_gpu(nvlinks=tuple(NvLinkReading(link=port, active=False) for port in range(4)))
    assert {finding.status for finding in diagnose(report, card)} == {"ok"}
