"""What was read off this machine: plain values in base units, `None` where the machine does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from llmplan.hardware.errors import NvmlStatus

MemorySource: TypeAlias = Literal["nvml-v2", "nvml-v1", "host-ram"]
GpuAccess: TypeAlias = Literal["ok", "lost", "no_permission", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryReading:
    """`host-ram`: the GPU has no memory of its own and shares the host's, of which `free_bytes` is what is available.

    Of the three NVML sums, version 2 keeps the driver's `reserved_bytes` apart; version 1 counts them as used.
    """

    total_bytes: int
    used_bytes: int
    free_bytes: int
    reserved_bytes: int | None = None
    source: MemorySource


@dataclass(frozen=True, slots=True, kw_only=True)
class PcieReading:
    """Generations and lanes now and at best. An idle GPU lowers its generation to save power, never its width."""

    generation: int | None
    max_generation: int | None
    width: int | None
    max_width: int | None

    @property
    def is_narrowed(self) -> bool:
        """Whether fewer lanes are in use than GPU and slot could."""
        return self.width is not None and self.max_width is not None and self.width < self.max_width


@dataclass(frozen=True, slots=True, kw_only=True)
class NvLinkReading:
    """One NVLink port. `remote` says what hangs at its other end, `version` is 4.0 on Hopper and 5.0 on Blackwell."""

    link: int
    active: bool
    version: str | None = None
    remote: str | None = None
    remote_pci_bus_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigReading:
    """One MIG compute instance: `memory_bytes` is what its profile grants, `memory` what is free of it now."""

    index: int
    uuid: str | None
    name: str | None
    profile: str | None
    gpu_instance_id: int | None
    compute_instance_id: int | None
    memory_bytes: int | None
    multiprocessors: int | None
    memory: MemoryReading | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessReading:
    """Who holds GPU memory. The name is None across a container's border, the memory None where the driver hides it."""

    pid: int
    name: str | None
    memory_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EccReading:
    """Error counts: `volatile` since the driver was loaded, `aggregate` over the board's life.

    GPUs before Ampere retire pages where later ones remap rows.
    """

    enabled: bool | None
    corrected_volatile: int | None
    uncorrected_volatile: int | None
    uncorrected_aggregate: int | None
    row_remap_pending: bool | None
    row_remap_failed: bool | None
    retired_pages: int | None = None
    retired_pages_pending: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuReading:
    """One GPU. `unread` maps the fields which NVML did not give to its reason; `access` says if the GPU is gone.

    `index` is NVML's, in PCI bus order. `slowdowns` are the reasons for which its clocks are held down now.
    """

    index: int
    access: GpuAccess = "ok"
    access_error: str | None = None
    name: str | None = None
    uuid: str | None = None
    pci_bus_id: str | None = None
    compute_capability: tuple[int, int] | None = None
    memory: MemoryReading | None = None
    power_limit_w: float | None = None
    power_limit_default_w: float | None = None
    power_draw_w: float | None = None
    sm_clock_hz: float | None = None
    sm_clock_max_hz: float | None = None
    memory_clock_hz: float | None = None
    memory_clock_max_hz: float | None = None
    pcie: PcieReading | None = None
    nvlinks: tuple[NvLinkReading, ...] = ()
    fabric_state: str | None = None
    mig_enabled: bool | None = None
    mig_enabled_after_reset: bool | None = None
    mig: tuple[MigReading, ...] = ()
    ecc: EccReading | None = None
    persistence: bool | None = None
    slowdowns: tuple[str, ...] | None = None
    virtualization: str | None = None
    utilization: float | None = None
    temperature_c: float | None = None
    processes: tuple[ProcessReading, ...] | None = None
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_unified(self) -> bool:
        """Whether the GPU shares the host's memory."""
        return self.memory is not None and self.memory.source == "host-ram"

    @property
    def active_nvlinks(self) -> int:
        """Ports that carry traffic."""
        return sum(link.active for link in self.nvlinks)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerReading:
    """How two GPUs reach each other. `pcie_path` is as in `nvidia-smi topo`: PIX, PXB, PHB, NODE, SYS."""

    first: int
    second: int
    nvlink: bool | None
    pcie_path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskReading:
    """Room in one file system."""

    path: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsReading:
    """What this process may have at most (`ulimit -Hn`, `ulimit -l`); None is no limit."""

    open_files: int | None
    locked_memory_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReading:
    """CPU, memory and disks as this process sees them. `cgroup_*` are None where no limit applies.

    `model_disk` is where weights are downloaded to; `limits` is None where the system does not say.
    """

    memory_total_bytes: int | None = None
    memory_available_bytes: int | None = None
    cgroup_version: int | None = None
    cgroup_memory_limit_bytes: int | None = None
    cgroup_memory_used_bytes: int | None = None
    cgroup_cpus: float | None = None
    cpu_model: str | None = None
    cpus: int | None = None
    cpus_usable: int | None = None
    numa_nodes: int | None = None
    shm: DiskReading | None = None
    disks: tuple[DiskReading, ...] = ()
    model_disk: DiskReading | None = None
    limits: LimitsReading | None = None
    kernel: str | None = None
    wsl: bool = False

    @property
    def usable_memory_bytes(self) -> int | None:
        """What this process may allocate at most: the machine's memory or the control group's limit."""
        known = [size for size in (self.memory_total_bytes, self.cgroup_memory_limit_bytes) if size is not None]
        return min(known, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visibility:
    """Which GPUs a CUDA program started here would see.

    `indexes` are NVML indexes in the order CUDA numbers them, `mig_uuids` the MIG instances. `notes` say what is odd;
    `certain` is False where only CUDA itself knows which GPU an index means. `container_variable` is
    `NVIDIA_VISIBLE_DEVICES`, by which a container was given its GPUs.
    """

    variable: str | None
    indexes: tuple[int, ...]
    mig_uuids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    certain: bool = True
    container_variable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareReport:
    """The whole answer of one scan. A machine without GPUs has an empty `gpus` and a status that says why."""

    nvml: NvmlStatus
    driver_version: str | None = None
    nvml_version: str | None = None
    cuda_version: str | None = None
    gpus: tuple[GpuReading, ...] = ()
    peers: tuple[PeerReading, ...] = ()
    host: HostReading
    visible: Visibility
