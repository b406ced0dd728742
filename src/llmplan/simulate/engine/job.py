"""A request on its way through an engine."""

from __future__ import annotations


class Job:
    """One request. `prompt` are the tokens to compute before it can decode: after a preemption, those that it had
    generated as well. `computed` of them are done or were found in the prefix cache."""

    __slots__ = (
        "arrival_s", "computed", "end_tick", "generated", "growth", "held_blocks", "index", "order", "output", "prefix",
        "prompt", "ready_s", "units",
    )  # fmt: skip

    def __init__(
        self, index: int, arrival_s: float, prompt: int, output: int, prefix: tuple[int, ...] = (), generated: int = 0
    ) -> None:
        self.index = index
        self.arrival_s = arrival_s
        self.ready_s = arrival_s
        self.prompt = prompt
        self.output = output
        self.prefix = prefix
        self.generated = generated
        self.computed = 0
        self.order = 0
        self.end_tick = -1
        self.growth: int | None = None
        """tokens in its cache less the ticks run, while its block table grows"""
        self.held_blocks = 0
        """blocks that it holds and that do not grow"""
        self.units: list[int] = []
        """cached prefix blocks that it uses"""
