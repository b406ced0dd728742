"""GPUs by the second on the trace: workers that come with the requests and go after their idle window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from llmplan import perf, pricing
from llmplan.plan.outcome import Option, Outcome, Quote, Rejection
from llmplan.plan.replay import Played, Replay
from llmplan.plan.usage import ServerlessUsage
from llmplan.planner.ceiling import within_budget
from llmplan.planner.context import Context
from llmplan.planner.order import firmness
from llmplan.planner.over_time.stage import Actor, Stage, keeps, misses, played
from llmplan.planner.serverless import cold_figures, cold_notes
from llmplan.planner.size import most_replicas
from llmplan.simulate import start_of
from llmplan.simulate.fleet import FleetSpec, Workers
from llmplan.simulate.fleet.billing import idle_window_s, serverless_usage
from llmplan.simulate.traffic.recorded import Recorded
from llmplan.spec.price import ServerlessOffer
from llmplan.units import format_seconds

KEPT_WARM = (0, 1)
"""workers that never go: none, and one against cold starts"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One way of running workers and what it came to."""

    offer: ServerlessOffer
    keep_warm: int
    usage: ServerlessUsage
    quote: Quote
    played: Played
    missed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """A replica as a platform's worker: how it runs and starts, how many requests it takes within the promise, and
    how many workers there may be."""

    option: Option
    actor: Actor
    start_s: float
    slots: int
    most: int

    @classmethod
    def of(cls, option: Option, context: Context) -> Workshop | None:
        """None where a figure for the start is missing."""
        replica, memory = option.deployment.replica, option.memory
        assert replica is not None
        assert memory is not None
        start = start_of(replica, memory.checkpoint_bytes)
        if start is None:
            return None
        shape, limit = context.demand.shape, context.limits.max_utilization
        carried = perf.capacity(replica, memory, shape, context.calibration(replica), context.slo, limit)
        return cls(
            option=option,
            actor=Actor.of(replica, memory, context),
            start_s=start.total_s,
            slots=carried.in_flight,
            most=most_replicas(option.deployment, replica, context),
        )

    def runs(
        self, trace: Recorded, stage: Stage, context: Context, keep_warm: int, only_window_s: float | None = None
    ) -> Iterator[Line]:
        """Every platform that sells this GPU by the second, each idle window (or only one) simulated once."""
        replica = self.option.deployment.replica
        assert replica is not None
        offers = pricing.serverless_offers(replica.gpu.id, context.limits, context.prices)
        windows_s = sorted({idle_window_s(offer) for offer in offers})
        for window_s in windows_s if only_window_s is None else [only_window_s]:
            spec = self.spec(window_s, keep_warm)
            what = f"serverless: idle window {window_s:g} s" + (f", {keep_warm} warm" if keep_warm else "")
            found = self.actor.play(spec, trace, stage, what)[1]
            missed = next((f"{name} is {format_seconds(came)}, asked for {format_seconds(promised)}"
                           for name, came, promised in misses(found, stage.slo)), "")  # fmt: skip
            for offer in (each for each in offers if idle_window_s(each) == window_s):
                usage = serverless_usage(found, offer, self.start_s)
                quote = self._quote(offer, usage, context)
                if quote is None:
                    continue
                most = found.peak_replicas
                count = f"{keep_warm} to {most} workers" if most > keep_warm else f"{most} worker{'s' * (most > 1)}"
                what_runs = f"{count} of {self.actor.gpus} × {replica.gpu.id}"
                words = f"{offer.provider}: {what_runs}, idle window {window_s:g} s"
                usd = quote.usd_per_month if quote.complete else None
                run = played(words, found, stage.slo, kept=keeps(found, stage.slo), usd_per_month=usd)
                yield Line(
                    offer=offer, keep_warm=keep_warm, usage=usage, quote=quote, played=run, missed=missed
                )  # fmt: skip

    def spec(self, window_s: float, keep_warm: int) -> FleetSpec:
        """Workers that are started for what one takes within the promise, and may hold what the engine does."""
        policy = Workers(
            target_concurrency=self.slots,
            most_concurrency=max(self.slots, self.actor.rules.max_num_seqs),
            idle_window_s=window_s,
            min_replicas=keep_warm,
            max_replicas=self.most,
        )
        return FleetSpec(router="packed", packed_up_to=self.slots, start_s=self.start_s, autoscaler=policy)

    def _quote(self, offer: ServerlessOffer, usage: ServerlessUsage, context: Context) -> Quote | None:
        fleet = replace(self.option.deployment, replicas=max(1, usage.peak_replicas))
        only_this = replace(context.limits, provider_ids=(offer.provider,))
        quote = pricing.quote(
            fleet, context.workload, only_this, context.prices, usage=usage, expenses=context.question.expenses,
            checkpoint_bytes=self.option.memory.checkpoint_bytes if self.option.memory is not None else 0,
        )  # fmt: skip
        return None if isinstance(quote, Rejection) else quote


def replayed(option: Option, context: Context, stage: Stage) -> tuple[Outcome, Replay]:
    """The platform, with or without a worker kept warm, that keeps the promise for the least money."""
    shop = Workshop.of(option, context)
    if shop is None:
        return _rejected(option, "no figure known for how long a worker starts"), Replay(taken=None)
    lines = [line for warm in KEPT_WARM for line in shop.runs(stage.trace, stage, context, warm)]
    if not lines:
        return _rejected(option, "nobody within the limits sells as many workers as the trace needs"), Replay(
            taken=None
        )
    good = [line for line in lines if line.played.keeps]
    best = min(good or lines, key=preferred)
    others = tuple(
        min(same, key=preferred).played
        for warm in KEPT_WARM
        if warm != best.keep_warm and (same := [line for line in lines if line.keep_warm == warm])
    )
    spec = shop.spec(idle_window_s(best.offer), best.keep_warm)
    taken = shop.actor.banded(best.played, spec, stage.trace, stage, "serverless")
    replay = Replay(taken=taken, others=others, planned_replicas=option.deployment.replicas)
    if not good:
        return _rejected(option, f"on the trace {best.missed or 'promises are broken'}", best.played), replay
    return within_budget(_settled(option, best), context), replay


def _settled(option: Option, line: Line) -> Option:
    """The option as it ran."""
    deployment = option.deployment
    purchase = replace(deployment.purchase, keep_warm=line.keep_warm)
    scaling = "one worker kept warm" if line.keep_warm else "scale to zero"
    levers = tuple(scaling if each in ("scale to zero", "one worker kept warm") else each for each in deployment.levers)
    fleet = replace(deployment, replicas=max(1, line.usage.peak_replicas), purchase=purchase, levers=levers)
    return replace(
        option,
        deployment=fleet,
        quote=line.quote,
        meets_slo=True,
        cold=cold_figures(line.usage, line.offer),
        notes=tuple(cold_notes(line.usage, line.offer)),
    )


def _rejected(option: Option, reason: str, run: Played | None = None) -> Rejection:
    cold = f"; {run.cold_share:.1%} of requests meet a cold worker" if run is not None and run.cold_share else ""
    return Rejection(
        strategy="serverless",
        reason=f"{reason}{cold}",
        fix="relax the promise, or serve it from GPUs that are always there",
        deployment=option.deployment,
        code="cold_start",
        closeness=run.kept_share if run is not None else 0.0,
    )


def preferred(line: Line) -> tuple[object, ...]:
    """Firm prices before vague ones, then the cheapest."""
    return (firmness(line.quote), line.quote.usd_per_month, line.offer.provider, line.offer.mode)
