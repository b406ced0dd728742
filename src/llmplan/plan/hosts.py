"""Which kind of machine a GPU sits in when the user does not say."""

from __future__ import annotations

from collections.abc import Mapping

from llmplan.errors import DataError
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec


def host_for(gpu: GpuSpec, hosts: Mapping[str, HostSpec], *, gpus: int | None = None) -> HostSpec:
    """The catalogue's host for a kind of GPU.

    Hosts that take the GPU's board form; with or without a fast link as the GPU has one; then the largest, or with
    `gpus` stated the smallest that holds that many, one that names the GPU's market segment before others. Among
    equals the slowest host memory: better surprised by speed.
    """
    fitting = [host for host in hosts.values() if host.takes(gpu)]
    linked = [host for host in fitting if (host.fast_link_gpus > 0) == gpu.has_fast_link]
    candidates = linked or fitting
    if not candidates:
        raise DataError(
            f"no host in the catalogue takes {gpu.id} (form {gpu.form}, {gpu.architecture})",
            hints=["llmplan catalog list hosts", "add a file to profiles/hosts"],
        )
    if gpus is not None:
        large_enough = [host for host in candidates if host.gpus >= gpus] or [
            host for host in fitting if host.gpus >= gpus
        ]
        if large_enough:
            return min(
                large_enough, key=lambda host: (host.gpus, gpu.segment not in host.gpu_segments, *_slowest(host))
            )
    return min(candidates, key=lambda host: (-host.gpus, *_slowest(host)))


def _slowest(host: HostSpec) -> tuple[float, str]:
    return host.memory_bandwidth_bytes_per_s, host.id
