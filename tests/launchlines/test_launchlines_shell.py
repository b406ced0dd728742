"""Shell text is read as the commands it would start."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmplan.errors import DataError
from llmplan.launchlines.compose import starts_in_compose
from llmplan.launchlines.shell import MAX_EXPANDED, commands, unclosed_line
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
        (
            "docker run -it --device=/dev/kfd --group-add video --cap-drop ALL -p80:80 vllm/vllm-openai-rocm:v1 org/m",
            "vllm",
            ("org/m",),
        ),
        ("llama serve -hf org/m-GGUF", "llama-cpp", ("-hf", "org/m-GGUF")),
        ("'C:\\llama\\llama-server.exe' -m x.gguf", "llama-cpp", ("-m", "x.gguf")),
        ("cat > n <<'EOF'\nit's not \"closed\nEOF\nvllm serve m -tp 2", "vllm", ("m", "-tp", "2")),
        ("ssh h <<-END\n\tvllm serve m\n\tEND\n", "vllm", ("m",)),
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


@pytest.mark.parametrize(
    ("text", "line"),
    [("a\nvllm serve 'm\n", 2), ("vllm serve 'm'", None), ("x <<E\nit's\nE\n", None), ('a "b\nc" d', None)],
)
def test_a_quotation_that_never_ends_is_found(text: str, line: int | None) -> None:
    assert unclosed_line(text) == line


def test_variables_that_double_and_words_without_end_are_bounded() -> None:
    doubling = "A=" + "x" * 1000 + "\n" + "A=$A$A\n" * 40 + "vllm serve $A"
    (start,) = starts_in_text(doubling)
    assert len(start.arguments[0]) <= MAX_EXPANDED
    with pytest.raises(DataError, match="more than 20,000 words"):
        starts_in_text("vllm serve m" + " x" * 30_000)


def test_aliases_that_unfold_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    bomb = "\n".join([*lines, "services: {llm: {image: 'vllm/vllm-openai:v0.33.0', command: *a8}}"])
    with pytest.raises(DataError, match="unfold to more than"):
        starts_in_compose(bomb, "compose.yaml")


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
