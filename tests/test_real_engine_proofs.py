"""What real engines said of launch files: results of parts add up, and the accuracy page says what is recorded."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[1]
FOLDERS = (REPO / "benchmarks" / "real_engine", REPO / "scripts")


@pytest.fixture(scope="module", autouse=True)
def folders_on_path() -> Iterator[None]:
    sys.path[:0] = [str(folder) for folder in FOLDERS]
    yield
    for folder in FOLDERS:
        sys.path.remove(str(folder))


def part(accepted: int, models: list[str], refused: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "proof": "vllm_parser",
        "date": "2026-11-26",
        "engine": {"name": "vLLM", "version": "0.33.0"},
        "seconds": 10,
        "cases": accepted + len(refused),
        "accepted": accepted,
        "refused": refused,
        "not_emitted": [],
        "figures": {"plans": 4, "models": models},
    }


def test_parts_of_a_proof_add_up() -> None:
    prove = importlib.import_module("prove")
    wrong = {"case": "0003 dedicated", "error": "no such option"}
    whole = prove.joined([part(5, ["a", "b"], []), part(6, ["b", "c"], [wrong])])
    assert (whole["cases"], whole["accepted"], whole["seconds"]) == (12, 11, 20)
    assert whole["refused"] == [wrong]
    assert whole["figures"] == {"plans": 8, "models": ["a", "b", "c"]}
    head, refused = prove.said(whole)
    assert head == "vllm_parser: vLLM 0.33.0 accepts 11 of 12 in 20 s (plans 8, models 3)"
    assert refused == "  refused: 0003 dedicated: no such option"


def test_every_proof_has_its_script_and_its_environment() -> None:
    prove = importlib.import_module("prove")
    for proof in prove.PROOFS:
        assert (prove.PROOFS_FOLDER / f"{proof.name}.py").is_file()
        assert (FOLDERS[0] / "install" / f"{proof.venv}.sh").is_file()
        assert (proof.target is None) != (proof.cases is None)


def test_the_accuracy_page_says_what_is_recorded() -> None:
    section = importlib.import_module("real_engine_proofs")
    page = section.PAGE.read_text(encoding="utf-8")
    assert section.put_into(page) == page
    for result in section.results():
        assert f"{result['accepted']} of {result['cases']} |" in page
        assert result["accepted"] + len(result["refused"]) == result["cases"]


def test_the_section_replaces_an_older_one() -> None:
    section = importlib.import_module("real_engine_proofs")
    page = "# Accuracy\n\n# A real engine\n\ntext\n\n# Memory\n\nmore\n"
    once = section.put_into(page)
    assert once.startswith("# Accuracy\n\n# A real engine\n\ntext\n")
    assert once.endswith("\n\n# Memory\n\nmore\n")
    assert section.put_into(once) == once
