"""How a GPU is joined to others and to the host: PCIe, NVLink, the NVSwitch fabric, and the paths between pairs."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import byref
from typing import Any, Final

from llmplan.hardware.reader import FieldReader, text
from llmplan.hardware.report import NvLinkReading, PcieReading, PeerReading

_NVLINK_PORTS_MAX: Final = 36
_NVLINK_VERSION: Final = {1: "1.0", 2: "2.0", 3: "2.2", 4: "3.0", 5: "3.1", 6: "4.0", 7: "5.0", 8: "6.0"}
_NVLINK_REMOTE: Final = {0: "gpu", 1: "npu", 2: "switch"}
_NVLINK_INACTIVE: Final = 0
_PEER_VIA_NVLINK: Final = 2
_PEER_OK: Final = 0
_FABRIC_STATE: Final = {0: "not supported", 1: "not started", 2: "in progress", 3: "completed"}
_PCIE_PATH: Final = {0: "same board", 10: "PIX", 20: "PXB", 30: "PHB", 40: "NODE", 50: "SYS"}
"""nvmlGpuTopologyLevel_t in the short names of `nvidia-smi topo -m`."""


def read_pcie(reader: FieldReader, handle: Any) -> PcieReading | None:
    """Generation and lanes, now and at best; None if NVML knows none of the four."""
    reading = PcieReading(
        generation=reader.read("pcie_generation", "nvmlDeviceGetCurrPcieLinkGeneration", handle, convert=int),
        max_generation=reader.read("pcie_max_generation", "nvmlDeviceGetMaxPcieLinkGeneration", handle, convert=int),
        width=reader.read("pcie_width", "nvmlDeviceGetCurrPcieLinkWidth", handle, convert=int),
        max_width=reader.read("pcie_max_width", "nvmlDeviceGetMaxPcieLinkWidth", handle, convert=int),
    )
    known = (reading.generation, reading.max_generation, reading.width, reading.max_width)
    return None if all(value is None for value in known) else reading


def read_nvlinks(reader: FieldReader, handle: Any) -> tuple[NvLinkReading, ...]:
    """Every NVLink port, up or down: those of the most that any GPU has which this one answers for."""
    links: list[NvLinkReading] = []
    for port in range(_NVLINK_PORTS_MAX):
        active = reader.read(
            "nvlinks", "nvmlDeviceGetNvLinkState", handle, port, convert=lambda state: state != _NVLINK_INACTIVE
        )
        if active is not None:
            links.append(_read_port(reader, handle, port, active=active))
    if links:
        reader.unread.pop("nvlinks", None)
        reader.codes.pop("nvlinks", None)
    return tuple(links)


def _read_port(reader: FieldReader, handle: Any, port: int, *, active: bool) -> NvLinkReading:
    if not active:
        return NvLinkReading(link=port, active=False)
    return NvLinkReading(
        link=port,
        active=True,
        version=reader.read("nvlink_version", "nvmlDeviceGetNvLinkVersion", handle, port, convert=_NVLINK_VERSION.get),
        remote=reader.read(
            "nvlink_remote",
            "nvmlDeviceGetNvLinkRemoteDeviceType",
            handle,
            port,
            convert=_NVLINK_REMOTE.get,
        ),
        remote_pci_bus_id=reader.read(
            "nvlink_remote_pci",
            "nvmlDeviceGetNvLinkRemotePciInfo",
            handle,
            port,
            convert=lambda info: text(info.busId) or None,
        ),
    )


def read_fabric_state(binding: Any, reader: FieldReader, handle: Any) -> str | None:
    """Whether the NVSwitch fabric has taken this GPU in; until then CUDA refuses to start on it (error 802)."""

    def ask() -> int:
        info = binding.c_nvmlGpuFabricInfoV_t()
        binding.nvmlDeviceGetGpuFabricInfoV(handle, byref(info))
        return int(info.state)

    return reader.call("fabric_state", ask, convert=_FABRIC_STATE.get)


def read_peers(binding: Any, indexes: Sequence[int]) -> tuple[PeerReading, ...]:
    """The path between every two of these GPUs."""
    reader = FieldReader(binding)
    handles = {
        index: handle
        for index in indexes
        if (handle := reader.read("handle", "nvmlDeviceGetHandleByIndex", index, convert=_same)) is not None
    }
    return tuple(
        PeerReading(
            first=first,
            second=second,
            nvlink=reader.read(
                "nvlink",
                "nvmlDeviceGetP2PStatus",
                handles[first],
                handles[second],
                _PEER_VIA_NVLINK,
                convert=lambda status: bool(status == _PEER_OK),
            ),
            pcie_path=reader.read(
                "path",
                "nvmlDeviceGetTopologyCommonAncestor",
                handles[first],
                handles[second],
                convert=_PCIE_PATH.get,
            ),
        )
        for first in handles
        for second in handles
        if first < second
    )


def _same(value: Any) -> Any:
    return value
