"""Every cause of drift: a case in which it is named, and its twin in which it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

import plan_samples
import served_samples as samples
from llmplan.measurements.served.reading import read_look
from llmplan.plan.deployment import Parallelism
from llmplan.plan.load import Load
from llmplan.plan.served.comparing import compare
from llmplan.plan.served.drift import Case, Finding, findings
from llmplan.plan.served.expected import Expected, Predicted
from llmplan.plan.served.rules import RULES
from llmplan.plan.served.seen import see
from llmplan.spec.band import Band
from llmplan.spec.formats import GGUF_WEIGHT_FORMATS
from llmplan.spec.workload_lengths import Lengths
from served_samples import LLAMA_PROPS, SGLANG_INFO, Served

BUDGET = plan_samples.memory_budget()
"""60 GB of pool (58 to 62) for 457,760 tokens, 0.8 GB of graphs, on 85.52 GB"""
PLANNED = Expected(
    name="plan.yaml",
    replica=plan_samples.replica(),
    budget=BUDGET,
    load=Load(kind="rate", value=2.0, input_tokens=Lengths.fixed(1000), output_tokens=Lengths.fixed(300)),
    estimate=plan_samples.estimate(),
    replicas=2,
)
PREDICTED = Predicted(
    ttft_s=Band(low=0.1, mid=0.15, high=0.2),
    tpot_s=Band(low=0.01, mid=0.012, high=0.015),
    output_tokens_per_s=Band.exact(600.0),
    ttft_p95_s=0.3,
    tpot_p95_s=0.02,
    calibration_id="vllm-hopper",
    extrapolated=False,
)
AS_PLANNED = Served(kv_tokens=457_760, running=8.0, requests=500.0)
MODELS = samples.models("tiny", root="meta-llama/Llama-3.1-8B-Instruct")
DOCUMENTS = {"/v1/models": MODELS, "/version": {"version": "0.33.0"}}


def told(
    served: Served = AS_PLANNED,
    later: Served | None = None,
    *,
    engine: str = "vllm",
    expected: Expected | None = PLANNED,
    predicted: Predicted | None = PREDICTED,
    documents: Mapping[str, Any] = DOCUMENTS,
    looks: int = 2,
) -> dict[str, Finding]:
    """What is said of a server that answers 2 requests/s for 100 s, unless other figures are given."""
    after = later or served.after(200.0)
    texts = [getattr(samples, engine)(each) for each in (served, after)][-looks:]
    seen = see([read_look(text, documents, at_s=100.0 * index) for index, text in enumerate(texts)])
    rows = compare(seen, expected, predicted)
    case = Case(seen=seen, rows={row.id: row for row in rows}, expected=expected, predicted=predicted)
    return {finding.id: finding for finding in findings(case, RULES)}


def planned(**changes: Any) -> Expected:
    """The plan with another replica."""
    return replace(PLANNED, replica=replace(PLANNED.replica, **changes))


def test_a_server_as_planned_has_nothing_to_tell() -> None:
    assert told() == {}


def test_without_a_plan_there_is_no_drift() -> None:
    assert told(Served(kv_tokens=10, context=1), expected=None, predicted=None) == {}


def test_other_engine() -> None:
    found = told(engine="sglang", documents={"/v1/models": MODELS})
    assert found["other-engine"].message.startswith("sglang answers, and vllm was planned")
    assert found["other-engine"].certain


def test_other_version() -> None:
    found = told(documents=DOCUMENTS | {"/version": {"version": "0.32.1"}})
    assert "vllm 0.32.1 is running, and 0.33.0 was planned" in found["other-version"].message
    assert "other-version" not in told(documents={"/v1/models": MODELS})  # not said


@pytest.mark.parametrize(
    ("root", "kind"),
    [
        ("Qwen/Qwen3-8B", "deployment"), ("/models/llama-3.1-8b-instruct/", None),
        ("unsloth/Llama-3.1-8B-Instruct-bnb-4bit", None),
        ("meta-llama/Llama-3.1-8B-Instruct", None), ("C:\\models\\Llama-3.1-8B-Instruct", None),
        ("/srv/llama-3.1-8b-instruct-v2/model", None), ("/srv/model", "reading"), ("prod", "reading"),
    ],
)  # fmt: skip
def test_other_model(root: str, kind: str | None) -> None:
    """A Hub id says which model it is; a path or an alias says nothing."""
    found = told(documents=DOCUMENTS | {"/v1/models": samples.models("tiny", root=root)})
    assert ("other-model" in found) is (kind is not None)
    if kind is not None:
        assert found["other-model"].kind == kind
        assert not found["other-model"].certain


def test_other_parallelism() -> None:
    info = SGLANG_INFO | {"model_path": "meta-llama/Llama-3.1-8B-Instruct"}
    sglang = planned(engine=plan_samples.engine("sglang"), parallel=Parallelism(tp=4))
    found = told(engine="sglang", expected=sglang, documents={"/get_server_info": info})
    assert found["other-parallelism"].message == "it runs with TP 2, planned was 4"
    two = planned(engine=plan_samples.engine("sglang"), parallel=Parallelism(tp=2))
    assert "other-parallelism" not in told(engine="sglang", expected=two, documents={"/get_server_info": info})
    text = samples.vllm(AS_PLANNED, AS_PLANNED)
    seen = see([read_look(text, DOCUMENTS)])
    rows = {row.id: row for row in compare(seen, PLANNED, None)}
    (dp, *_) = findings(Case(seen=seen, rows=rows, expected=PLANNED), RULES)
    assert dp.message == "it runs with DP 2, planned was 1"


@pytest.mark.parametrize(
    ("change", "flag"),
    [({"block": 32}, "--block-size"), ({"fraction": 0.9}, "--gpu-memory-utilization"), ({"fraction": 0.95}, "0.95")],
)
def test_changed_flag(change: dict[str, Any], flag: str) -> None:
    found = told(replace(AS_PLANNED, **change))
    assert flag in found["changed-flag"].message
    assert found["changed-flag"].certain
    assert "changed-flag" not in told()


def test_a_shorter_context() -> None:
    short = DOCUMENTS | {"/v1/models": samples.models("tiny", root=PLANNED.replica.model.id, context=4096)}
    assert told(documents=short)["changed-flag"].message == (
        "longest request: 4096 tokens where 8192 was planned (--max-model-len)"
    )


def test_slots_of_llama_cpp() -> None:
    settings = plan_samples.settings(max_num_seqs=8, max_model_len=4096)
    llama = planned(engine=plan_samples.engine("llama-cpp"), settings=settings)
    found = told(engine="llama_cpp", expected=llama, documents={"/props": LLAMA_PROPS})
    assert "sequences in a step: 4 requests where 8 was planned (-np)" in found["changed-flag"].message
    same = planned(engine=plan_samples.engine("llama-cpp"), settings=replace(settings, max_num_seqs=4))
    assert "changed-flag" not in told(engine="llama_cpp", expected=same, documents={"/props": LLAMA_PROPS})


def test_fixed_pool() -> None:
    by_hand = replace(AS_PLANNED, labels=',x="1"')
    text = {"kv_cache_memory_bytes": 'kv_cache_memory_bytes="1073741824"'}
    fixed = samples.vllm(by_hand).replace('kv_cache_memory_bytes="None"', text["kv_cache_memory_bytes"])
    seen = see([read_look(fixed, DOCUMENTS)])
    rows = {row.id: row for row in compare(seen, PLANNED, None)}
    ids = [each.id for each in findings(Case(seen=seen, rows=rows, expected=PLANNED), RULES)]
    assert "fixed-pool" in ids
    own = planned(settings=plan_samples.settings(kv_cache_memory_bytes=2**30))
    ids = [each.id for each in findings(Case(seen=seen, rows=rows, expected=own), RULES)]
    assert "fixed-pool" not in ids
    assert "fixed-pool" not in told()


@pytest.mark.parametrize(
    ("kind", "planned_kv", "fires"),
    [("fp8", "bf16", True), ("fp8_e4m3", "fp8", False), ("auto", "fp8", True), ("auto", "bf16", False)],
)
def test_cache_format(kind: str, planned_kv: str, fires: bool) -> None:
    text = samples.vllm(AS_PLANNED).replace('cache_dtype="auto"', f'cache_dtype="{kind}"')
    seen = see([read_look(text, DOCUMENTS)])
    expected = planned(kv=plan_samples.KV[planned_kv])
    rows = {row.id: row for row in compare(seen, expected, None)}
    ids = [each.id for each in findings(Case(seen=seen, rows=rows, expected=expected), RULES)]
    assert ("cache-format" in ids) is fires


def tokens_for(change_bytes: float) -> int:
    """KV tokens of the planned pool and `change_bytes` more."""
    return round(BUDGET.capacity_tokens * (1.0 + change_bytes / BUDGET.kv_cache_bytes.mid))


def causes(change_bytes: float, expected: Expected = PLANNED, **change: Any) -> tuple[str, ...]:
    found = told(replace(AS_PLANNED, kv_tokens=tokens_for(change_bytes), **change), expected=expected)
    return found["kv-capacity"].causes if "kv-capacity" in found else ()


def test_a_pool_within_its_band_is_as_planned() -> None:
    assert causes(1.9e9) == causes(-1.9e9) == ()


def test_a_smaller_pool_names_who_else_may_hold_the_memory() -> None:
    first, second = causes(-6e9)
    assert first == "another process on the same GPU that holds 5.59 GiB: llmplan doctor there names it"
    assert second.startswith("larger max_num_batched_tokens or max_num_seqs, whose activations take 5.59 GiB more")


def test_a_stated_fraction_that_explains_it_is_the_only_cause() -> None:
    # 0.05 of 85.52 GB are 4.276 GB
    (only,) = causes(-4.2e9, fraction=0.87)
    assert only == "a memory fraction of 0.87 where 0.92 was planned: that alone is 3.98 GiB less of 3.91 GiB"
    first, *more = causes(-12e9, fraction=0.87)
    assert first.startswith("a memory fraction of 0.87")
    assert more[0].startswith("and for the rest another process on the same GPU that holds 7.19 GiB")


def test_graphs_that_were_not_captured() -> None:
    narrow = replace(PLANNED, budget=replace(BUDGET, kv_cache_bytes=Band.exact(60e9)))
    assert any(cause.startswith("enforce_eager: no CUDA graphs") for cause in causes(0.85e9, narrow))
    assert not any("enforce_eager" in cause for cause in causes(3e9, narrow))
    eager = replace(narrow, replica=replace(narrow.replica, settings=plan_samples.settings(enforce_eager=True)))
    assert not any("enforce_eager" in cause for cause in causes(0.85e9, eager))


def test_half_as_many_bytes_a_token() -> None:
    assert causes(60e9)[0] == "a KV cache of half as many bytes a token (fp8)"
    assert "a KV cache of half" not in " ".join(causes(30e9))
    assert causes(-30e9)[0] == "a KV cache of twice as many bytes a token (16 bit)"


def test_a_fraction_that_is_not_stated_is_computed() -> None:
    text = samples.vllm(replace(AS_PLANNED, kv_tokens=tokens_for(-6e9)))
    seen = see([read_look(text.replace('gpu_memory_utilization="0.92"', 'gpu_memory_utilization="None"'), DOCUMENTS)])
    rows = {row.id: row for row in compare(seen, PLANNED, None)}
    found = {each.id: each for each in findings(Case(seen=seen, rows=rows, expected=PLANNED), RULES)}
    # 0.92 - 6 / 85.52 = 0.8498
    assert found["kv-capacity"].causes[0] == (
        "gpu_memory_utilization 0.850 where 0.92 was planned: that is 5.59 GiB of a GPU"
    )


def test_other_weights_are_named_where_the_server_says_theirs() -> None:
    info = SGLANG_INFO | {
        "model_path": "meta-llama/Llama-3.1-8B-Instruct",
        "internal_states": [{"memory_usage": {"weight": 8.0}}],
        "tp_size": 1,
        "max_running_requests": 64,
    }
    sglang = planned(engine=plan_samples.engine("sglang"), settings=plan_samples.settings(memory_fraction=0.85))
    smaller = replace(AS_PLANNED, kv_tokens=tokens_for(8e9))
    found = told(smaller, engine="sglang", expected=sglang, documents={"/get_server_info": info})
    assert found["kv-capacity"].causes[0] == "weights of 8.00 GiB on a GPU where 14.90 GiB were predicted"
    info["internal_states"][0]["memory_usage"]["weight"] = 14.9
    found = told(smaller, engine="sglang", expected=sglang, documents={"/get_server_info": info})
    assert not any(cause.startswith("weights") for cause in found["kv-capacity"].causes)


@pytest.mark.parametrize(
    ("requests", "change", "fires"),
    [
        (200.0, {}, False),
        (240.0, {"input_tokens": 900.0}, False),  # within a quarter
        (400.0, {}, True),
        (100.0, {}, True),
        (200.0, {"input_tokens": 3000.0}, True),
        (200.0, {"output_tokens": 100.0}, True),
        (200.0, {"hits": 0.05}, False),
        (200.0, {"hits": 0.5}, True),
    ],
)
def test_other_traffic(requests: float, change: dict[str, float], fires: bool) -> None:
    found = told(later=AS_PLANNED.after(requests, **change))
    assert ("other-traffic" in found) is fires
    if fires:
        assert "latency is not comparable" in found["other-traffic"].message
        assert "llmplan predict meta-llama/Llama-3.1-8B-Instruct --gpu h100-sxm-80gb" in found["other-traffic"].fix


def test_latency_beyond_its_band_at_the_same_traffic() -> None:
    slow = told(later=AS_PLANNED.after(200.0, tpot_s=0.02))
    assert slow["latency"].message.startswith("at this traffic TPOT 20 ms is slower than 10 ms to 15 ms")
    assert "llmplan calibrate" in slow["latency"].fix
    assert told(later=AS_PLANNED.after(200.0, ttft_s=0.05))["latency"].message.startswith(
        "at this traffic TTFT 50 ms is faster than 100 ms to 200 ms"
    )
    assert "latency" not in told(later=AS_PLANNED.after(200.0, tpot_s=0.0149, ttft_s=0.199))


def test_few_requests_are_not_judged() -> None:
    few = told(later=AS_PLANNED.after(19.0, tpot_s=0.1))
    assert "latency" not in few
    assert few["few-requests"].message.startswith("19 requests answered in between")
    assert "few-requests" not in told(later=AS_PLANNED.after(20.0))


def test_preemptions() -> None:
    assert "3 preemptions in 100 s" in told(later=AS_PLANNED.after(200.0, preemptions=3.0))["preemptions"].message
    before = replace(AS_PLANNED, preemptions=3.0)
    assert "preemptions" not in told(before)  # none since the first look


@pytest.mark.parametrize(
    ("first", "then", "fires"), [(5.0, 9.0, True), (0.0, 9.0, False), (1.0, 0.0, False), (1.0, 1.0, False)]
)
def test_a_queue_at_every_look(first: float, then: float, fires: bool) -> None:
    busy = replace(AS_PLANNED, running=20.0, waiting=first)
    assert ("queue" in told(busy, busy.after(200.0, waiting=then))) is fires


def test_failures() -> None:
    assert "30 of 230 requests" in told(later=AS_PLANNED.after(200.0, failed=30.0))["failures"].message
    assert "failures" not in told(later=AS_PLANNED.after(200.0, failed=5.0))


def test_several_processes() -> None:
    other = replace(AS_PLANNED, started=AS_PLANNED.started + 60.0, requests=900.0)
    assert "1 of 2 looks were answered by another process" in told(later=other)["several-processes"].message
    assert told(later=other)["several-processes"].causes[0] == "it started anew in between"
    assert "several-processes" not in told()


def test_one_look() -> None:
    assert told(looks=1)["since-start"].message.startswith("one look")
    assert "since-start" not in told()


LLAMA = planned(
    engine=replace(PLANNED.replica.engine, id="llama-cpp", version="b11434", kv_pool_rule="explicit_context"),
    weights=next(each for each in GGUF_WEIGHT_FORMATS if each.id == "gguf-q4_k_m"),
    settings=replace(PLANNED.replica.settings, max_model_len=4096, max_num_seqs=4, block_tokens=1, memory_fraction=1.0),
)
LLAMA = replace(
    LLAMA,
    budget=replace(BUDGET, capacity_tokens=4 * 4096, max_concurrency=4.0, kv_cache_bytes=Band.exact(2e9)),
    load=Load(kind="concurrency", value=3.0, input_tokens=Lengths.fixed(1000), output_tokens=Lengths.fixed(300)),
)


def llama(slots: int = 4, context: int = 4096, **more: Any) -> dict[str, Finding]:
    """What is said of a llama-server with so many slots of such a context."""
    props = {**LLAMA_PROPS, "total_slots": slots, "default_generation_settings": {"n_ctx": context}, **more}
    documents = {"/props": {**props, "model_path": "/m/Llama-3.1-8B-Instruct.gguf"}}
    return told(AS_PLANNED, AS_PLANNED.after(0.0), engine="llama_cpp", expected=LLAMA, documents=documents)


def test_contexts_of_llama_cpp_have_nothing_to_do_with_memory() -> None:
    assert "kv-capacity" not in llama()
    half = llama(context=2048)
    assert half["changed-flag"].fix.startswith("-c 16384 -np 4 --no-kv-unified")
    assert half["kv-capacity"].message.endswith("50 % fewer than the 16,384 that were planned")
    assert half["kv-capacity"].causes[0] == "-c 8192 where 16384 was planned"
    # every slot has the whole context: four times as much only if it were not shared
    shared = llama(context=16384)["kv-capacity"].causes
    assert len(shared) == 1
    assert "--kv-unified" in shared[0]
    assert "16,384 tokens, as planned" in shared[0]


def test_a_file_of_another_type() -> None:
    assert "other-weights" not in llama()
    assert "other-weights" not in llama(model_ftype="Q4_K - Medium")
    assert (
        llama(model_ftype="Q8_0")["other-weights"].fix == "load a file of gguf-q4_k_m, or plan with --weights gguf-q8_0"
    )
    # another engine is said to be one, and nothing else
    assert "other-weights" not in told(engine="llama_cpp", documents={"/props": {**LLAMA_PROPS, "model_ftype": "Q8_0"}})


def test_another_number_of_parameters_is_another_model_whatever_its_name() -> None:
    total = PLANNED.replica.model.text_parameters
    for count, differs in ((total, False), (0.9 * total, False), (0.5 * total, True), (2.0 * total, True)):
        card = {"id": "meta-llama/Llama-3.1-8B-Instruct", "meta": {"n_params": count, "n_ctx": 8192}}
        found = told(documents={"/v1/models": {"data": [card]}}).get("other-model")
        assert (found is not None and found.certain) == differs


def test_a_pool_of_a_stated_size_is_moved_by_nothing_else_in_memory() -> None:
    """Neither activations nor other processes nor the memory fraction: its bytes, or bytes of a token."""
    size = 60 * 10**9
    wants = planned(settings=replace(PLANNED.replica.settings, kv_cache_memory_bytes=size))

    def stating(pool: int, tokens: int) -> dict[str, Finding]:
        text = samples.vllm(replace(AS_PLANNED, kv_tokens=tokens))
        text = text.replace('kv_cache_memory_bytes="None"', f'kv_cache_memory_bytes="{pool}"')
        seen = see([read_look(text, DOCUMENTS, at_s=0.0)])
        rows = {row.id: row for row in compare(seen, wants, None)}
        return {each.id: each for each in findings(Case(seen=seen, rows=rows, expected=wants), RULES)}

    assert stating(size, 457_760).keys() == {"since-start"}
    half = stating(size // 2, 457_760 // 2)
    assert half["fixed-pool"].fix == f"set --kv-cache-memory-bytes to {size}"
    assert half["kv-capacity"].causes == (half["fixed-pool"].message,)
    assert stating(size, 457_760 * 2)["kv-capacity"].causes == ("a KV cache of half as many bytes a token (fp8)",)
    assert stating(size, 300_000)["kv-capacity"].causes == ()


def test_as_many_tokens_for_fewer_requests_are_told() -> None:
    wants = replace(PLANNED, budget=replace(BUDGET, max_concurrency=100.0))
    wants = replace(wants, replica=replace(wants.replica, settings=replace(wants.replica.settings, max_model_len=8192)))
    found = told(expected=wants)["kv-capacity"]
    assert "hold 55.9 requests of full length at once, where 100 were predicted" in found.message  # 457,760 / 8,192


def test_clients_that_wait_have_no_rate_of_their_own() -> None:
    """A closed loop that is answered at a tenth of the planned rate is slow, and not other traffic."""
    closed = Load(kind="concurrency", value=8.0, input_tokens=Lengths.fixed(1000), output_tokens=Lengths.fixed(300))
    wants = replace(PLANNED, load=closed, estimate=replace(PLANNED.estimate, requests_per_s=Band.exact(20.0)))  # type: ignore[type-var]
    assert "other-traffic" not in told(expected=wants)
    assert "other-traffic" in told(expected=replace(wants, load=replace(closed, value=30.0)))


def test_a_folder_is_the_model_of_its_config() -> None:
    folder = replace(PLANNED.replica.model, id="/models/tiny-folder/config.json")
    documents = {"/v1/models": samples.models("tiny", root="/models/tiny-folder")}
    assert "other-model" not in told(expected=planned(model=folder), documents=documents)
    assert "other-model" in told(
        expected=planned(model=folder), documents={"/v1/models": samples.models("tiny", root="/models/b")}
    )


def test_an_idle_server_is_not_one_of_other_traffic() -> None:
    found = told(later=AS_PLANNED.after(0.0))
    assert list(found) == ["few-requests"]
    assert "no requests answered in between: traffic and latency are not judged" in found["few-requests"].message
    assert "few-requests" in llama()


def test_every_rule_is_shown_to_fire() -> None:
    """The ids that rules can give, from their source, are those that tests above name."""
    import inspect
    import re
    from pathlib import Path

    ids = {name for rule in RULES for name in re.findall(r'id="([a-z-]+)"', inspect.getsource(rule))}
    here = Path(__file__).read_text(encoding="utf-8")
    assert len(ids) == len(RULES) == 17
    assert {name for name in ids if f'"{name}"' not in here} == set()
