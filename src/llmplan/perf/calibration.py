"""Which coefficients apply to an engine on a GPU, and how much wider the bands get where none were fitted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from llmplan.errors import DataError
from llmplan.spec.calibration import Calibration, ResidualBand
from llmplan.spec.engine import EngineSpec
from llmplan.spec.gpu import GpuSpec

ANY = "any"
EXTRAPOLATION_WIDENING = 1.5
"""Exponent on a band's ratios where the coefficients were fitted on other hardware or another engine."""

WIDEST = 5.0
"""largest exponent on a band's ratios, of a batch 16 times as large as any that was measured"""
AGAIN = "llmplan calibrate RESULT... --force, with the results that it came from: an older version wrote it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """Efficiencies are achieved shares of a published peak in 0..1, `_s` are seconds, the rest are ratios."""

    memory_efficiency: float
    """weights read, of memory bandwidth"""
    weight_only_memory_efficiency: float
    """times the above when weights are expanded to 16 bit on the fly"""
    kv_memory_efficiency: float
    expert_memory_efficiency: float
    matrix_16bit_efficiency: float
    matrix_8bit_efficiency: float
    matrix_4bit_efficiency: float
    expert_matrix_efficiency: float
    """grouped matrix products of routed experts, relative to dense ones of the same format"""
    attention_efficiency: float
    """attention FLOP, of the 16-bit peak"""
    expert_half_width_columns: float
    """intermediate columns of an expert on one rank at which its kernels reach half of the above"""
    expert_tile_rows: float
    """rows that the matrix product of a touched expert computes for nothing, to fill its last tile"""
    activation_passes: float
    """times that a layer reads or writes the hidden vector of a token beside its matrix products"""
    dequantization_factor: float
    """16-bit matrix time of 8-bit weight-only formats over that of 16-bit weights, at least 1"""
    expert_dequantization_factor: float
    """the same in the grouped products of experts, whose kernels are others"""
    roofline_exponent: float
    """how sharply reading and computing overlap: 1 adds them, infinity takes the longer"""
    step_s: float
    """fixed time of every engine step: scheduling, sampling, launch"""
    launch_s: float
    """fixed time of every kernel: its start and its ragged end"""
    routing_exponent: float
    """of a step's tokens: so many would touch as many experts if routing were uniform"""
    expert_layer_s: float
    """more of the same in a layer with routed experts: sorting tokens, and the ragged end of many small products"""
    prefill_expert_layer_s: float
    """more of that in a step that carries prompt tokens"""
    prefill_launch_s: float
    """more of the same in a step that carries prompt tokens, which runs without CUDA graphs"""
    legacy_host_factor: float
    """fixed times of engines with a legacy host over those of current ones, at least 1"""
    sequence_s: float
    """time per running sequence and step"""
    request_s: float
    """time from the client's request to its first step, beyond queueing and prefill"""
    lockstep_share: float
    """share of a closed loop's requests that start together (all do when a benchmark begins)"""
    bunching_share: float
    """share of a closed loop's other requests whose prompts join the running batch in the same step"""
    allreduce_fast_latency_s: float
    """per hop over NVLink or Infinity Fabric"""
    allreduce_fast_efficiency: float
    allreduce_pcie_latency_s: float
    allreduce_pcie_efficiency: float
    network_latency_s: float
    network_efficiency: float
    host_memory_efficiency: float
    pcie_efficiency: float

    @classmethod
    def of(cls, calibration: Calibration) -> Coefficients:
        """Read them out of a calibration; one that lacks any is refused."""
        given = calibration.coefficients
        try:
            return cls(**{name: given[name] for name in COEFFICIENT_NAMES})
        except KeyError as error:
            again = [] if calibration.gpu is None else [AGAIN]
            message = f"calibration {calibration.id} lacks the coefficient {error.args[0]!r}"
            raise DataError(message, hints=again) from None


COEFFICIENT_NAMES: tuple[str, ...] = tuple(field.name for field in fields(Coefficients))


def select_calibration(
    calibrations: Iterable[Calibration], engine: EngineSpec, gpu: GpuSpec, model: str | None = None
) -> Calibration:
    """The calibration of this engine on this GPU generation, else the nearest one, marked as extrapolated.

    Order: engine, GPU and model; engine and GPU; engine and generation; engine on any GPU (then the same of current
    versions, where this one is calibrated apart); any engine on this generation; anything. All but the first three
    come back with `rows` 0 and with wider bands.
    """
    calibrations, name = tuple(calibrations), engine.calibration_id
    measured = _of_machine(calibrations, name, gpu.id, model)
    if measured is not None:
        return measured
    by_key = {(c.engine, c.generation): c for c in calibrations if c.gpu is None}
    generation = generation_of(gpu)
    exact = by_key.get((name, generation))
    if exact is not None:
        return exact if exact.rows > 0 else _wider(exact)
    for key in ((name, ANY), (engine.id, generation), (engine.id, ANY), (ANY, generation), (ANY, ANY)):
        if key in by_key:
            return _wider(by_key[key])
    raise DataError(
        f"no calibration for {engine.id} on {gpu.architecture}, not even a general one",
        hints=["llmplan catalog list calibrations"],
    )


def _of_machine(calibrations: Iterable[Calibration], engine: str, gpu: str, model: str | None) -> Calibration | None:
    """What was fitted on this GPU under this engine: of the model if there is one, else of all models."""
    by_model = {c.model and c.model.casefold(): c for c in calibrations if (c.engine, c.gpu) == (engine, gpu)}
    return by_model.get(model and model.casefold(), by_model.get(None))


def generation_of(gpu: GpuSpec) -> str:
    """The GPU generation as calibrations name it: the architecture, lower case, with hyphens."""
    return gpu.architecture.strip().lower().replace(" ", "-")


def widen(band: ResidualBand, exponent: float) -> ResidualBand:
    """A band whose ratios are raised to `exponent`: 0.8..1.25 becomes 0.72..1.40 at 1.5."""
    return ResidualBand(
        low_ratio=min(band.low_ratio, 1.0) ** exponent, high_ratio=max(band.high_ratio, 1.0) ** exponent, rows=band.rows
    )


def widened_for(calibration: Calibration, batch: float) -> Calibration:
    """The calibration with bands for a batch larger than any that was measured, each doubling of which adds the band
    once more; the same calibration where the batch was seen, or nobody says how many were.

    calibration: its bands and `most_seqs`; batch [sequences].
    exponent = 1 + log2(batch / most), at most 5. A rule of thumb, which held the one measurement there is: docs/
    accuracy.md, An NVIDIA GPU. Reference: none.
    """
    most = calibration.most_seqs
    if most is None or batch <= most:
        return calibration
    exponent = min(WIDEST, 1.0 + math.log2(batch / most))
    bands = {name: widen(band, exponent) for name, band in calibration.bands.items()}
    return replace(calibration, bands=bands, rows=0)


def widened(calibration: Calibration) -> Calibration:
    """A calibration used beyond what it was fitted on: wider bands, and `rows` 0; once, whatever the reasons."""
    return _wider(calibration) if calibration.rows else calibration


def _wider(calibration: Calibration) -> Calibration:
    dense, experts = (
        {name: widen(band, EXTRAPOLATION_WIDENING) for name, band in bands.items()}
        for bands in (calibration.bands, calibration.expert_bands)
    )
    return replace(calibration, bands=dense, expert_bands=experts, rows=0)
