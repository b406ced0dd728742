"""The fake NVML, compiled once, and a way to read a machine through it with the real binding."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).with_name("fake_nvml.c")
SCAN = """
import dataclasses, json, os, sys
from pathlib import Path
from llmplan.hardware import scan
print(json.dumps(dataclasses.asdict(scan(os.environ, Path(sys.argv[1])))))
"""
MEMINFO = "MemTotal:       127600748 kB\nMemFree:        90000000 kB\nMemAvailable:   118566368 kB\n"
"""A DGX Spark's own figures."""

Scan = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def fake_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the fake libnvidia-ml.so.1."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs gcc on Linux to build the fake libnvidia-ml.so.1")
    folder = tmp_path_factory.mktemp("nvml")
    command = [compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(folder / "libnvidia-ml.so.1"), str(SOURCE)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def run_with_nvml(fake_library: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python with the fake library and a scenario; `library=False` puts an unloadable file in its place."""

    def run(
        arguments: list[str], scenario: str, *, environ: Mapping[str, str] | None = None, library: Path = fake_library
    ) -> subprocess.CompletedProcess[str]:
        machine = ("CUDA_", "NVIDIA_", "HF_", "LLMPLAN_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(machine)}
        variables = {**inherited, "LD_LIBRARY_PATH": str(library), "FAKE_NVML": scenario, **(environ or {})}
        return subprocess.run([sys.executable, *arguments], env=variables, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def host_root(tmp_path: Path) -> Path:
    """A host with a DGX Spark's memory."""
    (tmp_path / "host/proc").mkdir(parents=True)
    (tmp_path / "host/proc/meminfo").write_text(MEMINFO)
    return tmp_path / "host"


@pytest.fixture
def scan_as(run_with_nvml: Callable[..., subprocess.CompletedProcess[str]], host_root: Path) -> Scan:
    """The report of a scenario, as JSON values."""

    def scan(scenario: str, **options: Any) -> dict[str, Any]:
        done = run_with_nvml(["-c", SCAN, str(host_root)], scenario, **options)
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    return scan
