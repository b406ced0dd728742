"""Price rows as they stand behind a line."""

from __future__ import annotations

from llmplan.plan.outcome import PriceFigure
from llmplan.spec.price import CostFact, CpuOffer, HourlyOffer, ServerlessOffer, TokenOffer


def hourly_figure(offer: HourlyOffer | CpuOffer) -> PriceFigure:
    """The row of a rented machine."""
    return _figure(offer, term=offer.term, instance=offer.instance)


def serverless_figure(offer: ServerlessOffer) -> PriceFigure:
    """The row of a GPU by the second."""
    return _figure(offer, term="per second", instance=f"{offer.gpu_id}, {offer.mode}")


def token_figure(offer: TokenOffer) -> PriceFigure:
    """The row of a model by the token."""
    return _figure(offer, term="per token", instance=offer.listed_as)


def fact_figure(fact: CostFact) -> PriceFigure:
    """Any other rate."""
    source = fact.provenance.source
    provider, _, name = fact.id.rpartition(".")
    return PriceFigure(
        provider=provider or "general", region="global", term="rate", instance=name,
        source=source.title, as_of=fact.provenance.as_of, url=source.url,
        quality="derived" if fact.provenance.kind == "derived" else "listed",
    )  # fmt: skip


def row_notes(offer: HourlyOffer | CpuOffer | ServerlessOffer | TokenOffer) -> list[str]:
    """What a reader should know of the row itself."""
    notes = [offer.provenance.note] if offer.provenance.note else []
    if isinstance(offer, HourlyOffer) and offer.confidence:
        notes.append(f"confidence {offer.confidence}")
    if offer.from_date is None:
        notes.append("the source carries no date")
    return notes


def _figure(offer: HourlyOffer | CpuOffer | ServerlessOffer | TokenOffer, *, term: str, instance: str) -> PriceFigure:
    source = offer.provenance.source
    return PriceFigure(
        provider=offer.provider, region=offer.region, term=term, instance=instance,
        source=source.title, as_of=offer.from_date, url=source.url,
        quality="listed" if isinstance(offer, TokenOffer) else offer.quality,
    )  # fmt: skip
