"""The strict file edge: what YAML is understood, what is refused, and where the complaint points."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from llmplan.catalogs.yaml_file import read_model, read_yaml
from llmplan.errors import DataError


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_plain_values_are_read_as_they_look(tmp_path: Path) -> None:
    path = written(
        tmp_path, "text: a b\nnumber: 12\nfraction: 2.5\nbig: 1e9\nquoted: '12'\nyes_no: true\nday: 2026-11-20\nnone:\n"
    )
    assert read_yaml(path) == {
        "text": "a b", "number": 12, "fraction": 2.5, "big": 1e9, "quoted": "12", "yes_no": True,
        "day": date(2026, 11, 20), "none": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", ":4:3", "b.c: given twice"),
        ("a: &x [1]\nb: *x\n", ":1:4", "anchors and aliases"),
        ("<<: {a: 1}\n", ":1:1", "a key must be text"),
        ("1: a\n", ":1:1", "a key must be text"),
        ("a: yes\n", ":1:4", "'yes' reads as a YAML bool"),
        ("a: 010\n", ":1:4", "'010' reads as a YAML int"),
        ("a: 1:30\n", ":1:4", "'1:30' reads as a YAML int"),
        ("a: 2026-11-20 10:00:00\n", ":1:4", "reads as a YAML timestamp"),
        ("a: 2026-13-01\n", ":1:4", "not a date"),
        ("a: !!python/object:os.system x\n", ":1:4", "put text in quotes"),
        ("a: !thing {b: 1}\n", ":1:4", "the tag !thing"),
        ("a: [1\n", ":2:1", "not YAML"),
        ("a: b: c\n", ":1:5", "not YAML"),
        ("a: 1\n---\nb: 2\n", ":2:1", "not YAML"),
        ("", ":1:1", "empty"),
        ("- 1\n", ":1:1", "a mapping"),
        ("[" * 5000, "", "nesting"),
        (b"a: 1\nb: \xff\n", ":2:4", "not UTF-8"),
        ("a: " + "9" * 5000, ":1:4", "reads as a YAML int"),
    ],
)
def test_what_is_refused_and_where(tmp_path: Path, text: str | bytes, where: str, what: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_yaml(path)
    assert f"{path}{where}" in caught.value.message
    assert what in caught.value.message


def test_a_billion_laughs_are_not_laughed(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    with pytest.raises(DataError, match="anchors and aliases"):
        read_yaml(written(tmp_path, "\n".join(rows)))


def test_a_file_may_be_missing_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_yaml(tmp_path / "absent.yaml")
    with pytest.raises(DataError, match="larger than 10 bytes"):
        read_yaml(written(tmp_path, "a: " + "x" * 20), max_bytes=10)


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    value: int


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    items: list[Inner] = []
    either: int | Inner = 0


def test_every_complaint_of_a_model_has_its_position(tmp_path: Path) -> None:
    path = written(tmp_path, "items:\n  - value: 1\n  - value: x\n    wrong: 2\nextra: 1\neither: {value: y}\n")
    with pytest.raises(DataError) as caught:
        read_model(path, Outer)
    lines = caught.value.message.splitlines()
    assert [line.removeprefix(str(path)).split(": ")[:2] for line in lines[:4]] == [
        [":1:1", "name"],
        [":3:5", "items.1.value"],
        [":4:5", "items.1.wrong"],
        [":5:1", "extra"],
    ]
    assert any(f"{path}:6:10: either.value" in line for line in lines)


KEYS = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
NUMBERS = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
# the library quotes what is a number in YAML 1.1; this reader knows those of 1.2 as well (1e9)
TEXTS = st.text().filter(lambda text: not re.fullmatch(r"[-+]?[0-9]+[eE][-+]?[0-9]+", text))
VALUES = TEXTS | NUMBERS | st.booleans() | st.none() | st.dates()


@given(st.dictionaries(KEYS, VALUES, min_size=1))
def test_what_the_yaml_library_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, object]
) -> None:
    path = written(tmp_path_factory.mktemp("yaml"), yaml.safe_dump(data, allow_unicode=False))
    assert read_yaml(path) == data


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_cleanly(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = written(tmp_path_factory.mktemp("raw"), raw)
    try:
        data = read_yaml(path)
    except DataError as error:
        data = {"refused": str(path) in error.message}
    assert isinstance(data, dict)
    assert data.get("refused", True)
