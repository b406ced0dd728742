"""What runtime memory depends on besides the model, and the shape of an answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from llmplan.plan.deployment import Parallelism
from llmplan.spec.band import Band
from llmplan.spec.engine import KvPoolRule

Version: TypeAlias = tuple[int, int, int]

NEW_RUNNER_CAPABILITY: Final = (8, 0)
V1_SINCE: Final[Version] = (0, 8, 0)
V0_REMOVED: Final[Version] = (0, 11, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSetting:
    """One start of an engine. `capability` is None where the GPU's is not known or not CUDA's; `unified` says that
    GPU and CPU share their memory, `fast_link` that GPUs are joined by more than PCIe."""

    rule: KvPoolRule
    version: Version
    max_num_batched_tokens: int
    max_num_seqs: int
    parallel: Parallelism
    graphs: bool
    max_model_len: int = 10**9
    capability: tuple[int, int] | None = None
    unified: bool = False
    fast_link: bool = True
    vendor: str = "nvidia"

    @property
    def first_runner(self) -> bool:
        """Whether vLLM runs its first engine (V0): all before 0.8, and old GPUs until it was removed in 0.11."""
        old_gpu = self.capability is not None and self.capability < NEW_RUNNER_CAPABILITY
        return self.version < V1_SINCE or (old_gpu and self.version < V0_REMOVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A band [bytes] and how it came about."""

    size: Band
    formula: str


def version_of(text: str) -> Version:
    """Major, minor and patch of an engine version; anything else sorts as the newest.

    >>> version_of("0.33.0"), version_of("0.9"), version_of("main")[0] > 1000
    ((0, 33, 0), (0, 9, 0), True)
    """
    match = re.match(r"v?(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?", text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (10**9, 0, 0)
