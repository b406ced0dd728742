"""Memory errors of a GPU, and what it has done about them."""

from __future__ import annotations

from typing import Any, Final

from llmplan.hardware.reader import FieldReader
from llmplan.hardware.report import EccReading

_CORRECTED: Final = 0
_UNCORRECTED: Final = 1
_VOLATILE: Final = 0
_AGGREGATE: Final = 1
_MANY_SINGLE_BIT_ERRORS: Final = 0
_DOUBLE_BIT_ERROR: Final = 1


def read_ecc(reader: FieldReader, handle: Any) -> EccReading | None:
    """The counters and the repairs; None for a GPU without ECC. Only where no rows are remapped are pages retired."""
    enabled = reader.read("ecc", "nvmlDeviceGetEccMode", handle, convert=lambda pair: bool(pair[0]))
    if enabled is None:
        return None

    def count(field: str, error_type: int, counter: int) -> int | None:
        return reader.read(field, "nvmlDeviceGetTotalEccErrors", handle, error_type, counter, convert=int)

    remap = reader.read(
        "row_remap", "nvmlDeviceGetRemappedRows", handle, convert=lambda rows: (bool(rows[2]), bool(rows[3]))
    )
    retired, pending = (None, None) if remap is not None or reader.lost else _read_retired(reader, handle)
    return EccReading(
        enabled=enabled,
        corrected_volatile=count("ecc_corrected_volatile", _CORRECTED, _VOLATILE),
        uncorrected_volatile=count("ecc_uncorrected_volatile", _UNCORRECTED, _VOLATILE),
        uncorrected_aggregate=count("ecc_uncorrected_aggregate", _UNCORRECTED, _AGGREGATE),
        row_remap_pending=remap[0] if remap else None,
        row_remap_failed=remap[1] if remap else None,
        retired_pages=retired,
        retired_pages_pending=pending,
    )


def _read_retired(reader: FieldReader, handle: Any) -> tuple[int | None, bool | None]:
    """Pages out of use for either cause, and whether more wait for the next reset."""
    counts = [
        reader.read("retired_pages", "nvmlDeviceGetRetiredPages", handle, cause, convert=len)
        for cause in (_MANY_SINGLE_BIT_ERRORS, _DOUBLE_BIT_ERROR)
    ]
    known = [count for count in counts if count is not None]
    pending = reader.read("retired_pages_pending", "nvmlDeviceGetRetiredPagesPendingStatus", handle, convert=bool)
    return (sum(known) if known else None), pending
