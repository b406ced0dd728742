"""Colour, width and streams."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import pytest

from llmplan.cli import _console
from llmplan.report.blocks import Column, Items, Paragraph, Row, Table

DOCUMENT = (
    Paragraph(text="An answer", heading=1),
    Table(
        columns=(Column(title="what", share=1), Column(title="$", align="right")),
        rows=(Row(cells=("a [bracketed] thing", "1"), tone="good"), Row(cells=("another\n   indented", "2"))),
        footer=("total", "3"),
    ),
    Items(title="Reasons", items=("first", "second"), numbered=True, tone="warn"),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colour(environ: Mapping[str, str], terminal: bool, coloured: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    assert _console.wants_colour(stream, environ) is coloured


@pytest.mark.parametrize(("columns", "expected"), [("120", 120), ("60", 80), ("80", 80)])
def test_width_is_columns_and_at_least_80(columns: str, expected: int) -> None:
    assert _console.width({"COLUMNS": columns}) == expected


def rendered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **environ: str) -> str:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    _console.print_document(DOCUMENT)
    return capsys.readouterr().out


def test_colour_repeats_only_what_the_words_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    monkeypatch.setenv("COLUMNS", "80")
    plain = rendered(monkeypatch, capsys)
    coloured = rendered(monkeypatch, capsys, FORCE_COLOR="1")
    assert "\x1b[" not in plain
    assert "\x1b[" in coloured
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in stripped.splitlines()] == plain.splitlines()


def test_text_is_printed_as_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = rendered(monkeypatch, capsys)
    assert "a [bracketed] thing" in text
    assert "   indented" in text
    assert all(len(line) <= 80 and line == line.rstrip() for line in text.splitlines())


def test_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    _console.print_markdown(DOCUMENT)
    assert capsys.readouterr().out == (
        "# An answer\n\n| what | $ |\n| :-- | --: |\n| a [bracketed] thing | 1 |\n| another<br>indented | 2 |\n"
        "| **total** | **3** |\n\n### Reasons\n\n1. first\n2. second\n"
    )


def test_json_has_no_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        _console.print_json({"value": float("nan")})


def test_json_keeps_letters_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    _console.print_json_line({"sign": "≥"})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "≥" in out
    assert json.loads(out) == {"sign": "≥"}


def test_messages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    _console.say("beside")
    _console.warn("mind this")
    _console.fail("no", ["yes"])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "beside\nwarning: mind this\nerror: no\nhint: yes\n"


def test_only_colours_command_the_terminal() -> None:
    text = "a\x1b]0;title\x07b\x1b[2J \x1b[31mred\x1b[0m\n\tc\x9b2J"
    mark = "\N{REPLACEMENT CHARACTER}"
    assert _console.harmless(text, colour=True) == f"a{mark}]0;title{mark}b{mark}[2J \x1b[31mred\x1b[0m\n\tc{mark}2J"
    assert "\x1b" not in _console.harmless(text, colour=False)
