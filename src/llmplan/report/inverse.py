"""`llmplan memory --fit` as people and programs read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from llmplan.plan.inverse import Inverse, Try
from llmplan.report import views
from llmplan.report.blocks import Block, Column, Document, Items, Paragraph, Row, Table
from llmplan.report.json import finite, schema
from llmplan.report.numbers import MISSING, format_bytes
from llmplan.spec.model import ModelSpec

SHOWN_GPUS = 15
"""kinds of GPU in the table; the rest is counted"""


def document(model: ModelSpec, found: Inverse, assumed: Mapping[str, str]) -> Document:
    """What fits: the longest context, requests at once, ranks, formats and GPUs."""
    return tuple(_blocks(model, found, assumed))


def _blocks(model: ModelSpec, found: Inverse, assumed: Mapping[str, str]) -> Iterator[Block]:
    yield Paragraph(text=f"What makes {model.id} fit", heading=1)
    longest = found.longest
    if longest is not None:
        yield Paragraph(text=_longest_words(model, longest), tone="good" if longest.fits else "bad")
    if found.concurrency:
        yield _requests(found.concurrency)
    if found.ranks:
        yield _tries("GPUs of one replica", found.ranks)
    if found.formats:
        yield _tries("Weight format", found.formats)
    yield from _gpus(found.gpus)
    yield from views.defaults_used(assumed)


def _longest_words(model: ModelSpec, longest: Try) -> str:
    where = f"{longest.gpus} × {longest.gpu_id} as {longest.weights}"
    if not longest.fits or not longest.longest_tokens:
        return f"On {where}: does not start. {longest.reason}" + (f" Fix: {longest.fix}" if longest.fix else "")
    limit = " (the model's own limit)" if longest.longest_tokens == model.max_context_tokens else ""
    return f"On {where}: the largest --max-model-len is {longest.longest_tokens:,} tokens{limit}."


def _requests(pairs: Iterable[tuple[int, float]]) -> Table:
    return Table(
        title="Requests at once",
        columns=(Column(title="tokens of a request", align="right"), Column(title="requests", align="right")),
        rows=tuple(Row(cells=(f"{length:,}", f"{requests:,.1f}")) for length, requests in pairs),
    )


def _tries(title: str, tries: Iterable[Try]) -> Table:
    tries = tuple(tries)
    columns = [
        Column(title="setting"),
        Column(title="GPUs", align="right"),
        Column(title="weights per GPU", align="right"),
        Column(title="KV pool per GPU", align="right"),
        Column(title="longest", align="right"),
    ]
    if all(each.fits for each in tries):
        return Table(title=title, columns=tuple(columns), rows=tuple(Row(cells=_cells(each)) for each in tries))
    rows = (
        Row(cells=(*_cells(each), reason), tone="plain" if each.fits else "dim")
        for each, reason in zip(tries, _reasons(tries), strict=True)
    )
    return Table(title=title, columns=(*columns, Column(title="why not", share=1)), rows=tuple(rows))


def _reasons(tries: Sequence[Try]) -> Iterator[str]:
    """Each reason in full the first time, the same one again in short."""
    seen: dict[str, str] = {}
    for each in tries:
        yield f"as {seen[each.reason]}" if each.reason in seen else each.reason
        if each.reason:
            seen.setdefault(each.reason, each.label)


def _cells(each: Try) -> tuple[str, ...]:
    gpus, budget = str(each.gpus) if each.gpus else MISSING, each.budget
    if budget is None:
        return (each.label, gpus, MISSING, MISSING, MISSING)
    longest = f"{each.longest_tokens:,}" if each.longest_tokens else MISSING
    return (each.label, gpus, format_bytes(budget.weights_bytes), format_bytes(budget.kv_cache_bytes.mid), longest)


def _gpus(tries: tuple[Try, ...]) -> Iterator[Block]:
    """The smallest number of each kind of GPU that holds the model, least memory first; then why others cannot."""
    fitting = sorted((each for each in tries if each.fits), key=_memory)
    failing = [each for each in tries if not each.fits]
    if fitting:
        title = f"Smallest replica by GPU: {len(fitting)} of {len(tries)} kinds hold it"
        yield _tries(title, fitting[:SHOWN_GPUS])
        if len(fitting) > SHOWN_GPUS:
            yield Paragraph(
                text=f"and {len(fitting) - SHOWN_GPUS} more with more memory (--json lists all).", tone="dim"
            )
    if failing:
        items = tuple(f"{each.gpu_id or each.label}: {each.reason}" for each in failing[:SHOWN_GPUS])
        more = f" (first {SHOWN_GPUS} of {len(failing)})" if len(failing) > SHOWN_GPUS else ""
        yield Items(title=f"Too small or refused{more}", items=items, tone="dim")


def _memory(each: Try) -> tuple[float, int, str]:
    total = each.budget.total_bytes if each.budget else 0
    return (float(total * each.gpus), each.gpus, each.gpu_id)


def record(model: ModelSpec, found: Inverse, assumed: Mapping[str, str]) -> dict[str, Any]:
    """`llmplan memory --fit --json`."""
    return {
        "schema": schema("memory-fit"),
        "model": model.id,
        "parameters": {"total": model.total_parameters, "active": model.active_parameters},
        "longest": None if found.longest is None else _tried(found.longest),
        "concurrency": [
            {"length_tokens": length, "requests": finite(requests)} for length, requests in found.concurrency
        ],
        "tensor_parallel": [_tried(each) for each in found.ranks],
        "weights": [_tried(each) for each in found.formats],
        "gpus": [_tried(each) for each in found.gpus],
        "assumed": dict(assumed),
    }


def _tried(each: Try) -> dict[str, Any]:
    budget = each.budget
    return {
        "setting": each.label,
        "fits": each.fits,
        "gpu": each.gpu_id or None,
        "gpus": each.gpus or None,
        "weights": each.weights or None,
        "weights_bytes": round(budget.weights_bytes) if budget else None,
        "kv_cache_bytes": round(budget.kv_cache_bytes.mid) if budget else None,
        "max_model_len": each.longest_tokens,
        "reason": each.reason or None,
        "fix": each.fix or None,
    }
