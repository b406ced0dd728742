"""Everything about one GPU, each field on its own."""

from __future__ import annotations

import re
from typing import Any, Final

from llmplan.hardware.ecc import read_ecc
from llmplan.hardware.errors import ERROR_LOST, ERROR_NO_PERMISSION
from llmplan.hardware.links import read_fabric_state, read_nvlinks, read_pcie
from llmplan.hardware.memory import read_memory
from llmplan.hardware.processes import read_processes
from llmplan.hardware.reader import FieldReader, text
from llmplan.hardware.report import GpuAccess, GpuReading, HostReading, MigReading
from llmplan.hardware.slowdowns import read_slowdowns
from llmplan.units import MIB

_MHZ: Final = 1e6
_MILLI: Final = 1e-3
_CLOCK_SM: Final = 1
_CLOCK_MEMORY: Final = 2
_TEMPERATURE_SENSOR_GPU: Final = 0
_VIRTUALIZATION: Final = {0: "none", 1: "passthrough", 2: "vgpu", 3: "host-vgpu", 4: "host-vsga"}
_MIG_PROFILE: Final = re.compile(r"\bMIG\s+(\S+)\s*$")


def read_device(binding: Any, index: int, host: HostReading) -> GpuReading:
    """One GPU by its NVML index. A GPU that is lost or forbidden is an answer too, with what could be read of it."""
    try:
        handle = binding.nvmlDeviceGetHandleByIndex(index)
    except binding.NVMLError as error:
        return GpuReading(index=index, access=_access(int(error.value)), access_error=str(error))
    reader = FieldReader(binding)
    mig_mode = reader.read("mig_enabled", "nvmlDeviceGetMigMode", handle, convert=_mode_pair)
    memory = read_memory(reader, handle, host)
    return GpuReading(
        index=index,
        name=reader.read("name", "nvmlDeviceGetName", handle, convert=str),
        uuid=reader.read("uuid", "nvmlDeviceGetUUID", handle, convert=str),
        pci_bus_id=reader.read("pci_bus_id", "nvmlDeviceGetPciInfo", handle, convert=lambda info: text(info.busId)),
        compute_capability=reader.read(
            "compute_capability", "nvmlDeviceGetCudaComputeCapability", handle, convert=lambda pair: (pair[0], pair[1])
        ),
        memory=memory,
        power_limit_w=reader.first(
            "power_limit_w",
            [("nvmlDeviceGetEnforcedPowerLimit", (handle,)), ("nvmlDeviceGetPowerManagementLimit", (handle,))],
            convert=_from_milli,
        ),
        power_limit_default_w=reader.read(
            "power_limit_default_w", "nvmlDeviceGetPowerManagementDefaultLimit", handle, convert=_from_milli
        ),
        power_draw_w=reader.read("power_draw_w", "nvmlDeviceGetPowerUsage", handle, convert=_from_milli),
        sm_clock_hz=_clock(reader, "sm_clock_hz", "nvmlDeviceGetClockInfo", handle, _CLOCK_SM),
        sm_clock_max_hz=_clock(reader, "sm_clock_max_hz", "nvmlDeviceGetMaxClockInfo", handle, _CLOCK_SM),
        memory_clock_hz=_clock(reader, "memory_clock_hz", "nvmlDeviceGetClockInfo", handle, _CLOCK_MEMORY),
        memory_clock_max_hz=_clock(reader, "memory_clock_max_hz", "nvmlDeviceGetMaxClockInfo", handle, _CLOCK_MEMORY),
        pcie=read_pcie(reader, handle),
        nvlinks=read_nvlinks(reader, handle),
        fabric_state=read_fabric_state(binding, reader, handle),
        mig_enabled=mig_mode[0] if mig_mode else None,
        mig_enabled_after_reset=mig_mode[1] if mig_mode else None,
        mig=_read_mig(binding, reader, handle) if mig_mode and mig_mode[0] else (),
        ecc=read_ecc(reader, handle),
        persistence=reader.read("persistence", "nvmlDeviceGetPersistenceMode", handle, convert=bool),
        slowdowns=read_slowdowns(reader, handle),
        virtualization=reader.read(
            "virtualization", "nvmlDeviceGetVirtualizationMode", handle, convert=_VIRTUALIZATION.get
        ),
        utilization=reader.read(
            "utilization", "nvmlDeviceGetUtilizationRates", handle, convert=lambda rates: rates.gpu / 100
        ),
        temperature_c=reader.first(
            "temperature_c",
            [
                ("nvmlDeviceGetTemperatureV", (handle, _TEMPERATURE_SENSOR_GPU)),
                ("nvmlDeviceGetTemperature", (handle, _TEMPERATURE_SENSOR_GPU)),
            ],
            convert=float,
        ),
        processes=read_processes(binding, reader, handle),
        access="lost" if reader.lost else "ok",
        access_error=reader.lost,
        unread=reader.unread,
    )


def _access(code: int) -> GpuAccess:
    if code in ERROR_LOST:
        return "lost"
    return "no_permission" if code == ERROR_NO_PERMISSION else "error"


def _mode_pair(pair: Any) -> tuple[bool, bool]:
    return bool(pair[0]), bool(pair[1])


def _from_milli(value: Any) -> float:
    return float(round(value * _MILLI, 3))


def _clock(reader: FieldReader, field: str, function: str, handle: Any, domain: int) -> float | None:
    return reader.read(field, function, handle, domain, convert=lambda mhz: mhz * _MHZ)


def _read_mig(binding: Any, reader: FieldReader, handle: Any) -> tuple[MigReading, ...]:
    """The MIG instances of a GPU. Their slots are sparse: an index without an instance answers Not Found."""
    slots = reader.read("mig", "nvmlDeviceGetMaxMigDeviceCount", handle, convert=int) or 0
    instances = []
    for slot in range(slots):
        try:
            instance = binding.nvmlDeviceGetMigDeviceHandleByIndex(handle, slot)
        except binding.NVMLError:
            continue
        instances.append(_read_mig_instance(FieldReader(binding), instance, slot))
    return tuple(instances)


def _read_mig_instance(reader: FieldReader, instance: Any, slot: int) -> MigReading:
    name = reader.read("name", "nvmlDeviceGetName", instance, convert=str)
    profile = _MIG_PROFILE.search(name or "")
    granted = reader.read(
        "attributes",
        "nvmlDeviceGetAttributes",
        instance,
        convert=lambda attributes: (int(attributes.memorySizeMB) * MIB, int(attributes.multiprocessorCount)),
    )
    return MigReading(
        index=slot,
        uuid=reader.read("uuid", "nvmlDeviceGetUUID", instance, convert=str),
        name=name,
        profile=profile[1] if profile else None,
        gpu_instance_id=reader.read("gpu_instance_id", "nvmlDeviceGetGpuInstanceId", instance, convert=int),
        compute_instance_id=reader.read("compute_instance_id", "nvmlDeviceGetComputeInstanceId", instance, convert=int),
        memory_bytes=granted[0] if granted else None,
        multiprocessors=granted[1] if granted else None,
        memory=read_memory(reader, instance, HostReading()),
    )
