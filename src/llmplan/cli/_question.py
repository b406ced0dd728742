"""From flags to a `Question`, checked against the catalogue before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmplan.cli import _console, _parse
from llmplan.cli._catalog import find_model, seller_ids
from llmplan.cli._expense_flags import expenses_of
from llmplan.errors import UnknownIdError, UsageError
from llmplan.units import GB, GIB, MS_PER_S, SECONDS_PER_MINUTE

if TYPE_CHECKING:
    from llmplan.cli._expense_flags import ExpenseFlags
    from llmplan.cli._question_flags import HardwareFlags, LimitFlags, PromiseFlags, TrafficFlags
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.inventory import Inventory, NodeGroup
    from llmplan.spec.model import ModelSpec
    from llmplan.spec.workload import Limits, Question, Slo, Workload


def question(
    model: str,
    traffic: TrafficFlags,
    promise: PromiseFlags,
    limits: LimitFlags,
    hardware: HardwareFlags,
    catalog: Catalog,
    *,
    expenses: ExpenseFlags | None = None,
    workload: Workload | None = None,
) -> tuple[Question, ModelSpec]:
    """The question and its model, which may come from a config on disk; `workload` is what a trace says."""
    from llmplan.spec.expenses import Expenses
    from llmplan.spec.workload import Question

    found = find_model(model, catalog, limits.weights or ())
    asked = Question(
        model_id=found.id,
        workload=workload_of(traffic, found, catalog, workload),
        slo=slo_of(promise, traffic.workload),
        limits=limits_of(limits, hardware, catalog),
        expenses=expenses_of(expenses) if expenses is not None else Expenses(),
    )
    return asked, found


def workload_of(flags: TrafficFlags, model: ModelSpec, catalog: Catalog, measured: Workload | None = None) -> Workload:
    """Flags over the workload file (or what was measured of a trace) over the defaults; refuses traffic that is not
    stated or beyond the model."""
    base = base_workload(flags.workload, catalog) if flags.workload else measured
    workload = overlaid(base, flags) if base is not None else stated(flags)
    demand_plannable(workload)
    longest = workload.input_tokens.mean + workload.output_tokens.mean
    limit = model.max_context_tokens
    if longest > limit:
        raise UsageError(
            f"ISL + OSL = {longest:,.0f} tokens exceed the {limit:,}-token context of {model.id}",
            hints=["lower --isl or --osl", "llmplan catalog list models"],
        )
    if workload.context_tokens is not None and workload.context_tokens < longest:
        raise UsageError(
            f"--context-tokens {workload.context_tokens:,} is less than ISL + OSL = {longest:,.0f}",
            hints=["leave it out, or raise it"],
        )
    return workload


def demand_plannable(workload: Workload) -> None:
    """Refuse rates that nobody serves; a file may state them as well as a flag."""
    rate, least, most = workload.requests_per_s, _parse.MIN_REQUESTS_PER_S, _parse.MAX_REQUESTS_PER_S
    if rate is not None and not least <= rate <= most:
        raise UsageError(
            f"traffic must be from {least:g} (three a year) to {most:,.0f} requests/s, not {rate:g}",
            hints=["--requests-per-second 5, or --requests-per-minute 1 for slow traffic"],
        )


def base_workload(name: str, catalog: Catalog) -> Workload:
    """A workload by catalogue name, or from a YAML file."""
    path = workload_path(name)
    if path is None:
        return catalog.workloads[name]
    from llmplan.catalogs.workloads import read_workload_file

    return read_workload_file(path)


def workload_path(name: str) -> Path | None:
    """The file that is meant, or None for a catalogue name."""
    path = Path(name).expanduser()
    if path.suffix not in (".yaml", ".yml") and not path.is_file():
        return None
    if not path.is_file():
        raise UsageError(f"no such file: {name}", hints=["llmplan catalog list workloads"])
    return path


def rate_of(flags: TrafficFlags) -> float | None:
    """Requests per second from either of its flags."""
    if flags.requests_per_minute is None:
        return flags.requests_per_second
    if flags.requests_per_second is not None:
        raise UsageError("--requests-per-second and --requests-per-minute say the same thing: give one of them")
    return flags.requests_per_minute / SECONDS_PER_MINUTE


def stated(flags: TrafficFlags) -> Workload:
    """A workload from flags alone: rate or concurrency, and both lengths."""
    from llmplan.spec.workload import Lengths, Workload

    example = "--requests-per-second 5 --isl 1000 --osl 300"
    if rate_of(flags) is None and flags.concurrency is None:
        raise UsageError(
            "how much traffic? no rate, concurrency or workload is given", hints=[example, "--workload NAME"]
        )
    missing = [name for name, value in (("--isl", flags.isl), ("--osl", flags.osl)) if value is None]
    if missing:
        raise UsageError(f"how long are requests? {' and '.join(missing)} missing", hints=[example, "--workload NAME"])
    lengths = Lengths.fixed(float(flags.isl or 0)), Lengths.fixed(float(flags.osl or 0))
    return overlaid(Workload(input_tokens=lengths[0], output_tokens=lengths[1]), flags)


def overlaid(base: Workload, flags: TrafficFlags) -> Workload:
    """The workload with what the flags say put in; a rate replaces a concurrency and the other way round."""
    from llmplan.spec.workload import Lengths

    rate = rate_of(flags)
    if rate is not None and flags.concurrency is not None:
        raise UsageError("traffic is a rate (open loop) or a concurrency (closed loop): give one of them")
    changes: dict[str, Any] = {
        "input_tokens": None if flags.isl is None else Lengths.fixed(float(flags.isl)),
        "output_tokens": None if flags.osl is None else Lengths.fixed(float(flags.osl)),
        "context_tokens": flags.context_tokens,
        "prefix_share": flags.prefix_share,
        "prefixes": flags.prefixes,
        "peak_to_mean": flags.peak_to_mean,
        "cv_interarrival": flags.burstiness,
        "idle_share": flags.idle_share,
        "idle_bin_s": flags.idle_bin_s,
        "hours_per_day": flags.hours_per_day,
        "tenants": flags.tenants,
        "adapters": flags.adapters,
        "lora_rank": flags.lora_rank,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    if base.traffic is not None:
        changes["traffic"] = base.traffic.without(changes)
    if rate is not None or flags.concurrency is not None:
        changes |= {"requests_per_s": rate, "concurrency": flags.concurrency}
    workload = replace(base, **changes)
    if workload.requests_per_s is None and workload.concurrency is None:
        raise UsageError(f"workload {base.id} states no rate", hints=["--requests-per-second R"])
    return workload


def slo_of(flags: PromiseFlags, workload: str | None) -> Slo:
    """The promise in seconds: flags over what a workload file promises."""
    from llmplan.spec.workload import Slo

    stated = {
        "ttft_p95_s": flags.ttft_p95_ms,
        "tpot_p95_s": flags.tpot_p95_ms,
        "e2e_p95_s": flags.e2e_p95_ms,
    }
    base = Slo()
    if workload is not None and (path := workload_path(workload)) is not None:
        from llmplan.catalogs.workloads import read_workload_slo

        base = read_workload_slo(path)
    return replace(base, **{name: value / MS_PER_S for name, value in stated.items() if value is not None})


def limits_of(flags: LimitFlags, hardware: HardwareFlags, catalog: Catalog) -> Limits:
    """The limits with every name resolved to its catalogue id."""
    from llmplan import memory
    from llmplan.spec.workload import Limits

    owned = inventory_of(hardware, catalog)
    if flags.privacy == "air-gapped" and owned is None:
        raise UsageError(
            "--privacy air-gapped plans on hardware of your own, and none is given",
            hints=["--have 4x4xa10-24gb", "--local"],
        )
    stated: dict[str, Any] = {
        "terms": tuple(flags.term or ()) or None,
        "max_utilization": flags.max_utilization,
        "spare_replicas": flags.spare_replicas,
        "max_quality_loss": flags.max_quality_loss,
        "commitment_premium": flags.commitment_premium,
        "unverified_saving": flags.unverified_saving,
        "unverified_saving_steady": flags.unverified_saving,
        "network_bytes_per_s": _scaled(hardware.network_gb_per_s, GB),
    }
    return Limits(
        gpu_ids=_each(flags.gpu, lambda name: catalog.gpus[name].id),
        provider_ids=_sellers(flags.provider, catalog),
        regions=_each(flags.region, lambda name: region_name(name, catalog)),
        engine_ids=_each(
            flags.engine, lambda name: catalog.engines[name].ref if "@" in name else catalog.engines[name].id
        ),
        weight_formats=_each(flags.weights, lambda name: memory.weight_format(name).id),
        kv_formats=_each(flags.kv_cache, lambda name: memory.kv_format(name).id),
        inventory=owned,
        privacy=flags.privacy,  # type: ignore[arg-type]
        include_marketplaces=flags.include_marketplaces,
        max_usd_per_month=flags.max_usd_per_month,
        max_gpus=flags.max_gpus,
        price_date=catalog.prices.as_of,
        **{name: value for name, value in stated.items() if value is not None},
    )


def _each(names: Iterable[str] | None, resolve: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(resolve(name) for name in names or ()))


def _sellers(names: Iterable[str] | None, catalog: Catalog) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found for name in names or () for found in seller_ids(name, catalog.prices)))


def region_name(name: str, catalog: Catalog) -> str:
    """A region in which somebody sells, as its seller spells it."""
    known = {offer.region.casefold(): offer.region for offer in catalog.prices.hourly}
    if name.casefold() not in known:
        raise UnknownIdError("region", name, known.values(), listing="llmplan catalog list regions")
    return known[name.casefold()]


def inventory_of(flags: HardwareFlags, catalog: Catalog) -> Inventory | None:
    """The user's own hardware: as stated, or as this machine's driver says."""
    if flags.local and flags.have:
        raise UsageError("--local reads this machine's hardware and --have states it: give one of them")
    if flags.local:
        return local_inventory(flags, catalog)
    if not flags.have:
        if flags.host_ram_gib is not None or flags.host_memory_gb_per_s is not None:
            raise UsageError("--host-ram-gib and --host-memory-gb-per-s describe the hosts of --have, which is missing")
        return None
    from llmplan.spec.inventory import Inventory

    groups = tuple(_completed(replace(group, gpu_id=catalog.gpus[group.gpu_id].id), flags) for group in flags.have)
    return Inventory(groups=groups)


def local_inventory(flags: HardwareFlags, catalog: Catalog) -> Inventory:
    """This machine's GPUs, through NVML."""
    from llmplan import hardware

    found = hardware.to_inventory(hardware.scan(os.environ), catalog.gpus)
    for note in found.notes:
        _console.warn(note)
    known = tuple(_completed(group, flags) for group in found.groups if group.gpu_id in catalog.gpus)
    if not known:
        raise UsageError(
            "--local: no GPU on this machine can be planned on",
            hints=["llmplan hardware", "llmplan doctor", "state the hardware instead: --have 1x1xrtx-4090-24gb"],
        )
    return replace(found, groups=known)


def _completed(group: NodeGroup, flags: HardwareFlags) -> NodeGroup:
    ram = _scaled(flags.host_ram_gib, GIB)
    return replace(
        group,
        host_memory_bytes=group.host_memory_bytes if ram is None else round(ram),
        host_memory_bandwidth_bytes_per_s=_scaled(flags.host_memory_gb_per_s, GB)
        or group.host_memory_bandwidth_bytes_per_s,
    )


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
