"""The chest-film pathway from file to answer: gate, landmarks, crops, estimate (design: chest-film pathway)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.exam import ExamFiles
from screening_node.domain.result import (
    LANDMARK_NAMES,
    BmdEstimate,
    Estimate,
    Explanation,
    GateCheck,
    Landmark,
    ModelIdentity,
    Refusal,
    RefusalCode,
    RegionAnswer,
    Roi,
)
from screening_node.errors import BundleInvalid, UnreadableObject, UnreadablePixels
from screening_node.imaging import header
from screening_node.imaging.display import page_picture
from screening_node.imaging.pixels import decode, read
from screening_node.imaging.pyramid import Pyramid, build_pyramid
from screening_node.networks.normalise import normalise
from screening_node.pathways import registry
from screening_node.pathways.chest_film import explanation, gate, regions
from screening_node.pathways.chest_film.admission import AdmissionRules, admit
from screening_node.pathways.chest_film.architecture import DetectorArchitecture, EstimatorArchitecture
from screening_node.pathways.chest_film.ensemble import calibrate, combine
from screening_node.pathways.chest_film.estimator import Explained, build_estimator, explained
from screening_node.pathways.chest_film.landmarks import PixelTransform, build_detector, view_inputs, views_of
from screening_node.pathways.chest_film.sampling import sample
from screening_node.pathways.weights import Bundle, Network, load_bundle

Points = NDArray[np.float64]

#: Inputs that go through a network at once, always padded to this many: the answer to a film must not depend on its
#: neighbours. On a CPU more at once gains nothing.
_CHUNK = {"cpu": 1, "cuda": 16}
#: Decimals that are kept (stored pixels; g/cm2), far below what matters, far above floating-point noise.
_POINT_DECIMALS, _BMD_DECIMALS = 2, 4


@dataclass(frozen=True, kw_only=True)
class _Detector:
    architecture: DetectorArchitecture
    module: nn.Module

    def last(self, views: Tensor) -> Sequence[Tensor]:
        """The landmarks of the last stage alone, the answer: (n, C, S, S) -> [(n, 16, 2)]."""
        stages: list[Tensor] = self.module(views)
        return stages[-1:]


class _Cut(NamedTuple):
    """What a member wants cut from a film; members that want the same share the crops."""

    layout: str
    roi_scale: float
    size: int


@dataclass(frozen=True, kw_only=True)
class _Member:
    architecture: EstimatorArchitecture
    module: nn.Module

    @property
    def cut(self) -> _Cut:
        return _Cut(self.architecture.layout, self.architecture.roi_scale, self.architecture.size)


@dataclass(frozen=True, kw_only=True)
class PreparedFilm:
    """A film that passed the header and the first pixel checks.

    ``inputs``: for each detector float32 (views, C, S, S); ``views``: where each view lies on the film; ``scanner``:
    maker and model, by which a calibration may differ.
    """

    pyramid: Pyramid
    spacing_mm: tuple[float, float] | None
    views: tuple[PixelTransform, ...]
    inputs: tuple[NDArray[np.float32], ...]
    scanner: str | None = None


class ChestFilmPathway:
    """Implements ``pathways.base.Pathway`` for one bundle of weights and one site's rules."""

    name = registry.CHEST_FILM

    def __init__(
        self,
        bundle: Bundle,
        device: torch.device,
        rules: AdmissionRules,
        thresholds: ThresholdSet,
    ) -> None:
        """Builds and fills every network; raises BundleInvalid where card and weights do not fit."""
        if bundle.card.pathway != self.name:
            raise BundleInvalid(
                f"{bundle.folder} is a bundle for the pathway {bundle.card.pathway}.", fix=f"Name one for {self.name}."
            )
        self._card = bundle.card
        self._device = device
        self._rules = rules
        self._limits = gate.GateLimits.with_overrides(bundle.card.gate)
        self._detectors = tuple(_detector(bundle, network, device) for network in bundle.card.detectors)
        self._members = tuple(_member(bundle, network, device) for network in bundle.card.members)
        self._identity = _identity(bundle, rules, thresholds, self._limits)

    @classmethod
    def load(
        cls,
        bundle_folder: Path,
        device: torch.device,
        rules: AdmissionRules,
        *,
        thresholds: ThresholdSet,
        threads: int | None = None,
    ) -> ChestFilmPathway:
        """Load and check a bundle. ``threads`` sets torch's (of the whole process); None leaves them."""
        if threads is not None:
            torch.set_num_threads(threads)
        return cls(load_bundle(bundle_folder), device, rules, thresholds)

    @property
    def identity(self) -> ModelIdentity:
        """Everything that decides what the same film would be answered."""
        return self._identity

    def prepare(self, exam: ExamFiles) -> PreparedFilm | Refusal:
        """Read, check headers, decode, check exposure, cut the detectors' inputs.

        Raises UnreadableObject where the file is no DICOM object, StoreUnavailable where the disk fails.
        """
        if len(exam.files) != 1:
            raise UnreadableObject(f"A chest film is an exam of one file; this one has {len(exam.files)}.")
        dataset = read(exam.files[0])
        refusal = admit(dataset, self._rules)
        if refusal is not None:
            return refusal
        try:
            film = decode(dataset)
        except UnreadablePixels as error:
            return Refusal(code=RefusalCode.PIXELS_UNREADABLE, text=error.message)
        pyramid = build_pyramid(film.pixels)
        refusal = gate.check_pixels(pyramid, film.spacing_mm, self._limits)
        return refusal or self._prepared(pyramid, film.spacing_mm, header.equipment(dataset))

    def picture(self, work: PreparedFilm) -> NDArray[np.uint8]:
        """The film as a page shows it."""
        return page_picture(work.pyramid)

    def judge(self, batch: Sequence[PreparedFilm]) -> list[Estimate | Refusal]:
        """Landmarks, gate, crops and estimates of a batch, in order."""
        if not batch:
            return []
        with torch.inference_mode():
            gated = [self._gated(film, every) for film, every in zip(batch, self._landmarks(batch), strict=True)]
            taken = [answer for answer in gated if isinstance(answer, _Located)]
            estimates = iter(self._estimates(taken))
        return [answer if isinstance(answer, Refusal) else next(estimates) for answer in gated]

    def judge_at(self, batch: Sequence[PreparedFilm], landmarks: Sequence[Points]) -> list[Estimate | Refusal]:
        """Estimates with the ROIs placed by ``landmarks``, (16, 2) stored pixels a film: no detector, no landmark gate.

        For measuring what the detector's errors cost the estimate.
        """
        located = [_Located(film=film, points=points) for film, points in zip(batch, landmarks, strict=True)]
        with torch.inference_mode():
            return self._estimates(located)

    def _prepared(self, pyramid: Pyramid, spacing_mm: tuple[float, float] | None, scanner: str | None) -> PreparedFilm:
        views = views_of(pyramid.shape)
        inputs = tuple(view_inputs(pyramid, views, detector.architecture) for detector in self._detectors)
        return PreparedFilm(pyramid=pyramid, spacing_mm=spacing_mm, views=views, inputs=inputs, scanner=scanner)

    def _landmarks(self, batch: Sequence[PreparedFilm]) -> list[Points]:
        """For each film its landmarks as every detector sees them in every view, (n, 16, 2) stored pixels."""
        seen: list[list[Points]] = [[] for _ in batch]
        for index, detector in enumerate(self._detectors):
            inputs = torch.from_numpy(np.concatenate([film.inputs[index] for film in batch]))
            (last,) = self._run(detector.last, inputs)
            answers = iter(last.numpy())
            for film, points in zip(batch, seen, strict=True):
                points.extend(view.to_pixels(next(answers)) for view in film.views)
        return [np.stack(points) for points in seen]

    def _gated(self, film: PreparedFilm, every: Points) -> _Located | Refusal:
        points: Points = every.mean(axis=0).round(_POINT_DECIMALS)
        found = gate.measure(film.pyramid, film.spacing_mm, points, every)
        located = _Located(film=film, points=points, checks=explanation.checks(found, self._limits))
        refusal = gate.judge(found, self._limits)
        return located if refusal is None else located.refused(refusal)

    def _estimates(self, located: Sequence[_Located]) -> list[Estimate | Refusal]:
        if not located:
            return []
        crops = {
            cut: torch.from_numpy(np.stack([film.crops(cut) for film in located]))
            for cut in {member.cut for member in self._members}
        }
        answers = [self._answers(member, crops[member.cut]) for member in self._members]
        return [self._combined(film, [own[index] for own in answers]) for index, film in enumerate(located)]

    def _answers(self, member: _Member, crops: Tensor) -> list[_Answer]:
        """What one member says of each film; crops (n, inputs, S, S)."""
        how = member.architecture
        said = Explained(*self._run(lambda chunk: explained(member.module, chunk), normalise(crops, how.normalisation)))
        answers = (dict(zip(how.vertebrae, answer, strict=True)) for answer in said.global_bmd.tolist())
        return list(map(_Answer, answers, explanation.member_regions(how, said)))

    def _combined(self, film: _Located, answers: Sequence[_Answer]) -> Estimate | Refusal:
        told = explanation.combined([answer.regions for answer in answers])
        bmd = combine([answer.bmd for answer in answers], self._card.residual_sd, self._card.disagreement_limit)
        if self._card.calibration is not None and not isinstance(bmd, Refusal):
            bmd = calibrate(bmd, self._card.calibration, film.film.scanner)
        if isinstance(bmd, Refusal):
            return film.refused(bmd, told)
        return Estimate(
            bmd=_rounded(bmd),
            landmarks=_named(film.points),
            rois=film.outlines(),
            explanation=Explanation(regions=told, checks=film.checks),
        )

    def _run(self, network: Callable[[Tensor], Sequence[Tensor]], inputs: Tensor) -> tuple[Tensor, ...]:
        """A network over (n, ...) inputs in padded chunks of a fixed size; each of its answers (n, ...) on the CPU."""
        size = _CHUNK.get(self._device.type, 1)
        answers = []
        for chunk in torch.split(inputs, size):
            padded = torch.cat([chunk, chunk.new_zeros(size - len(chunk), *chunk.shape[1:])])
            answers.append([part[: len(chunk)].float().cpu() for part in network(padded.to(self._device))])
        return tuple(torch.cat(parts) for parts in zip(*answers, strict=True))


class _Answer(NamedTuple):
    """What one member says of a film: g/cm2 by vertebra, and what led to it."""

    bmd: dict[str, float]
    regions: tuple[RegionAnswer, ...]


@dataclass(frozen=True, kw_only=True)
class _Located:
    """A film with its landmarks (16, 2) in stored pixels, and what the gate measured of it."""

    film: PreparedFilm
    points: Points
    checks: tuple[GateCheck, ...] = ()

    def refused(self, refusal: Refusal, regions: tuple[RegionAnswer, ...] = ()) -> Refusal:
        """A refusal with all that is known of the film."""
        told = Explanation(regions=regions, checks=self.checks)
        return replace(refusal, landmarks=_named(self.points), explanation=told)

    def crops(self, cut: _Cut) -> NDArray[np.float32]:
        """(inputs, S, S) grey values from the full-resolution film."""
        pyramid = self.film.pyramid
        places = regions.rectangles(cut.layout, self.points, pyramid.shape, self.film.spacing_mm, cut.roi_scale)
        return sample(pyramid, places, cut.size)

    def outlines(self) -> tuple[Roi, ...]:
        """The ROIs as a report shows them."""
        return tuple(
            Roi(
                name=roi.name,
                corners=tuple((round(x, _POINT_DECIMALS), round(y, _POINT_DECIMALS)) for x, y in roi.corners),
            )
            for roi in regions.place(self.points, self.film.spacing_mm)
        )


def _detector(bundle: Bundle, network: Network, device: torch.device) -> _Detector:
    architecture = DetectorArchitecture.from_dict(network.architecture)
    return _Detector(architecture=architecture, module=bundle.fill(build_detector(architecture), network).to(device))


def _member(bundle: Bundle, network: Network, device: torch.device) -> _Member:
    architecture = EstimatorArchitecture.from_dict(network.architecture)
    if architecture.vertebrae != network.vertebrae:
        raise BundleInvalid(
            f"{bundle.folder / network.file}: the card lists {list(network.vertebrae)}, its architecture gives "
            f"{list(architecture.vertebrae)}.",
            fix="Fetch the bundle again.",
        )
    return _Member(architecture=architecture, module=bundle.fill(build_estimator(architecture), network).to(device))


def _identity(
    bundle: Bundle, rules: AdmissionRules, thresholds: ThresholdSet, limits: gate.GateLimits
) -> ModelIdentity:
    card = bundle.card
    decisive = {
        "card": card.configuration_sha256,
        "rules": asdict(rules),
        "thresholds": asdict(thresholds),
        "gate": asdict(limits),
    }
    return ModelIdentity(
        pathway=card.pathway,
        bundle=f"{card.name} {card.version}",
        weights_sha256=card.weights_sha256,
        configuration_sha256=hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest(),
        members=len(card.members),
        reference=f"{rules.reference.name} {rules.reference.version}",
        thresholds=thresholds.name,
        limits_of_use=card.limits_of_use,
    )


def _named(points: Points) -> tuple[Landmark, ...]:
    return tuple(
        Landmark(name=name, x=float(x), y=float(y)) for name, (x, y) in zip(LANDMARK_NAMES, points, strict=True)
    )


def _rounded(bmd: Sequence[BmdEstimate]) -> tuple[BmdEstimate, ...]:
    return tuple(
        BmdEstimate(
            vertebra=estimate.vertebra,
            bmd=round(estimate.bmd, _BMD_DECIMALS),
            sd=round(estimate.sd, _BMD_DECIMALS),
            calibrated=estimate.calibrated,
        )
        for estimate in bmd
    )
