"""How long a worker takes from nothing to its first token."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.plan.deployment import Replica
from llmplan.plan.ledger import Ledger, Line
from llmplan.units import GB, MIB

PROVISION_S = 5.0
"""Container with a GPU driver ready, as Cloud Run documents it (2026); other platforms state nothing."""
LOADER_BYTES_PER_S = 0.313 * GB
"""One GPU's default safetensors loader: 15 GB in 47.99 s from a 1,000 MiB/s network disk and in 47 s from one four
times as fast (Run:ai Model Streamer benchmarks, 2024-10)."""
VOLUME_BYTES_PER_S = 1000.0 * MIB
"""The network disk of those benchmarks, which all GPUs of a worker share: where a platform keeps the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """Seconds from request to readiness, as a ledger: provisioning, image, loading, engine start."""

    ledger: Ledger

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.ledger.total


def cold_start(
    *,
    weight_bytes: float,
    storage_bytes_per_s: float,
    engine_start_s: float,
    provision_s: float,
    image_s: float | None = None,
) -> ColdStart:
    """Seconds until a new worker answers.

    Parameters
    ----------
    weight_bytes : checkpoint bytes to read [B]
    storage_bytes_per_s : sustained read from the platform's storage to the GPU [B/s]
    engine_start_s : part of an engine's start that does not depend on the weights [s]
    provision_s : container with a driver ready [s]
    image_s : pull of the image [s]; None: the platform has it, or streams it while it is needed

    Notes
    -----
    t = provision + image + weight_bytes / storage + engine. No platform states how long it pulls an image of several
    GB; one that is not cached adds minutes. Valid for one worker at a time per storage volume.

    References
    ----------
    Load times by storage: Run:ai Model Streamer benchmarks (2024-10): 15 GB over a 1000 MiB/s volume in 14.4 s.

    >>> cold_start(weight_bytes=16e9, storage_bytes_per_s=1e9, engine_start_s=40, provision_s=5).total_s
    61.0
    """
    load_s = weight_bytes / storage_bytes_per_s
    image = (
        (Line(name="pull image", amount=image_s, unit="s", formula=f"{image_s:g} s"),) if image_s is not None else ()
    )
    lines = (
        Line(name="provisioning", amount=provision_s, unit="s", formula=f"{provision_s:g} s"),
        *image,
        Line(
            name="load weights",
            amount=load_s,
            unit="s",
            formula=f"{weight_bytes / 1e9:.1f} GB / {storage_bytes_per_s / 1e9:.2f} GB/s",
        ),
        Line(name="engine start", amount=engine_start_s, unit="s", formula=f"{engine_start_s:g} s"),
    )
    return ColdStart(ledger=Ledger(unit="s", lines=lines))


def start_of(replica: Replica, checkpoint_bytes: float, *, image_s: float | None = None) -> ColdStart | None:
    """Start of a new worker that finds no weights on a local disk; None where a figure is missing.

    replica: its host's storage, engine and GPUs; checkpoint_bytes [B]: of the files; image_s [s]: as for `cold_start`.
    Storage = min(host, volume, loader x GPUs). Valid for weights on a network volume. Reference: `cold_start`.
    """
    storage, engine_s = replica.host.storage_bytes_per_s, replica.engine.start_fixed_s
    if storage is None or engine_s is None:
        return None
    return cold_start(
        weight_bytes=checkpoint_bytes,
        storage_bytes_per_s=min(storage, VOLUME_BYTES_PER_S, LOADER_BYTES_PER_S * replica.parallel.gpus),
        engine_start_s=engine_s,
        provision_s=PROVISION_S,
        image_s=image_s,
    )
