"""gpuhunt's published catalogue: versions, zips, a folder of one's own, and names of GPUs."""

from __future__ import annotations

import io
import os
import sys
import types
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from feed_server import FeedServer, only_loopback, priced, quick_client, reply, serving
from llmplan.pricefeeds.live import FeedError, gpuhunt
from llmplan.pricefeeds.live.feed import Asked, Fetched

TODAY = date(2026, 11, 26)
HEADER = (
    "instance_name,location,price,cpu,memory,gpu_count,gpu_name,gpu_memory,spot,disk_size,gpu_vendor,flags,cpu_arch,"
    "provider_data"
)
H100 = "gpu_8x_h100_sxm5,us-south-1,27.92,208,1800.0,8,H100,80.0,False,,nvidia,,x86,{}"
SPOT = "gpu_1x_rtx4090,us-south-1,0.2,16,64.0,1,RTX4090,24.0,True,,nvidia,,x86,{}"
CPU_ONLY = "cpu_4x,us-south-1,0.2,4,16.0,0,,,False,,,,x86,{}"
PART = "gpu_part,us-south-1,0.5,4,16.0,1,A10,12.0,False,,nvidia,,x86,{}"
KNOWN: dict[str, Any] = {"lambda": {"id": "lambda", "name": "Lambda", "tier": "cloud", "hourly": []}}
NAME = "gpu_8x_h100_sxm5 h100-sxm-80gb 8 on-demand us-south-1"


@pytest.fixture(autouse=True)
def _closed_world(monkeypatch: pytest.MonkeyPatch) -> None:
    only_loopback(monkeypatch)
    monkeypatch.setitem(sys.modules, "gpuhunt", None)


def zipped(*rows: str, name: str = "lambdalabs.csv") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, "\n".join((HEADER, *rows)) + "\n")
    return data.getvalue()


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with serving() as found:
        found.routes["/v3/lambdalabs/version"] = reply("20261125\n")
        found.routes["/v3/lambdalabs/20261125/catalog.zip"] = reply(zipped(H100, SPOT, CPU_ONLY, PART))
        yield found


def fetch(server: FeedServer, known: dict[str, Any] = KNOWN, **environ: str) -> Fetched:
    asked = Asked(
        client=quick_client(), endpoint=server.at("/v3"), known=known, regions=frozenset(), today=TODAY, environ=environ
    )
    return gpuhunt.fetch(asked)


def test_whole_gpus_on_demand_and_spot_dated_by_the_version(server: FeedServer) -> None:
    found = fetch(server)
    assert priced(found.documents["lambda"]) == {NAME: 27.92, "gpu_1x_rtx4090 rtx-4090-24gb 1 spot us-south-1": 0.2}
    days = {offer["from"] for entry in found.documents["lambda"]["hourly"] for offer in entry["offers"]}
    assert days == {date(2026, 11, 25)}
    assert "lambda: 1 rows of GPUs or parts of GPUs that the catalogue does not have" in found.notes


def test_a_machine_type_that_the_catalogue_has_keeps_its_gpus(server: FeedServer) -> None:
    entry = {"instance": "gpu_part", "gpu": "a10-24gb", "gpus": 0.5, "offers": []}
    found = fetch(server, {"lambda": KNOWN["lambda"] | {"hourly": [entry]}})
    assert priced(found.documents["lambda"])["gpu_part a10-24gb 0.5 on-demand us-south-1"] == 0.5


def test_a_folder_of_ones_own_needs_no_network(server: FeedServer, tmp_path: Path) -> None:
    path = tmp_path / "lambdalabs.csv"
    path.write_text(f"{HEADER}\n{H100}\n", encoding="utf-8")
    day = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
    os.utime(path, (day, day))
    found = fetch(server, GPUHUNT_CATALOG_DIR=str(tmp_path))
    (offer,) = found.documents["lambda"]["hourly"][0]["offers"]
    assert (offer["from"], server.seen) == (date(2026, 11, 20), [])


def test_where_the_zips_are_is_the_users_word_then_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(
        client=quick_client(), endpoint=gpuhunt.endpoint(gpuhunt.SOURCE.url), known=KNOWN, regions=frozenset(),
        today=TODAY, environ={"GPUHUNT_CATALOG_URL": "http://mirror.example/gpuhunt/"},
    )  # fmt: skip
    assert gpuhunt._base(asked).base == "http://mirror.example/gpuhunt"
    bare = Asked(
        client=asked.client, endpoint=asked.endpoint, known=KNOWN, regions=frozenset(), today=TODAY, environ={}
    )
    assert gpuhunt._base(bare).base == gpuhunt.SOURCE.url
    module = types.ModuleType("gpuhunt._internal.catalog")
    module.CATALOG_URL = "https://bucket.example/v4"  # type: ignore[attr-defined]
    for name in ("gpuhunt", "gpuhunt._internal"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "gpuhunt._internal.catalog", module)
    assert gpuhunt._base(bare).base == "https://bucket.example/v4"


def test_one_seller_that_fails_costs_only_itself(server: FeedServer) -> None:
    known = KNOWN | {"oci": {"id": "oci", "name": "Oracle", "tier": "hyperscaler", "hourly": []}}
    found = fetch(server, known)
    assert set(found.documents) == {"lambda"}
    assert "oci/version: 404" in found.failures[0]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("version", b"<html>", "is not a version"),
        ("version", b"20261399", "names no day"),
        ("version", b"20270101", "dated 2027-01-01, in the future"),
        ("20261125/catalog.zip", b"PK no zip", "not a zip with lambdalabs.csv"),
        ("20261125/catalog.zip", zipped(H100)[:-30], "not a zip with lambdalabs.csv"),
        ("20261125/catalog.zip", zipped(H100, name="other.csv"), "not a zip with lambdalabs.csv"),
        ("20261125/catalog.zip", zipped("gpu_8x,us"), "line 2 is cut short"),
        ("20261125/catalog.zip", zipped(H100.replace("27.92", "cheap")), "price: 'cheap' is not a number"),
        ("20261125/catalog.zip", zipped(CPU_ONLY), "no price of a GPU"),
    ],
)
def test_what_is_not_a_catalogue(server: FeedServer, path: str, body: bytes, message: str) -> None:
    server.routes[f"/v3/lambdalabs/{path}"] = reply(body)
    server.routes.setdefault("/v3/lambdalabs/20261399/catalog.zip", reply(zipped(H100)))
    server.routes.setdefault("/v3/lambdalabs/20270101/catalog.zip", reply(zipped(H100)))
    with pytest.raises(FeedError, match=message):
        fetch(server)


def test_a_zip_that_unpacks_to_too_much_is_refused(server: FeedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpuhunt, "MAX_CSV_BYTES", 10_000)
    server.routes["/v3/lambdalabs/20261125/catalog.zip"] = reply(zipped(H100, "x" * 1_000_000))
    with pytest.raises(FeedError, match="larger than 10,000 bytes"):
        fetch(server)
