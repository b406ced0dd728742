"""GPUs by the second at one seller as a bill over the load."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from llmplan import pricing
from llmplan.plan.deployment import Deployment
from llmplan.plan.outcome import Estimate, Option, Quote, Rejection
from llmplan.plan.usage import ServerlessUsage
from llmplan.planner.comparisons.base import source_of
from llmplan.planner.comparisons.one_worker import MOST_SHARE, further_workers, last_good
from llmplan.planner.comparisons.ways import IMPOSSIBLE
from llmplan.planner.context import Context
from llmplan.planner.demand import busiest_over_mean, with_rate
from llmplan.planner.evaluate import physics_of
from llmplan.planner.order import LOWER_BOUND, firmness
from llmplan.planner.serverless import Worker, active_share, billed, fleet_of, start_seconds, usage_of
from llmplan.simulate import idle_window_s
from llmplan.spec.price import ServerlessOffer
from llmplan.units import SECONDS_PER_MONTH

HALVINGS_BELOW_ONE = 12
"""loads at which the bill is looked at between nothing and one full worker"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """GPUs by the second at one seller, scaling to zero: the closed form of `simulate.scale_to_zero`.

    The promise is not held against cold starts here (`cold_share` says how many meet one): the question is money.
    """

    deployment: Deployment
    worker: Worker
    offer: ServerlessOffer
    start_s: float
    context: Context
    pace: float = 1.0
    """every step takes so many times as long"""
    warm: dict[float, Estimate] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, option: Option, context: Context) -> Seconds | None:
        """The option's worker at its own seller; None where a figure is missing or nobody sells it so."""
        deployment = replace(option.deployment, replicas=None)
        replica = deployment.replica
        assert replica is not None
        physics = physics_of(deployment, replica, context)
        if isinstance(physics, Rejection):
            return None
        findings, budget, running, sized = physics
        worker = Worker(replica=replica, budget=budget, findings=findings, running=running, sized=sized)
        start_s, offers = (
            start_seconds(worker.replica, worker.budget),
            pricing.serverless_offers(replica.gpu.id, context.limits, context.prices),
        )
        seller = next((line.figure.provider for line in option.quote.lines if line.figure is not None), "")
        ours = [offer for offer in offers if offer.provider == seller]
        if start_s is None or not ours:
            return None
        return cls(deployment=deployment, worker=worker, offer=ours[0], start_s=start_s, context=context)

    @property
    def label(self) -> str:
        """`l4-24gb by the second (modal)`."""
        gpus, keep_warm = self.worker.replica.parallel.gpus, self.deployment.purchase.keep_warm
        what = f"{gpus} x " if gpus > 1 else ""
        warm = f", {keep_warm} kept warm" if keep_warm else ""
        return f"{what}{self.worker.replica.gpu.id} by the second ({self.offer.provider}){warm}"

    def sellers(self) -> tuple[Seconds, ...]:
        """The same worker at every seller of its GPU, this one first."""
        gpu_id = self.worker.replica.gpu.id
        offers = pricing.serverless_offers(gpu_id, self.context.limits, self.context.prices)
        return (self, *(replace(self, offer=offer) for offer in offers if offer != self.offer))

    def usage(self, requests_per_s: float) -> ServerlessUsage:
        """How the workers run in a month at a mean rate [1/s]."""
        there = with_rate(self.context.workload, requests_per_s)
        paced = self._warm(min(requests_per_s / active_share(there), self.worker.sized.slo_requests_per_s))
        return usage_of(self.offer, self.worker, paced, there, self.start_s, self.deployment.purchase.keep_warm)

    def _warm(self, per_worker_per_s: float) -> Estimate:
        """A worker that is there, at a load of its own."""
        rate = per_worker_per_s * self.pace
        if rate not in self.warm:
            self.warm[rate] = self.worker.running.under(replace(self.context.demand.shape, kind="rate", value=rate))
        warm = self.warm[rate]
        return replace(warm, e2e_s=warm.e2e_s.scaled(self.pace)) if self.pace != 1.0 else warm

    def compared_upto(self, upto: float) -> float:
        """The largest load at which it is set against another way [1/s]: while further workers, which come and go with
        every crowd, hardly add to what is billed."""
        full = self.worker.sized.slo_requests_per_s
        slots = max(1, int(full * self._warm(full).e2e_s.mid))
        busiest = busiest_over_mean(self.context.workload)

        def one_does(rate: float) -> bool:
            usage = self.usage(rate)
            more = further_workers(
                requests_per_s=rate * busiest,
                starts_per_s=usage.starts_per_month / SECONDS_PER_MONTH,
                slots=slots,
                service_s=self._warm(min(rate * busiest, full)).e2e_s.mid,
                start_s=self.start_s,
                window_s=idle_window_s(self.offer),
            )
            return more * SECONDS_PER_MONTH <= MOST_SHARE * usage.billed_replica_s_per_month

        return min(upto, last_good(one_does, self.edges(upto)))

    def quote(self, requests_per_s: float) -> Quote | None:
        """The month at this seller."""
        there, usage = with_rate(self.context.workload, requests_per_s), self.usage(requests_per_s)
        found = billed(fleet_of(self.deployment, usage), usage, self.offer, self.worker, there, self.context)
        return found if isinstance(found, Quote) else None

    def usd_per_month(self, requests_per_s: float) -> float:
        """Seconds that run, wait and start, as the seller bills them [USD/month]."""
        quote = self.quote(requests_per_s)
        return IMPOSSIBLE if quote is None else quote.usd_per_month

    def standing(self, requests_per_s: float) -> tuple[int, float]:
        """How the planner orders sellers: firm prices first, then the lowest bill."""
        quote = self.quote(requests_per_s)
        return (LOWER_BOUND + 1, IMPOSSIBLE) if quote is None else (firmness(quote), quote.usd_per_month)

    def cheapest(self, requests_per_s: float) -> Seconds:
        """The same worker at the seller whom the planner would take at a load."""
        return min(self.sellers(), key=lambda each: each.standing(requests_per_s))

    def cold_share(self, requests_per_s: float) -> float:
        """Requests that meet no warm worker [-]."""
        return self.usage(requests_per_s).cold_request_share

    def edges(self, upto: float) -> tuple[float, ...]:
        """No steps; halvings of one full worker, between which the bill bends little."""
        full = self.worker.sized.slo_requests_per_s * active_share(self.context.workload)
        return tuple(
            edge for power in range(HALVINGS_BELOW_ONE, -1, -1) if (edge := full * 0.5**power) < upto
        )  # fmt: skip

    def source(self, requests_per_s: float) -> str:
        """Seller, term and date."""
        quote = self.quote(requests_per_s)
        return "" if quote is None else source_of(quote)
