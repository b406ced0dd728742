"""The real nvidia-ml-py against a fake library: every way in which NVML answers, refuses or is not there.

Expected figures are those of the machines that fake_nvml.c stands for, in MiB as NVML's tools print them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

MIB = 1024**2


def test_two_h100_with_nvlink(scan_as: Any) -> None:
    report = scan_as("ok")
    assert report["nvml"] == {"state": "ok", "message": "", "advice": ""}
    assert (report["driver_version"], report["cuda_version"]) == ("570.124.06", "12.8")
    assert report["nvml_version"] == "12.570.124.06"
    first, second = report["gpus"]
    assert first["name"] == second["name"] == "NVIDIA H100 80GB HBM3"
    assert (first["pci_bus_id"], second["pci_bus_id"]) == ("00000000:18:00.0", "00000000:2A:00.0")
    assert first["uuid"] == "GPU-aaaa0000-1111-2222-3333-444444444444"
    assert first["compute_capability"] == [9, 0]
    assert first["memory"] == {
        "total_bytes": 81559 * MIB,
        "reserved_bytes": 551 * MIB,
        "used_bytes": 4 * MIB,
        "free_bytes": (81559 - 551 - 4) * MIB,
        "source": "nvml-v2",
    }
    assert (first["power_limit_w"], first["power_draw_w"]) == (700.0, 71.234)
    assert (first["sm_clock_max_hz"], first["memory_clock_max_hz"]) == (1.98e9, 2.619e9)
    assert first["pcie"] == {"generation": 5, "max_generation": 5, "width": 16, "max_width": 16}
    assert (first["utilization"], first["temperature_c"]) == (0.37, 41.0)
    assert (first["persistence"], first["virtualization"]) == (True, "passthrough")
    assert first["ecc"]["corrected_volatile"] == 7
    assert first["ecc"]["uncorrected_volatile"] == 0
    assert first["mig_enabled"] is False
    assert first["processes"] == []
    assert first["unread"] == {}


def test_nvlink_ports_end_where_nvml_says_so(scan_as: Any) -> None:
    report = scan_as("ok")
    links = report["gpus"][0]["nvlinks"]
    assert len(links) == 18  # an H100 SXM has 18 fourth-generation links
    assert all(link["active"] and link["version"] == "4.0" and link["remote"] == "switch" for link in links)
    assert links[3]["remote_pci_bus_id"] == "00000000:07:00.0"
    assert report["peers"] == [{"first": 0, "second": 1, "nvlink": True, "pcie_path": "NODE"}]
    assert report["gpus"][0]["fabric_state"] == "completed"


def test_links_down_and_errors_are_read(scan_as: Any) -> None:
    gpu = scan_as("links_down")["gpus"][1]
    assert [link["link"] for link in gpu["nvlinks"] if not link["active"]] == [0, 1]
    assert gpu["ecc"]["uncorrected_volatile"] == 3
    assert gpu["fabric_state"] == "in progress"


def test_clocks_that_are_held_down_and_a_lowered_power_limit(scan_as: Any) -> None:
    hot, capped = scan_as("throttled")["gpus"]
    assert hot["slowdowns"] == ["power cap", "heat (hardware)"]  # 0x04 and 0x40
    assert (capped["power_limit_w"], capped["power_limit_default_w"]) == (500.0, 700.0)
    assert capped["slowdowns"] == []


def test_rows_to_be_remapped_and_errors_of_the_past(scan_as: Any) -> None:
    pending, old = scan_as("remap_pending")["gpus"]
    assert (pending["ecc"]["row_remap_pending"], old["ecc"]["row_remap_pending"]) == (True, False)
    assert (old["ecc"]["uncorrected_volatile"], old["ecc"]["uncorrected_aggregate"]) == (0, 2)
    assert pending["ecc"]["retired_pages"] is None


def test_a_gpu_without_spare_rows_retires_pages(scan_as: Any) -> None:
    ecc = scan_as("t4")["gpus"][0]["ecc"]
    assert (ecc["row_remap_pending"], ecc["retired_pages"], ecc["retired_pages_pending"]) == (None, 1, True)


def test_a10_on_eight_lanes_without_nvlink_and_with_processes(scan_as: Any) -> None:
    (gpu,) = scan_as("a10")["gpus"]
    assert gpu["pcie"] == {"generation": 1, "max_generation": 4, "width": 8, "max_width": 16}
    assert gpu["nvlinks"] == []
    assert gpu["unread"]["nvlinks"] == "Not Supported"
    assert gpu["mig_enabled"] is None
    assert gpu["memory"]["total_bytes"] == 23028 * MIB
    assert gpu["processes"] == [
        {"pid": 9999, "name": None, "memory_bytes": 8000 * MIB},
        {"pid": 4242, "name": "/usr/bin/python3", "memory_bytes": 1000 * MIB},
    ]


def test_mig_instances_have_their_own_memory(scan_as: Any) -> None:
    report = scan_as("mig")
    (gpu,) = report["gpus"]
    assert gpu["mig_enabled"] is True
    big, small = gpu["mig"]
    assert (big["profile"], small["profile"]) == ("3g.40gb", "1g.10gb")
    assert (big["memory_bytes"], small["memory_bytes"]) == (40448 * MIB, 9984 * MIB)
    assert big["memory"]["free_bytes"] == (40448 - 48) * MIB
    assert (big["gpu_instance_id"], big["compute_instance_id"], big["multiprocessors"]) == (2, 0, 60)
    assert report["visible"]["mig_uuids"] == [big["uuid"], small["uuid"]]
    assert report["visible"]["indexes"] == []


def test_mig_parent_hidden_in_a_container_is_not_unified_memory(scan_as: Any) -> None:
    (gpu,) = scan_as("mig_in_container")["gpus"]
    assert gpu["memory"] is None
    assert gpu["unread"]["memory"] == "Insufficient Permissions"
    assert gpu["mig"][0]["memory"]["total_bytes"] == 40448 * MIB


def test_unified_memory_is_the_hosts(scan_as: Any) -> None:
    (gpu,) = scan_as("gb10")["gpus"]
    assert gpu["memory"] == {
        "total_bytes": 127600748 * 1024,
        "free_bytes": 118566368 * 1024,
        "used_bytes": (127600748 - 118566368) * 1024,
        "reserved_bytes": None,
        "source": "host-ram",
    }
    assert gpu["compute_capability"] == [12, 1]
    assert gpu["power_limit_w"] is None
    assert gpu["access"] == "ok"


def test_an_older_driver_is_asked_the_older_way(scan_as: Any) -> None:
    gpu = scan_as("old_driver")["gpus"][0]
    assert gpu["memory"]["source"] == "nvml-v1"
    assert gpu["memory"]["used_bytes"] == (551 + 4) * MIB  # version 1 counts the driver's share as used
    assert "memory" not in gpu["unread"]


@pytest.mark.parametrize("scenario", ["lost", "lost_handle"])
def test_one_lost_gpu_does_not_hide_the_other(scan_as: Any, scenario: str) -> None:
    report = scan_as(scenario)
    good, gone = report["gpus"]
    assert good["access"] == "ok"
    assert good["memory"]["total_bytes"] == 81559 * MIB
    assert (gone["access"], gone["access_error"]) == ("lost", "GPU is lost")
    assert report["visible"]["indexes"] == [0]
    assert report["peers"] == []


@pytest.mark.parametrize(
    ("scenario", "state", "advice"),
    [
        ("driver_not_loaded", "driver_not_loaded", "modprobe nvidia"),
        ("version_mismatch", "version_mismatch", "reboot"),
        ("no_permission", "no_permission", "/dev/nvidia*"),
        ("blocked", "blocked", "WSL2"),
        ("wsl", "unknown_error", "wsl --update"),
    ],
)
def test_each_failure_is_a_state_of_its_own(scan_as: Any, scenario: str, state: str, advice: str) -> None:
    report = scan_as(scenario)
    assert report["nvml"]["state"] == state
    assert report["nvml"]["message"]
    assert advice in report["nvml"]["advice"]
    assert report["gpus"] == []
    assert report["host"]["memory_total_bytes"] == 127600748 * 1024


def test_no_library(scan_as: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "libnvidia-ml.so.1").write_text("not a library, so that a real one elsewhere is not found either")
    report = scan_as("ok", library=broken)
    assert report["nvml"]["state"] == "no_library"
    assert "--gpu" in report["nvml"]["advice"]


def test_a_driver_without_gpus(scan_as: Any) -> None:
    report = scan_as("no_gpu")
    assert report["nvml"]["state"] == "ok"
    assert report["gpus"] == []


def test_wsl_that_answers_in_part_costs_only_those_fields(scan_as: Any) -> None:
    gpu = scan_as("wsl_partial")["gpus"][0]
    assert gpu["access"] == "ok"
    assert gpu["processes"] is None
    assert gpu["utilization"] is None
    assert gpu["unread"] == {
        "persistence": "Not Supported",
        "processes": "Unknown Error",
        "utilization": "Unknown Error",
    }
    assert gpu["memory"]["total_bytes"] == 81559 * MIB


def test_cuda_order_is_uncertain_among_unlike_gpus(scan_as: Any) -> None:
    unordered = scan_as("mixed", environ={"CUDA_VISIBLE_DEVICES": "1"})["visible"]
    assert unordered["indexes"] == [1]
    assert unordered["certain"] is False
    ordered = scan_as("mixed", environ={"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"})["visible"]
    assert ordered["certain"] is True
    assert ordered["notes"] == []
