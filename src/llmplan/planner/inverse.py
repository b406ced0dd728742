"""The questions a memory budget is asked backwards: how long, how many at once, on how few GPUs, in which format.

Every answer is a budget of the same kind as any other, tried for one setting after the other; what does not fit keeps
the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from llmplan import checks, memory
from llmplan.errors import LlmplanError
from llmplan.plan.deployment import Replica
from llmplan.plan.inverse import Try
from llmplan.plan.outcome import MemoryBudget, Rejection

RANKS: Final = (1, 2, 4, 8, 16)
"""tensor-parallel sizes that are tried"""
LENGTH_STEP_TOKENS: Final = 16
ASKED_TOKENS: Final = (2048, 8192, 32768, 131072)
"""lengths for which the number of requests at once is told, beside the longest"""

Make = Callable[[], Replica]


def attempt(label: str, make: Make) -> Try:
    """Build a replica and account for it: unbuildable, refused by the engine, too large, or a budget."""
    try:
        replica = make()
    except LlmplanError as error:
        return Try(label=label, gpus=0, gpu_id="", weights="", reason=str(error), fix=next(iter(error.hints), ""))
    named = Try(label=label, gpus=replica.parallel.gpus, gpu_id=replica.gpu.id, weights=replica.weights.id)
    refused = [each for each in checks.run(replica) if each.severity == "error"]
    if refused:
        return replace(named, reason=refused[0].message, fix=refused[0].fix or "")
    outcome = memory.budget(replica)
    if isinstance(outcome, Rejection):
        why = f"{outcome.reason}: needs {outcome.needed}, has {outcome.available}" if outcome.needed else outcome.reason
        return replace(named, reason=why, fix=outcome.fix or "")
    return replace(named, budget=outcome, longest_tokens=longest_context(replica))


def longest_context(replica: Replica) -> int:
    """The largest `max_model_len` with which a replica starts [tokens], 0 if it starts with none.

    replica: all its other settings stay. The largest multiple of 16, or the model's own limit, by bisection of
    `memory.budget`, whose need grows with the length.
    Valid as `memory.budget`. Reference: docs/how-it-works/memory.md.
    """
    limit = replica.model.max_context_tokens

    def starts(length: int) -> bool:
        settings = replace(replica.settings, max_model_len=length)
        return isinstance(memory.budget(replace(replica, settings=settings)), MemoryBudget)

    if starts(limit):
        return limit
    low, high = 0, limit // LENGTH_STEP_TOKENS
    while low < high:
        middle = (low + high + 1) // 2
        if starts(middle * LENGTH_STEP_TOKENS):
            low = middle
        else:
            high = middle - 1
    return low * LENGTH_STEP_TOKENS


def at_once(replica: Replica, longest_tokens: int) -> Iterator[tuple[int, float]]:
    """Requests at once by their length, for the usual lengths and for the longest: at most `max_num_seqs`.

    replica: as asked for; longest_tokens [tokens]: what it can be started with. The pool's blocks / the blocks of one
    request. Valid without shared prefixes. Reference: `KvRoom.requests`.
    """
    lengths = sorted({*(length for length in ASKED_TOKENS if length < longest_tokens), longest_tokens})
    for length in lengths:
        outcome = memory.budget(replace(replica, settings=replace(replica.settings, max_model_len=length)))
        if isinstance(outcome, MemoryBudget):
            most = float(replica.settings.max_num_seqs * replica.parallel.dp)
            yield length, min(outcome.room.requests(length), most)


def by_ranks(make: Callable[[int], Replica], host_gpus: int, way: str = "tp") -> tuple[Try, ...]:
    """Every usual parallel size within one machine, and beyond it where none of those starts; `way` is the flag."""
    tried: list[Try] = []
    for tp in RANKS:
        if tp > host_gpus and any(each.fits for each in tried):
            break
        tried.append(attempt(f"--{way} {tp}", lambda tp=tp: make(tp)))  # type: ignore[misc]
    return tuple(tried)


def by_format(make: Callable[[str], Replica], formats: Iterable[str]) -> tuple[Try, ...]:
    """The checkpoint's own format, then every other that the engine knows."""
    return tuple(attempt(f"--weights {name}", lambda name=name: make(name)) for name in formats)  # type: ignore[misc]


def by_gpu(make: Callable[[str, int], Replica], gpus: Mapping[str, Sequence[int]], way: str = "tp") -> tuple[Try, ...]:
    """For each kind of GPU the smallest of its parallel sizes that starts, else what fails at the largest.

    make: a replica of a GPU id and a size; gpus: ids with the sizes that one machine offers, smallest first.
    """
    return tuple(_smallest(gpu_id, make, sizes, way) for gpu_id, sizes in gpus.items())


def _smallest(gpu_id: str, make: Callable[[str, int], Replica], sizes: Sequence[int], way: str) -> Try:
    tried = Try(label=f"--gpu {gpu_id}", gpus=0, gpu_id=gpu_id, weights="", reason="no machine in the catalogue has it")
    for tp in sizes:
        tried = attempt(f"--gpu {gpu_id} --{way} {tp}", lambda tp=tp: make(gpu_id, tp))  # type: ignore[misc]
        if tried.fits:
            break
    return tried
