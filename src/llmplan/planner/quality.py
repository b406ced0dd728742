"""How much a weight format loses, as measured, and whether that is within what the user accepts."""

from __future__ import annotations

from llmplan.plan.deployment import Deployment
from llmplan.spec.catalog import Catalog
from llmplan.spec.formats import FormatQuality
from llmplan.spec.workload import Limits

WITHIN_LIMIT, BEYOND_LIMIT, UNKNOWN = 0, 1, 2

FULL_CACHE_BYTES = 2.0
"""No source at hand measures what a smaller KV cache loses."""

UNCHANGED = FormatQuality(relative_change=0.0, worst_change=0.0)


def quality_of(deployment: Deployment, catalog: Catalog) -> FormatQuality | None:
    """The measured change of the replica's weight format; none for the checkpoint's own; None: no figure known."""
    replica = deployment.replica
    if replica is None:
        return None
    weights = replica.weights
    if weights.id == replica.model.checkpoint_format or not weights.is_quantized:
        return UNCHANGED
    return catalog.qualities.get(weights.id)


def quality_class(deployment: Deployment, catalog: Catalog, limits: Limits) -> int:
    """WITHIN_LIMIT, BEYOND_LIMIT or UNKNOWN: lower is recommended first. A hosted API serves what it says."""
    replica = deployment.replica
    if replica is None:
        return WITHIN_LIMIT
    if replica.kv.bytes_per_element < FULL_CACHE_BYTES:
        return UNKNOWN
    quality = quality_of(deployment, catalog)
    if quality is None or quality.relative_change is None:
        return UNKNOWN
    return WITHIN_LIMIT if -quality.relative_change <= limits.max_quality_loss else BEYOND_LIMIT
