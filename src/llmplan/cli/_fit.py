"""`llmplan memory --fit`: the memory budget asked backwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from llmplan.cli import _console
from llmplan.cli._replica import find_engine
from llmplan.errors import LlmplanError, NoFeasiblePlanError

if TYPE_CHECKING:
    from llmplan.cli._options import OutputFlags, ReplicaFlags
    from llmplan.cli._workbench import Workbench
    from llmplan.plan.deployment import Replica
    from llmplan.plan.inverse import Inverse


USEFUL_TOKENS = 8192
"""context that counts as fitting where none is asked for"""


def answer(model: str, flags: ReplicaFlags, bench: Workbench, output: OutputFlags) -> int:
    """Try everything that can be varied and print what fits; exits 3 where nothing does."""
    from llmplan.report import inverse as view

    spec = bench.model(model, flags.weights)
    useful = flags
    if flags.max_model_len is None:
        useful = replace(flags, max_model_len=min(spec.max_context_tokens, USEFUL_TOKENS))
    found = inverse(model, flags, useful, bench)
    assumed: dict[str, str] = {}
    if flags.gpu is not None:
        assumed |= bench.build(model, useful, None).assumed
    elif flags.engine_version is None:
        assumed["engine"] = find_engine(flags, bench.catalog, spec).ref
    if useful is not flags:
        assumed["max_model_len"] = f"{useful.max_model_len}, the least that counts as fitting"
    _console.answer(
        output.chosen,
        record=lambda: view.record(spec, found, assumed),
        document=lambda: view.document(spec, found, assumed),
    )
    # where a GPU is named the question is about it
    tried = found.gpus if found.longest is None else (found.longest, *found.ranks, *found.formats)
    return 0 if any(each.fits for each in tried) else NoFeasiblePlanError.exit_code


def inverse(model: str, flags: ReplicaFlags, useful: ReplicaFlags, bench: Workbench) -> Inverse:
    """The answers for a model: about the GPU that was named, and about every other in the catalogue.

    `useful` are the flags with the shortest context that counts as fitting.
    """
    from llmplan.plan.inverse import Inverse
    from llmplan.planner import inverse as search

    spec = bench.model(model, flags.weights)
    # an engine without tensor parallelism deals its layers to several GPUs
    way = "tp" if find_engine(flags, bench.catalog, spec).tensor_parallel else "pp"

    def on_gpu(gpu: str, ranks: int) -> Replica:
        other = useful if gpu == flags.gpu else replace(useful, host=None)
        return bench.build(model, _on_ranks(replace(other, gpu=gpu), way, ranks), None).replica

    gpus = search.by_gpu(on_gpu, sizes(bench, spec.divisible_heads if way == "tp" else 0), way)
    if flags.gpu is None:
        return Inverse(longest=None, gpus=gpus)

    def with_ranks(ranks: int) -> Replica:
        return bench.build(model, _on_ranks(useful, way, ranks), None).replica

    def with_format(name: str) -> Replica:
        return bench.build(model, replace(useful, weights=name), None).replica

    # the longest context counts from the shortest there is, whatever is useful
    shortest = flags if flags.max_model_len is not None else replace(flags, max_model_len=search.LENGTH_STEP_TOKENS)
    replica = bench.build(model, shortest, None).replica
    longest = search.attempt("as asked", lambda: replica)
    pairs: Sequence[tuple[int, float]] = ()
    if longest.longest_tokens:
        pairs = tuple(search.at_once(replica, longest.longest_tokens))
    return Inverse(
        longest=longest,
        concurrency=tuple(pairs),
        gpus=gpus,
        ranks=search.by_ranks(with_ranks, replica.host.gpus, way),
        formats=search.by_format(with_format, formats(replica)),
    )


def _on_ranks(flags: ReplicaFlags, way: str, ranks: int) -> ReplicaFlags:
    """The flags with so many GPUs in one group."""
    if way == "tp":
        return replace(flags, gpus=None, tp=ranks)
    return replace(flags, gpus=None, pp=ranks)


def sizes(bench: Workbench, heads: int) -> Mapping[str, Sequence[int]]:
    """Parallel sizes that one machine of each kind of GPU offers, smallest first; they divide `heads`, unless 0."""
    from llmplan.plan.hosts import host_for
    from llmplan.planner.inverse import RANKS

    found: dict[str, Sequence[int]] = {}
    for gpu_id in sorted(bench.catalog.gpus):
        try:
            host = host_for(bench.catalog.gpus[gpu_id], bench.catalog.hosts)
        except LlmplanError:
            found[gpu_id] = ()
            continue
        found[gpu_id] = [tp for tp in RANKS if tp <= host.gpus and heads % tp == 0]
    return found


def formats(replica: Replica) -> Sequence[str]:
    """The checkpoint's own format and those that the engine's profile lists; of experts alone only where there are."""
    from llmplan.spec.formats import WEIGHT_FORMATS

    known = {each.id for each in WEIGHT_FORMATS if not each.experts_only or replica.model.is_moe}
    others = [name for name in replica.engine.weight_formats if name != replica.weights.id and name in known]
    return ("auto", *others)
