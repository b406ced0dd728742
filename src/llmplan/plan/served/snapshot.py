"""One look at a running server, in terms that all engines share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llmplan.plan.served.histogram import Histogram

TOTALS = (
    "requests", "failed", "prompt_tokens", "output_tokens", "preemptions", "prefix_hits", "prefix_queries",
    "prefix_misses", "prefill_s",
)  # fmt: skip
"""counters: requests that were answered, requests that were not, and tokens; `prefix_queries` are hits and misses;
`prefill_s`: seconds in which any prompt was read"""
GAUGES = (
    "running", "waiting", "kv_usage", "kv_tokens", "kv_blocks", "max_concurrency", "parts", "weights_bytes",
    "parameters",
)  # fmt: skip
"""values of the moment, and sizes that do not change. `max_concurrency`: requests of full length at once; `parts`:
data-parallel engines behind one address; `weights_bytes`: on one GPU; `parameters`: of the model that is loaded"""
HISTOGRAMS = ("ttft", "tpot", "itl", "per_token", "e2e", "input", "output")
"""seconds, and tokens of a request; `tpot` is a mean per request, `itl` a gap between two tokens, `per_token` the
seconds that requests generated for over all their tokens, the first ones included, which come with the prompt"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a server said at one time: totals since it started, and what holds at the moment. What an engine does not
    say is not there. `at_s` is a clock of the reader's own that only differences mean anything of; `process` tells one
    process from another; `settings` are those that the server states, by the names of our flags."""

    engine: str
    version: str | None = None
    served_name: str | None = None
    model: str | None = None
    """the model behind the name, where the server says"""
    at_s: float | None = None
    process: str = ""
    totals: Mapping[str, float] = field(default_factory=dict)
    gauges: Mapping[str, float] = field(default_factory=dict)
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def follows(self, earlier: Snapshot) -> bool:
        """Whether it can be a later look at the same process: no total went back."""
        if self.engine != earlier.engine or self.process != earlier.process:
            return False
        same = set(self.totals) & set(earlier.totals)
        if any(self.totals[name] < earlier.totals[name] for name in same):
            return False
        shared = set(self.histograms) & set(earlier.histograms)
        return all(self.histograms[name].since(earlier.histograms[name]) is not None for name in shared)
