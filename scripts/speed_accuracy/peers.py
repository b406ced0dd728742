"""What other predictors are known to reach, and on what; and ours on rows of the same kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from speed_accuracy.score import Score, errors_of
from speed_accuracy.tables import Views, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Absolute errors as somebody measured them: median, where a cell does not say otherwise [%]."""

    name: str
    truth: str
    e2e: str = "–"
    tpot: str = "–"
    ttft: str = "–"


PEERS = (
    Peer(
        name="BLIS trained-physics", truth="36 held-out runs of vLLM 0.15.1, published", e2e="6.7", tpot="7.1",
        ttft="17.6",
    ),
    Peer(
        name="aiconfigurator 0.12", truth="529 rows of its own silicon sample, run for this project; it answers about "
        "half of the sample", e2e="15.3", tpot="15.2 (mean 20.8 to 31.8)", ttft="48.2 (mean 50 to 54, bias -40)",
    ),
    Peer(
        name="aiconfigurator 0.12, vLLM only", truth="152 of these rows", tpot="8.7 (mean 19.7)", ttft="38.6",
    ),
    Peer(name="LLMServingSim 1.1", truth="32 runs, published by BLIS", e2e="18.8", tpot="21.8", ttft="72.5"),
    Peer(name="llm-optimizer", truth="36 runs, published by BLIS", e2e="51.7", tpot="60.6", ttft="662"),
    Peer(name="plain roofline", truth="38 runs, published by BLIS", e2e="33.4", tpot="44.4", ttft="about 650"),
    Peer(
        name="eight-term non-negative fit", truth="470 rows of this table, a GPU left out; fitted for this project",
        tpot="12.4 (mean 16.3)",
    ),
)  # fmt: skip
SAME_KIND = (("blis-vllm", "the runs that BLIS publishes"), ("aic-silicon", "aiconfigurator's silicon sample"))
"""sources that peers were measured on"""


def table(views: Views) -> list[str]:
    """Peers first, then ours on all rows and on the sources that peers were measured on."""
    lines = ["| predictor | measured on | E2E | TPOT / ITL | TTFT |", "|---|---|---|---|---|"]
    lines += [f"| {each.name} | {each.truth} | {each.e2e} | {each.tpot} | {each.ttft} |" for each in PEERS]
    for view, scores in views.items():
        lines.append(_ours(view, "all rows", scores))
        for source, what in SAME_KIND:
            own = [score for score in scores if score.case.source == source]
            if own:
                lines.append(_ours(view, what, own))
    return lines


def _ours(view: str, what: str, scores: Sequence[Score]) -> str:
    rows = len({score.case.row_id for score in scores})
    cells = " | ".join(_cell(scores, quantity) for quantity in ("e2e", "tpot", "ttft"))
    return f"| llmplan, {view} | {rows} rows: {what} | {cells} |"


def _cell(scores: Sequence[Score], quantity: str) -> str:
    errors = errors_of(score for score in scores if score.quantity == quantity)
    return "–" if errors is None else f"{percent(errors.median)} (mean {percent(errors.mean)})"
