"""Arguments beside the option lists: what they mean, and what is wrong with how they are written."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from launch_words import ids, launch, read, table, vllm

from llmplan.errors import DataError
from llmplan.launchlines import FLAG_RULES, Start, starts_in_compose
from llmplan.launchlines.flag_rules import RULE

BAD_AND_MENDED: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("F-1", "error", ("--tensor-paralel-size", "2"), ("--tensor-parallel-size", "2")),
    ("F-2", "warning", ("--tensor-par", "2"), ("--tensor-parallel-size", "2")),
    ("F-3", "error", ("--swap-space", "4"), ("--kv-offloading-size", "4")),
    ("F-4", "error", ("--config=f.yaml",), ("--config", "f.yaml")),
    ("F-7", "error", ("--max-num-seqs", "many"), ("--max-num-seqs", "64")),
    ("F-7", "error", ("--tensor-parallel-size", "0"), ("--tensor-parallel-size", "1")),
    ("F-8", "error", ("--kv-offloading-backend", "redis"), ("--kv-offloading-backend", "native")),
    ("F-9", "error", ("--max-model-len", "--enforce-eager"), ("--max-model-len", "8192", "--enforce-eager")),
    ("F-10", "error", ("--quantization", "awk"), ("--quantization", "awq")),
    ("F-11", "error", ("--kv-cache-dtype", "fp9"), ("--kv-cache-dtype", "fp8")),
    ("F-12", "warning", ("--port", "1", "--port", "2"), ("--port", "1")),
    ("F-13", "warning", ("--api-key", "secret"), ("--api-key", "$KEY")),
    ("F-17", "advice", ("--max-model-len", "32k"), ("--max-model-len", "32768")),
    ("F-18", "error", ("--speculative-config", "{'method': 'ngram'}"), ("--speculative-config", '{"method": "ngram"}')),
    ("F-20", "error", ("stray",), ()),
)
ELSEWHERE = {"F-5", "F-6", "F-14", "F-15", "F-16", "F-19"}
"""rules on files, images and other engines, below"""


@pytest.mark.parametrize(("rule", "severity", "bad", "good"), BAD_AND_MENDED)
def test_a_flag_rule_fires_and_its_fix_mends(
    rule: str, severity: str, bad: tuple[str, ...], good: tuple[str, ...]
) -> None:
    files = {"f.yaml": "port: 8000\n"}
    found = [problem for problem in vllm(*bad, files=files).problems if problem.id == rule]
    assert [each.severity for each in found] == [severity]
    assert severity in RULE[rule].severities
    assert found[0].fix
    assert rule not in ids(vllm(*good, files=files))


def test_every_flag_rule_is_tried() -> None:
    assert {rule.id for rule in FLAG_RULES} == {rule for rule, *_ in BAD_AND_MENDED} | ELSEWHERE


def test_settings_files_drop_false_and_turn_null_into_text() -> None:
    content = "enable-prefix-caching: false\nenforce-eager: false\nmax-num-seqs: null\nquantization: null\n"
    found = {(each.id, each.severity): each for each in vllm("--config", "f.yaml", files={"f.yaml": content}).problems}
    assert set(found) == {("F-5", "error"), ("F-5", "warning"), ("F-6", "error"), ("F-6", "warning")}
    assert found["F-5", "error"].fix == "disable-prefix-caching: true"
    mended = "disable-prefix-caching: true\nmax-num-seqs: 64\n"
    assert not vllm("--config", "f.yaml", files={"f.yaml": mended}).problems


def test_the_line_wins_over_the_settings_file() -> None:
    found = vllm("--max-num-seqs", "8", "--config", "f.yaml", files={"f.yaml": "max-num-seqs: 64\nport: 1\n"})
    assert found.meaning.replica["max_num_seqs"] == 8
    assert not found.problems


def test_a_settings_file_in_one_word_is_not_read() -> None:
    found = vllm("--config=f.yaml", files={"f.yaml": "max-num-seqs: 64\n"})
    assert "max_num_seqs" not in found.meaning.replica


def test_tensorrt_llm_refuses_other_keys() -> None:
    files = {"f.yaml": "max_batchsize: 8\nkv_cache_config: {free_gpu_memory_fraction: 0.8}\n"}
    found = launch("trtllm-serve", "m", "--config", "f.yaml", files=files)
    assert [(each.id, each.fix) for each in found.problems] == [
        ("F-14", "did you mean max_batch_size or encoder_max_batch_size?")
    ]
    assert found.meaning.replica["gpu_memory_utilization"] == 0.8


def test_llama_server_takes_no_equals_sign() -> None:
    assert ids(launch("llama-server", "-m", "x.gguf", "--ctx-size=4096")) == ["F-16"]
    good = launch("llama-server", "-m", "x.gguf", "--ctx-size", "4096", "-ngl", "all", "-fa", "on")
    assert not good.problems
    assert good.meaning.facts["asked_context_tokens"] == 4096


def test_images_have_tags_and_models_stand_first() -> None:
    start = Start(engine="vllm", program="vllm serve", arguments=("--model", "m"), image="vllm/vllm-openai:latest")
    assert ids(read(start)) == ["F-15"]
    assert ids(launch("vllm", "serve", "--model", "m")) == ["F-19"]
    assert ids(launch("vllm", "serve")) == ["F-19"]


def test_unknown_options_of_another_version_are_not_held_to_be_wrong() -> None:
    (problem,) = vllm("--new-option", exact=False).problems
    assert (problem.id, problem.severity) == ("F-1", "warning")


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("--swap-space", "4"), "F-3"),
        (("--kv-cache-dtype", "fp8_e7"), "F-11"),
        (("--quantization", "wibble"), "F-10"),
        (("--kv-offloading-backend", "redis"), "F-8"),
        (("--enable-chunked-prefill", "False"), "F-20"),
    ],
)
def test_what_only_the_list_of_another_version_says_is_no_error(words: tuple[str, ...], rule: str) -> None:
    (problem,) = vllm(*words, exact=False).problems
    assert (problem.id, problem.severity) == (rule, "warning")
    assert "so it is in vllm@0.33.0; the options of the version started are not known" in problem.message
    (problem,) = vllm(*words).problems
    assert (problem.id, problem.severity) == (rule, "error")
    assert "not known" not in problem.message


def test_of_numbers_the_next_larger_one_is_offered() -> None:
    (problem,) = vllm("--max-lora-rank", "48").problems
    assert problem.fix == "--max-lora-rank 64"


def test_underscores_negatives_and_short_names() -> None:
    found = vllm("--max_num_seqs", "8", "-tp", "2", "--no-enable-prefix-caching", "--disable-chunked-prefill", "-O3")
    assert not found.problems
    assert (found.meaning.replica["tp"], found.meaning.replica["max_num_seqs"]) == (2, 8)
    assert found.meaning.facts["chunked_prefill"] is False


def test_what_only_a_shell_knows_is_said() -> None:
    found = vllm("--tensor-parallel-size", "${TP}")
    assert not found.problems
    assert found.notes == ("--tensor-parallel-size ${TP}: its value is not known here",)


def test_a_script_passes_its_own_arguments_on() -> None:
    found = launch("sglang", "serve", "--model-path", "m", "--enable-metrics", "$@")
    assert (found.meaning.model, found.problems, found.notes) == ("m", (), ())


def test_adapters_and_drafts_are_taken() -> None:
    config = '{"model": "org/draft", "num_speculative_tokens": 4, "draft_tensor_parallel_size": 2}'
    found = vllm("--enable-lora", "--lora-modules", "a=x/y", '{"name": "b", "path": "z"}', "-sc", config)
    assert not found.problems
    assert found.meaning.adapters == [("a", "x/y"), ("b", "z")]
    assert (found.meaning.draft_model, found.meaning.facts["speculative_tokens"]) == ("org/draft", 4)


def test_compose_services() -> None:
    text = """
services:
  a: {image: "vllm/vllm-openai:v0.33.0", command: "--model m -tp ${TP:-2} --x $$5", environment: [A=b]}
  b: {image: postgres}
  c: {image: "me/own:1", entrypoint: [llama-server], command: [-c, 512]}
  d: null
"""
    found = starts_in_compose(text, "f")
    assert [(each.where, each.engine, each.arguments) for each in found] == [
        ("a", "vllm", ("--model", "m", "-tp", "2", "--x", "$5")),
        ("c", "llama-cpp", ("-c", "512")),
    ]
    assert found[0].variables == {"A": "b"}


ENGINE_WORDS = {
    "vllm": ("vllm", "serve"), "sglang": ("sglang", "serve"), "tensorrt-llm": ("trtllm-serve",),
    "llama-cpp": ("llama-server",),
}  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_word_is_too_strange(data: st.DataObject) -> None:
    engine = data.draw(st.sampled_from(sorted(ENGINE_WORDS)))
    names = st.sampled_from(sorted(table(engine).flags))
    words = data.draw(
        st.lists(st.one_of(names, st.text(max_size=20), names.map(lambda name: f"{name}=x")), max_size=12)
    )
    found = launch(*ENGINE_WORDS[engine], *words)
    assert all(problem.id in RULE and problem.fix for problem in found.problems)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=120))
def test_no_settings_file_is_too_strange(text: str) -> None:
    for engine in ("vllm", "sglang", "tensorrt-llm"):
        with contextlib.suppress(DataError):
            launch(*ENGINE_WORDS[engine], "m", "--config", "f.yaml", files={"f.yaml": text})


def test_a_settings_file_that_is_none_is_named() -> None:
    for text in ("- a\n", "{", "a: [", "x"):
        with pytest.raises(DataError, match=r"f\.yaml"):
            vllm("--config", "f.yaml", files={"f.yaml": text})


def a_value(engine: str, name: str) -> tuple[str, ...]:
    """A value that the option takes."""
    flag = table(engine).flags[name]
    late = table(engine).late_choices.get(flag.name)
    if flag.choices or late:
        return ((*flag.choices, *(late or ()))[0],)
    plain = {"switch": (), "json": ('{"a": 1}',), "text": ("x",), "list": ("a", "b"), "maybe": ("x",)}
    return plain.get(flag.kind, ("2",))


@pytest.mark.parametrize("engine", sorted(ENGINE_WORDS))
def test_every_option_is_accepted_under_each_of_its_names(engine: str) -> None:
    for name in table(engine).flags:
        found = launch(*ENGINE_WORDS[engine], "m", name, *a_value(engine, name), files={"x": "{}"})
        expected = {"F-13"} if "key" in name or "token" in name else set()
        wrong = [each for each in found.problems if each.id not in (*expected, "F-19", "F-20", "F-7")]
        assert not wrong, (name, wrong)
