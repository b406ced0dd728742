"""Charts drawn with matplotlib: whole, the same every time, and with every word as it is."""

from __future__ import annotations

import struct
from dataclasses import replace
from xml.etree import ElementTree

import chart_samples as charted
import pytest
import report_samples as sample

from llmplan.report import charts
from llmplan.report.charts import plot, plot_style
from llmplan.report.charts.picture import Picture

SVG = "{http://www.w3.org/2000/svg}"
PICTURES = {kind: charts.picture(kind, sample.PLAN, charted.FOUND, charted.OTHERS) for kind in charts.KINDS}
EVIL = charts.picture("breakeven", charted.named(charted.HOSTILE), charted.FOUND)
EMPTY = charts.picture("pareto", charted.NOTHING, charted.FOUND)


def drawn(picture: Picture) -> ElementTree.Element:
    return ElementTree.fromstring(plot.render(picture, "svg"))


def words(root: ElementTree.Element) -> str:
    """All text that is drawn, with single spaces."""
    return " ".join(" ".join("".join(each.itertext()) for each in root.iter(f"{SVG}text")).split())


@pytest.mark.parametrize("kind", charts.KINDS)
def test_an_svg_has_its_title_axes_labels_and_caption_as_text(kind: charts.Kind) -> None:
    picture = PICTURES[kind]
    root = drawn(picture)
    shown = words(root)
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert (title.text, description.text) == (picture.title, picture.summary)
    assert list(root)[:2] == [title, description]
    assert root.get("role") == "img"
    for text in (
        picture.title,
        *(axis.title for axis in (picture.x, picture.y) if axis),
        *(tick.text for axis in (picture.x, picture.y) if axis for tick in axis.ticks),
        *(series.label for series in picture.series),
        *(rule.label for rule in picture.rules),
        *(note.text for note in picture.notes),
        *(bar.label for bar in picture.bars),
        *picture.caption,
    ):
        assert text in shown, text


@pytest.mark.parametrize("picture", [*PICTURES.values(), EVIL, EMPTY], ids=lambda picture: picture.kind)
def test_an_svg_points_to_nothing_outside(picture: Picture) -> None:
    content = plot.render(picture, "svg")
    assert b"<!DOCTYPE" not in content
    assert b"<metadata" not in content
    for element in ElementTree.fromstring(content).iter():
        for name, value in element.attrib.items():
            assert not name.endswith("href") or value.startswith("#")
            assert "url(" not in value or "url(#" in value
            assert not name.lower().startswith("on")
        assert element.tag.partition("}")[2] not in ("script", "image", "foreignObject", "a")
    assert content.count(b"http") == content.count(b'xmlns="http://www.w3.org/2000/svg"') + content.count(
        b'xmlns:xlink="http://www.w3.org/1999/xlink"'
    )


@pytest.mark.parametrize("kind", charts.KINDS)
def test_the_same_picture_is_the_same_file(kind: charts.Kind) -> None:
    assert plot.render(PICTURES[kind], "svg") == plot.render(PICTURES[kind], "svg")
    assert plot.render(PICTURES[kind], "png") == plot.render(PICTURES[kind], "png")


@pytest.mark.parametrize("picture", [PICTURES["breakeven"], EMPTY], ids=["drawn", "empty"])
def test_a_png_is_eight_inches_at_150_dpi_with_its_title_inside(picture: Picture) -> None:
    content = plot.render(picture, "png")
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    assert width == 8 * 150
    assert height > 200
    assert picture.title.encode("latin-1") in content


def test_names_are_text_and_nothing_else() -> None:
    shown = words(drawn(EVIL))
    assert "evil/<script>alert(1)</script> $\\frac{a}{0}$" in shown
    assert b"<script" not in plot.render(EVIL, "svg")
    assert plot.render(EVIL, "png")


def test_where_there_is_nothing_to_draw_the_reason_is() -> None:
    assert "nothing to draw: nothing here is feasible and priced" in words(drawn(EMPTY))


def test_series_differ_without_colour() -> None:
    for looks in (plot_style.MARKERS, plot_style.DASHES):
        assert len(set(looks)) == len(looks) == len(plot_style.COLOURS) == 8
    shades = sorted(sum(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in plot_style.COLOURS)
    assert max(shades) < 3 * 0xC0, "too light for white paper"


def test_numbers_keep_clear_of_each_other() -> None:
    terms = tuple(
        replace(charted.ONE_YEAR, seller=f"s{number}", break_even_months=8.4 + number / 10) for number in range(5)
    )
    root = drawn(charts.picture("timeline", sample.PLAN, replace(charted.FOUND, terms=(charted.ON_DEMAND, *terms))))
    axes = next(group for group in root.iter(f"{SVG}g") if group.get("id") == "axes_1")
    numbers = [text for text in axes.iter(f"{SVG}text") if text.text in set("12345")]
    places = [(float(text.get("x", 0)), float(text.get("y", 0))) for text in numbers]
    assert len(places) == 5
    for place, one in enumerate(places):
        for other in places[place + 1 :]:
            assert (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 >= (plot.CLEAR_PT - 0.1) ** 2


def test_the_users_own_settings_of_matplotlib_change_nothing() -> None:
    import matplotlib

    before = plot.render(PICTURES["pareto"], "svg")
    with matplotlib.rc_context({"font.size": 30.0, "axes.facecolor": "red", "lines.linewidth": 9.0}):
        assert plot.render(PICTURES["pareto"], "svg") == before
        assert matplotlib.rcParams["font.size"] == 30.0
