"""Product names to catalogue ids, and readings to groups that can be planned on."""

from __future__ import annotations

import pytest

from llmplan.hardware.errors import status
from llmplan.hardware.inventory import ProductMatch, joined_by_nvlink, match_product, normal_name, to_inventory
from llmplan.hardware.report import GpuReading, HardwareReport, HostReading, MemoryReading, PeerReading, Visibility
from llmplan.spec.catalog import Catalog
from llmplan.spec.gpu import GpuSpec

MIB = 1024**2


def spec(gpu_id: str, name: str, memory_mib: int, *aliases: str, form: str = "SXM5") -> GpuSpec:
    return GpuSpec(
        id=gpu_id,
        name=name,
        aliases=aliases,
        vendor="NVIDIA",
        architecture="any",
        segment="datacenter",
        form=form,
        memory_bytes=memory_mib * MIB,
        memory_bandwidth_bytes_per_s=1e12,
    )


GPUS = {
    each.id: each
    for each in (
        spec("h100-sxm-80gb", "H100 SXM 80 GB", 81559, "h100", "NVIDIA H100 80GB HBM3"),
        spec("h100-pcie-80gb", "H100 PCIe 80 GB", 81559, "NVIDIA H100 PCIe", form="PCIe"),
        spec("a10-24gb", "A10", 23028, "NVIDIA A10", form="PCIe"),
        spec("v100-sxm-16gb", "V100 16 GB", 16160, "V100-SXM2"),
        spec("v100-sxm-32gb", "V100 32 GB", 32510, "V100-SXM2"),
        spec("rtx-4090-24gb", "RTX 4090", 24564, "NVIDIA GeForce RTX 4090", form="PCIe"),
    )
}


@pytest.mark.parametrize(
    ("product", "memory_mib", "gpu_id"),
    [
        ("NVIDIA H100 80GB HBM3", 81559, "h100-sxm-80gb"),
        ("nvidia h100 pcie", 81559, "h100-pcie-80gb"),
        ("A10", 23028, "a10-24gb"),
        ("NVIDIA A10", 24564, "a10-24gb"),  # ECC off: a sixteenth more
        ("Tesla V100-SXM2", 16160, "v100-sxm-16gb"),
        ("Tesla V100-SXM2", 32510, "v100-sxm-32gb"),
        ("NVIDIA A100-SXM4-80GB", 81920, None),
        ("NVIDIA A10G", 23028, None),
        ("NVIDIA A10-4Q", 4096, None),
        ("NVIDIA X9000 Imaginary", 81559, None),
    ],
)
def test_products_match_by_whole_name_then_by_memory(product: str, memory_mib: int, gpu_id: str | None) -> None:
    match = match_product(product, memory_mib * MIB, GPUS)
    assert match.gpu_id == gpu_id
    assert (match.note is None) == (gpu_id is not None)


def test_a_card_with_other_memory_keeps_its_own_and_says_so() -> None:
    match = match_product("NVIDIA GeForce RTX 4090", 49140 * MIB, GPUS)
    assert match.gpu_id == "rtx-4090-24gb"
    assert "47.99 GiB" in (match.note or "")


def test_a_loose_match_with_other_memory_is_another_product() -> None:
    match = match_product("Quadro RTX 4090", 24564 * MIB, GPUS)
    assert match.gpu_id is None
    match = match_product("RTX-4090", 49140 * MIB, GPUS)
    assert match.gpu_id is None


def test_without_a_memory_size_only_a_single_candidate_counts() -> None:
    assert match_product("NVIDIA A10", None, GPUS).gpu_id == "a10-24gb"
    assert match_product("V100-SXM2", None, GPUS).gpu_id is None


def test_brand_words_go_in_any_order() -> None:
    assert normal_name("NVIDIA Tesla T4") == normal_name("Tesla T4") == normal_name("t4") == "t4"


def reading(index: int, name: str, memory_mib: int | None, **fields: object) -> GpuReading:
    memory = memory_mib and MemoryReading(
        total_bytes=memory_mib * MIB, used_bytes=0, free_bytes=memory_mib * MIB, source="nvml-v2"
    )
    return GpuReading(index=index, name=name, memory=memory or None, **fields)  # type: ignore[arg-type]


def report(
    *gpus: GpuReading, peers: tuple[PeerReading, ...] = (), visible: tuple[int, ...] | None = None
) -> HardwareReport:
    indexes = tuple(gpu.index for gpu in gpus) if visible is None else visible
    return HardwareReport(
        nvml=status("ok"),
        gpus=gpus,
        peers=peers,
        host=HostReading(memory_total_bytes=512 * 1024**3, cgroup_memory_limit_bytes=64 * 1024**3),
        visible=Visibility(variable=None if visible is None else ",".join(map(str, visible)), indexes=indexes),
    )


H100 = "NVIDIA H100 80GB HBM3"


def test_equal_gpus_become_one_group() -> None:
    nvlink = PeerReading(first=0, second=1, nvlink=True, pcie_path="NODE")
    inventory = to_inventory(report(reading(0, H100, 81559), reading(1, H100, 81559), peers=(nvlink,)), GPUS)
    (group,) = inventory.groups
    assert (group.nodes, group.gpus_per_node, group.gpu_id) == (1, 2, "h100-sxm-80gb")
    assert group.fast_link is True
    assert group.gpu_memory_bytes == 81559 * MIB
    assert group.host_memory_bytes == 64 * 1024**3
    assert (inventory.origin, inventory.notes) == ("nvml", ())


def test_unlike_gpus_become_groups_of_their_own() -> None:
    inventory = to_inventory(report(reading(0, "NVIDIA A10", 23028), reading(1, H100, 81559)), GPUS)
    assert [group.gpu_id for group in inventory.groups] == ["a10-24gb", "h100-sxm-80gb"]


def test_an_unknown_product_keeps_its_figures_and_is_said() -> None:
    inventory = to_inventory(report(reading(0, "NVIDIA X9000 Imaginary", 12345)), GPUS)
    (group,) = inventory.groups
    assert (group.gpu_id, group.gpu_memory_bytes) == ("x9000-imaginary", 12345 * MIB)
    assert "not in the catalogue" in inventory.notes[0]


def test_split_lost_and_hidden_gpus_are_left_out_and_said() -> None:
    inventory = to_inventory(
        report(
            reading(0, H100, 81559, mig_enabled=True),
            reading(1, H100, None, access="lost", access_error="GPU is lost"),
            reading(2, H100, 81559),
            reading(3, H100, 81559),
            visible=(3,),
        ),
        GPUS,
    )
    assert inventory.gpus == 1
    assert "MIG mode" in inventory.notes[0]
    assert "GPU is lost" in inventory.notes[1]
    assert "hidden by CUDA_VISIBLE_DEVICES='3'" in inventory.notes[2]


def test_no_gpu_is_an_empty_inventory() -> None:
    assert to_inventory(report(), GPUS).groups == ()


@pytest.mark.parametrize(
    ("links", "expected"),
    [((), None), ((True,), True), ((True, False), False), ((True, None), None), ((None, False), False)],
)
def test_one_slow_pair_makes_the_group_slow(links: tuple[bool | None, ...], expected: bool | None) -> None:
    peers = [PeerReading(first=0, second=n + 1, nvlink=link, pcie_path=None) for n, link in enumerate(links)]
    assert joined_by_nvlink(range(3), peers) is expected


def test_every_name_in_the_catalogue_leads_back_to_its_gpu(catalog: Catalog) -> None:
    for each in catalog.gpus.values():
        for name in (each.id, each.name, *each.aliases):
            assert match_product(name, each.memory_bytes, catalog.gpus).gpu_id == each.id, name


@pytest.mark.parametrize(
    ("product", "memory_mib", "gpu_id"),
    [
        ("NVIDIA H100 80GB HBM3", 81559, "h100-sxm-80gb"),
        ("NVIDIA H100 PCIe", 81559, "h100-pcie-80gb"),
        ("NVIDIA H100 NVL", 95830, "h100-nvl-94gb"),
        ("NVIDIA H200", 143771, "h200-sxm-141gb"),
        ("NVIDIA B200", 183359, "b200-180gb"),
        ("NVIDIA A100-SXM4-80GB", 81920, "a100-sxm-80gb"),
        ("NVIDIA A100 80GB PCIe", 81920, "a100-pcie-80gb"),
        ("NVIDIA A10G", 23028, "a10g-24gb"),
        ("NVIDIA L4", 23034, "l4-24gb"),
        ("Tesla T4", 15360, "t4-16gb"),
        ("Tesla V100-SXM2-32GB", 32768, "v100-sxm-32gb"),
        ("NVIDIA GeForce RTX 4090", 24564, "rtx-4090-24gb"),
        ("NVIDIA GH200 480GB", 97871, "gh200-96gb"),
        ("NVIDIA GB10", 124610, "gb10-128gb"),
    ],
)
def test_what_nvidia_smi_prints_is_in_the_catalogue(
    catalog: Catalog, product: str, memory_mib: int, gpu_id: str
) -> None:
    assert match_product(product, memory_mib * MIB, catalog.gpus) == ProductMatch(gpu_id=gpu_id)
