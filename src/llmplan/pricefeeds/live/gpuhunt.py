"""The catalogue that gpuhunt publishes daily, one zip per seller: clouds with an account's prices read for everybody.

`<base>/<seller>/version` names the newest version, `<base>/<seller>/<version>/catalog.zip` holds `<seller>.csv` with
`instance_name, location, price, cpu, memory, gpu_count, gpu_name, gpu_memory, spot`: USD an hour for the machine, GB
per GPU. `GPUHUNT_CATALOG_DIR` is a folder with those CSV files, `GPUHUNT_CATALOG_URL` another base; both are gpuhunt's
own names. Where the package is installed (extra `live`), the base is the one that it uses itself.

Reference: https://github.com/dstackai/gpuhunt (MPL-2.0), src/gpuhunt/_internal/catalog.py and storage.py of 0.1.34.
"""

from __future__ import annotations

import csv
import importlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from llmplan.pricefeeds.gpu_names import catalog_gpu
from llmplan.pricefeeds.live.endpoint import endpoint
from llmplan.pricefeeds.live.feed import Asked, Fetched, Hourly, Machine, Source, document_of, machines
from llmplan.pricefeeds.live.limits import MIB, FeedError

SELLERS: Final = {
    "aws": "aws", "azure": "azure", "gcp": "gcp", "lambdalabs": "lambda", "nebius": "nebius", "oci": "oci",
    "runpod": "runpod-secure", "verda": "verda",
}  # fmt: skip
"""gpuhunt's name to the catalogue's id"""
MAX_CSV_BYTES: Final = 256 * MIB
_COLUMNS: Final = ("instance_name", "location", "price", "cpu", "memory", "gpu_count", "gpu_name", "gpu_memory", "spot")
_URL: Final = "https://dstack-gpu-pricing.s3.eu-west-1.amazonaws.com/v3"
_FULL_SHARE: Final = 0.9
"""A GPU with less than this share of its memory is a part of one."""


def fetch(asked: Asked) -> Fetched:
    """The prices of every seller that gpuhunt publishes and the catalogue has. One that fails costs only itself."""
    documents: dict[str, Any] = {}
    notes: list[str] = []
    failures: list[str] = []
    for name, seller in SELLERS.items():
        if seller not in asked.known:
            continue
        try:
            document, said = _seller(asked, name, seller)
        except FeedError as error:
            failures.append(error.message)
            continue
        documents[seller] = document
        notes += [f"{seller}: {note}" for note in said]
    if not documents:
        raise FeedError("; ".join(failures) or "none of its sellers is in the catalogue")
    return Fetched(documents=documents, notes=tuple(notes), failures=tuple(failures))


def _seller(asked: Asked, name: str, seller: str) -> tuple[dict[str, Any], list[str]]:
    text, day, where = _published(asked, name)
    if day > asked.today:
        raise FeedError(f"{where}: dated {day}, in the future")
    hourly = Hourly("gpuhunt", day)
    known = machines(asked.known, seller)
    for row in _rows(text, where):
        if asked.regions and row["location"] not in asked.regions:
            continue
        machine = known.get(row["instance_name"]) or _machine(row, seller)
        if machine is None:
            hourly.left_out["of GPUs or parts of GPUs that the catalogue does not have"] += 1
            continue
        term = "spot" if row["spot"].casefold() == "true" else "on-demand"
        hourly.add(machine, term=term, region=row["location"], usd_per_hour=_number(row, "price", where))
    if not len(hourly):
        raise FeedError(f"{where}: no price of a GPU that the catalogue has")
    sources = {"gpuhunt": {"title": "gpuhunt, published catalogue", "url": where, "retrieved": asked.today}}
    return document_of(asked.known, seller, sources, [hourly]), hourly.notes()


def _published(asked: Asked, name: str) -> tuple[str, date, str]:
    """The text of a seller's CSV file, its day and where it came from."""
    folder = asked.environ.get("GPUHUNT_CATALOG_DIR")
    if folder:
        path = Path(folder) / f"{name}.csv"
        try:
            day = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC).date()
            return path.read_text(encoding="utf-8"), day, str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise FeedError(f"{path}: cannot be read: {error}") from None
    base = _base(asked)
    version = asked.client.whole(base.url(f"{name}/version"), 1024).decode("ascii", "replace").strip()
    if not re.fullmatch(r"\d{8}[\w.-]{0,40}", version):
        raise FeedError(f"{base.url(f'{name}/version')}: {version[:40]!r} is not a version")
    where = base.url(f"{name}/{version}/catalog.zip")
    try:
        day = datetime.strptime(version[:8], "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise FeedError(f"{where}: {version!r} names no day") from None
    return _unzipped(asked.client.whole(where), f"{name}.csv", where), day, where


def _base(asked: Asked) -> Any:
    """Where the zips are: as the user said, as gpuhunt's own variable says, as the package says, as is known here."""
    if asked.endpoint.base != _URL:
        return asked.endpoint
    stated = asked.environ.get("GPUHUNT_CATALOG_URL")
    if stated:
        return endpoint(stated, by_user=True)
    try:
        return endpoint(str(importlib.import_module("gpuhunt._internal.catalog").CATALOG_URL))
    except (ImportError, AttributeError):
        return asked.endpoint


def _unzipped(data: bytes, name: str, where: str) -> str:
    """One member of a zip, whose size is bounded before it is unpacked and while."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed, packed.open(name) as file:
            if packed.getinfo(name).file_size > MAX_CSV_BYTES:
                raise FeedError(f"{where}: {name} is larger than {MAX_CSV_BYTES:,} bytes")
            text = file.read(MAX_CSV_BYTES + 1)
            if len(text) > MAX_CSV_BYTES:
                raise FeedError(f"{where}: {name} is larger than {MAX_CSV_BYTES:,} bytes")
            return text.decode("utf-8-sig")
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise FeedError(f"{where}: not a zip with {name}: {error}") from None


def _rows(text: str, where: str) -> Iterator[Mapping[str, str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise FeedError(f"{where}: the column {missing[0]!r} is missing")
    try:
        for row in reader:
            if any(row[column] is None for column in _COLUMNS):
                raise FeedError(f"{where}: line {reader.line_num} is cut short")
            if row["gpu_count"] not in ("", "0"):
                yield row
    except csv.Error as error:
        raise FeedError(f"{where}: line {reader.line_num}: {error}") from None


def _machine(row: Mapping[str, str], seller: str) -> Machine | None:
    """A machine type that the catalogue does not have yet, if its GPUs are whole ones that it knows."""
    match = catalog_gpu(table_name(row["gpu_name"], row["gpu_memory"]), provider=seller, instance=row["instance_name"])
    whole = re.search(r"-(\d+)gb$", match.gpu_id) if match else None
    if match is None or whole is None or not row["gpu_memory"]:
        return None
    if _number(row, "gpu_memory", seller) < _FULL_SHARE * float(whole[1]):
        return None
    machine = {"instance": row["instance_name"], "gpu": match.gpu_id, "gpus": int(_number(row, "gpu_count", seller))}
    machine |= {"vcpus": int(_number(row, "cpu", seller)), "memory_gib": _number(row, "memory", seller)}
    return machine | ({"note": match.note} if match.note else {})


def table_name(name: str, memory_gb: str) -> str:
    """gpuhunt's name of a GPU as price tables write it.

    >>> table_name("A100", "80.0"), table_name("RTX4090", "24.0"), table_name("RTXPRO6000", "96")
    ('A100-80GB', 'RTX 4090', 'RTX PRO 6000')
    """
    if name in ("A100", "V100") and memory_gb.partition(".")[0] in ("80", "40", "32"):
        return f"{name}-{memory_gb.partition('.')[0]}GB"
    text = re.sub(r"^RTXPRO(?=\d)", "RTX PRO ", name)
    text = re.sub(r"^RTX(?=[\dA])", "RTX ", text)
    text = re.sub(r"(?<=\d)(Ada|Ti|SUPER)$", r" \1", text)
    return re.sub(r"^(H100|H200)NVL$", r"\1-NVL", text)


def _number(row: Mapping[str, str], column: str, where: str) -> float:
    try:
        return float(row[column])
    except ValueError:
        raise FeedError(f"{where}: {column}: {row[column]!r} is not a number") from None


SOURCE: Final = Source(id="gpuhunt", title="gpuhunt's published catalogue", url=_URL, fetch=fetch)
