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
    """What a group of ranks talks over: achieved bytes per second and direction of one GPU, latency per hop,
    and whether a switch lets a hop reach every peer (`switched`: hops grow with log2 of the group)."""

    name: str
    bytes_per_s: float
    hop_s: float
    switched: bool

    def hops(self, ranks: int) -> float:
        """Sequential message steps of an all-reduce over `ranks` ranks."""
        if ranks <= 1:
            return 0.0
        return math.log2(ranks) if self.switched else 2.0 * (ranks - 1)


def link_between(ranks: int, gpu: GpuSpec, host: HostSpec, coefficients: Coefficients) -> Link:
    """The slowest wire inside a group of `ranks` GPUs that fills hosts one after another.

    The fast link as far as it reaches, PCIe inside a host, the network between hosts. A network whose speed
    nobody states is refused.
    """
    if gpu.has_fast_link and ranks <= host.fast_link_gpus:
        return Link(
            name="NVLink" if gpu.is_nvidia else gpu.link,
            bytes_per_s=gpu.link_bytes_per_s * coefficients.allreduce_fast_efficiency,
            hop_s=coefficients.allreduce_fast_latency_s,
            switched=True,
        )
    if ranks <= host.gpus:
        return Link(
            name="PCIe",
            bytes_per_s=pcie_bytes_per_s(gpu, host) * coefficients.allreduce_pcie_efficiency,
            hop_s=coefficients.allreduce_pcie_latency_s,
            switched=False,
        )
    if host.network_bytes_per_s is None:
        raise DataError(
            f"{ranks} GPUs span more than one {host.id}, and its network speed is not known",
            hints=["state network_gb_per_s in the host's profile, or keep a replica inside one host"],
        )
    return Link(
        name="network",
        bytes_per_s=host.network_bytes_per_s / host.gpus * coefficients.network_efficiency,
        hop_s=coefficients.network_latency_s,
        switched=False,
    )


def pcie_bytes_per_s(gpu: GpuSpec, host: HostSpec) -> float:
    """The narrower of the card's and the slot's PCIe, per direction."""
    if gpu.pcie_bytes_per_s is None:
        return host.pcie_bytes_per_s
    return min(gpu.pcie_bytes_per_s, host.pcie_bytes_per_s)


def allreduce_s(message_bytes: float, ranks: int, link: Link) -> float:
    """Time of one ring all-reduce.

    message_bytes [B] per rank, ranks [-], link: achieved speed [B/s] and hop latency [s].
    hops * latency + 2 (n - 1)/n * bytes / bandwidth. Valid for bandwidth-optimal rings; small messages are
    dominated by the first term. Reference: Patarasu & Yuan 2009, J. Parallel Distrib. Comput. 69(2).

    >>> nvlink = Link(name="NVLink", bytes_per_s=400e9, hop_s=2e-6, switched=True)
    >>> round(allreduce_s(1e9, 4, nvlink) * 1e3, 3)
    3.754
    """
    if ranks <= 1:
        return 0.0
    return link.hops(ranks) * link.hop_s + allreduce_s_per_byte(ranks, link) * message_bytes


def allreduce_s_per_byte(ranks: int, link: Link) -> float:
    """The part of an all-reduce that grows with the message: 2 (n - 1)/n / bandwidth [s/B]."""
    return 2.0 * (ranks - 1) / ranks / link.bytes_per_s if ranks > 1 else 0.0
