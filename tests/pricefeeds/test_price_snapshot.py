"""Snapshots: what they hold, that they are written whole or not at all, and that a change in them is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from feed_server import priced
from llmplan.catalogs.price_cache import POINTER, price_cache, snapshot_documents, snapshot_in_force
from llmplan.catalogs.prices import load_prices, read_price_documents
from llmplan.errors import DataError
from llmplan.pricefeeds import append, damages, history, other_rates, read_snapshot, write_snapshot
from llmplan.pricefeeds.snapshot import KEPT
from llmplan.pricefeeds.writing import write_documents

MADE = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
KEY = "box h100-sxm-80gb 8 on-demand a"


def seller(day: date, price: float, source: str = "s", title: str = "a list") -> dict[str, Any]:
    offer = {"from": day, "source": source, "term": "on-demand", "usd_per_hour": {"a": price}}
    entry = {"instance": "box", "gpu": "h100-sxm-80gb", "gpus": 8, "offers": [offer]}
    sources = {source: {"title": title, "retrieved": day}}
    return {"id": "x", "name": "X", "tier": "cloud", "sources": sources, "hourly": [entry]}


def day(number: int) -> date:
    return date(2026, 11, number)


def sightings(documents: dict[str, dict[str, Any]]) -> list[tuple[date, float]]:
    return [(o["from"], o["usd_per_hour"]["a"]) for entry in documents["x"]["hourly"] for o in entry["offers"]]


def test_a_snapshot_holds_only_what_the_packaged_file_lacks(tmp_path: Path) -> None:
    packaged = {"x": seller(day(1), 30.0)}
    made = append({}, packaged, {"x": seller(day(5), 28.0)})
    assert made["x"]["extends"] == "x"
    assert sightings(made) == [(day(5), 28.0)]
    assert set(made["x"]["sources"]) == {"read-s"}
    write_documents(packaged, tmp_path / "packaged" / "prices")
    write_documents(made, tmp_path / "cache" / "prices")
    layers = (tmp_path / "packaged", tmp_path / "cache")
    assert [offer.usd_per_hour for offer in load_prices(layers, day(4)).hourly] == [30.0]
    (offer,) = load_prices(layers, day(5)).hourly
    assert (offer.usd_per_hour, offer.provenance.source.title) == (28.0, "a list")


def test_what_is_known_already_adds_nothing() -> None:
    packaged = {"x": seller(day(1), 30.0)}
    assert append({}, packaged, {"x": seller(day(1), 30.0)}) == {}
    cached = append({}, packaged, {"x": seller(day(5), 28.0)})
    assert append(cached, packaged, {"x": seller(day(5), 28.0)}) == cached


def test_a_seller_that_is_not_packaged_has_a_file_of_its_own(tmp_path: Path) -> None:
    made = append({}, {}, {"x": seller(day(5), 28.0)})
    assert (made["x"]["name"], "extends" in made["x"]) == ("X", False)
    write_documents(made, tmp_path / "prices")
    assert set(load_prices((tmp_path,), day(5)).providers) == {"x"}


def test_of_equal_prices_the_first_and_the_last_sighting_stay() -> None:
    packaged = {"x": seller(day(1), 30.0)}
    cached: dict[str, dict[str, Any]] = {}
    for number, price in ((2, 28.0), (3, 28.0), (4, 28.0), (5, 28.0), (6, 27.0), (7, 28.0), (8, 28.0), (9, 28.0)):
        cached = append(cached, packaged, {"x": seller(day(number), price)})
    assert sightings(cached) == [
        (day(2), 28.0), (day(5), 28.0), (day(6), 27.0), (day(7), 28.0), (day(9), 28.0),
    ]  # fmt: skip


def test_of_several_prices_of_one_day_the_last_one_stays(tmp_path: Path) -> None:
    """Two updates on one day: a file that says a thing twice would not be read."""
    packaged = {"x": seller(day(1), 30.0)}
    cached = append({}, packaged, {"x": seller(day(5), 28.0)})
    cached = append(cached, packaged, {"x": seller(day(5), 27.0)})
    assert sightings(cached) == [(day(5), 27.0)]
    write_documents(packaged, tmp_path / "packaged" / "prices")
    write_documents(cached, tmp_path / "cache" / "prices")
    assert [o.usd_per_hour for o in load_prices((tmp_path / "packaged", tmp_path / "cache"), day(5)).hourly] == [27.0]


def test_every_day_is_quoted_as_it_was_before_prices_were_confirmed(tmp_path: Path) -> None:
    """Sightings that were dropped never change an amount, on any day."""
    packaged = {"x": seller(day(1), 30.0)}
    write_documents(packaged, tmp_path / "packaged" / "prices")
    stated = {2: 28.0, 3: 28.0, 4: 28.0, 6: 27.0, 7: 27.0, 9: 28.0}
    cached: dict[str, dict[str, Any]] = {}
    for number, price in stated.items():
        cached = append(cached, packaged, {"x": seller(day(number), price)})
    write_documents(cached, tmp_path / "cache" / "prices")
    for number in range(1, 12):
        expected = next((stated[n] for n in range(number, 1, -1) if n in stated), 30.0)
        (offer,) = load_prices((tmp_path / "packaged", tmp_path / "cache"), day(number)).hourly
        assert offer.usd_per_hour == expected, number


def test_a_source_of_the_same_name_stays_apart_from_the_packaged_one(tmp_path: Path) -> None:
    packaged = {"x": seller(day(1), 30.0, title="an old list")}
    made = append({}, packaged, {"x": seller(day(5), 28.0, title="a new list")})
    write_documents(packaged, tmp_path / "packaged" / "prices")
    write_documents(made, tmp_path / "cache" / "prices")
    titles = {
        s["title"] for s in read_price_documents((tmp_path / "packaged", tmp_path / "cache"))["x"]["sources"].values()
    }
    assert titles == {"an old list", "a new list"}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return price_cache({"XDG_CACHE_HOME": str(tmp_path)})


def put(cache: Path, price: float, made: datetime = MADE) -> Path:
    current = snapshot_in_force(cache)
    return write_snapshot(
        cache / POINTER, {"x": seller(day(5), price)}, made=made, origins=[{"source": "azure", "url": "https://x"}],
        base=current.name if current else None,
    )  # fmt: skip


def price_in_force(cache: Path) -> float:
    folder = snapshot_in_force(cache)
    assert folder is not None
    return priced(snapshot_documents(folder)["x"])[KEY]


def test_what_is_written_is_in_force_with_its_sums_and_origins(cache: Path) -> None:
    folder = put(cache, 28.0)
    assert snapshot_in_force(cache) == folder
    snapshot = read_snapshot(folder)
    assert (snapshot.made, [o["source"] for o in snapshot.origins]) == (MADE, ["azure"])
    assert set(snapshot.files) == {"prices/x.yaml"}
    assert damages(snapshot) == []
    assert sorted(path.name for path in cache.iterdir()) == sorted([POINTER, folder.name])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_text("id: x\n", encoding="utf-8"), "was changed since it was written"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.with_name("y.yaml").write_text("", encoding="utf-8"), "is not in the manifest"),
    ],
)
def test_what_was_changed_since_is_seen(cache: Path, damage: Callable[[Path], object], message: str) -> None:
    folder = put(cache, 28.0)
    damage(folder / "prices" / "x.yaml")
    (found,) = damages(read_snapshot(folder))
    assert message in found


def test_a_link_that_lies_in_the_way_of_the_pointer_is_not_followed(cache: Path, tmp_path: Path) -> None:
    other = tmp_path / "somebody's file"
    other.write_text("untouched", encoding="utf-8")
    cache.mkdir(parents=True)
    (cache / f".{POINTER}.part").symlink_to(other)
    folder = put(cache, 28.0)
    assert snapshot_in_force(cache) == folder
    assert not (cache / POINTER).is_symlink()
    assert other.read_text(encoding="utf-8") == "untouched"


def test_a_manifest_that_cannot_be_read(cache: Path) -> None:
    folder = put(cache, 28.0)
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"manifest\.json: cannot be read"):
        read_snapshot(folder)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", range(1, 6))
def test_whatever_stops_the_writing_the_old_prices_stay(
    cache: Path, monkeypatch: pytest.MonkeyPatch, step: int, error: BaseException
) -> None:
    """fsync is called for the file, the manifest, the folder, the pointer and the folder again; each may fail."""
    put(cache, 28.0)
    calls = []
    plain = os.fsync

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) == step:
            raise error
        plain(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    try:
        put(cache, 27.0, MADE + timedelta(hours=1))
    except (DataError, KeyboardInterrupt):
        assert price_in_force(cache) == 28.0 or step == 5
    else:
        assert isinstance(error, OSError)  # a folder need not be synced
        assert step in (3, 5)
        assert price_in_force(cache) == 27.0
    monkeypatch.undo()
    folder = snapshot_in_force(cache)
    assert folder is not None
    assert damages(read_snapshot(folder)) == []
    assert not [path for path in cache.glob(".*") if path.is_dir()]
    put(cache, 26.0, MADE + timedelta(hours=2))
    assert price_in_force(cache) == 26.0


@pytest.mark.parametrize("step", [1, 2, 4])
def test_a_process_that_is_killed_leaves_the_old_prices(cache: Path, step: int) -> None:
    put(cache, 28.0)
    script = f"""
        import os
        from datetime import UTC, date, datetime
        from pathlib import Path
        from llmplan.pricefeeds import write_snapshot
        calls = []
        def fsync(handle):
            calls.append(handle)
            if len(calls) == {step}:
                os._exit(9)
        os.fsync = fsync
        pointer = Path({str(cache / POINTER)!r})
        document = {{"id": "x", "name": "X", "tier": "cloud", "sources": {{}}}}
        base = pointer.read_text().strip()
        write_snapshot(pointer, {{"x": document}}, made=datetime(2026, 11, 27, tzinfo=UTC), origins=[], base=base)
    """
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=environ, check=False)
    assert done.returncode == 9
    assert price_in_force(cache) == 28.0
    assert len(list(cache.glob(".*.part"))) == 1 or step == 4
    put(cache, 27.0, MADE + timedelta(days=3))
    assert price_in_force(cache) == 27.0
    assert not list(cache.glob(".*.part/"))


def test_a_snapshot_that_cannot_be_read_never_counts(cache: Path) -> None:
    put(cache, 28.0)
    current = snapshot_in_force(cache)
    assert current is not None

    def verify(folder: Path) -> None:
        load_prices((folder,), day(6))

    with pytest.raises(DataError, match="is missing"):
        write_snapshot(cache / POINTER, {"x": {"id": "x"}}, made=MADE, origins=[], base=current.name, verify=verify)
    assert (price_in_force(cache), history(cache)) == (28.0, [current])


def test_an_update_that_finished_meanwhile_is_not_lost(cache: Path) -> None:
    put(cache, 28.0)
    with pytest.raises(DataError, match="another update finished meanwhile"):
        write_snapshot(cache / POINTER, {"x": seller(day(5), 1.0)}, made=MADE, origins=[], base="the one before")
    assert price_in_force(cache) == 28.0


def test_some_snapshots_stay_to_look_back_at(cache: Path) -> None:
    for hour in range(KEPT + 3):
        put(cache, 20.0 + hour, MADE + timedelta(hours=hour))
    kept = history(cache)
    assert len(kept) == KEPT
    assert kept[0] == snapshot_in_force(cache)
    assert [read_snapshot(path).made.hour for path in kept] == [14, 13, 12, 11]


@pytest.mark.parametrize("name", ["gone", "../elsewhere", ".hidden", "", "a/b"])
def test_a_pointer_to_nothing_brings_the_packaged_prices_back(cache: Path, name: str) -> None:
    put(cache, 28.0)
    (cache / POINTER).write_text(name, encoding="utf-8")
    assert snapshot_in_force(cache) is None


def test_the_manifest_is_plain_json(cache: Path) -> None:
    manifest = json.loads((put(cache, 28.0) / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["schema"] == "llmplan.price-snapshot/v1"
    assert manifest["files"]["prices/x.yaml"]["bytes"] > 0


def test_other_rates_have_no_history_and_stay(tmp_path: Path) -> None:
    def with_egress(value: float, day: date, source: str) -> dict[str, Any]:
        fact = {"value": value, "unit": "USD/GB", "source": source, "as_of": day, "kind": "published"}
        document = seller(day, 30.0) | {"facts": {"egress": fact}}
        return document | {"sources": document["sources"] | {source: {"title": source}}}

    packaged = {"x": with_egress(0.09, day(1), "page")}
    new = {"x": with_egress(0.08, day(5), "another page")}
    made = append({}, packaged, new)
    assert "facts" not in made["x"]
    ((provider, text),) = other_rates(packaged, new)
    assert (provider, "egress: 0.09 became 0.08 USD/GB: only prices are updated" in text) == ("x", True)
    write_documents(packaged, tmp_path / "packaged" / "prices")
    write_documents(made, tmp_path / "cache" / "prices")
    assert load_prices((tmp_path / "packaged", tmp_path / "cache"), day(2)).facts["x.egress"].value == 0.09
