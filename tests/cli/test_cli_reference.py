"""docs/reference: the help is what the program prints, and every command and JSON schema is described."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import typer

from llmplan.cli import _app

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def script() -> dict[str, object]:
    return runpy.run_path(str(ROOT / "scripts" / "make_cli_reference.py"))


def test_the_page_is_up_to_date(script: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    page, version = script["page"], script["typer_version"]
    assert callable(page)
    assert callable(version)
    written = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    if f"(typer {version()})" not in written:
        pytest.skip(f"the page was written with another typer than {version()}, which lays help out differently")
    assert written == page(), "run python scripts/make_cli_reference.py"


def test_the_page_has_every_command(script: dict[str, object]) -> None:
    group = typer.main.get_command(_app.build())
    listed = {command[0] for command in script["COMMANDS"] if command}  # type: ignore[attr-defined]
    assert listed == set(group.commands)  # type: ignore[attr-defined]


def test_every_schema_is_described() -> None:
    text = (REFERENCE / "json.md").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src" / "llmplan").rglob("*.py")]
    named = {f"llmplan.{name}/v1" for source in sources for name in re.findall(r'schema\("([a-z.-]+)"\)', source)}
    named |= {name for source in sources for name in re.findall(r'"(llmplan\.[a-z.-]+/v1)"', source)}
    missing = sorted(name for name in named if name not in text)
    assert missing == []
