"""The pipelines in docs/continuous-integration.md: they parse, and every llmplan command of them does what they say."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmplan.cli import main
from llmplan.report.comment import MARKER, MOST_BYTES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "continuous-integration.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)]
WORKLOAD, ACTIONS, GITLAB = BLOCKS


def commands(lines: list[str]) -> list[list[str]]:
    return [shlex.split(line) for text in lines for line in text.splitlines() if line.strip().startswith("llmplan ")]


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ACTIONS["jobs"]["cost"]["steps"]
    return found


def github() -> list[list[str]]:
    return commands([step["run"] for step in steps() if "run" in step])


def gitlab() -> list[list[str]]:
    return commands(GITLAB["cost of serving"]["script"])


def run(words: list[str]) -> int:
    """One command as a shell would run it, its answer into a file where it says so."""
    assert words[0] == "llmplan"
    target = words[words.index(">") + 1] if ">" in words else os.devnull
    argv = words[1 : words.index(">")] if ">" in words else words[1:]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = main(argv)
    Path(target).write_text(out.getvalue(), encoding="utf-8")
    return code


@pytest.mark.parametrize("pipeline", [github, gitlab])
def test_every_command_runs_in_its_order(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LLMPLAN_CATALOG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for place, rate in (("base/serving", 1), ("head/serving", 3), ("serving", 3)):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "workload.yaml").write_text(yaml.safe_dump({**WORKLOAD, "requests_per_s": rate}))
    found = pipeline()
    assert [words[1] for words in found] == ["recommend", "recommend", "cost", "cost"]
    *first, gate = found
    assert [run(words) for words in first] == [0, 0, 0]
    comment = Path("comment.md").read_text(encoding="utf-8")
    assert comment.startswith(MARKER)
    assert len(comment.encode()) <= MOST_BYTES
    assert "requests_per_s 1 → 3" in comment
    code = run(gate)
    error = capsys.readouterr().err
    assert code in (0, 4), error
    assert (code == 4) is ("error:" in error)
    tight = [
        "0.01" if before == "--max-usd-per-month" else word for before, word in zip(["", *gate], gate, strict=False)
    ]
    assert run(tight) == 4
    assert "over --max-usd-per-month 0.01" in capsys.readouterr().err


def test_the_jobs_are_whole() -> None:
    """PyYAML reads the key `on` as True, as YAML 1.1 has it; GitHub reads 1.2."""
    assert ACTIONS[True]["pull_request"]["paths"] == ["serving/**"]
    assert ACTIONS["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert all(("run" in step) != ("uses" in step) for step in steps())
    script = next(step["with"]["script"] for step in steps() if "script" in step.get("with", {}))
    assert MARKER in script
    assert github()[-1][2:] == gitlab()[-1][2:]
    assert GITLAB["cost of serving"]["artifacts"]["when"] == "always"
