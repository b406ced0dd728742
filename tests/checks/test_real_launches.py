"""Launches from documentation, recipes and issues get the answer that their source reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from real_launches import FAIL, PUBLISHED, Published

from llmplan.cli import main


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda each: f"{each.gpu}-{each.line[-40:]}")
def test_a_published_launch_is_judged_as_its_source_reports(
    published: Published, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in published.files:
        (tmp_path / name).write_text(text)
    (tmp_path / "serve.sh").write_text(f"{published.line}\n")
    main(["check", "--json", "--gpu", published.gpu, *published.more, "--script", str(tmp_path / "serve.sh")])
    (launch,) = json.loads(capsys.readouterr().out)["launches"]
    errors = {each["id"]: each["message"] for each in launch["findings"] if each["severity"] == "error"}
    if published.errors:
        assert published.errors <= set(errors)
    else:
        assert not errors


def test_there_are_enough_of_them() -> None:
    assert len(PUBLISHED) - len(FAIL) >= 60
    assert all(each.url.startswith("https://") for each in PUBLISHED)
