"""Exit codes, messages and imports of the shell, whatever the commands do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmplan import __version__
from llmplan.cli import _app, main
from llmplan.errors import LlmplanError

HEAVY = ("numpy", "yaml", "pynvml", "rich", "llmplan.spec", "llmplan.planner", "llmplan.report")


def run_python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environ}
    )


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["recommend", "--help"], ["catalog", "list", "--help"]])
def test_help_imports_nothing_heavy(argv: list[str]) -> None:
    found = run_python(
        f"import sys; from llmplan.cli import main; code = main({argv!r}); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    assert found.returncode == 0
    assert found.stderr.strip() == "[]"
    assert found.stdout.strip()


def test_a_command_imports_no_other_command() -> None:
    modules = [f"llmplan.cli.{name.replace('-', '_')}" for name in _app.COMMANDS]
    found = run_python(
        "import sys; from llmplan.cli import main; main(['cost', '--help']); "
        f"print([name for name in {modules!r} if name in sys.modules], file=sys.stderr)"
    )
    assert found.stderr.strip() == "['llmplan.cli.cost']"


def test_every_module_that_registers_a_command_is_listed() -> None:
    package = Path(_app.__file__).parent
    registering = {path.stem for path in package.glob("*.py") if "\ndef register(" in path.read_text(encoding="utf-8")}
    assert registering == {name.replace("-", "_") for name in _app.COMMANDS}


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"llmplan {__version__}\n"


def test_no_arguments_is_help_and_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "recommend" in captured.err


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (["recomend"], "llmplan has no command 'recomend'", "did you mean recommend?"),
        (["predict", "x", "--osll", "3"], "llmplan predict has no option --osll", "did you mean --osl"),
        (["recommend"], "missing argument 'MODEL'", "llmplan recommend --help"),
        (["catalog", "lst"], "llmplan catalog has no command 'lst'", "did you mean list?"),
        (["predict", "x", "--isl"], "requires an argument", "llmplan predict --help"),
        (["predict", "x", "y"], "unexpected extra argument", "llmplan predict --help"),
    ],
)
def test_usage_errors(capsys: pytest.CaptureFixture[str], argv: list[str], message: str, hint: str) -> None:
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert hint in error


@pytest.mark.parametrize(
    ("flag", "value", "wanted"),
    [
        ("--requests-per-second", "-3", "above 0 and at most 1,000,000"),
        ("--requests-per-second", "0", "above 0"),
        ("--requests-per-second", "nan", "above 0"),
        ("--requests-per-second", "inf", "above 0"),
        ("--requests-per-second", "2e6", "at most 1,000,000"),
        ("--requests-per-second", "fast", "a number"),
        ("--isl", "0", "from 1"),
        ("--isl", "12.5", "a whole number"),
        ("--osl", "1e12", "to 10,000,000"),
        ("--ttft-p95-ms", "-1", "above 0"),
        ("--prefix-share", "1.1", "to 1"),
        ("--term", "spott", "did you mean --term spot?"),
        ("--privacy", "secret", "one of any, private, air-gapped"),
        ("--as-of", "yesterday", "a date like 2026-11-20"),
        ("--have", "many", "NODESxGPUSxID"),
        ("--have", "0x4xa10", "at least one node"),
        ("--format", "xml", "one of table, json, markdown"),
    ],
)
def test_bad_values_are_one_clear_error(capsys: pytest.CaptureFixture[str], flag: str, value: str, wanted: str) -> None:
    assert main(["recommend", "some/model", flag, value]) == 2
    error = capsys.readouterr().err
    assert error.count("error:") == 1
    assert flag in error
    assert wanted in error
    assert "Traceback" not in error


def explode(error: BaseException) -> int:
    raise error


def test_our_own_errors_keep_their_code_and_hints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class OddError(LlmplanError):
        exit_code = 4

    monkeypatch.setattr(_app, "build", lambda _: explode(OddError("too dear", hints=["pay less"])))
    assert main(["--version"]) == 4
    assert capsys.readouterr().err == "error: too dear\nhint: pay less\n"


def test_interrupt_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_app, "build", lambda _: explode(KeyboardInterrupt()))
    assert main(["--version"]) == 130


def test_trouble_with_a_file_is_no_bug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(_app, "build", lambda _: explode(OSError(28, "No space left on device", "plan.yaml")))
    assert main(["--version"]) == 1
    assert capsys.readouterr().err == "error: plan.yaml: No space left on device\n"


def test_a_bug_leaves_a_log_to_paste(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("LLMPLAN_DEBUG", raising=False)
    monkeypatch.setattr(_app, "build", lambda _: explode(RuntimeError("unforeseen")))
    assert main(["memory", "a model"]) == 70
    error = capsys.readouterr().err
    log = tmp_path / "llmplan" / "llmplan-error.log"
    assert "RuntimeError: unforeseen" in error
    assert str(log) in error
    assert "Traceback" not in error
    text = log.read_text()
    assert f"llmplan {__version__}" in text
    assert "command: llmplan memory 'a model'" in text
    assert "Traceback" in text


def test_debug_shows_the_log_on_stderr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LLMPLAN_DEBUG", "1")
    monkeypatch.setattr(_app, "build", lambda _: explode(RuntimeError("unforeseen")))
    assert main(["memory"]) == 70
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" in captured.err


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m llmplan catalog list models | head -1"
    found = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert found.returncode == 0
    assert found.stdout.startswith("id")
    assert found.stderr == ""
