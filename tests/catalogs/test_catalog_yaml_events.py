"""The quick way through a YAML file: the same values as the careful way, or none at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from llmplan.catalogs import yaml_file
from llmplan.catalogs.packaged import packaged_profiles
from llmplan.catalogs.yaml_events import MAX_DEPTH, quick_mapping
from llmplan.catalogs.yaml_file import read_yaml

FILES = sorted(packaged_profiles().rglob("*.yaml"))


def quick(text: str) -> dict[str, object] | None:
    return quick_mapping(text, yaml.CSafeLoader)


def test_every_packaged_file_goes_the_quick_way_to_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {path: read_yaml(path) for path in FILES}
    assert all(quick(path.read_text(encoding="utf-8")) is not None for path in FILES)
    monkeypatch.setattr(yaml_file, "quick_mapping", lambda *_: None)
    for path, values in found.items():
        assert repr(read_yaml(path)) == repr(values), path


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\n", "a: [1]\nb: *x\n", "<<: {a: 1}\n", "1: a\n", "a: 1\na: 2\n", "a: yes\n", "a: 010\n",
        "a: !t {b: 1}\n", "a: !!str 5\n", "a: 2026-13-01\n", "a: 1\n---\nb: 2\n", "a: [1\n", "- 1\n", "text\n", "",
        "? [1]\n: 2\n", "1e5: a\n", "a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH,
    ],
)  # fmt: skip
def test_what_is_unusual_is_left_to_the_careful_way(text: str) -> None:
    assert quick(text) is None


def test_quotes_blocks_and_folds_are_text(tmp_path: Path) -> None:
    text = "a: '12'\nb: \"true\"\nc: |\n  1\nd: >-\n  2026-11-20\ne: two\n  lines\nf: 2e3\ng: '2e3'\nh: ~\n"
    assert quick(text) == {
        "a": "12", "b": "true", "c": "1\n", "d": "2026-11-20", "e": "two lines", "f": 2000.0, "g": "2e3", "h": None,
    }  # fmt: skip
