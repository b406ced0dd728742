"""From the GPU name of a price table to the catalogue's id, by rules that one can read.

Rules are tried from the top; the first whose patterns fit decides. A name that leaves the form open (an A100 may be
SXM or PCIe) is settled by the machine's name where that says so. Otherwise the row is filed under the slower form
(PCIe), so that a plan never promises what the seller did not, and carries a note.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class GpuRule:
    """`gpu` matches the table's GPU name in full, `evidence` occurs in `<provider> <instance>`."""

    gpu: str
    gpu_id: str
    evidence: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class GpuMatch:
    """The catalogue's id, and what had to be assumed."""

    gpu_id: str
    note: str = ""


_FORM_OPEN = "the seller does not say which form; filed under PCIe, the slower one"

RULES: Final[tuple[GpuRule, ...]] = (
    GpuRule(r"A100-80GB", "a100-pcie-80gb", r"pcie|NC\d+ads_A100|n3-A100x1"),
    GpuRule(r"A100-80GB", "a100-pcie-80gb", r"A100 NVLink", "PCIe cards joined by an NVLink bridge"),
    GpuRule(r"A100-80GB", "a100-sxm-80gb", r"sxm|p4de\.|a2-ultragpu|ND96am|BM\.GPU\.A100-v2"),
    GpuRule(r"A100-80GB", "a100-sxm-80gb", r"coreweave", "sold as an eight-GPU machine; taken as SXM"),
    GpuRule(r"A100-80GB", "a100-pcie-80gb", note=_FORM_OPEN),
    GpuRule(r"A100-40GB", "a100-pcie-40gb", r"pcie"),
    GpuRule(r"A100-40GB", "a100-sxm-40gb", r"sxm|p4d\.|a2-(high|mega)gpu|ND96asr_v4|BM\.GPU4"),
    GpuRule(r"A100-40GB", "a100-pcie-40gb", note=_FORM_OPEN),
    GpuRule(r"H100 \(form mixed\)", "h100-sxm-80gb", note="a mean over H100 forms; filed under SXM"),
    GpuRule(r"H100(-SXM)?(-80GB)?", "h100-sxm-80gb"),
    GpuRule(r"H100-PCIe(-80GB)?", "h100-pcie-80gb", r"NVLink", "PCIe cards joined by an NVLink bridge"),
    GpuRule(r"H100-PCIe(-80GB)?", "h100-pcie-80gb"),
    GpuRule(r"H100-NVL", "h100-nvl-94gb"),
    GpuRule(r"H100-NVL \(confidential\)", "h100-nvl-94gb", note="confidential-computing machine"),
    GpuRule(r"H200-NVL", "h200-nvl-141gb"),
    GpuRule(r"H200(-SXM)?", "h200-sxm-141gb", r"unstated", "the seller does not say which form; filed under SXM"),
    GpuRule(r"H200(-SXM)?", "h200-sxm-141gb"),
    GpuRule(r"V100", "v100-sxm-16gb", r"sxm|aws p3\.|BM\.GPU3|VM\.GPU3|gpu_8x_v100"),
    GpuRule(r"V100", "v100-pcie-16gb", r"pcie|NC\d+r?s_v3"),
    GpuRule(r"V100", "v100-pcie-16gb", note=_FORM_OPEN),
    GpuRule(r"V100-32GB", "v100-sxm-32gb", r"p3dn"),
    GpuRule(r"V100-32GB", "v100-sxm-32gb", note="the seller does not say which form; filed under SXM"),
    GpuRule(r"P100", "p100-pcie-16gb"),
    GpuRule(r"RTX PRO 6000", "rtx-pro-6000-max-q-96gb", r"Max-Q"),
    GpuRule(r"RTX PRO 6000", "rtx-pro-6000-workstation-96gb", r"Workstation"),
    GpuRule(r"RTX PRO 6000", "rtx-pro-6000-96gb"),
    GpuRule(r"RTX PRO 5000( 48GB)?", "rtx-pro-5000-48gb"),
    GpuRule(r"RTX PRO 4500", "rtx-pro-4500-32gb"),
    GpuRule(r"L4( \(fraction\))?", "l4-24gb"),
    GpuRule(r"L40", "l40-48gb"),
    GpuRule(r"L40S", "l40s-48gb"),
    GpuRule(r"A10", "a10-24gb"),
    GpuRule(r"A10G", "a10g-24gb"),
    GpuRule(r"A16", "a16-16gb"),
    GpuRule(r"A40", "a40-48gb"),
    GpuRule(r"T4", "t4-16gb"),
    GpuRule(r"T4G", "t4g-16gb"),
    GpuRule(r"P40", "p40-24gb"),
    GpuRule(r"B200", "b200-180gb"),
    GpuRule(r"B300", "b300-288gb"),
    GpuRule(r"GB200", "gb200-192gb"),
    GpuRule(r"GB300", "gb300-288gb"),
    GpuRule(r"GH200", "gh200-96gb"),
    GpuRule(r"MI300X", "mi300x-192gb"),
    GpuRule(r"MI325X", "mi325x-256gb"),
    GpuRule(r"MI350X", "mi350x-288gb"),
    GpuRule(r"MI355X", "mi355x-288gb"),
    GpuRule(r"Quadro RTX 6000", "quadro-rtx-6000-24gb"),
    GpuRule(r"RTX 6000 Ada", "rtx-6000-ada-48gb"),
    GpuRule(r"RTX 5000 Ada", "rtx-5000-ada-32gb"),
    GpuRule(r"RTX 4000 Ada", "rtx-4000-ada-20gb"),
    GpuRule(r"RTX A6000", "rtx-a6000-48gb"),
    GpuRule(r"(RTX )?A5000", "rtx-a5000-24gb"),
    GpuRule(r"(RTX )?A4500", "rtx-a4500-20gb"),
    GpuRule(r"(RTX )?A4000", "rtx-a4000-16gb"),
    GpuRule(r"RTX 5090", "rtx-5090-32gb"),
    GpuRule(r"RTX 5080", "rtx-5080-16gb"),
    GpuRule(r"RTX 4090", "rtx-4090-24gb"),
    GpuRule(r"RTX 4080", "rtx-4080-16gb"),
    GpuRule(r"RTX 3090", "rtx-3090-24gb"),
    GpuRule(r"RTX 3080 Ti", "rtx-3080-ti-12gb"),
)


def catalog_gpu(gpu: str, *, provider: str = "", instance: str = "") -> GpuMatch | None:
    """The catalogue's id of a table's GPU, None for a name that no rule knows.

    >>> catalog_gpu("A100-80GB", provider="aws", instance="p4de.24xlarge").gpu_id
    'a100-sxm-80gb'
    >>> catalog_gpu("A100-80GB", provider="modal").note
    'the seller does not say which form; filed under PCIe, the slower one'
    >>> catalog_gpu("TPU v5e")
    """
    where = f"{provider} {instance}"
    for rule in RULES:
        if re.fullmatch(rule.gpu, gpu) and (not rule.evidence or re.search(rule.evidence, where, re.IGNORECASE)):
            return GpuMatch(rule.gpu_id, rule.note)
    return None
