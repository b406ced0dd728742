"""Models by the token: what goes in, what of that was cached, what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llmplan.plan.outcome import QuoteLine, Rejection
from llmplan.pricing.figures import row_notes, token_figure
from llmplan.pricing.index import index_of, model_key
from llmplan.pricing.sellers import allowed, limits_key
from llmplan.pricing.volume import monthly_volume
from llmplan.spec.model import ModelSpec
from llmplan.spec.price import PriceBook, TokenOffer
from llmplan.spec.workload import Limits, Workload
from llmplan.units import TOKENS_PER_MTOK

OTHER_SELLERS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenQuote:
    """The lines of one seller, the others, and what a million tokens come to on each side."""

    lines: tuple[QuoteLine, ...]
    alternatives: tuple[QuoteLine, ...]
    usd_per_mtok_input: float
    usd_per_mtok_output: float
    usd_per_mtok_cached_input: float | None


def token_lines(
    offer: TokenOffer, input_tokens: float, output_tokens: float, prefix_share: float
) -> tuple[QuoteLine, ...]:
    """A month's bill at one seller.

    Parameters
    ----------
    offer : prices [USD per million tokens]
    input_tokens : input of the month [tokens]
    output_tokens : output of the month [tokens]
    prefix_share : share of the input that a prefix cache holds [-]

    Notes
    -----
    usd = (input x (1 - share) x p_in + input x share x p_cached + output x p_out) / 1e6; a seller that states no
    price for cached input bills all of it in full.

    References
    ----------
    The sellers' lists as cited by each offer.

    >>> from llmplan.spec.provenance import Provenance, Source
    >>> row = TokenOffer(provider="p", model_id="m", listed_as="m", input_usd_per_mtok=0.5, output_usd_per_mtok=2.0,
    ...     cached_input_usd_per_mtok=0.1, from_date=None,
    ...     provenance=Provenance(source=Source(id="s", title="t"), as_of=None, kind="published"))
    >>> [line.usd_per_month for line in token_lines(row, 10e6, 1e6, 0.5)]
    [2.5, 0.5, 2.0]
    """
    cached_price = offer.cached_input_usd_per_mtok
    share = prefix_share if cached_price is not None else 0.0
    parts = [
        ("input tokens", input_tokens * (1.0 - share), offer.input_usd_per_mtok),
        ("cached input tokens", input_tokens * share, cached_price or 0.0),
        ("output tokens", output_tokens, offer.output_usd_per_mtok),
    ]
    notes = row_notes(offer)
    if offer.weights:
        notes.append(f"served as {offer.weights}")
    if prefix_share > 0 and cached_price is None:
        notes.append("states no price for cached input")
    if offer.ends:
        notes.append(f"ends {offer.ends.isoformat()}")
    figure, note = token_figure(offer), "; ".join(notes)
    return tuple(
        QuoteLine(
            name=name, quantity=tokens / TOKENS_PER_MTOK, unit="Mtok", unit_price_usd=price,
            usd_per_month=tokens / TOKENS_PER_MTOK * price, figure=figure, note=note,
        )
        for name, tokens, price in parts
        if tokens > 0
    )  # fmt: skip


def cheapest_tokens(model: ModelSpec, workload: Workload, limits: Limits, prices: PriceBook) -> TokenQuote | Rejection:
    """The seller with the lowest bill for this mix of input, cached input and output."""
    if limits.privacy != "any":
        return Rejection(
            code="privacy", reason=f"prompts may not leave ({limits.privacy}), and a token API sees them",
            needed="own deployment", available="hosted API", fix="--privacy any",
        )  # fmt: skip
    volume = monthly_volume(workload)
    if volume.input_tokens is None or volume.output_tokens is None:
        return Rejection(
            code="no_volume", reason="a token price needs a number of requests, and a closed loop states none",
            needed="requests per second", available="concurrency", fix="--requests-per-second N",
        )  # fmt: skip
    sold = listings(model, limits, prices)
    context = workload.context_tokens or workload.input_tokens.at_p95 + workload.output_tokens.at_p95
    offers = [offer for offer in sold if offer.context_tokens is None or offer.context_tokens >= context]
    if not offers:
        return _rejection(model, sold, context, limits, prices)
    tokens = volume.input_tokens, volume.output_tokens, workload.prefix_share
    ranked = sorted(
        ((_total_usd(offer, *tokens), offer.provider, offer.listed_as, offer) for offer in offers), key=_rank
    )
    best = ranked[0][3]
    lines = token_lines(best, *tokens)
    spent_in = sum(line.usd_per_month or 0.0 for line in lines if "input" in line.name)
    mtok_in = volume.input_tokens / TOKENS_PER_MTOK
    others: dict[str, QuoteLine] = {}
    for total_usd, provider, _, offer in ranked[1:]:
        if provider != best.provider and provider not in others and len(others) < OTHER_SELLERS:
            others[provider] = _summary(total_usd, offer)
    return TokenQuote(
        lines=lines,
        alternatives=tuple(others.values()),
        usd_per_mtok_input=spent_in / mtok_in if mtok_in else best.input_usd_per_mtok,
        usd_per_mtok_output=best.output_usd_per_mtok,
        usd_per_mtok_cached_input=best.cached_input_usd_per_mtok,
    )


def _total_usd(offer: TokenOffer, input_tokens: float, output_tokens: float, prefix_share: float) -> float:
    """The sum of `token_lines`."""
    cached = offer.cached_input_usd_per_mtok
    price_in = offer.input_usd_per_mtok
    if cached is not None:
        price_in += prefix_share * (cached - price_in)
    return (input_tokens * price_in + output_tokens * offer.output_usd_per_mtok) / TOKENS_PER_MTOK


def _rank(entry: tuple[float, str, str, TokenOffer]) -> tuple[float, str, str]:
    return entry[:3]


def listings(model: ModelSpec, limits: Limits, prices: PriceBook) -> tuple[TokenOffer, ...]:
    """Who sells a model by the token within the limits: this model, not another of the same architecture."""
    index = index_of(prices)
    name = model_key(model.id)
    key = ("listings", name, limits_key(limits))
    if key not in index.answers:
        accept = allowed(limits, prices.providers)
        index.answers[key] = tuple(offer for offer in index.tokens.get(name, ()) if accept(offer))
    result: tuple[TokenOffer, ...] = index.answers[key]
    return result


def _summary(total_usd: float, offer: TokenOffer) -> QuoteLine:
    return QuoteLine(
        name=f"{offer.provider} ({offer.listed_as})", quantity=1, unit="month", unit_price_usd=total_usd,
        usd_per_month=total_usd, figure=token_figure(offer), note="; ".join(row_notes(offer)),
    )  # fmt: skip


def _rejection(
    model: ModelSpec, sold: tuple[TokenOffer, ...], context: float, limits: Limits, prices: PriceBook
) -> Rejection:
    if sold:
        longest = max(offer.context_tokens or 0 for offer in sold)
        return Rejection(
            code="context", reason="no seller admits requests that long", needed=f"{context:,.0f} tokens",
            available=f"{longest:,} tokens", fix="shorter requests, or an own deployment",
        )  # fmt: skip
    anybody = listings(model, Limits(include_marketplaces=True), prices)
    sellers = ", ".join(sorted({offer.provider for offer in anybody}))
    return Rejection(
        code="no_price", reason=f"nobody sells {model.id} by the token within the limits", needed=model.id,
        available=sellers or "no listing of this model is known",
        fix="--provider or --include-marketplaces" if sellers else "llmplan prices show",
    )  # fmt: skip
