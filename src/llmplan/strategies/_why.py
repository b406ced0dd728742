"""Why a strategy has nothing to propose: the first cause that holds, since a wrong reason sends people astray."""

from __future__ import annotations

from llmplan.strategies._base import Market


def common_cause(market: Market, engines: tuple[str, ...]) -> tuple[str, str] | None:
    """What keeps any strategy on whole machines from proposing: no machines, no engine for them, or a format that the
    user insists on. None: none of these.

    engines: those that the strategy can use.
    """
    limits = market.question.limits
    if not market.hourly:
        if limits.gpu_ids:
            return (
                f"nobody within the limits rents {', '.join(limits.gpu_ids)} by the hour",
                "drop --provider or --region, add --include-marketplaces, or name another --gpu",
            )
        return "no GPU within the limits is offered by the hour", "drop --provider, --region or --privacy"
    if not any(market.engine_for(machine.gpu, preferred=engines) for machine in market.hourly):
        names = ", ".join(dict.fromkeys(machine.gpu.id for machine in market.hourly))
        allowed = [name for name in engines if name in market.engines]
        if not allowed:
            return f"this strategy needs {' or '.join(engines)}, and --engine leaves neither", f"--engine {engines[0]}"
        return f"{' and '.join(allowed)} have no kernels for {names}", "name another --gpu, or --engine"
    if limits.weight_formats:
        wanted = ", ".join(limits.weight_formats)
        return f"--weights {wanted} is not something this strategy can serve on these GPUs", "drop --weights"
    return None
