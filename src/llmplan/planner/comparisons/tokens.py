"""A seller of the model by the token as a bill over the load."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llmplan import pricing
from llmplan.plan.deployment import Deployment, Purchase
from llmplan.plan.outcome import Quote
from llmplan.planner.comparisons.base import source_of
from llmplan.planner.context import Context
from llmplan.planner.demand import with_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """One seller of the model by the token: usd(r) = fixed + r x usd of a request a second all month."""

    provider: str
    fixed_usd: float
    usd_per_request_per_s: float
    usd_per_mtok: float
    where: str

    @classmethod
    def of(cls, provider: str, model_deployment: Deployment, context: Context) -> Tokens | None:
        """The seller's bill for this mix of tokens; None where the planner would not buy there."""
        only_this = replace(context.limits, provider_ids=(provider,))
        rate = context.workload.requests_per_s
        assert rate is not None
        bought = [
            pricing.quote(
                model_deployment, with_rate(context.workload, at), only_this, context.prices,
                expenses=context.question.expenses,
            )
            for at in (0.0, rate)
        ]  # fmt: skip
        nothing, asked = bought
        if not isinstance(nothing, Quote) or not isinstance(asked, Quote) or asked.usd_per_mtok_blended is None:
            return None
        fixed = nothing.usd_per_month
        return cls(
            provider=provider, fixed_usd=fixed, usd_per_request_per_s=(asked.usd_per_month - fixed) / rate,
            usd_per_mtok=asked.usd_per_mtok_blended, where=source_of(asked),
        )  # fmt: skip

    @property
    def label(self) -> str:
        """`deepinfra by the token`."""
        return f"{self.provider} by the token"

    def usd_per_month(self, requests_per_s: float) -> float:
        """In proportion to the load [USD/month]."""
        return self.fixed_usd + requests_per_s * self.usd_per_request_per_s

    def edges(self, upto: float) -> tuple[float, ...]:
        """A straight line."""
        return ()

    def source(self, requests_per_s: float) -> str:
        """Seller, term and date."""
        return self.where


def hosted(deployment: Deployment) -> Deployment:
    """The model of a deployment from whoever sells it by the token."""
    return replace(
        deployment, strategy="serverless", replica=None, replicas=None, max_replicas=None,
        purchase=Purchase(kind="tokens"), levers=("hosted API by the token",),
    )  # fmt: skip
