"""One scrape and the small JSON documents beside it, as a look at a server in terms that all engines share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmplan.errors import DataError, UsageError
from llmplan.measurements.benchmark.result import MAX_VALUE, Fields, as_number, clean
from llmplan.measurements.served import engines, stated
from llmplan.measurements.served.engines.tensorrt_llm import ITERATION
from llmplan.measurements.served.metrics_text import Exposition, parse_metrics
from llmplan.measurements.served.series import Scrape, Series
from llmplan.plan.served.snapshot import Snapshot

MODELS, VERSION = "/v1/models", "/version"
STARTED = "process_start_time_seconds"
WANTED = "--served-model-name NAME"


def read_look(
    text: str,
    documents: Mapping[str, Any],
    *,
    at_s: float | None = None,
    served_name: str | None = None,
    started: str = "",
) -> Snapshot:
    """A look at a server from its metrics text and what its other addresses answered, by path.

    The engine is told from the names of its series. Of several models `served_name` is read. `started` tells processes
    apart where their metrics do not.
    """
    records = stated.iteration_records(text)
    if records is not None:
        return _iteration_look(records, documents, at_s, served_name)
    exposition = parse_metrics(text)
    series = next((each for each in engines.ALL if each.recognizes(exposition)), None)
    if series is None:
        raise DataError(_unknown(exposition), hints=["vLLM, SGLang, TensorRT-LLM and llama.cpp are known"])
    card = _card(documents, _names(exposition, series), served_name)
    # a served name is a label of every series, where there are several of them
    scrape = Scrape(series=series, exposition=exposition, served_name=card.name if card.several else None)
    settings: dict[str, Any] = dict(scrape.stated(series.settings))
    gauges = dict(scrape.summed(series.sums)) | dict(scrape.averaged(series.means))
    for labels in stated.label_values(scrape):
        gauges, settings = {**gauges, **labels.gauges}, {**settings, **labels.settings}
    told = stated.documents(series.engine, documents)
    gauges, settings = (
        {**card.told.gauges, **told.gauges, **gauges},
        {**card.told.settings, **told.settings, **settings},
    )
    return Snapshot(
        engine=series.engine,
        version=told.version or _version(documents),
        served_name=card.name,
        model=told.model or card.model,
        at_s=at_s,
        process=_process(scrape) or started,
        totals=dict(scrape.summed(series.totals)),
        gauges=stated.derived(gauges, settings),
        histograms=dict(scrape.all_histograms()),
        settings=stated.whole(settings),
        notes=(*exposition.complaints, *told.notes),
    )


def _iteration_look(
    records: Sequence[Mapping[str, Any]], documents: Mapping[str, Any], at_s: float | None, served_name: str | None
) -> Snapshot:
    """TensorRT-LLM's own JSON: the newest iteration has sizes and the queue; of requests it says nothing."""
    fields = Fields(records[-1] if records else {})
    found = {name: value for name, path in ITERATION.items() if (value := as_number(fields.get(*path))) is not None}
    found = {name: value for name, value in found.items() if 0.0 <= value <= MAX_VALUE}
    used, blocks = found.pop("kv_used_blocks", None), found.get("kv_blocks")
    gauges: dict[str, float] = {name: found[name] for name in ("running", "waiting", "kv_blocks") if name in found}
    if used is not None and blocks:
        gauges["kv_usage"] = used / blocks
    card = _card(documents, (), served_name)
    settings = {**card.told.settings, **{name: value for name, value in found.items() if name not in gauges}}
    note = (
        "its JSON of iterations has no latency and no lengths: return_perf_metrics: true in its YAML adds "
        "/prometheus/metrics"
    )
    return Snapshot(
        engine="tensorrt-llm",
        version=_version(documents),
        served_name=card.name,
        model=card.model,
        at_s=at_s,
        gauges=stated.derived(gauges, settings),
        settings=stated.whole(settings),
        notes=(note,) if records else (note, "no iteration since somebody last read them"),
    )


def _unknown(exposition: Exposition) -> str:
    if not exposition.samples:
        return "its metrics hold no sample in Prometheus' text format"
    names = sorted(exposition.samples)
    shown = ", ".join(name[:60] for name in names[:3])
    return f"these metrics are of no inference server that is known here: {shown}{', ...' if len(names) > 3 else ''}"


def _names(exposition: Exposition, series: Series) -> tuple[str, ...]:
    """The models that the series are of."""
    found = {
        clean(sample.labels["model_name"]): None
        for name, samples in exposition.samples.items()
        if name.startswith(series.prefix)
        for sample in samples
        if sample.labels.get("model_name")
    }
    return tuple(sorted(found))


def _card(documents: Mapping[str, Any], labelled: Sequence[str], wanted: str | None) -> stated.Card:
    """The one model that is looked at: by the labels of the series where they name any, else by the list of models."""
    listed = _listed(documents)
    # several names in the list may be of one model, whose series have one name
    names = tuple(labelled) or tuple(listed)
    if wanted is not None and wanted not in {*labelled, *listed}:
        known = _shown({*labelled, *listed}) or "it names no model"
        raise UsageError(f"{wanted!r} is not served there: {known}", hints=[WANTED])
    if wanted is None and len(names) > 1:
        raise UsageError(f"several models are served there: {_shown(names)}", hints=[f"say which: {WANTED}"])
    name = wanted if wanted is not None else names[0] if names else None
    fields = listed.get(name or "") or (next(iter(listed.values())) if len(listed) == 1 else Fields(None))
    return stated.Card(
        name=name,
        model=fields.text("root") or name,
        told=stated.model_card(fields),
        several=len(labelled) > 1,
    )


def _listed(documents: Mapping[str, Any]) -> dict[str, Fields]:
    """The models of the list by name; adapters, which have a parent, are none."""
    entries = Fields(documents.get(MODELS)).get("data")
    cards = [
        Fields(entry)
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and entry.get("parent") is None
    ]
    return {name: card for card in cards if (name := card.text("id")) is not None}


def _shown(names: Sequence[str] | set[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:8]) + (f" and {len(ordered) - 8} more" if len(ordered) > 8 else "")


def _version(documents: Mapping[str, Any]) -> str | None:
    return stated.version(Fields(documents.get(VERSION)).text("version"))


def _process(scrape: Scrape) -> str:
    """What differs between two processes: when they started, and when their counters did."""
    return ";".join(
        f"{name}={sample.value!r}"
        for name, samples in sorted(_started(scrape))
        for sample in sorted(samples, key=lambda each: sorted(each.labels.items()))
    )


def _started(scrape: Scrape) -> Iterator[tuple[str, list[Any]]]:
    yield STARTED, scrape.exposition.of(STARTED)
    for name in scrape.series.totals.get("prompt_tokens", ()):
        created = scrape.series.prefix + name.removesuffix("_total") + "_created"
        yield created, scrape.exposition.of(created)
