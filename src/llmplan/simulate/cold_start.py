"""How long a worker takes from nothing to its first token."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.plan.ledger import Ledger, Line


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """Seconds from request to readiness, as a ledger: provisioning, loading, engine start."""

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
) -> ColdStart:
    """Seconds until a new worker answers.

    Parameters
    ----------
    weight_bytes : checkpoint bytes to read [B]
    storage_bytes_per_s : sustained read from the platform's storage to the GPU [B/s]
    engine_start_s : part of an engine's start that does not depend on the weights [s]
    provision_s : container with a driver and the image ready [s]

    Notes
    -----
    t = provision + weight_bytes / storage + engine. Image pulls of several GB are assumed to be cached by the
    platform; where they are not, minutes come on top. Valid for one worker at a time per storage volume.

    References
    ----------
    Load times by storage: Run:ai Model Streamer benchmarks (2024-10): 15 GB over a 1000 MiB/s volume in 14.4 s.

    >>> cold_start(weight_bytes=16e9, storage_bytes_per_s=1e9, engine_start_s=40, provision_s=5).total_s
    61.0
    """
    load_s = weight_bytes / storage_bytes_per_s
    lines = (
        Line(name="provisioning", amount=provision_s, unit="s", formula=f"{provision_s:g} s"),
        Line(
            name="load weights",
            amount=load_s,
            unit="s",
            formula=f"{weight_bytes / 1e9:.1f} GB / {storage_bytes_per_s / 1e9:.2f} GB/s",
        ),
        Line(name="engine start", amount=engine_start_s, unit="s", formula=f"{engine_start_s:g} s"),
    )
    return ColdStart(ledger=Ledger(unit="s", lines=lines))
