"""The page of engine rules says what the rules say."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "engine-rules.md"


def test_the_page_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "make_engine_rules.py"))["page"]()
    assert PAGE.read_text(encoding="utf-8") == made, "run python scripts/make_engine_rules.py"
