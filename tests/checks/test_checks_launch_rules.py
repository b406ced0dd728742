"""Every rule fires on a launch that breaks it and not on its mended twin; fixes mend; no rule is without a case."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from launch_rule_cases import LAUNCH_CASES, LaunchCase
from test_checks_rules import CASES

import plan_samples as sample
from llmplan import checks
from llmplan.checks.rule import Rule
from llmplan.launchlines import FLAG_RULES
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.plan.engine_rule import SEVERITIES, in_range
from llmplan.plan.launch_facts import LaunchFacts
from llmplan.plan.outcome import CheckResult
from tests_support import DATA

RULES_FILE = DATA / "engine_rules.csv"
OWN_IDS = {
    "GPU-1", "L-DCP", "L-Q", "L-TP", "O-1", "S-7", "S-8", "S-9", "T-7", "V-ARCH1", "V-ARCH2", "V-ARCH3", "V-Q10",
    "V-Q9", "model-note",
}  # fmt: skip
"""rules beyond the table"""


def of_rule(replica: Replica, facts: LaunchFacts | None, rule: str, severity: str) -> list[CheckResult]:
    return [each for each in checks.run(replica, facts) if (each.id, each.severity) == (rule, severity)]


@pytest.mark.parametrize("case", LAUNCH_CASES, ids=lambda case: f"{case.rule}-{case.says[:24]}")
def test_a_rule_fires_on_the_launch_and_not_on_its_mended_twin(case: LaunchCase) -> None:
    found = of_rule(case.bad, case.facts, case.rule, case.severity)
    assert [case.says in each.message for each in found] == [True], checks.run(case.bad, case.facts)
    assert found[0].fix
    good = case.good if case.good is not None else case.bad
    assert not of_rule(good, case.mended if case.facts is not None else None, case.rule, case.severity)


def test_every_rule_and_every_severity_has_a_case() -> None:
    tried = {(case.rule, case.severity) for case in (*CASES, *LAUNCH_CASES)}
    stated = {(rule.id, severity) for rule in checks.RULES for severity in rule.severities}
    assert tried == stated


def test_every_row_of_the_table_is_a_rule() -> None:
    if not RULES_FILE.is_file():
        pytest.skip(f"no table of engine rules at {RULES_FILE} (set LLMPLAN_DATA)")
    with RULES_FILE.open(encoding="utf-8", newline="") as stream:
        table = {row["id"] for row in csv.DictReader(stream)}
    assert {rule.id for rule in checks.RULES} == table | OWN_IDS


@pytest.mark.parametrize("rule", [*checks.RULES, *FLAG_RULES], ids=lambda rule: rule.id)
def test_a_rule_carries_what_lists_and_pages_say(rule: Rule) -> None:
    assert rule.title.endswith(".")
    assert rule.source
    assert rule.basis
    assert rule.severities
    assert set(rule.severities) <= set(SEVERITIES)
    assert in_range("99.0", rule.versions) or in_range("0.0.1", rule.versions)


def test_ids_are_unique_and_there_are_fifty() -> None:
    ids = [rule.id for rule in (*checks.RULES, *FLAG_RULES)]
    assert len(ids) == len(set(ids)) >= 50


def test_a_launch_that_states_nothing_adds_nothing() -> None:
    """Facts are optional: what is not stated is not held against anybody."""
    for case in CASES:
        known = {(each.id, each.message) for each in checks.run(case.bad)}
        assert {(each.id, each.message) for each in checks.run(case.bad, LaunchFacts())} == known
    assert all(field.default is not field.default_factory for field in fields(LaunchFacts))


def test_a_rule_binds_the_versions_that_it_names() -> None:
    trt = sample.engine("tensorrt-llm", version="0.20.0")
    facts = LaunchFacts(program="trtllm-build")
    assert not of_rule(sample.replica(engine=trt), facts, "T-1", "warning"), "0.20 has nothing else to serve with"
    assert of_rule(sample.replica(engine=replace(trt, version="1.2.1")), facts, "T-1", "warning")


def number(
    change: Callable[[Replica, int], Replica],
) -> Callable[[Replica, LaunchFacts, str], tuple[Replica, LaunchFacts]]:
    return lambda replica, facts, value: (change(replica, int(value)), facts)


def setting(name: str, kind: type) -> Callable[[Replica, LaunchFacts, str], tuple[Replica, LaunchFacts]]:
    def apply(replica: Replica, facts: LaunchFacts, value: str) -> tuple[Replica, LaunchFacts]:
        stated = None if facts.stated is None else facts.stated | {name}
        settings = replace(replica.settings, **{name: kind(value)})
        return replace(replica, settings=settings), replace(facts, stated=stated)

    return apply


def fact(name: str) -> Callable[[Replica, LaunchFacts, str], tuple[Replica, LaunchFacts]]:
    return lambda replica, facts, value: (replica, replace(facts, **{name: int(value)}))


APPLY: dict[str, Callable[[Replica, LaunchFacts, str], tuple[Replica, LaunchFacts]]] = {
    "--tp": number(lambda replica, n: replace(replica, parallel=replace(replica.parallel, tp=n))),
    "--pp": number(lambda replica, n: replace(replica, parallel=replace(replica.parallel, pp=n))),
    "--dcp": number(lambda replica, n: replace(replica, parallel=replace(replica.parallel, dcp=n))),
    "--ep": number(lambda replica, n: replace(replica, parallel=replace(replica.parallel, ep=True))),
    "--tensor-parallel-size": number(lambda replica, n: replace(replica, parallel=Parallelism(tp=n))),
    "--max-model-len": setting("max_model_len", int),
    "--max-num-seqs": setting("max_num_seqs", int),
    "--max-num-batched-tokens": setting("max_num_batched_tokens", int),
    "--gpu-memory-utilization": setting("memory_fraction", float),
    "--mem-fraction-static": setting("memory_fraction", float),
    "--free_gpu_memory_fraction": setting("memory_fraction", float),
    "--max-lora-rank": fact("max_lora_rank"),
    "--max-cpu-loras": fact("max_cpu_loras"),
    "--max-loaded-loras": fact("max_loaded_loras"),
    "--offload-num-in-group": fact("offload_num_in_group"),
    "--cuda-graph-max-bs-decode": fact("cuda_graph_seqs"),
    "--lora-target-modules": lambda replica, facts, value: (replica, replace(facts, lora_target_modules=(value,))),
    "--kv-cache": lambda replica, facts, value: (
        replace(replica, kv=sample.KV["bf16" if value == "auto" else value]),
        facts,
    ),
    "--weights": lambda replica, facts, value: (replace(replica, weights=sample.WEIGHTS[value]), facts),
    "--attention-backend": lambda replica, facts, value: (replica, replace(facts, attention_backend=value)),
    "--moe-backend": lambda replica, facts, value: (replica, replace(facts, moe_backend=value)),
}
SKIPPED = {
    "V-L1": "an adapter of another rank is the user's",
    "V-KV1": "the pool is computed anew by the memory budget",
}


def flags_in(fix: str) -> list[tuple[str, str]]:
    """The flags of the first way out."""
    if fix.startswith("leave"):
        return []
    return re.findall(r"(--[a-z_-]+) ([\w.-]+)", re.split(r",? or |, with | with ", fix)[0])


def test_a_fix_that_is_a_flag_mends() -> None:
    """The flags of each fix, put in, silence the rule."""
    mended = set()
    for case in (*CASES, *LAUNCH_CASES):
        facts = getattr(case, "facts", None)
        for found in of_rule(case.bad, facts, case.rule, case.severity):
            changes = flags_in(found.fix)
            if not changes or case.rule in SKIPPED or not all(name in APPLY for name, _ in changes):
                continue
            replica, then = case.bad, facts or LaunchFacts()
            for name, value in changes:
                replica, then = APPLY[name](replica, then, value)
            left = of_rule(replica, then if facts is not None else None, case.rule, case.severity)
            assert not [each for each in left if each.message == found.message], (found, left)
            mended.add(case.rule)
    assert len(mended) >= 20
