"""Shell text is read as the commands it would start."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmplan.launchlines.shell import commands
from llmplan.launchlines.start import Start, start_of, starts_in_text

SCRIPT = """#!/usr/bin/env bash
# llmplan's own kind of script
set -euo pipefail
export HF_HUB_OFFLINE=1

args=(
  --tensor-parallel-size 2        # heads divide by it
  --speculative-config '{"method": "ngram", "num_speculative_tokens": 3}'
  --served-model-name "a name"
)
exec vllm serve "${MODEL:-org/model}" "${args[@]}"
"""


def test_a_script_with_an_array_and_comments() -> None:
    (start,) = starts_in_text(SCRIPT)
    assert (start.engine, start.program) == ("vllm", "vllm serve")
    assert start.arguments == (
        "org/model", "--tensor-parallel-size", "2", "--speculative-config",
        '{"method": "ngram", "num_speculative_tokens": 3}', "--served-model-name", "a name",
    )  # fmt: skip
    assert start.variables["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize(
    ("line", "engine", "arguments"),
    [
        ("vllm serve m \\\n  --port 1", "vllm", ("m", "--port", "1")),
        ("CUDA_VISIBLE_DEVICES=0 nohup vllm serve m > log 2>&1 &", "vllm", ("m",)),
        ("python3 -m vllm.entrypoints.openai.api_server --model m", "vllm", ("--model", "m")),
        ("python -m sglang.launch_server --model-path m", "sglang", ("--model-path", "m")),
        ("cd /srv && sglang serve --model-path m", "sglang", ("--model-path", "m")),
        ("mpirun -n 8 trtllm-llmapi-launch trtllm-serve m --tp_size 8", "tensorrt-llm", ("m", "--tp_size", "8")),
        ("./build/bin/llama-server -m x.gguf", "llama-cpp", ("-m", "x.gguf")),
        ("bash -lc 'vllm serve \"a b\"'", "vllm", ("a b",)),
        ("docker run --gpus all -e A=b vllm/vllm-openai:v0.33.0 --model m", "vllm", ("--model", "m")),
        (
            "docker run -d --entrypoint llama-server ghcr.io/ggml-org/llama.cpp:server-cuda -c 1",
            "llama-cpp",
            ("-c", "1"),
        ),
        ("sudo docker run lmsysorg/sglang:v0.5.23 python3 -m sglang.launch_server --tp 2", "sglang", ("--tp", "2")),
        ("trtllm-build --checkpoint_dir c", "tensorrt-llm", ("--checkpoint_dir", "c")),
        ("vllm serve m --port 1 2>&1 | tee log", "vllm", ("m", "--port", "1")),
        ("TP=4; vllm serve m -tp $TP", "vllm", ("m", "-tp", "4")),
        ("vllm serve m -tp $(nproc)", "vllm", ("m", "-tp", "$(nproc)")),
    ],
)
def test_what_is_started(line: str, engine: str, arguments: tuple[str, ...]) -> None:
    (start,) = starts_in_text(line)
    assert (start.engine, start.arguments) == (engine, arguments)


def test_nothing_is_started() -> None:
    assert not starts_in_text("echo vllm; ls serve; vllm bench serve; docker run postgres; # vllm serve m\n")


def test_the_image_says_the_version() -> None:
    start = start_of(["docker", "run", "vllm/vllm-openai:v0.21.1", "--model", "m"])
    assert start is not None
    assert start.image_version == "0.21.1"
    assert Start(engine="vllm", program="x", arguments=(), image="a/b:latest").image_version is None


plain = st.text(alphabet="abc-_=./:0{}[],$ \t'\"\\#", max_size=12)


@settings(max_examples=40, deadline=None)
@given(st.lists(plain, min_size=1, max_size=5))
def test_quoted_words_are_what_a_shell_makes_of_them(words: list[str]) -> None:
    """Every word in single quotes comes back as it is; a shell agrees."""
    if any("$" in word for word in words):
        words = [word.replace("$", "") for word in words]
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
    (found,) = commands(f"printf {quoted}")
    shell = subprocess.run(
        ["sh", "-c", f"for w in {quoted}; do printf '%s\\n' \"$w\"; done"], capture_output=True, check=True, text=True
    )
    assert list(found.words[1:]) == words
    assert shell.stdout == "".join(f"{word}\n" for word in words)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_no_text_is_too_strange(text: str) -> None:
    commands(text)
    starts_in_text(f"vllm serve m {text}")
