"""The catalogue with everything looked up or computed once: what makes thousands of cases a matter of seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from llmplan.cli._catalog import find_model
from llmplan.cli._replica import Built, build
from llmplan.errors import DataError

if TYPE_CHECKING:
    from llmplan.cli._options import ReplicaFlags
    from llmplan.plan.deployment import Replica
    from llmplan.plan.outcome import CheckResult, MemoryBudget, Rejection
    from llmplan.spec.calibration import Calibration
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.formats import WeightFormat
    from llmplan.spec.model import ModelSpec

AUTO = "auto"
Key = TypeVar("Key")
Value = TypeVar("Value")


class Workbench:
    """Models, replicas, budgets, checks and calibrations by what asks for them."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._models: dict[tuple[str, str], ModelSpec] = {}
        self._built: dict[tuple[str, ReplicaFlags, int | None], Built] = {}
        self._budgets: dict[int, tuple[Replica, MemoryBudget | Rejection]] = {}
        self._checks: dict[int, tuple[Replica, tuple[CheckResult, ...]]] = {}
        self._calibrations: dict[tuple[str, str, str], Calibration] = {}
        self._checkpoints: dict[tuple[str, WeightFormat], int] = {}

    def model(self, text: str, weights: str) -> ModelSpec:
        """The model that was named; the weight format decides for a file that states no type."""
        try:
            return _once(self._models, (text, AUTO), lambda: find_model(text, self.catalog))
        except DataError:
            return _once(self._models, (text, weights), lambda: find_model(text, self.catalog, (weights,)))

    def build(self, model: str, flags: ReplicaFlags, request_tokens: int | None) -> Built:
        """The replica that the flags describe; `request_tokens` is input plus output where a load is known."""
        return _once(
            self._built,
            (model, flags, request_tokens),
            lambda: build(
                self.model(model, flags.weights),
                flags,
                self.catalog,
                request_tokens,
                lambda each: self.model(each, AUTO),
            ),
        )

    def budget(self, replica: Replica) -> MemoryBudget | Rejection:
        """Memory of one GPU of the replica."""
        from llmplan import memory

        return _once(self._budgets, id(replica), lambda: (replica, memory.budget(replica)))[1]

    def checks(self, replica: Replica) -> tuple[CheckResult, ...]:
        """What the engine says of the replica."""
        from llmplan import checks

        return _once(self._checks, id(replica), lambda: (replica, checks.run(replica)))[1]

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


def _once(known: dict[Key, Value], key: Key, make: Callable[[], Value]) -> Value:
    if key not in known:
        known[key] = make()
    return known[key]
