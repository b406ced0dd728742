"""How much a weight format loses, as measured, and whether that is within what the user accepts."""

from __future__ import annotations

from dataclasses import replace

from llmplan.plan.deployment import Deployment, Replica
from llmplan.spec.catalog import Catalog
from llmplan.spec.formats import FormatQuality, cache_key
from llmplan.spec.workload import Limits

WITHIN_LIMIT, BEYOND_LIMIT, UNKNOWN = 0, 1, 2

FULL_CACHE_BYTES = 2.0
"""What a smaller KV cache loses is not known: the sources at hand time one, and none scores it."""

UNCHANGED = FormatQuality(relative_change=0.0, worst_change=0.0)


def quality_of(deployment: Deployment, catalog: Catalog) -> FormatQuality | None:
    """The measured change of the replica's weight format; none for the checkpoint's own; None: no figure known."""
    found = weights_quality(deployment.replica, catalog) if deployment.replica is not None else None
    return (
        replace(found, speeds=()) if found and found.speeds else found
    )  # a plan keeps what it costs, not what others timed


def weights_quality(replica: Replica, catalog: Catalog) -> FormatQuality | None:
    """The measured change of the weights as the replica has them, against 16 bit."""
    weights = replica.weights
    if weights.id == replica.model.checkpoint_format or not weights.is_quantized:
        return UNCHANGED
    return catalog.qualities.get(weights.id)


def cache_quality(replica: Replica, catalog: Catalog) -> FormatQuality | None:
    """The measured change of the cache as the replica has it: none at 16 bit."""
    if replica.kv.bytes_per_element >= FULL_CACHE_BYTES:
        return UNCHANGED
    return catalog.qualities.get(cache_key(replica.kv))


def quality_class(deployment: Deployment, catalog: Catalog, limits: Limits) -> int:
    """WITHIN_LIMIT, BEYOND_LIMIT or UNKNOWN: lower is recommended first. A hosted API serves what it says."""
    replica = deployment.replica
    if replica is None:
        return WITHIN_LIMIT
    if replica.kv.bytes_per_element < FULL_CACHE_BYTES:
        return UNKNOWN
    quality = weights_quality(replica, catalog)
    if quality is None or quality.relative_change is None:
        return UNKNOWN
    return WITHIN_LIMIT if -quality.relative_change <= limits.max_quality_loss else BEYOND_LIMIT
