"""No name breaks out of any launch file: what its real reader makes of the text is what was meant, and nothing runs.

Goes over all targets and, by kind, over all files that they give: a new target is tried without a line here.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from rent_plans import NAMES

import plan_samples as sample
from launch_readers import exec_words, interpolated, unit_entries
from llmplan.cli import _launch_text
from llmplan.emit import TARGETS, Command, Env, LaunchFile, Variant, Word, emit
from llmplan.errors import UsageError
from llmplan.plan.deployment import Parallelism, Replica, Tenancy
from strange_names import NASTY

SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "VLLM_API_KEY", "LLAMA_API_KEY", "AWS_SECRET_ACCESS_KEY")
PLANTED = "planted-secret-3f9c"
TARGET_IDS = [target.id for target in TARGETS]


def replicas_for(engine: str | None, name: str) -> list[Replica]:
    """Of the engine that the target starts, vLLM where it starts any: with adapters, without, and over machines."""
    model, gpu = sample.model(id=name), sample.gpu(platform_names=NAMES)
    if engine == "llama-cpp":
        return [
            sample.replica(model=model, gpu=gpu, weights="gguf-q4_k_m", kv="fp16", engine=sample.engine("llama-cpp"))
        ]
    plain = sample.replica(model=model, gpu=gpu, engine=sample.engine(engine or "vllm"))
    many = replace(plain, tenancy=Tenancy(tenants=3, adapters=2))
    return [many, plain, replace(plain, parallel=Parallelism(tp=8, pp=2))]


def files_for(target: str, name: str, **variant: Any) -> tuple[LaunchFile, ...]:
    """With the name wherever a plan or a user may put one; nothing where the target refuses it in words."""
    engine = next(each.engine for each in TARGETS if each.id == target)
    for replica in replicas_for(engine, name):
        option = sample.option(of=replica, notes=(name,))
        plan = sample.plan(option, made_with=name, reasons=(name,))
        given = Variant(**(variant if replica.tenancy else {**variant, "adapters": {}}))
        try:
            return emit(plan, strategy=None, target=target, variant=given)
        except UsageError:
            continue
    return ()


def filled(words: tuple[Word, ...], environment: dict[str, str]) -> list[str]:
    return [environment.get(word.name, word.default or "") if isinstance(word, Env) else word for word in words]


def read_back(file: LaunchFile, folder: Path) -> None:
    """The text, read by what reads such files, gives what the file holds."""
    text = _launch_text.render(file)
    environment = {name: f"value of {name}" for name in ("MODEL", "MASTER_ADDR", "NODE_RANK", "MODEL_DIR", "HOSTFILE")}
    assert PLANTED not in text
    assert all(char.isprintable() or char == "\n" for char in text)
    match file.kind:
        case "shell":
            asked = {word.name: f"value of {word.name}" for word in file.content.words if isinstance(word, Env)}
            places = {f"{at}{name}": f"{at}{folder}/{name}" for name in file.content.beside for at in ("", "@")}
            expected = [places.get(word, word) for word in filled(file.content.words[1:], asked)]
            assert run(text, file.content, folder, asked) == expected
        case "yaml":
            loaded = yaml.safe_load(text)
            assert loaded == json.loads(json.dumps(file.content))
            if file.path.startswith("compose"):
                interpolated(loaded, environment)
        case "yaml-documents":
            assert list(yaml.safe_load_all(text)) == json.loads(json.dumps(file.content))
        case "json":
            assert json.loads(text) == json.loads(json.dumps(file.content))
        case "unit":
            unit_agrees(file, text, environment)
        case "python":
            python_agrees(file, text)
    assert not (folder / "PWNED").exists()


def run(text: str, command: Command, folder: Path, environment: dict[str, str]) -> list[str]:
    """What the script calls its program with."""
    program = command.program[0]
    assert isinstance(program, str)
    stand_in = folder / Path(program).name
    stand_in.write_text('#!/usr/bin/env bash\nprintf "%s\\0" "$@" > "$0.args"\n', encoding="utf-8")
    stand_in.chmod(0o755)
    script = folder / "script.sh"
    script.write_bytes(text.encode())
    path = {"PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run(["bash", str(script)], check=True, cwd=folder, env=path | environment, capture_output=True)
    return (folder / f"{stand_in.name}.args").read_bytes().decode().split("\0")[:-1]


def unit_agrees(file: LaunchFile, text: str, environment: dict[str, str]) -> None:
    wanted = [entry for section in file.content.sections.values() for entry in section]
    found = unit_entries(text)
    assert [key for key, _ in found] == [key for key, _ in wanted]
    for (_, value), (key, meant) in zip(found, wanted, strict=True):
        if isinstance(meant, Command) and key.startswith("Exec"):
            assert exec_words(value, environment) == filled(meant.words, environment)


def python_agrees(file: LaunchFile, text: str) -> None:
    constants = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if name in file.content.constants:
                constants[name] = ast.literal_eval(statement.value)
    assert constants == dict(file.content.constants)


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets in the environment of whoever writes launch files."""
    for name in SECRETS:
        monkeypatch.setenv(name, PLANTED)


@pytest.mark.parametrize("target", TARGET_IDS)
def test_there_is_something_to_try(target: str) -> None:
    assert files_for(target, "org/model", checkpoint="org/x") or files_for(target, "org/model")


@pytest.mark.parametrize("target", TARGET_IDS)
@pytest.mark.parametrize("name", NASTY)
def test_no_model_name_breaks_out(target: str, name: str, tmp_path: Path) -> None:
    for file in files_for(target, name):
        read_back(file, tmp_path)


@pytest.mark.parametrize("target", TARGET_IDS)
@pytest.mark.parametrize("name", NASTY)
def test_no_checkpoint_and_no_adapter_breaks_out(target: str, name: str, tmp_path: Path) -> None:
    for file in files_for(target, "org/model", checkpoint=name, adapters={name: name, "plain": "org/plain"}):
        read_back(file, tmp_path)


def test_a_name_that_is_an_option_is_refused() -> None:
    for target in ("vllm", "sglang", "tensorrt-llm", "llama-cpp"):
        plan = sample.plan(sample.option(of=replicas_for(target, "--trust-remote-code")[0]))
        with pytest.raises(UsageError, match="as an option"):
            emit(plan, strategy=None, target=target)
        given = Variant(checkpoint="--trust-remote-code")
        with pytest.raises(UsageError, match="as an option"):
            emit(
                sample.plan(sample.option(of=replicas_for(target, "org/x")[0])),
                strategy=None,
                target=target,
                variant=given,
            )


@pytest.mark.parametrize(
    "given",
    [
        {"hub_mirror": "https://user:secret@hub.example"}, {"hub_mirror": "https://hub.example/$(id)"},
        {"image_registry": "user:secret@registry.example"}, {"name": "a b"}, {"name": "A"}, {"name": "x\n"},
    ],
)  # fmt: skip
def test_places_with_secrets_or_code_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        Variant(**given)
    assert "secret" not in str(caught.value)
