"""Machines by the hour, recomputed by hand from the sellers' rates: whole instances on demand."""

from __future__ import annotations

import pytest
from hand_rows import Rent, Row, look_up, only, row
from pricing_builders import bill, deployment, refusal

H100, H200, B200, A100_40, A10, L4 = (
    "h100-sxm-80gb", "h200-sxm-141gb", "b200-180gb", "a100-sxm-40gb", "a10-24gb", "l4-24gb",
)  # fmt: skip
MONTH_H = 730


def on_demand(*cells: str, usd: float) -> Row:
    return row("gpu_prices", *cells, on_demand_usd_per_hour=usd)


ON_DEMAND = {
    "AWS, a machine of eight": Rent(
        on_demand("aws", "p5.48xlarge", "us-east-1", usd=55.04), {"gpu_id": H100, "tp": 8}, only("aws", "us-east-1"),
        MONTH_H * 55.04, "2026-10-10",
    ),
    "AWS, two machines of eight in Tokyo": Rent(
        on_demand("aws", "p5.48xlarge", "ap-northeast-1", usd=68.8), {"gpu_id": H100, "tp": 8, "replicas": 2},
        only("aws", "ap-northeast-1"), 2 * MONTH_H * 68.8, "2026-10-10",
    ),
    "AWS, three machines of one": Rent(
        on_demand("aws", "g6.xlarge", "us-east-1", usd=0.8048), {"gpu_id": L4, "replicas": 3}, only("aws", "us-east-1"),
        3 * MONTH_H * 0.8048, "2026-07-20",
    ),
    "OCI, four of eight used": Rent(
        on_demand("oci", "BM.GPU.H100.8", usd=80.0), {"gpu_id": H100, "tp": 4}, only("oci"),
        MONTH_H * 80.0, "2026-10-10", idle="4 GPUs stay unused, $29,200 of it",
    ),
    "OCI, three pairs in one machine of eight": Rent(
        on_demand("oci", "BM.GPU.H100.8", usd=80.0), {"gpu_id": H100, "tp": 2, "replicas": 3}, only("oci"),
        MONTH_H * 80.0, "2026-10-10", idle="2 GPUs stay unused, $14,600 of it",
    ),
    "OCI, five pairs in two machines of eight": Rent(
        on_demand("oci", "BM.GPU.H100.8", usd=80.0), {"gpu_id": H100, "tp": 2, "replicas": 5}, only("oci"),
        2 * MONTH_H * 80.0, "2026-10-10", idle="6 GPUs stay unused, $43,800 of it",
    ),
    "OCI, three threes: two to a machine of eight": Rent(
        on_demand("oci", "BM.GPU.H100.8", usd=80.0), {"gpu_id": H100, "tp": 3, "replicas": 3}, only("oci"),
        2 * MONTH_H * 80.0, "2026-10-10", idle="7 GPUs stay unused, $51,100 of it",
    ),
    "Lambda, four in a machine of four": Rent(
        on_demand("lambda", "gpu_4x_h100_sxm_80gb", usd=16.36), {"gpu_id": H100, "tp": 4}, only("lambda"),
        MONTH_H * 16.36, "2026-10-10",
    ),
    "Lambda, two fours: a machine of eight is cheaper than two of four": Rent(
        on_demand("lambda", "gpu_8x_h100_sxm_80gb", usd=31.92), {"gpu_id": H100, "tp": 4, "replicas": 2},
        only("lambda"), min(2 * 16.36, 31.92) * MONTH_H, "2026-10-10",
    ),
    "GCP, one L4 in Europe": Rent(
        on_demand("gcp", "g2-standard-4", "europe-west4", usd=0.742916), {"gpu_id": L4}, only("gcp", "europe-west4"),
        MONTH_H * 0.742916, "2026-08-03",
    ),
    "GCP, a machine of eight in Europe": Rent(
        on_demand("gcp", "a3-highgpu-8g", "europe-west4", usd=112.540479), {"gpu_id": H100, "tp": 8},
        only("gcp", "europe-west4"), MONTH_H * 112.540479, "2026-08-03",
    ),
    "Azure, a whole A10 and no sixth of one": Rent(
        on_demand("azure", "Standard_NV36ads_A10_v5", "westeurope", usd=4.16), {"gpu_id": A10},
        only("azure", "westeurope"), MONTH_H * 4.16, "2026-06-18",
    ),
    "Azure, eight A100 40 GB": Rent(
        on_demand("azure", "Standard_ND96asr_v4", "eastus", usd=27.197), {"gpu_id": A100_40, "tp": 8},
        only("azure", "eastus"), MONTH_H * 27.197, "2026-10-10",
    ),
    "CoreWeave, one B200 of a machine of eight": Rent(
        on_demand("coreweave", "nvidia-b200", usd=68.8), {"gpu_id": B200}, only("coreweave"),
        MONTH_H * 68.8, "2026-10-10", idle="7 GPUs stay unused, $43,946 of it",
    ),
    "RunPod, three pairs priced per GPU": Rent(
        on_demand("runpod-secure", "NVIDIA H100 80GB HBM3", usd=3.99), {"gpu_id": H100, "tp": 2, "replicas": 3},
        only("runpod-secure"), 3 * 2 * MONTH_H * 3.99, "2026-11-09",
    ),
    "Hyperstack, per GPU: the undated machine of eight at $2.40 a GPU does not stand for today": Rent(
        on_demand("hyperstack", "NVIDIA H100 SXM", usd=3.2), {"gpu_id": H100, "tp": 8}, only("hyperstack"),
        8 * MONTH_H * 3.20, "2026-10-10",
    ),
    "Nebius, per GPU: the undated $2.95 does not stand for today": Rent(
        on_demand("nebius", "NVIDIA HGX H100", usd=4.5), {"gpu_id": H100}, only("nebius"),
        MONTH_H * 4.50, "2026-10-10",
    ),
    "OCI, four A10: the only rows are undated": Rent(
        on_demand("oci", "BM.GPU.A10.4", usd=8.0), {"gpu_id": A10, "tp": 4, "node_gpus": 4}, only("oci"),
        MONTH_H * 8.0, None,
    ),
    "Crusoe, eight MI300X per GPU": Rent(
        on_demand("crusoe", "AMD MI300X 192GB", usd=3.45), {"gpu_id": "mi300x-192gb", "tp": 8}, only("crusoe"),
        8 * MONTH_H * 3.45, "2026-10-10",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ON_DEMAND.values(), ids=ON_DEMAND)
def test_rent_is_whole_machines_times_hours(case: Rent) -> None:
    found = bill(deployment("hourly", **case.wanted), case.limits)

    (line,) = found.lines
    assert found.usd_per_month == pytest.approx(case.usd, abs=0.005)
    assert found.usd_per_hour == pytest.approx(case.usd / MONTH_H, abs=0.005)
    assert ("stay unused" in line.note) == bool(case.idle)
    assert case.idle in line.note
    assert line.figure is not None
    assert (line.figure.as_of.isoformat() if line.figure.as_of else None) == case.dated


@pytest.mark.parametrize("case", ON_DEMAND.values(), ids=ON_DEMAND)
def test_the_rates_are_as_the_tables_have_them(case: Rent) -> None:
    look_up(case.row)


@pytest.mark.parametrize("case", ON_DEMAND.values(), ids=ON_DEMAND)
def test_the_line_names_the_row(case: Rent) -> None:
    (line,) = bill(deployment("hourly", **case.wanted), case.limits).lines

    provider, instance, *region = case.row.cells
    assert line.figure is not None
    assert (line.figure.provider, line.figure.instance) == (provider, instance)
    assert line.figure.region == (region[0] if region else "global")


@pytest.mark.parametrize("seller", ["digitalocean", "verda"])
def test_somebodys_lowest_price_of_one_gpu_buys_no_machine_of_eight(seller: str) -> None:
    assert refusal(deployment("hourly", H100, tp=8), only(seller)).code == "no_price"
