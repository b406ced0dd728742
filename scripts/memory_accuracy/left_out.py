"""Coefficients of runtime memory refitted with each model, or each kind of GPU, left out.

`python scripts/memory_accuracy/left_out.py` prints, for the sampler's copies, non-torch memory and the driver's share,
what the other rows give and how far off the left-out ones then are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from memory_accuracy.log_tables import GPU_IDS
from memory_accuracy.startup_logs import StartupLog, read_logs

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.gpus import gpu_library
from llmplan.memory.runtime import version_of
from llmplan.units import GIB

SORTED_UNTIL = (0, 15, 0)
SAME_CARD_SHARE = 0.05
"""A total further off belongs to another card than the one that a thread names."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One measured coefficient; `group` is what is left out together. `scale_gib` turns an error into GiB."""

    group: str
    value: float
    scale_gib: float = 1.0


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Errors of one coefficient [GiB] where the median of the other groups predicts each group."""

    name: str
    n: int
    groups: int
    median_absolute_gib: float
    worst_gib: float
    worst_group: str


def sampler_copies(logs: Iterable[StartupLog]) -> list[Sample]:
    """Activation peak over the size of one copy of the logits, by model; versions whose sampler sorts."""
    found = []
    for log in logs:
        replica, peak = log.replica, log.observed.get("activation_peak_gib")
        if replica is None or peak is None or replica.model.towers or "LoRA" in str(log.record["other_flags"]):
            continue
        if version_of(replica.engine.version) >= SORTED_UNTIL:
            continue
        copy = min(replica.settings.max_num_seqs, replica.settings.max_num_batched_tokens) * replica.model.vocab_size
        copy_gib = copy * 4 / GIB
        found.append(Sample(group=str(log.record["model"]), value=peak / copy_gib, scale_gib=copy_gib))
    return found


def non_torch_of_one(logs: Iterable[StartupLog]) -> list[Sample]:
    """What vLLM charges outside torch on one NVIDIA card, by kind of GPU; versions that leave the context out."""
    found = []
    for log in logs:
        replica, seen = log.replica, log.observed.get("non_torch_gib")
        if replica is None or seen is None or replica.parallel.gpus > 1 or not replica.gpu.is_nvidia:
            continue
        if version_of(replica.engine.version) >= (0, 7, 0):
            found.append(Sample(group=replica.gpu.id, value=seen))
    return found


def driver_share(logs: Iterable[StartupLog]) -> list[Sample]:
    """NVML's total less the printed one, by kind of GPU."""
    library, found = gpu_library((packaged_profiles(),)), []
    for log in logs:
        total, text = log.observed.get("total_gpu_memory_gib"), str(log.record["gpu"] or "")
        gpu_id = next((gpu_id for word, gpu_id in GPU_IDS if word in text), None)
        if total is None or gpu_id is None or "AMD" in text or "GB10" in text:
            continue
        kept = library[gpu_id].memory_bytes / GIB - total
        if abs(kept) < SAME_CARD_SHARE * total:
            found.append(Sample(group=gpu_id, value=kept))
    return found


def left_out(name: str, samples: Sequence[Sample]) -> LeftOut:
    """Predict each group by the median of the groups' medians without it."""
    groups = sorted({sample.group for sample in samples})
    medians = {group: median(sample.value for sample in samples if sample.group == group) for group in groups}
    errors = []
    for group in groups:
        others = median(value for other, value in medians.items() if other != group)
        own = (sample for sample in samples if sample.group == group)
        errors += [((others - sample.value) * sample.scale_gib, group) for sample in own]
    worst, where = max(errors, key=lambda pair: abs(pair[0]))
    return LeftOut(
        name=name, n=len(errors), groups=len(groups), median_absolute_gib=median(abs(error) for error, _ in errors),
        worst_gib=worst, worst_group=where,
    )  # fmt: skip


COEFFICIENTS: tuple[tuple[str, Callable[[Iterable[StartupLog]], list[Sample]]], ...] = (
    ("sampler copies, a model left out", sampler_copies),
    ("non-torch memory of one card, a GPU left out", non_torch_of_one),
    ("driver's share, a GPU left out", driver_share),
)


def tables() -> list[LeftOut]:
    """One line for each coefficient."""
    logs = read_logs()
    return [left_out(name, sample(logs)) for name, sample in COEFFICIENTS]


if __name__ == "__main__":
    for line in tables():
        print(line)
