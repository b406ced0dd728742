"""The engines' option lists: generated from the engines' own, complete, and read for the version that fits."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.engine_flags import flag_table, read_flags
from llmplan.errors import DataError
from tests_support import DATA

ROOT = Path(__file__).resolve().parents[2]
FOLDER = DATA / "engines"
PACKAGED = [packaged_profiles()]


def script() -> dict[str, object]:
    return runpy.run_path(str(ROOT / "scripts" / "make_engine_flags.py"))


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no tables of options at {FOLDER} (set LLMPLAN_DATA)")
def test_the_files_are_up_to_date() -> None:
    made = script()["tables"](FOLDER)  # type: ignore[operator]
    assert set(made) == {"vllm@0.33.0.yaml", "tensorrt-llm@main.yaml", "llama-cpp@b11434.yaml"}
    for name, text in made.items():
        assert (ROOT / "profiles" / "flags" / name).read_text(encoding="utf-8") == text, (
            "run scripts/make_engine_flags.py"
        )


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no tables of options at {FOLDER} (set LLMPLAN_DATA)")
def test_every_option_of_the_engines_own_tables_is_there() -> None:
    vllm = flag_table(PACKAGED, "vllm", "0.33.0")
    assert vllm is not None
    theirs = json.loads((FOLDER / "vllm-0.33-cuda-flags.json").read_text(encoding="utf-8"))["flags"]
    assert set(vllm.flags) == {name for flag in theirs.values() for name in flag["opts"]}
    for flag in theirs.values():
        assert all(vllm.flags[name].takes_value == (flag["nargs"] != "0") for name in flag["opts"])
    sglang = flag_table(PACKAGED, "sglang", "0.5.23")
    assert sglang is not None
    listed = script()["sglang_listed"](FOLDER)  # type: ignore[operator]
    assert set(listed) <= set(sglang.flags)
    llama = flag_table(PACKAGED, "llama-cpp", "b11434")
    assert llama is not None
    assert {"-np", "--parallel", "--n-cpu-moe", "-fa", "--load-mode", "--kv-unified"} <= set(llama.flags)


def test_a_version_without_a_list_takes_the_nearest() -> None:
    for version in ("0.33.0", "0.33.4", "0.40.1", "0.11.0", "main"):
        found = flag_table(PACKAGED, "vllm", version)
        assert found is not None
        assert found.ref == "vllm@0.33.0"
    assert flag_table(PACKAGED, "no-such-engine", "1") is None


def test_own_lists_come_over_the_packaged_ones(tmp_path: Path) -> None:
    text = (
        'id: vllm@0.34.0\nabbreviates: true\noptions: {"--new -n": int, "--old": [a, b]}\n'
        "source: {title: t, url: u, retrieved: 2026-11-22}\n"
    )
    (tmp_path / "flags").mkdir()
    (tmp_path / "flags" / "vllm@0.34.0.yaml").write_text(text)
    found = flag_table([*PACKAGED, tmp_path], "vllm", "0.34.0")
    assert found is not None
    assert found.flags["-n"].name == "--new"
    assert found.flags["--old"].choices == ("a", "b")


@pytest.mark.parametrize("text", ["{}", "id: x\noptions: {--a: integer}\nabbreviates: true\n", "id: x\noptions: 3\n"])
def test_a_file_that_is_no_list_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vllm@1.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match="not a list of options"):
        read_flags(path)
