"""Charts as text: within their width, told apart without colour, and as in the kept copies.

`python tests/report/test_chart_terminal.py` (from the repository, with src and tests on the path) writes the copies
again; look at what changed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import chart_samples as charted
import pytest
import report_samples as sample

from llmplan.report import charts, markdown, table
from llmplan.report.blocks import Drawing
from llmplan.report.charts import terminal
from llmplan.report.charts.canvas import Canvas
from llmplan.report.charts.geometry import runs
from llmplan.report.charts.picture import Note, Picture, Point, Rule, Series
from llmplan.report.charts.scales import between
from llmplan.report.charts.words import columns, cut, wrapped

KEPT = Path(__file__).parent / "kept_charts"
CASES = [(kind, width, plain) for kind in charts.KINDS for width, plain in ((80, False), (120, False), (80, True))]


def copy_of(kind: charts.Kind, width: int, plain: bool) -> tuple[Path, str]:
    picture = charts.picture(kind, sample.PLAN, charted.FOUND, charted.OTHERS)
    name = f"{kind}-{width}{'-ascii' if plain else ''}.txt"
    return KEPT / name, "\n".join(terminal.render(picture, width, ascii_only=plain)) + "\n"


@pytest.mark.parametrize(("kind", "width", "plain"), CASES)
def test_the_drawing_is_as_kept(kind: charts.Kind, width: int, plain: bool) -> None:
    path, drawn = copy_of(kind, width, plain)
    assert drawn == path.read_text(encoding="utf-8")


HARD = [
    charts.picture("breakeven", charted.named(charted.HOSTILE), charted.FOUND),
    charts.picture("pareto", charted.named("owner/" + "x" * 300), charted.FOUND, charted.OTHERS),
    charts.picture(
        "sensitivity",
        charted.named("モデル" * 40),
        replace(
            charted.FOUND,
            influences=tuple(replace(charted.PRICE, input="入力" * n, unit="u" * n) for n in range(1, 30)),
        ),
    ),
    charts.picture("timeline", charted.NOTHING, charted.FOUND),
    charts.picture("pareto", charted.NOTHING, charted.FOUND),
]


@pytest.mark.parametrize("width", [80, 100, 120, 500])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("picture", HARD, ids=lambda picture: picture.kind)
def test_no_line_is_wider_than_asked_or_leaves_the_alphabet(picture: Picture, width: int, plain: bool) -> None:
    lines = terminal.render(picture, width, ascii_only=plain)
    assert max(map(columns, lines)) <= width
    assert all(line.isprintable() for line in lines)
    assert not plain or all(line.isascii() for line in lines)


def square(**parts: object) -> Picture:
    """A picture with both axes from 0 to 10."""
    x, y = (between(0.0, 10.0, label=name, unit="u", scale="linear") for name in "xy")
    return replace(Picture(kind="breakeven", title="t", x=x, y=y), **parts)  # type: ignore[arg-type]


def plot_of(picture: Picture, *, width: int = 80) -> list[str]:
    """The rows of the plot without what is left of them."""
    return [
        line.partition("|")[2] or line.partition("+")[2]
        for line in terminal.render(picture, width, ascii_only=True)[2:18]
    ]


def test_a_diagonal_runs_from_corner_to_corner_with_marks_on_it() -> None:
    line = Series(label="up", points=(Point(x=0.0, y=0.0), Point(x=10.0, y=10.0)))
    rows = plot_of(square(series=(line,)))
    assert len(rows) == 16
    inside = 80 - len("10") - 2
    assert rows[0].rstrip()[-1] in ".o"
    assert len(rows[0]) == inside
    assert rows[-1][0] in ".o"
    assert 5 <= sum(row.count("o") for row in rows) <= 8


def test_points_rules_and_numbers_stand_where_their_values_are() -> None:
    points = Series(label="p", points=(Point(x=0.0, y=10.0), Point(x=10.0, y=0.0, hollow=True)), joined=False)
    rows = plot_of(
        square(
            series=(points,),
            rules=(Rule(of="x", value=5.0, label="half"),),
            notes=(Note(number=7, text="n", x=5.0, y=5.0),),
        )
    )
    assert rows[0][0] == terminal.ASCII.marks[0]
    assert rows[-1][75] == terminal.ASCII.hollow[0]
    assert [row[38] for row in rows].count(":") == 15
    assert rows[7][38] == "7" or rows[8][38] == "7"


def test_two_numbers_at_one_place_are_both_there() -> None:
    notes = tuple(Note(number=number, text="n", x=5.0, y=5.0) for number in (1, 2, 3))
    text = "".join(plot_of(square(notes=notes)))
    assert all(str(number) in text for number in (1, 2, 3))


def test_a_line_that_leaves_the_frame_is_cut_there() -> None:
    x, y = (between(0.0, 10.0, label=name, unit="u", scale="linear") for name in "xy")
    (run,) = runs((Point(x=-10.0, y=-10.0), Point(x=30.0, y=30.0)), x, y)
    assert run[0] == pytest.approx((0.0, 0.0))
    assert run[-1] == pytest.approx((1.0, 1.0))
    assert runs((Point(x=-10.0, y=5.0), Point(x=5.0, y=20.0)), x, y) == []
    there, back = runs((Point(x=5.0, y=5.0), Point(x=15.0, y=5.0), Point(x=15.0, y=8.0), Point(x=5.0, y=8.0)), x, y)
    assert (there[-1], back[0]) == (pytest.approx((1.0, 0.5)), pytest.approx((1.0, 0.8)))


def test_a_straight_line_bends_on_a_logarithmic_axis() -> None:
    x = between(1.0, 100.0, label="x", unit="u", scale="log")
    y = between(0.0, 100.0, label="y", unit="u", scale="linear")
    (run,) = runs((Point(x=0.0, y=0.0), Point(x=100.0, y=100.0)), x, y)
    assert run[0] == pytest.approx((0.0, 0.01), abs=0.03)
    middle = min(run, key=lambda place: abs(place[0] - 0.5))
    assert middle[1] == pytest.approx(0.1, rel=0.2)
    assert all(up == pytest.approx(10 ** (2 * at) / 100, rel=0.1) for at, up in run)


def test_each_series_has_a_mark_of_its_own_in_plot_and_legend() -> None:
    lines = terminal.render(charts.picture("timeline", sample.PLAN, charted.FOUND), 80)
    for mark in terminal.UNICODE.marks[:4]:
        assert sum(line.count(mark) for line in lines[:20]) >= 3
        assert any(line.startswith(f"  ⠒{mark}⠒ ") for line in lines[20:])


def test_reference_lines_have_letters_at_their_ends() -> None:
    rules = tuple(Rule(of="y", value=value, label=f"bill {value}") for value in (2.0, 8.0))
    lines = terminal.render(square(rules=rules), 80, ascii_only=True)
    assert [line[-1] for line in lines[2:18] if line.endswith(("A", "B"))] == ["B", "A"]
    assert any(line.startswith("  --A bill 2.0") for line in lines)


def test_braille_dots() -> None:
    canvas = Canvas(width=2, height=1, ascii_only=False)
    canvas.line([(0.0, 0.0), (1.0, 0.0)])
    assert canvas.lines() == ["⣀⣀"]
    canvas.line([(0.0, 1.0), (0.0, 0.0)])
    assert canvas.lines() == ["⣇⣀"]


def test_words_wrap_and_are_cut_by_columns() -> None:
    assert wrapped("モデル モデル", 8) == ["モデル", "モデル"]
    assert wrapped("aa-bb-cc", 5) == ["aa-", "bb-cc"]
    assert wrapped("abcdefgh", 5) == ["abcde", "fgh"]
    assert cut("モデル", 5) == "モデ…"
    assert cut("abcdef", 4) == "abc~"


def test_markdown_fences_a_drawing_whatever_is_in_it() -> None:
    text = markdown.render((Drawing(lines=("  ●  ", "```", "````x")),))
    assert text == "`````text\n  ●  \n```\n````x\n`````\n"
    (drawn,) = table.render((Drawing(lines=("[bold]a", "  b")),))
    assert str(drawn) == "[bold]a\n  b"


if __name__ == "__main__":
    KEPT.mkdir(exist_ok=True)
    for case in CASES:
        target, content = copy_of(*case)
        target.write_text(content, encoding="utf-8")
