"""Which keys each part of a price file must have and may have. The readers check them, the JSON Schema states them."""

from __future__ import annotations

from typing import Final, TypeAlias

Shape: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""required keys, optional keys"""

SECTIONS: Final[tuple[str, ...]] = ("hourly", "serverless", "unpriced", "tokens", "cpu")
MAPPINGS: Final[tuple[str, ...]] = ("sources", "facts")
DOCUMENT: Final[Shape] = (
    ("id", "name", "sources"),
    (
        "tier", "company", "aliases", "currency", "interruption_source", "extends",
        "hourly", "serverless", "unpriced", "tokens", "cpu", "facts",
    ),
)  # fmt: skip
SOURCE: Final[Shape] = (("title",), ("url", "retrieved", "locator"))
INSTANCE: Final[Shape] = (("instance", "gpu", "gpus", "offers"), ("vcpus", "memory_gib", "per_gpu", "note"))
OFFER: Final[Shape] = (
    ("from", "source", "term", "usd_per_hour"), ("quality", "upfront", "note", "interruption", "confidence"),
)  # fmt: skip
SERVERLESS: Final[Shape] = (
    ("gpu", "from", "source", "mode", "usd_per_gpu_s", "scales_to_zero", "confidence"),
    (
        "quality", "granularity_s", "idle_window_s", "min_billed_s", "bills_start", "usd_per_vcpu_s", "usd_per_gib_s",
        "min_vcpus", "min_memory_gib", "plan_fee_usd_per_month", "max_gpus", "region", "note",
    ),
)  # fmt: skip
TOKENS: Final[Shape] = (
    ("model", "listed_as", "from", "source", "input_usd_per_mtok", "output_usd_per_mtok"),
    (
        "cached_input_usd_per_mtok", "batch_input_usd_per_mtok", "batch_output_usd_per_mtok",
        "context_tokens", "weights", "region", "ends", "note",
    ),
)  # fmt: skip
UNPRICED: Final[Shape] = (("product", "from", "source", "note"), ("gpu",))
CPU: Final[Shape] = (("region", "architecture", "from", "source", "machines"), ("note",))
FACT: Final[Shape] = (
    ("value", "unit", "source", "as_of", "kind"),
    ("low", "high", "gpu", "gpus", "confidence", "tiers", "note"),
)

TIERS: Final = ("hyperscaler", "cloud", "marketplace", "api")
QUALITIES: Final = ("listed", "advertised", "average", "derived")
UPFRONT: Final = ("none", "partial", "all")
KINDS: Final = ("published", "measured", "derived", "assumed")
MACHINE: Final = ("vCPUs", "GiB", "USD an hour", "USD an hour on spot")
