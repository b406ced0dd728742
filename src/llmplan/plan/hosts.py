"""Which kind of machine a GPU sits in when the user does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

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


def share_of(host: HostSpec, gpus: int) -> HostSpec:
    """What belongs to so many of a host's GPUs: their equal part of its memory, of the speed of that, and of its cores;
    the whole host where they are all that it has."""
    if gpus >= host.gpus:
        return host
    return replace(
        host,
        gpus=gpus,
        memory_bytes=host.memory_bytes * gpus // host.gpus,
        memory_bandwidth_bytes_per_s=host.memory_bandwidth_bytes_per_s * gpus / host.gpus,
        cpu_cores=max(1, host.cpu_cores * gpus // host.gpus),
        fast_link_gpus=min(host.fast_link_gpus, gpus) if gpus > 1 else 0,
    )


def _slowest(host: HostSpec) -> tuple[float, str]:
    return host.memory_bandwidth_bytes_per_s, host.id
