"""Launch files as text: what a shell and a YAML reader make of them, whatever the names inside."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import plan_samples as sample
from llmplan.cli import _launch_files, _launch_text
from llmplan.emit import Command, Env, LaunchFile, PythonModule, Setting, UnitFile, emit
from llmplan.errors import LlmplanError
from llmplan.plan.deployment import Parallelism, Replica
from strange_names import NASTY


def files_for(name: str, weights: str = "bf16", parallel: Parallelism | None = None) -> dict[str, LaunchFile]:
    replica = sample.replica(model=sample.model(id=name), weights=weights, parallel=parallel)
    plan = sample.plan(sample.option(of=replica), made_with=name)
    return {file.path: file for file in emit(plan, strategy=None, target="vllm")}


def run_script(text: str, folder: Path, **environment: str) -> list[str]:
    """What the engine would be called with: the script is run with a stand-in that writes its arguments down."""
    for program in ("vllm", "trtllm-serve", "llama-server"):
        stand_in = folder / program
        stand_in.write_text('#!/usr/bin/env bash\nprintf "%s\\0" "$@" > "$0.args"\n', encoding="utf-8")
        stand_in.chmod(0o755)
    script = folder / "serve.sh"
    script.write_bytes(text.encode())
    path = f"{folder}:{os.environ['PATH']}"
    subprocess.run(
        ["bash", str(script)], check=True, cwd=folder, env={"PATH": path, **environment}, capture_output=True
    )
    (record,) = folder.glob("*.args")
    return record.read_bytes().decode().split("\0")[:-1]


@pytest.mark.parametrize("name", NASTY)
def test_no_name_breaks_out_of_the_script(name: str, tmp_path: Path) -> None:
    file = files_for(name)["serve.sh"]
    arguments = run_script(_launch_text.render(file), tmp_path)
    assert arguments == list(file.content.words[1:])
    assert arguments[1] == name
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize("name", NASTY)
def test_no_name_breaks_out_of_the_yaml(name: str) -> None:
    for path, file in files_for(name).items():
        if file.kind == "yaml":
            text = _launch_text.render(file)
            assert yaml.safe_load(text) == file.content, path
            assert [line for line in text.splitlines() if line.startswith("#")]
    command = yaml.safe_load(_launch_text.render(files_for(name)["compose.yaml"]))["services"]["llm"]["command"]
    assert command[0].replace("$$", "$") == name
    assert "$" not in command[0].replace("$$", "")


@pytest.mark.parametrize("name", NASTY)
def test_no_name_breaks_out_of_the_question_for_a_checkpoint(name: str, tmp_path: Path) -> None:
    text = _launch_text.render(files_for(name, "awq-int4")["serve.sh"])
    assert run_script(text, tmp_path, MODEL="org/my model")[1] == "org/my model"
    assert not (tmp_path / "PWNED").exists()


def test_a_missing_value_stops_the_launch_with_words(tmp_path: Path) -> None:
    script = tmp_path / "serve.sh"
    script.write_text(_launch_text.render(files_for("org/x", "awq-int4")["serve.sh"]), encoding="utf-8")
    done = subprocess.run(
        ["bash", str(script)], check=False, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.returncode != 0
    assert "set MODEL to an AWQ 4-bit checkpoint of org/x" in done.stderr


@settings(max_examples=100, deadline=None)
@given(name=st.text(min_size=1, max_size=40).filter(lambda text: not text.startswith("-") and "\0" not in text))
def test_any_name_survives_quoting(name: str) -> None:
    files = files_for(name)
    text = _launch_text.render(files["serve.sh"])
    assert all(char.isprintable() or char == "\n" for char in text)
    shell = "exec() { printf '%s\\0' \"$@\"; }\n"
    done = subprocess.run(["bash"], check=True, input=f"{shell}{text}".encode(), capture_output=True)
    assert done.stdout.decode().split("\0")[:-1] == list(files["serve.sh"].content.words)
    assert yaml.safe_load(_launch_text.render(files["vllm.yaml"])) == files["vllm.yaml"].content


def test_a_script_has_one_option_a_line() -> None:
    lines = _launch_text.render(files_for("org/x")["serve.sh"]).splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert lines[-1] == 'exec vllm serve org/x "${args[@]}" "$@"'
    assert "  --max-model-len 8192" in lines


def test_reasons_stand_above_what_they_explain_and_never_end_early(tmp_path: Path) -> None:
    why = "because )\ntouch PWNED"
    setting = Setting(name="--port", value=8000, why=why)
    usual = Setting(name="--seed", value=0, why="never shown", default="0")
    command = Command(program=("vllm", "serve"), settings=(setting, usual))
    text = _launch_text.render(LaunchFile(path="serve.sh", kind="shell", content=command))
    assert "  # because )\\ntouch PWNED\n  --port 8000\n  --seed 0\n" in text
    assert run_script(text, tmp_path) == ["serve", "--port", "8000", "--seed", "0"]
    content = {"a": {"b": [1, {"c": 2}]}, "d": "x: y\nz"}
    comments: dict[tuple[str | int, ...], str] = {
        ("a", "b"): "one", ("a", "b", 1): "two", ("a", "b", 1, "c"): "three", ("d",): why, ("no", "such"): "gone",
    }  # fmt: skip
    text = _launch_text.render(LaunchFile(path="x.yaml", kind="yaml", content=content, comments=comments))
    assert yaml.safe_load(text) == content
    assert [line.strip() for line in text.splitlines() if "#" in line] == [
        "# one", "# two", "# three", "# because )\\ntouch PWNED"
    ]  # fmt: skip
    assert "PWNED" not in [line[:5] for line in text.splitlines()]


@pytest.mark.parametrize("name", NASTY)
def test_a_unit_quotes_as_systemd_reads(name: str) -> None:
    command = Command(program=("/usr/bin/vllm", "serve", name), settings=(Setting(name="--port", value=1, why="w"),))
    unit = UnitFile(sections={"Service": (("Description", name), ("ExecStart", command))})
    lines = _launch_text.render(LaunchFile(path="x.service", kind="unit", content=unit)).splitlines()
    assert lines[0] == "[Service]"
    assert lines[1].startswith("Description=")
    assert lines[2].startswith("ExecStart=/usr/bin/vllm serve ")
    assert lines[2].endswith(" \\")
    assert lines[3:] == ["# w", "  --port 1"]


@pytest.mark.parametrize("name", NASTY)
def test_python_constants_are_literals(name: str) -> None:
    module = PythonModule(
        docstring=name, constants={"MODEL": name, "GPUS": 2}, code=("import json", "", "TEXT = json.dumps(MODEL)")
    )
    text = _launch_text.render(LaunchFile(path="app.py", kind="python", content=module))
    scope: dict[str, Any] = {}
    exec(compile(text, "app.py", "exec"), scope)
    assert (scope["MODEL"], scope["GPUS"]) == (name, 2)
    assert scope["TEXT"] == json.dumps(name)


def test_nodes_take_rank_and_address_from_the_environment(tmp_path: Path) -> None:
    text = _launch_text.render(files_for("org/x", parallel=Parallelism(tp=8, pp=2))["serve-worker.sh"])
    arguments = run_script(text, tmp_path, NODE_RANK="1", MASTER_ADDR="10.0.0.1")
    assert arguments[arguments.index("--node-rank") + 1] == "1"
    assert arguments[arguments.index("--master-addr") + 1] == "10.0.0.1"


def test_values_in_scripts_and_defaults() -> None:
    command = Command(program=("run", Env(name="WHO", default="me")), env={"A": "b c"})
    assert _launch_text.shell_lines(command) == ["export A='b c'", 'exec run "${WHO:-me}" "$@"']
    text = LaunchFile(path="a.txt", kind="text", content=("one", "two"), header=("top",))
    assert _launch_text.render(text) == "# top\none\ntwo\n"
    data = LaunchFile(path="a.json", kind="json", content={"a": 1})
    assert _launch_text.render(data) == '{\n  "a": 1\n}\n'


def files() -> tuple[LaunchFile, ...]:
    return tuple(files_for("org/x").values())


def test_all_files_are_written_and_scripts_can_run(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    paths = _launch_files.write_all(files(), folder, force=False)
    assert [path.name for path in paths] == ["serve.sh", "vllm.yaml", "compose.yaml"]
    assert stat.S_IMODE((folder / "serve.sh").stat().st_mode) == 0o755
    assert not os.access(folder / "vllm.yaml", os.X_OK) or os.geteuid() == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_existing_files_are_kept_without_force(tmp_path: Path) -> None:
    (tmp_path / "vllm.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(LlmplanError, match=r"vllm\.yaml is there already"):
        _launch_files.write_all(files(), tmp_path, force=False)
    assert [entry.name for entry in tmp_path.iterdir()] == ["vllm.yaml"]
    _launch_files.write_all(files(), tmp_path, force=True)
    assert (tmp_path / "vllm.yaml").read_text(encoding="utf-8") != "mine"


def test_a_full_disk_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_launch_files.os, "fsync", full)
    with pytest.raises(LlmplanError, match="No space left on device"):
        _launch_files.write_all(files(), tmp_path / "out", force=False)
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(LlmplanError, match="is a file, not a folder"):
        _launch_files.write_all(files(), tmp_path / "file", force=True)
    with pytest.raises(LlmplanError, match="there is no folder"):
        _launch_files.write_all(files(), tmp_path / "no" / "out", force=True)
    (tmp_path / "out" / "serve.sh").mkdir(parents=True)
    with pytest.raises(LlmplanError, match="is a folder"):
        _launch_files.write_all(files(), tmp_path / "out", force=True)


def test_replicas_of_other_engines_make_scripts_that_run(tmp_path: Path) -> None:
    llama: Replica = sample.replica(weights="gguf-q4_k_m", kv="fp16", engine=sample.engine("llama-cpp"))
    rows: list[tuple[str, Any]] = [("llama-cpp", llama), ("tensorrt-llm", sample.replica())]
    for target, replica in rows:
        folder = tmp_path / target
        folder.mkdir()
        file = emit(sample.plan(sample.option(of=replica)), strategy=None, target=target)[0]
        arguments = run_script(_launch_text.render(file), folder, MODEL="/models/x.gguf")
        assert len(arguments) == len(file.content.words) - 1
