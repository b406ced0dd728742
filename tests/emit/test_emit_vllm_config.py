"""`vllm.yaml` as vLLM's own reader takes it, with each of its traps, gives what the script passes."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

import plan_samples as sample
from llmplan.cli import _launch_text
from llmplan.emit import LaunchFile, Variant, emit
from llmplan.emit.vllm_flags import VLLM_FLAGS
from llmplan.errors import UsageError
from llmplan.plan.deployment import Offload, Parallelism, Replica, Tenancy
from llmplan.plan.speculation import Speculation

MOE = sample.model(feed_forward=sample.experts(8, 2, 1536, 4096))
TYPES = {"int": int, "float": float, "str": str, "json": json.loads, "list": str}
LORA = Tenancy(tenants=9, adapters=3, lora_rank=8)
ADAPTERS = {"law": "org/law", "a=b,c": "/mnt/with space", "yes": "null"}


def files_of(replica: Replica, **variant: Any) -> dict[str, LaunchFile]:
    plan = sample.plan(sample.option(of=replica))
    return {file.path: file for file in emit(plan, strategy=None, target="vllm", variant=Variant(**variant))}


def config_words(text: str) -> list[str]:
    """vLLM 0.33 utils/argparse_utils.py, `load_config_file`: a true is a switch; a false is `--no-KEY` where there is
    such an option and is dropped otherwise; a list is words, a mapping JSON; anything else is its text, null included.
    """
    words: list[str] = []
    for key, value in yaml.safe_load(text).items():
        if isinstance(value, bool):
            words += [f"--{key}"] if value else []
        elif isinstance(value, list):
            words += [f"--{key}", *map(str, value)]
        else:
            words += [f"--{key}", json.dumps(value) if isinstance(value, dict) else str(value)]
    return words


def parsed(words: list[str]) -> dict[str, Any]:
    """Exact option strings alone: vLLM takes abbreviations, so that a misspelt one could pass there."""
    parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--model")
    for option, flag in VLLM_FLAGS.items():
        if flag.type == "switch":
            parser.add_argument(option, action="store_true")
        else:
            parser.add_argument(option, nargs="+" if flag.type == "list" else None, type=TYPES[flag.type])
    return vars(parser.parse_args(words))


REPLICAS: dict[str, dict[str, Any]] = {
    "plain": {},
    "off": {"settings": sample.settings(prefix_caching=False, enforce_eager=True)},
    "many": {"tenancy": LORA},
    "fp8": {"weights": "fp8", "kv": "fp8", "parallel": Parallelism(tp=2)},
    "host": {"offload": Offload(kind="kv", host_kv_bytes=20 * 2**30)},
    "pool": {"settings": sample.settings(kv_cache_memory_bytes=60 * 10**9)},
    "groups": {"model": MOE, "parallel": Parallelism(dp=8, ep=True)},
}  # fmt: skip


@pytest.mark.parametrize("name", REPLICAS)
def test_the_file_says_what_the_script_says(name: str) -> None:
    replica = sample.replica(**REPLICAS[name])
    files = files_of(replica, adapters=ADAPTERS if name == "many" else {})
    script = files["serve.sh"].content
    from_file = parsed(config_words(_launch_text.render(files["vllm.yaml"])))
    assert from_file == parsed(["--model", *map(str, script.words[2:])])


def test_nothing_is_null_or_false() -> None:
    """A null would be read as the text "None", a false dropped in silence."""
    for parts in REPLICAS.values():
        content = yaml.safe_load(_launch_text.render(files_of(sample.replica(**parts))["vllm.yaml"]))
        assert not [key for key, value in content.items() if value is None or value is False]
    off = files_of(sample.replica(**REPLICAS["off"]))["vllm.yaml"].content
    assert (off["disable-prefix-caching"], off["enforce-eager"]) == (True, True)


def test_the_file_is_passed_as_two_words() -> None:
    header = "\n".join(files_of(sample.replica())["vllm.yaml"].header)
    assert "vllm serve --config vllm.yaml" in header
    assert "ignores `--config=vllm.yaml` silently" in header


def test_adapters_are_a_list_of_words() -> None:
    content = files_of(sample.replica(tenancy=LORA), adapters=ADAPTERS)["vllm.yaml"].content
    first, second, third = content["lora-modules"]
    assert (first, third) == ("law=org/law", "yes=null")
    assert json.loads(second) == {"name": "a=b,c", "path": "/mnt/with space"}
    header = "\n".join(files_of(sample.replica(tenancy=LORA))["serve.sh"].header)
    assert "no adapter is named: emit again with --adapter NAME=ID" in header
    with pytest.raises(UsageError, match="3 adapters named, the plan has memory for 1"):
        files_of(sample.replica(tenancy=replace(LORA, adapters=1)), adapters=ADAPTERS)


@pytest.mark.parametrize(
    ("drafts", "expected"),
    [
        ({"drafter": "mtp"}, {"method": "mtp"}),
        ({"drafter": "ngram"}, {"method": "ngram"}),
        ({"drafter": "model", "model": sample.model(id="org/small")}, {"method": "draft_model", "model": "org/small"}),
    ],
)
def test_drafting_is_strict_json(drafts: dict[str, Any], expected: dict[str, str]) -> None:
    planned = Speculation(tokens=3, acceptance_rate=0.7, **drafts)
    files = files_of(replace(sample.replica(), speculation=planned))
    wanted = expected | {"num_speculative_tokens": 3}
    words = files["serve.sh"].content.words
    assert json.loads(words[words.index("--speculative-config") + 1]) == wanted
    assert files["vllm.yaml"].content["speculative-config"] == wanted
    (setting,) = (each for each in files["serve.sh"].settings if each.name == "--speculative-config")
    assert "70 % accepted: 2.53 tokens a step" in setting.why  # 1 + 0.7 + 0.49 + 0.343


def test_a_head_that_the_plan_does_not_name_is_refused() -> None:
    planned = Speculation(tokens=3, acceptance_rate=0.7, drafter="eagle")
    with pytest.raises(UsageError, match="is not in the plan"):
        files_of(replace(sample.replica(), speculation=planned))


def test_host_cache_is_gib_in_total_and_host_weights_gib_for_each_gpu() -> None:
    cache = files_of(sample.replica(**REPLICAS["host"]))["vllm.yaml"].content
    assert cache["kv-offloading-size"] == 20.0
    with pytest.raises(UsageError, match="experts on the CPU"):
        files_of(sample.replica(offload=Offload(kind="experts", host_layers=3)))
