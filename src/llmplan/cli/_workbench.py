"""The catalogue with everything looked up or computed once: what makes thousands of cases a matter of seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from llmplan.cli._catalog import find_model
from llmplan.cli._replica import Built, build, context_tokens
from llmplan.errors import DataError, LlmplanError

if TYPE_CHECKING:
    from llmplan.cli._options import ReplicaFlags
    from llmplan.perf.estimate import Prepared
    from llmplan.plan.deployment import Replica
    from llmplan.plan.load import Load
    from llmplan.plan.outcome import CheckResult, Estimate, MemoryBudget, Rejection
    from llmplan.spec.calibration import Calibration
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.formats import WeightFormat
    from llmplan.spec.model import ModelSpec

AUTO = "auto"
MOST_PREPARED = 4096
"""replicas made ready for a request shape that are kept; a file of a million shapes need not fill the memory"""
Key = TypeVar("Key")
Value = TypeVar("Value")


class Workbench:
    """Models, replicas, budgets, checks and calibrations by what asks for them."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._models: dict[tuple[str, str], ModelSpec | LlmplanError] = {}
        self._built: dict[tuple[str, ReplicaFlags, int], Built | LlmplanError] = {}
        self._budgets: dict[int, tuple[Replica, MemoryBudget | Rejection] | LlmplanError] = {}
        self._checks: dict[int, tuple[Replica, tuple[CheckResult, ...]] | LlmplanError] = {}
        self._calibrations: dict[tuple[str, str, str], Calibration | LlmplanError] = {}
        self._prepared: dict[tuple[int, Load], tuple[Replica, Prepared] | LlmplanError] = {}
        self._checkpoints: dict[tuple[str, WeightFormat], int | LlmplanError] = {}

    def model(self, text: str, weights: str) -> ModelSpec:
        """The model that was named; the weight format decides for a file that states no type."""
        try:
            return _once(self._models, (text, AUTO), lambda: find_model(text, self.catalog))
        except DataError:
            return _once(self._models, (text, weights), lambda: find_model(text, self.catalog, (weights,)))

    def build(self, model: str, flags: ReplicaFlags, request_tokens: int | None) -> Built:
        """The replica that the flags describe; `request_tokens` is input plus output where a load is known.

        Requests that lead to the same context limit share the replica, and with it all that is computed from it.
        """
        spec = self.model(model, flags.weights)
        length = context_tokens(spec, flags, request_tokens)

        def drafting(name: str) -> ModelSpec:
            return self.model(name, AUTO)

        key = (model, flags, length)
        return _once(self._built, key, lambda: build(spec, flags, self.catalog, request_tokens, drafting))

    def budget(self, replica: Replica) -> MemoryBudget | Rejection:
        """Memory of one GPU of the replica."""
        from llmplan import memory

        return _once(self._budgets, id(replica), lambda: (replica, memory.budget(replica)))[1]

    def checks(self, replica: Replica) -> tuple[CheckResult, ...]:
        """What the engine says of the replica."""
        from llmplan import checks

        return _once(self._checks, id(replica), lambda: (replica, checks.run(replica)))[1]

    def estimate(self, replica: Replica, budget: MemoryBudget, load: Load) -> Estimate:
        """Speed under a load. A replica is made ready once for all loads whose requests have the same shape."""
        from dataclasses import replace

        from llmplan.perf.estimate import estimate_prepared, prepare

        if len(self._prepared) >= MOST_PREPARED:
            self._prepared.clear()
        shape = replace(load, kind="saturation", value=0.0)
        prepared = _once(
            self._prepared,
            (id(replica), shape),
            lambda: (replica, prepare(replica, budget, load, self.calibration(replica))),
        )[1]
        return estimate_prepared(prepared, load)

    def checkpoint_bytes(self, built: Built) -> int:
        """Size of the checkpoint on disk in the format that was asked for."""
        from llmplan import memory

        model, stored = built.replica.model, built.stored
        return _once(self._checkpoints, (model.id, stored), lambda: memory.checkpoint_bytes(model, stored))

    def calibration(self, replica: Replica) -> Calibration:
        """The coefficients that apply."""
        from llmplan import perf

        key = (replica.engine.ref, replica.gpu.id, replica.model.id)
        return _once(
            self._calibrations,
            key,
            lambda: perf.select_calibration(self.catalog.calibrations, replica.engine, replica.gpu, replica.model.id),
        )


def _once(known: dict[Key, Value | LlmplanError], key: Key, make: Callable[[], Value]) -> Value:
    """What `make` gave the first time, be it an error: a file may name the same unknown GPU a thousand times."""
    if key not in known:
        try:
            known[key] = make()
        except LlmplanError as error:
            known[key] = error
    found = known[key]
    if isinstance(found, LlmplanError):
        raise found.with_traceback(None)
    return found
