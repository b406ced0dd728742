"""Prefill and decode on replicas of their own: how many of each, how busy they are, and what moves between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

PoolName: TypeAlias = Literal["prefill", "decode", "transfer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """Replicas of one kind that only prefill and that only decode."""

    prefill: int
    decode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """How busy each pool is under a load, and the way of a prompt's cache from one to the other."""

    pools: Pools
    prefill_utilization: float
    decode_utilization: float
    transfer_utilization: float
    transfer_s: float
    transfer_bytes_per_gpu: float
    link: str

    @property
    def bottleneck(self) -> PoolName:
        """The busiest of the three: more replicas of that kind raise the throughput."""
        busy: dict[PoolName, float] = {
            "prefill": self.prefill_utilization,
            "decode": self.decode_utilization,
            "transfer": self.transfer_utilization,
        }
        return max(busy, key=lambda name: busy[name])
