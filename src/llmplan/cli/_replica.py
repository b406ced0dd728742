"""From flags to one replica with every setting written out, and the list of what the user did not say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from llmplan.errors import NoFeasiblePlanError, UnknownIdError, UsageError
from llmplan.units import GIB

if TYPE_CHECKING:
    from llmplan.cli._options import LoadFlags, ReplicaFlags
    from llmplan.plan.deployment import EngineSettings, Parallelism, Replica
    from llmplan.plan.load import Load
    from llmplan.plan.outcome import CheckResult, Rejection
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.engine import EngineSpec
    from llmplan.spec.formats import KvFormat, WeightFormat
    from llmplan.spec.gpu import GpuSpec
    from llmplan.spec.model import ModelSpec

CONTEXT_STEP_TOKENS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A replica, and what was chosen for the user: name and value of each default that matters."""

    replica: Replica
    assumed: Mapping[str, str]
    stored: WeightFormat
    """of the files: a 32-bit checkpoint is loaded in 16"""


def build(
    model: ModelSpec,
    flags: ReplicaFlags,
    catalog: Catalog,
    request_tokens: int | None,
    find: Callable[[str], ModelSpec] | None = None,
) -> Built:
    """A replica from flags and catalogue. What is not said is the engine's own default for this GPU, and is noted;
    `find` looks up a drafting model."""
    from llmplan import memory
    from llmplan.cli._extras import offload_of, speculation_of, tenancy_of
    from llmplan.plan.deployment import Replica
    from llmplan.plan.hosts import host_for, share_of

    if flags.gpu is None:
        raise UsageError("which GPU? --gpu is missing", hints=["llmplan catalog list gpus"])
    gpu = catalog.gpus[flags.gpu]
    engine = find_engine(flags, catalog, model)
    parallel, offload = parallelism(flags), offload_of(flags, model)
    host = catalog.hosts[flags.host] if flags.host else host_for(gpu, catalog.hosts)
    if flags.host is None and offload is not None and offload.kind in ("layers", "experts"):
        host = share_of(host, parallel.gpus)  # of which the others have theirs: what the CPU computes is read from it
    weights, kv = formats(model, flags, gpu)
    settings = settings_for(model, flags, gpu, engine, request_tokens)
    replica = Replica(
        model=model, gpu=gpu, host=host, engine=engine, parallel=parallel, weights=weights, kv=kv,
        settings=settings, offload=offload, tenancy=tenancy_of(flags),
        speculation=speculation_of(flags, model, find or catalog.models.__getitem__),
    )  # fmt: skip
    assumed = assumptions(flags, replica)
    if host.gpus < (whole := catalog.hosts[host.id]).gpus:
        assumed |= {"host": f"{host.id}, the share of {host.gpus} of its {whole.gpus} GPUs"}
    if engine.ref not in catalog.engines:
        profile = nearest_version(engine.id, engine.version, catalog).ref
        assumed |= {"engine": f"{engine.ref}, which has no profile: defaults of {profile}"}
    stored = memory.weight_format(flags.weights, model)
    return Built(replica=replica, assumed=assumed, stored=stored)


DEFAULT_ENGINE = "vllm"
GGUF_ENGINE = "llama-cpp"
"""what reads GGUF files, where no engine is named"""


def find_engine(flags: ReplicaFlags, catalog: Catalog, model: ModelSpec) -> EngineSpec:
    """The engine by `ID`, `ID@VERSION` or `--engine-version`; a version without a profile takes the nearest one's."""
    usual = GGUF_ENGINE if model.checkpoint_format.startswith("gguf-") and flags.weights == "auto" else DEFAULT_ENGINE
    name, _, version = (flags.engine or usual).partition("@")
    if version and flags.engine_version and version != flags.engine_version:
        raise UsageError(f"--engine {flags.engine} and --engine-version {flags.engine_version} contradict each other")
    version = (version or flags.engine_version or "").strip().removeprefix("v")
    if not version:
        return catalog.engines[name]
    if f"{name}@{version}" in catalog.engines:
        return catalog.engines[f"{name}@{version}"]
    return replace(nearest_version(catalog.engines[name].id, version, catalog), version=version)


def nearest_version(engine: str, version: str, catalog: Catalog) -> EngineSpec:
    """The profile of the newest version that is not newer than the one asked for, else of the oldest."""
    from llmplan.catalogs.engines import version_key

    wanted = version_key(version)
    known = [each for each in catalog.engines if each.partition("@")[0] == engine]
    if not wanted:
        raise UnknownIdError("engine", f"{engine}@{version}", known, listing="llmplan catalog list engines")
    dated = sorted((version_key(each.partition("@")[2]), each) for each in known)
    older = [each for key, each in dated if key and key <= wanted]
    return catalog.engines[older[-1] if older else next(each for key, each in dated if key)]


def parallelism(flags: ReplicaFlags) -> Parallelism:
    """Ranks from `--tp --pp --dp --ep`; `--gpus` alone is one tensor-parallel group, with `--tp` it must agree."""
    from llmplan.plan.deployment import Parallelism

    pp, dp = flags.pp or 1, flags.dp or 1
    tp = flags.tp
    if tp is None:
        gpus = flags.gpus or pp * dp
        if gpus % (pp * dp):
            raise UsageError(f"--gpus {gpus} is not a multiple of PP {pp} x DP {dp}")
        tp = gpus // (pp * dp)
    elif flags.gpus is not None and flags.dp is None and flags.gpus % (tp * pp) == 0:
        dp = flags.gpus // (tp * pp)
    if flags.gpus is not None and tp * pp * dp != flags.gpus:
        raise UsageError(
            f"TP {tp} x PP {pp} x DP {dp} is {tp * pp * dp} GPUs, not --gpus {flags.gpus}", hints=["leave --gpus out"]
        )
    if flags.ep not in (None, 1, tp * dp):
        raise UsageError(f"--ep is 1 or TP x DP = {tp * dp}, not {flags.ep}: experts spread over all ranks of a stage")
    return Parallelism(tp=tp, pp=pp, dp=dp, ep=flags.ep is not None and flags.ep > 1, dcp=flags.dcp or 1)


def formats(model: ModelSpec, flags: ReplicaFlags, gpu: GpuSpec) -> tuple[WeightFormat, KvFormat]:
    """Weight and KV format as loaded, where nobody asked for others: 16 bit for a 32-bit checkpoint, to which engines
    cast it, and fp16 for bf16 on a GPU without bf16 arithmetic."""
    from llmplan import memory

    weights = memory.weight_format(flags.weights, model)
    kv = memory.kv_format(flags.kv_cache, model)
    lacks_bf16 = not gpu.supports("bf16") and gpu.supports("fp16")
    half = "fp16" if lacks_bf16 else "bf16"
    if flags.weights == "auto" and weights.id in ("fp32", "bf16"):
        weights = memory.weight_format(half, model)
    if flags.kv_cache == "auto" and (kv.id == "bf16" or model.checkpoint_format == "fp32"):
        kv = memory.kv_format(half, model)
    return weights, kv


def settings_for(
    model: ModelSpec, flags: ReplicaFlags, gpu: GpuSpec, engine: EngineSpec, request_tokens: int | None
) -> EngineSettings:
    """Engine settings: the flags, else the defaults of this engine version on this GPU."""
    from llmplan.plan.deployment import EngineSettings

    ranks, length = parallelism(flags), context_tokens(model, flags, request_tokens)
    try:
        default = engine.scheduler_default(gpu.memory_bytes, gpu.architecture, ranks.tp)
    except ValueError as error:
        raise UsageError(str(error)) from None
    max_num_seqs = flags.max_num_seqs or default.max_num_seqs
    max_num_batched_tokens = flags.max_num_batched_tokens or max(default.step_tokens(length), max_num_seqs)
    pool = flags.kv_cache_memory_gib
    return EngineSettings(
        max_model_len=length,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max_num_batched_tokens,
        memory_fraction=flags.gpu_memory_utilization
        or engine.memory_fraction_on(
            gpu.memory_bytes,
            ranks=ranks.tp * ranks.pp,
            tokens=max_num_batched_tokens,
            seqs=default.captured_seqs(max_num_seqs),
            latent=model.is_mla,
        ),
        block_tokens=flags.block_size or engine.block_tokens,
        enforce_eager=flags.enforce_eager,
        kv_cache_memory_bytes=None if pool is None else round(pool * GIB),
    )


def context_tokens(model: ModelSpec, flags: ReplicaFlags, request_tokens: int | None) -> int:
    """The context limit: as asked for; else what the request needs, rounded up; else all that the model can do."""
    limit = model.max_context_tokens
    if request_tokens is not None and request_tokens > limit:
        raise UsageError(
            f"ISL + OSL = {request_tokens:,} tokens exceed the {limit:,}-token context of {model.id}",
            hints=["lower --isl or --osl", "llmplan catalog list models"],
        )
    if flags.max_model_len is not None:
        if flags.max_model_len > limit:
            raise UsageError(
                f"--max-model-len {flags.max_model_len:,} exceeds the {limit:,}-token context of {model.id}",
                hints=[f"--max-model-len {limit}"],
            )
        if request_tokens is not None and request_tokens > flags.max_model_len:
            raise UsageError(
                f"ISL + OSL = {request_tokens:,} tokens exceed --max-model-len {flags.max_model_len:,}",
                hints=[f"--max-model-len {min(limit, request_tokens)}"],
            )
        return flags.max_model_len
    if request_tokens is None:
        return min(limit, model.default_context_tokens or limit)
    return min(limit, math.ceil(request_tokens / CONTEXT_STEP_TOKENS) * CONTEXT_STEP_TOKENS)


def assumptions(flags: ReplicaFlags, replica: Replica) -> dict[str, str]:
    """Every default that matters and was not asked for, to be printed with the answer."""
    settings = replica.settings
    said_version = flags.engine_version is not None or "@" in (flags.engine or "")
    chosen = {
        "engine": (not said_version, replica.engine.ref),
        "weights": (flags.weights == "auto", replica.weights.id),
        "kv_cache": (flags.kv_cache == "auto", replica.kv.id),
        "max_model_len": (flags.max_model_len is None, f"{settings.max_model_len}"),
        "max_num_seqs": (flags.max_num_seqs is None, f"{settings.max_num_seqs}"),
        "max_num_batched_tokens": (flags.max_num_batched_tokens is None, f"{settings.max_num_batched_tokens}"),
        "gpu_memory_utilization": (flags.gpu_memory_utilization is None, f"{settings.memory_fraction:g}"),
        "block_size": (flags.block_size is None, f"{settings.block_tokens}"),
        "host": (flags.host is None, replica.host.id),
    }
    return {name: value for name, (assumed, value) in chosen.items() if assumed}


def load_of(flags: LoadFlags) -> Load:
    """The one load that the flags state."""
    from llmplan.plan.load import Load
    from llmplan.spec.workload import Lengths

    stated = {
        kind: value
        for kind, value in (("concurrency", flags.concurrency), ("rate", flags.rate), ("burst", flags.burst))
        if value is not None
    }
    if flags.saturation:
        stated["saturation"] = 0.0
    if len(stated) != 1:
        what = "none is given" if not stated else "these are given: --" + ", --".join(stated)
        raise UsageError(
            f"a load is exactly one of --concurrency, --rate, --burst and --saturation; {what}",
            hints=["for example --concurrency 16"],
        )
    request_tokens(flags)
    kind, value = next(iter(stated.items()))
    return Load(
        kind=kind,  # type: ignore[arg-type]
        value=value,
        input_tokens=Lengths.fixed(float(flags.isl or 0)),
        output_tokens=Lengths.fixed(float(flags.osl or 0)),
        prefix_share=flags.prefix_share,
        prefixes=None if flags.prefixes == 0 else flags.prefixes or 1,
    )


def request_tokens(flags: LoadFlags) -> int:
    """Input plus output of one request; both must be given."""
    if flags.isl is None or flags.osl is None:
        missing = " and ".join(name for name, value in (("--isl", flags.isl), ("--osl", flags.osl)) if value is None)
        raise UsageError(f"request lengths are needed: {missing} missing", hints=["for example --isl 1000 --osl 300"])
    return flags.isl + flags.osl


def demand_startable(built: Built, checks: Iterable[CheckResult], catalog: Catalog) -> None:
    """Stop, after the answer, where this version of the engine refuses to start at all."""
    errors = [check for check in checks if check.severity == "error"]
    if errors and built.replica.engine.ref in catalog.engines:
        fixes = dict.fromkeys(check.fix for check in errors if check.fix)
        raise NoFeasiblePlanError(f"{built.replica.engine.ref} will refuse this: {errors[0].message}", hints=[*fixes])


def refuse(rejection: Rejection) -> NoReturn:
    """Stop where a replica does not fit: the reason, the ledger that failed, and the fix as a hint."""
    raise NoFeasiblePlanError(refusal(rejection), hints=[rejection.fix] if rejection.fix else [])


def refusal(rejection: Rejection) -> str:
    """A rejection as text: one line, then the ledger that failed."""
    from llmplan.report.views import amount

    text = rejection.reason
    if rejection.needed:
        text += f": needs {rejection.needed}"
    if rejection.available:
        text += f"; available: {rejection.available}"
    if rejection.ledger is not None:
        for line in rejection.ledger.lines:
            text += f"\n    {line.name:<28} {amount(line.amount, rejection.ledger.unit):>14}"
    return text
