"""Remember what was computed for a model, by the model object itself.

A `ModelSpec` holds a mapping (its provenance) and so has no hash, and hashing an inventory of hundreds of tensors
on every call would cost more than it saves. The catalogue hands out one frozen object per model, hence identity
is the key. Each entry keeps its model alive, so that an id cannot be reused under it; the table is emptied when it
reaches `LIMIT` entries. The functions are pure: nobody can observe the memory except by a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from llmplan.spec.model import ModelSpec

P = ParamSpec("P")
R = TypeVar("R")

LIMIT = 8192


def remembered(build: Callable[Concatenate[ModelSpec, P], R]) -> Callable[Concatenate[ModelSpec, P], R]:
    """Wrap a pure function of a model and further positional, hashable arguments."""
    table: dict[tuple[object, ...], tuple[ModelSpec, R]] = {}

    @wraps(build)
    def recall(model: ModelSpec, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs:
            raise TypeError(f"{build.__name__} takes positional arguments only")
        key = (id(model), *args)
        known = table.get(key)
        if known is not None and known[0] is model:
            return known[1]
        result = build(model, *args, **kwargs)
        if len(table) >= LIMIT:
            table.clear()
        table[key] = (model, result)
        return result

    return recall
