"""Every figure that a plan rests on, with its source: hardware, engines, models, coefficients, qualities.

Prices are not among them: each line of a quote carries its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from llmplan.plan.deployment import Replica
from llmplan.plan.outcome import Option
from llmplan.plan.plan import Figure
from llmplan.planner.context import Context
from llmplan.spec.provenance import Provenance


def figures_of(options: Iterable[Option], context: Context) -> tuple[Figure, ...]:
    """Each figure once, in a stable order."""
    found: dict[str, Figure] = {}
    for option in options:
        for figure in _of_option(option, context):
            found.setdefault(figure.path, figure)
    return tuple(found[path] for path in sorted(found))


def _of_option(option: Option, context: Context) -> Iterator[Figure]:
    replica = option.deployment.replica
    if replica is not None:
        yield from _of_replica(replica, context)
    if option.quality is not None:
        for provenance in option.quality.provenance[:1]:
            change = option.quality.relative_change
            if replica is not None and change is not None:
                yield Figure(
                    path=f"formats/{replica.weights.id}/quality", value=change, unit="relative", provenance=provenance
                )


def _of_replica(replica: Replica, context: Context) -> Iterator[Figure]:
    calibration = context.calibration(replica)
    yield from _of_entity("gpus", replica.gpu.id, replica.gpu, replica.gpu.provenance)
    for name, peak in replica.gpu.peak_flop_per_s.items():
        origin = replica.gpu.provenance.get(f"peak_{name}_flop_per_s")
        if origin is not None:
            yield Figure(path=f"gpus/{replica.gpu.id}/peak_{name}_flop_per_s", value=peak, unit="", provenance=origin)
    yield from _of_entity("hosts", replica.host.id, replica.host, replica.host.provenance)
    yield from _of_entity("engines", replica.engine.ref, replica.engine, replica.engine.provenance)
    yield from _of_entity("models", replica.model.id, replica.model, replica.model.provenance)
    for name, provenance in sorted(calibration.provenance.items()):
        if name in calibration.coefficients:
            yield Figure(
                path=f"calibration/{calibration.id}/{name}",
                value=calibration.coefficients[name],
                unit="",
                provenance=provenance,
            )


def _of_entity(kind: str, entity_id: str, entity: object, provenance: Mapping[str, Provenance]) -> Iterator[Figure]:
    for name, origin in provenance.items():
        value = getattr(entity, name, None)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield Figure(path=f"{kind}/{entity_id}/{name}", value=float(value), unit="", provenance=origin)
