"""Wires between GPUs: which one a group of ranks talks over, and how long a collective takes on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmplan.errors import DataError
from llmplan.perf.calibration import Coefficients
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a group of ranks talks over.

    `bytes_per_s`: achieved speed of one GPU, per direction. `hop_s`: latency of one message. A collective is a ring
    over `ring` members of `ring_bytes_per_s` each: ranks inside a host, whole hosts across them (every GPU then
    carries its part over its own adapter). `switched`: a hop reaches every peer, so hops grow with log2 of the ring.
    """

    name: str
    bytes_per_s: float
    hop_s: float
    ring: int
    ring_bytes_per_s: float
    switched: bool = False

    @property
    def hops(self) -> float:
        """Messages that follow each other in one all-reduce."""
        return math.log2(self.ring) if self.switched else 2.0 * (self.ring - 1)

    @property
    def allreduce_s_per_byte(self) -> float:
        """The part of an all-reduce that grows with the message: 2 (n - 1)/n / bandwidth [s/B].

        Valid for bandwidth-optimal rings; small messages are dominated by hops x latency.
        Reference: Patarasu & Yuan 2009, J. Parallel Distrib. Comput. 69(2).
        """
        return 2.0 * (self.ring - 1) / self.ring / self.ring_bytes_per_s


def link_between(ranks: int, gpu: GpuSpec, host: HostSpec, coefficients: Coefficients) -> Link:
    """The slowest wire inside a group of `ranks` GPUs that fills hosts one after another.

    The fast link as far as it reaches, PCIe inside a host, the network between hosts. A network whose speed
    nobody states is refused.
    """
    if gpu.has_fast_link and ranks <= host.fast_link_gpus:
        speed = gpu.link_bytes_per_s * coefficients.allreduce_fast_efficiency
        return Link(
            name="NVLink" if gpu.is_nvidia else gpu.link,
            bytes_per_s=speed,
            hop_s=coefficients.allreduce_fast_latency_s,
            ring=ranks,
            ring_bytes_per_s=speed,
            switched=True,
        )
    if ranks <= host.gpus:
        speed = pcie_bytes_per_s(gpu, host) * coefficients.allreduce_pcie_efficiency
        hop_s = coefficients.allreduce_pcie_latency_s
        return Link(name="PCIe", bytes_per_s=speed, hop_s=hop_s, ring=ranks, ring_bytes_per_s=speed)
    if host.network_bytes_per_s is None:
        raise DataError(
            f"{ranks} GPUs span more than one {host.id}, and its network speed is not known",
            hints=["state network_gbit_per_s in the host's profile, or keep a replica inside one host"],
        )
    speed = host.network_bytes_per_s * coefficients.network_efficiency
    return Link(
        name="network",
        bytes_per_s=speed / host.gpus,
        hop_s=coefficients.network_latency_s,
        ring=math.ceil(ranks / host.gpus),
        ring_bytes_per_s=speed,
    )


def pcie_bytes_per_s(gpu: GpuSpec, host: HostSpec) -> float:
    """The narrower of the card's and the slot's PCIe [B/s], per direction.

    gpu: the card; host: the slot. min(card, slot). Valid for one card per slot, without a shared switch.
    Reference: PCI Express base specification (a link trains to the narrower side).
    """
    if gpu.pcie_bytes_per_s is None:
        return host.pcie_bytes_per_s
    return min(gpu.pcie_bytes_per_s, host.pcie_bytes_per_s)
