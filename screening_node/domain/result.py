"""The words in which a film is judged: landmarks, ROIs, estimates, refusals, results.

Coordinates are (x, y) = (column, row) of the *stored* film, in pixels, pixel centres at integers.
BMD is areal bone mineral density in g/cm2. Left and right are the patient's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Vertebra(StrEnum):
    """The lumbar vertebrae whose BMD is estimated (Wang et al. 2022)."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"


#: The 16 landmarks, in the order in which every array of them is laid out (design: chest-film pathway, step 3).
LANDMARK_NAMES: tuple[str, ...] = (
    "left_clavicle_medial",
    "left_clavicle_middle",
    "left_clavicle_lateral",
    "right_clavicle_medial",
    "right_clavicle_middle",
    "right_clavicle_lateral",
    "left_rib_3",
    "left_rib_5",
    "left_rib_7",
    "left_rib_9",
    "right_rib_3",
    "right_rib_5",
    "right_rib_7",
    "right_rib_9",
    "c7",
    "t12",
)

#: The 14 bone ROIs in the paper's split 2, 2, 4, 4, 1, 1; the whole film is the fifteenth input and has no outline.
ROI_NAMES: tuple[str, ...] = (
    "left_clavicle_medial",
    "left_clavicle_lateral",
    "right_clavicle_medial",
    "right_clavicle_lateral",
    "left_rib_cage_1",
    "left_rib_cage_2",
    "left_rib_cage_3",
    "left_rib_cage_4",
    "right_rib_cage_1",
    "right_rib_cage_2",
    "right_rib_cage_3",
    "right_rib_cage_4",
    "cervical",
    "lumbar",
)


class Category(StrEnum):
    """WHO bands of the T-score. They describe an *estimate*; they are not a diagnosis."""

    NORMAL = "normal"
    OSTEOPENIA = "osteopenia"
    OSTEOPOROSIS = "osteoporosis"


class RefusalCode(StrEnum):
    """Why a film was not judged. The value is what users, logs, the store and JSON see."""

    OWN_OBJECT = "own-object"
    NOT_A_RADIOGRAPH = "not-a-radiograph"
    LOCALISER = "localiser"
    SECONDARY_CAPTURE = "secondary-capture"
    NOT_CHEST = "not-chest"
    NOT_FRONTAL = "not-frontal"
    AGE_UNKNOWN = "age-unknown"
    AGE_OUT_OF_RANGE = "age-out-of-range"
    SEX_UNKNOWN = "sex-unknown"
    NO_PIXELS = "no-pixels"
    PIXELS_UNREADABLE = "pixels-unreadable"
    PIXEL_FORMAT = "pixel-format"
    SPACING_UNKNOWN = "spacing-unknown"
    RESOLUTION_TOO_LOW = "resolution-too-low"
    TOO_LARGE = "too-large"
    BURNED_IN = "burned-in-annotation"
    EXPOSURE = "exposure-out-of-range"
    LANDMARKS_IMPLAUSIBLE = "landmarks-implausible"
    HARDWARE = "hardware-on-bone"
    MEMBERS_DISAGREE = "ensemble-disagrees"
    ESTIMATE_IMPLAUSIBLE = "estimate-implausible"

    @property
    def concerns_chest_films(self) -> bool:
        """Whether a reader of a chest film would expect a word about it.

        The others (a CT slice, our own report coming back) are stored and shown to the admin, but a report in
        PACS for each of them would be noise.
        """
        return self not in _NOT_OUR_BUSINESS


_NOT_OUR_BUSINESS = frozenset(
    {RefusalCode.OWN_OBJECT, RefusalCode.NOT_A_RADIOGRAPH, RefusalCode.LOCALISER, RefusalCode.NOT_CHEST}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Landmark:
    """One of LANDMARK_NAMES at (x, y)."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Roi:
    """An oriented rectangle; ``corners`` are four (x, y) in order around it."""

    name: str
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BmdEstimate:
    """What the ensemble says of one vertebra: mean and standard deviation, both g/cm2.

    ``sd`` combines the spread of the members with the residual error that the bundle's card states; it is not
    a confidence interval. ``calibrated``: its width was set on a validation cohort, see ``VertebraFinding.interval``.
    """

    vertebra: Vertebra
    bmd: float
    sd: float
    calibrated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionAnswer:
    """What the networks say of one of their inputs alone: mean of the members that have it.

    ``name``: the input's, of ROI_NAMES or of another layout. ``bmd``: g/cm2 by vertebra, from the local regressors,
    before any calibration; empty where no member has one. ``attention``: the input's share of what a member's encoder
    attends to (all inputs and its token together 1); None where no member attends.
    """

    name: str
    bmd: Mapping[str, float] = field(default_factory=dict, hash=False)
    attention: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class GateCheck:
    """One number that the gate measured of a film, and its limits; None where there is none on that side."""

    name: str
    value: float
    least: float | None = None
    most: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the number lies within its limits."""
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What led to an answer, for who looks at the film: it is in no report, and no part of what a result *says*."""

    regions: tuple[RegionAnswer, ...] = ()
    checks: tuple[GateCheck, ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Explanation:
        """From a stored result; results of earlier versions have none."""
        data = data or {}
        return cls(
            regions=tuple(RegionAnswer(**region) for region in data.get("regions", ())),
            checks=tuple(GateCheck(**check) for check in data.get("checks", ())),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a pathway says of an exam that it judged."""

    bmd: tuple[BmdEstimate, ...]
    landmarks: tuple[Landmark, ...] = ()
    rois: tuple[Roi, ...] = ()
    explanation: Explanation = Explanation()


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """What a pathway says of an exam that it may not judge: a result like any other."""

    code: RefusalCode
    text: str
    landmarks: tuple[Landmark, ...] = ()
    explanation: Explanation = field(default=Explanation(), compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class VertebraFinding:
    """One vertebra's estimate against the reference table and the alarm threshold."""

    vertebra: Vertebra
    bmd: float
    sd: float
    t_score: float
    threshold: float
    below: bool
    calibrated: bool = False

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval in g/cm2 that held 90 % of a validation cohort's true values; None without a calibration."""
        if not self.calibrated:
            return None
        return self.bmd - HALF_WIDTH_90 * self.sd, self.bmd + HALF_WIDTH_90 * self.sd


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelIdentity:
    """Everything that decides what the same film would be answered."""

    pathway: str
    bundle: str
    weights_sha256: str
    configuration_sha256: str
    members: int
    reference: str
    thresholds: str
    #: A sentence that stands on everything that shows a result, until a site has validated its own model.
    limits_of_use: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ScreeningResult:
    """One exam's judgement, complete: either ``refusal`` or ``findings`` is there, never both.

    ``crossed`` is true when any vertebra lies below its threshold; whether the *patient* gets an alarm is
    decided with the patient's earlier films (domain/alarm.py).
    """

    model: ModelIdentity
    refusal: Refusal | None
    findings: tuple[VertebraFinding, ...] = ()
    category: Category | None = None
    crossed: bool | None = None
    landmarks: tuple[Landmark, ...] = ()
    rois: tuple[Roi, ...] = ()
    #: The most certain vertebra's share of its estimate's distribution below its threshold (``alarm.confidence``).
    confidence: float | None = None
    explanation: Explanation = Explanation()

    @property
    def lowest(self) -> VertebraFinding | None:
        """The finding with the lowest T-score."""
        return min(self.findings, key=lambda finding: finding.t_score, default=None)

    @property
    def sha256(self) -> str:
        """Hash of everything said, for derived UIDs: another result gives another report UID."""
        said = {key: value for key, value in self.to_dict().items() if key not in _NOT_SAID}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON-ready data, rounded so that it is equal after a round trip."""
        data: dict[str, Any] = _rounded(asdict(self))
        if data["refusal"] is not None:
            del data["refusal"]["explanation"]  # it is the result's
        for finding in data["findings"]:
            if not finding["calibrated"]:
                del finding["calibrated"]  # as results of earlier versions: the same answer has the same hash
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ScreeningResult:
        """The inverse of ``to_dict``."""
        refusal = data["refusal"]
        return cls(
            model=ModelIdentity(**data["model"]),
            refusal=None
            if refusal is None
            else Refusal(
                code=RefusalCode(refusal["code"]), text=refusal["text"], landmarks=_landmarks(refusal["landmarks"])
            ),
            findings=tuple(
                VertebraFinding(**{**finding, "vertebra": Vertebra(finding["vertebra"])})
                for finding in data["findings"]
            ),
            category=None if data["category"] is None else Category(data["category"]),
            crossed=data["crossed"],
            landmarks=_landmarks(data["landmarks"]),
            rois=tuple(
                Roi(name=roi["name"], corners=tuple((float(x), float(y)) for x, y in roi["corners"]))
                for roi in data["rois"]
            ),
            confidence=data.get("confidence"),
            explanation=Explanation.from_dict(data.get("explanation")),
        )


#: Keys of a result that no report carries: who derives them anew has not said anything else.
_NOT_SAID = frozenset({"confidence", "explanation"})


#: Standard deviations to each side that a calibration makes hold 90 % (``pathways/calibration.py``).
HALF_WIDTH_90 = 1.645


def _landmarks(data: Any) -> tuple[Landmark, ...]:
    return tuple(Landmark(**point) for point in data)


def _rounded(value: Any) -> Any:
    """Floats to six decimals; tuples to lists, as JSON would give them back."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
