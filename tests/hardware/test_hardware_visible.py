"""`CUDA_VISIBLE_DEVICES` by the rules of NVIDIA's CUDA programming guide and MIG user guide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmplan.hardware.report import GpuReading, MigReading, Visibility
from llmplan.hardware.visible import visible_gpus

UUIDS = ("GPU-18ef14e9-0001", "GPU-849d5a8d-0002", "GPU-849d77aa-0003", "GPU-3eb79704-0004")


def gpu(index: int, name: str = "NVIDIA A100-SXM4-80GB", **fields: object) -> GpuReading:
    return GpuReading(index=index, name=name, uuid=UUIDS[index], **fields)  # type: ignore[arg-type]


def instance(slot: int, uuid: str, gi: int, ci: int = 0) -> MigReading:
    return MigReading(
        index=slot,
        uuid=uuid,
        name=None,
        profile="3g.40gb",
        gpu_instance_id=gi,
        compute_instance_id=ci,
        memory_bytes=None,
        multiprocessors=None,
        memory=None,
    )


FOUR = [gpu(index) for index in range(4)]
SPLIT = [
    gpu(0),
    gpu(1, mig_enabled=True, mig=(instance(0, "MIG-d184f67c-c95f", 2), instance(1, "MIG-41b36413-04fc", 13))),
]


def see(value: str | None, gpus: list[GpuReading] = FOUR, **environ: str) -> Visibility:
    return visible_gpus(environ if value is None else {"CUDA_VISIBLE_DEVICES": value, **environ}, gpus)


def test_unset_shows_all() -> None:
    assert see(None).indexes == (0, 1, 2, 3)
    assert see(None).notes == ()


@pytest.mark.parametrize(
    ("value", "indexes"),
    [
        ("0", (0,)),
        ("2,0", (2, 0)),
        (" 1 , 3 ", (1, 3)),
        ("0,1,-1,2", (0, 1)),
        ("-1", ()),
        ("", ()),
        ("0,9,1", (0,)),
        ("0,x,1", (0,)),
        ("0,GPU-18ef14e9", (0,)),
        ("1,", (1,)),
        ("1,1", ()),
        ("NoDevFiles", ()),
    ],
)
def test_numbers_until_the_first_that_is_not_valid(value: str, indexes: tuple[int, ...]) -> None:
    assert see(value).indexes == indexes


def test_what_ended_the_list_is_said() -> None:
    assert see("0,1,-1,2").notes == ("entry '-1' hides everything from here on, 2 after it ignored",)
    assert see("0,9,1").notes == ("entry '9' names no GPU here and ends the list, 1 after it ignored",)
    assert see("1,1").notes == ("'1' is named twice: CUDA then sees no GPU at all",)
    assert "empty" in see("").notes[0]


def test_text_after_a_number_is_ignored_as_cuda_does_and_said() -> None:
    assert see("2abc").indexes == (2,)
    assert see("2abc").notes == ("entry '2abc' is read as 2",)


@pytest.mark.parametrize(
    ("value", "indexes"),
    [
        ("GPU-18ef14e9", (0,)),
        ("GPU-3eb79704-0004,GPU-18ef14e9", (3, 0)),
        ("GPU-849d", ()),
        ("GPU-849d5", (1,)),
        ("GPU-18ef14e9,1,GPU-849d5", (0,)),
        ("GPU-18ef14e9,GPU-18ef", ()),
        ("GPU-ffffffff", ()),
    ],
)
def test_uuids_may_be_shortened_while_they_stay_unique(value: str, indexes: tuple[int, ...]) -> None:
    assert see(value).indexes == indexes


def test_ambiguous_uuid_is_said() -> None:
    assert "'GPU-849d' is the beginning of 2 UUIDs" in see("GPU-849d").notes


@pytest.mark.parametrize(
    ("value", "uuids"),
    [
        ("MIG-41b36413-04fc", ("MIG-41b36413-04fc",)),
        ("MIG-41b3", ("MIG-41b36413-04fc",)),
        ("MIG-GPU-849d5a8d-0002/13/0", ("MIG-41b36413-04fc",)),
        ("MIG-GPU-849d5a8d-0002/7/0", ()),
        ("MIG-ffff", ()),
    ],
)
def test_mig_instances_by_uuid_in_both_forms(value: str, uuids: tuple[str, ...]) -> None:
    seen = see(value, SPLIT)
    assert seen.mig_uuids == uuids
    assert seen.indexes == ()


def test_a_process_uses_one_mig_instance() -> None:
    seen = see("MIG-d184,MIG-41b3", SPLIT)
    assert len(seen.mig_uuids) == 2
    assert "one MIG instance" in seen.notes[0]


def test_a_number_of_a_split_gpu_stands_for_its_first_instance() -> None:
    seen = see("0,1", SPLIT)
    assert (seen.indexes, seen.mig_uuids) == ((0,), ("MIG-d184f67c-c95f",))
    assert "first instance only" in seen.notes[0]


def test_a_lost_gpu_that_is_named_is_said() -> None:
    seen = see("0,1", [gpu(0), gpu(1, access="lost", access_error="GPU is lost")])
    assert seen.indexes == (0,)
    assert seen.notes == ("GPU 1 is named but cannot be used (GPU is lost)",)


def test_order_is_only_certain_in_pci_order_or_among_equals() -> None:
    mixed = [gpu(0, "NVIDIA A10"), gpu(1)]
    assert see("1").certain
    assert not see("1", mixed).certain
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in see("1", mixed).notes[0]
    assert see("1", mixed, CUDA_DEVICE_ORDER="PCI_BUS_ID").certain
    assert see("GPU-849d5a8d", mixed).certain


@given(st.text(alphabet="0123456789,-GPUMI abcdef/", max_size=40))
def test_any_text_gives_distinct_gpus_that_exist(value: str) -> None:
    seen = see(value, SPLIT)
    assert len(set(seen.indexes)) == len(seen.indexes)
    assert set(seen.indexes) <= {0, 1}


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True))
def test_valid_numbers_keep_their_order(numbers: list[int]) -> None:
    assert see(",".join(map(str, numbers))).indexes == tuple(numbers)
