"""MODEL may be a checkpoint: its folder, one of its files, or with `--hub` a repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from checkpoint_files import SMALL, SMALL_WEIGHTS, gguf_llama, llama, write_gguf, write_model
from llmplan.cli import main

SERVED = ("--gpu", "h100", "--max-model-len", "2048")
LOADED = (*SERVED, "--isl", "100", "--osl", "50", "--concurrency", "4")


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code = main([*words, "--json"])
    output = capsys.readouterr()
    assert code == 0, output.err
    found: dict[str, Any] = json.loads(output.out)
    return found


def test_memory_of_a_folder_is_the_files_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes = llama() | dict.fromkeys(("lm_head.weight", "model.embed_tokens.weight"), ("F32", (96, 64)))
    folder = write_model(tmp_path, SMALL, shapes)
    found = answer(capsys, "memory", str(folder), *SERVED)
    assert found["checkpoint_bytes"] == 2 * SMALL_WEIGHTS + 2 * 2 * 96 * 64
    assert found["parameters"]["total"] == SMALL_WEIGHTS


def test_the_answer_says_that_headers_were_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_model(tmp_path, SMALL, llama())
    assert main(["memory", str(folder), *SERVED]) == 0
    said = capsys.readouterr().err
    assert f"sizes as stored, from the headers of 30 tensors in 1 file ({2 * SMALL_WEIGHTS:,} bytes of tensors)" in said


@pytest.mark.parametrize("name", ["model.safetensors", "", "config.json"])
def test_every_way_to_name_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    folder = write_model(tmp_path, SMALL, llama())
    assert answer(capsys, "memory", str(folder / name), *SERVED)["checkpoint_bytes"] == 2 * SMALL_WEIGHTS


def test_every_command_takes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(write_model(tmp_path, SMALL, llama()))
    assert answer(capsys, "predict", folder, *LOADED)["batch_size"] > 0
    traffic = ("--requests-per-second", "1", "--isl", "100", "--osl", "50")
    assert answer(capsys, "recommend", folder, *traffic)["recommended"]


def test_a_gguf_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_gguf(tmp_path / "small.gguf", gguf_llama())
    words = ("memory", str(tmp_path / "small.gguf"), "--engine", "llama-cpp", *SERVED)
    found = answer(capsys, *words)
    assert found["parameters"]["total"] == SMALL_WEIGHTS


def test_cases_name_checkpoints_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_model(tmp_path / "model", SMALL, llama())
    cases = tmp_path / "cases.jsonl"
    lines = [{"model": str(folder), "gpu": "h100"}, {"model": str(tmp_path / "no.gguf"), "gpu": "h100"}]
    cases.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert main(["memory", "--cases", str(cases)]) == 0
    good, bad = map(json.loads, capsys.readouterr().out.splitlines())
    assert good["checkpoint_bytes"] == 2 * SMALL_WEIGHTS
    assert (bad["ok"], bad["error"]["code"]) == (False, "usage")


@pytest.mark.parametrize("name", ["st/adapter", "st/empty", "./st/adapter", "./st/empty"])
def test_a_folder_without_a_model_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("adapter", "empty"):
        (tmp_path / "st" / folder).mkdir(parents=True)
    adapter = {"base_model_name_or_path": "meta-llama/Llama-3.1-8B-Instruct", "r": 16}
    (tmp_path / "st" / "adapter" / "adapter_config.json").write_text(json.dumps(adapter), encoding="utf-8")
    (tmp_path / "st" / "adapter" / "adapter_model.safetensors").write_bytes(b"")
    assert main(["memory", name, *SERVED]) == 2
    shown = capsys.readouterr().err
    assert f"{name} holds no config.json" in shown
    assert "--hub" not in shown
    assert ("meta-llama/Llama-3.1-8B-Instruct" in shown) is name.endswith("adapter")


def test_a_known_model_is_found_beside_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "meta-llama" / "Llama-3.1-8B-Instruct").mkdir(parents=True)
    assert answer(capsys, "memory", "meta-llama/Llama-3.1-8B-Instruct", *SERVED)["checkpoint_bytes"] > 0


def test_a_damaged_file_is_an_error_with_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_model(tmp_path, SMALL, llama())
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert main(["memory", str(folder), *SERVED]) == 1
    shown = capsys.readouterr().err
    assert "Git LFS pointer" in shown
    assert "git lfs pull" in shown


def test_no_network_unless_asked_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmplan.catalogs.checkpoint.hub.read_hub", lambda *_: pytest.fail("the network was used"))
    assert main(["memory", "someone/never-heard-of", *SERVED]) == 2
    assert "--hub" in capsys.readouterr().err


def test_the_hub_is_read_with_the_flag(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from llmplan.catalogs.hf_config import read_config

    monkeypatch.setattr(
        "llmplan.catalogs.checkpoint.hub.read_hub", lambda name, _: read_config(SMALL, model_id=name)
    )  # fmt: skip
    found = answer(capsys, "memory", "someone/never-heard-of", "--hub", *SERVED)
    assert found["model"] == "someone/never-heard-of"
