"""One conversation with NVML: load the library, ask every GPU everything, leave.

The binding (nvidia-ml-py) is imported inside, so that nothing else in the project pays for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llmplan.hardware.device import read_device
from llmplan.hardware.errors import NvmlStatus, status, status_of_error
from llmplan.hardware.links import read_peers
from llmplan.hardware.reader import FieldReader
from llmplan.hardware.report import GpuReading, HostReading, PeerReading


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmlScan:
    """What NVML gave, or the status that says why it gave nothing."""

    status: NvmlStatus
    driver_version: str | None = None
    nvml_version: str | None = None
    cuda_version: str | None = None
    gpus: tuple[GpuReading, ...] = ()
    peers: tuple[PeerReading, ...] = ()


def scan_nvml(host: HostReading) -> NvmlScan:
    """Read all GPUs of this machine. `host` stands in for the memory of GPUs which share it."""
    try:
        import pynvml as binding
    except ImportError as error:
        return NvmlScan(status=status("no_binding", str(error)))
    try:
        binding.nvmlInit()
    except binding.NVMLError as error:
        return NvmlScan(status=status_of_error(int(error.value), str(error)))
    try:
        return _read_all(binding, host)
    except binding.NVMLError as error:
        return NvmlScan(status=status_of_error(int(error.value), str(error)))
    finally:
        FieldReader(binding).read("shutdown", "nvmlShutdown", convert=bool)


def _read_all(binding: Any, host: HostReading) -> NvmlScan:
    reader = FieldReader(binding)
    driver_version = reader.read("driver_version", "nvmlSystemGetDriverVersion", convert=str)
    cuda_version = reader.first(
        "cuda_version",
        [("nvmlSystemGetCudaDriverVersion_v2", ()), ("nvmlSystemGetCudaDriverVersion", ())],
        convert=cuda_version_text,
    )
    gpus = tuple(read_device(binding, index, host) for index in range(binding.nvmlDeviceGetCount()))
    return NvmlScan(
        status=status("ok"),
        driver_version=driver_version,
        nvml_version=reader.read("nvml_version", "nvmlSystemGetNVMLVersion", convert=str),
        cuda_version=cuda_version,
        gpus=gpus,
        peers=read_peers(binding, [gpu.index for gpu in gpus if gpu.access == "ok"]),
    )


def cuda_version_text(encoded: int) -> str:
    """CUDA's 1000 x major + 10 x minor as text.

    >>> cuda_version_text(12080), cuda_version_text(13000)
    ('12.8', '13.0')
    """
    return f"{encoded // 1000}.{encoded % 1000 // 10}"
