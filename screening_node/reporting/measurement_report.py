"""The content tree: TID 1500 Imaging Measurement Report (DICOM PS3.16 Annex A; design: sr.md).

    Imaging Measurement Report (TID 1500)
      language, observer (TID 1002, 1004), procedure reported, image library (TID 1600, 1602, 1603)
      Imaging Measurements
        patient group (TID 1501): alarm, algorithm (TID 4019), summary, quality, follow-up, the text of it all
        L1..L4 (TID 1501): BMD, its SD, T-score, threshold, below or not (TID 300, 310, 311)
        bone ROIs and landmarks (TID 1410)

A refused film has the patient group alone. The same tree is valid in Comprehensive 3D, Comprehensive and Enhanced SR.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from screening_node.domain.alarm import AlarmDecision, AlarmStatus
from screening_node.domain.identity import MANUFACTURER, MODEL_NAME
from screening_node.domain.result import RefusalCode, ScreeningResult, VertebraFinding
from screening_node.domain.tscore import ReferenceRow, ReferenceTable
from screening_node.reporting import anatomy, codes, uids, wording
from screening_node.reporting.items import Relation, code, container, number, reference, region, text, uid
from screening_node.reporting.language import ENGLISH, Language, Words, words
from screening_node.reporting.source import SourceFilm

CONTAINS = Relation.CONTAINS
MODIFIER = Relation.HAS_CONCEPT_MOD
OBSERVER = Relation.HAS_OBS_CONTEXT
ACQUISITION = Relation.HAS_ACQ_CONTEXT
PROPERTY = Relation.HAS_PROPERTIES

#: Refusals that are about the quality of the picture; the others leave Quality Assessment out.
_BAD_PICTURE = frozenset(
    {
        RefusalCode.NO_PIXELS,
        RefusalCode.PIXELS_UNREADABLE,
        RefusalCode.RESOLUTION_TOO_LOW,
        RefusalCode.BURNED_IN,
        RefusalCode.EXPOSURE,
    }
)
#: Refusals of objects that are no chest films, or may be none: the report does not call them so.
_NOT_CHEST_FILMS = frozenset(
    {
        RefusalCode.OWN_OBJECT,
        RefusalCode.NOT_A_RADIOGRAPH,
        RefusalCode.LOCALISER,
        RefusalCode.SECONDARY_CAPTURE,
        RefusalCode.NOT_CHEST,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """All that a report says, before it is put into a tree."""

    film: SourceFilm
    result: ScreeningResult
    alarm: AlarmDecision
    table: ReferenceTable
    software_version: str
    revision: int
    sentence: str
    language: Language = Language.ENGLISH

    @property
    def say(self) -> Words:
        """Says texts in the language of whoever reads this."""
        return words(self.language)

    @property
    def device_uid(self) -> str:
        """The node as an observer: another version or other weights are another observer."""
        return uids.device(MODEL_NAME, self.software_version, self.result.model.weights_sha256)

    @property
    def serial_number(self) -> str:
        """What stands for a serial number: the beginning of the weights' hash."""
        return self.result.model.weights_sha256[:16]


def content(statement: Statement) -> list[Dataset]:
    """The children of the root, in the template's order."""
    groups = [_patient_group(statement)]
    if statement.result.refusal is None:
        groups += _vertebra_groups(statement)
        if statement.film.is_image:
            groups += _roi_groups(statement)
            groups += _landmark_groups(statement)
    children = [
        code(MODIFIER, codes.LANGUAGE, codes.LANGUAGES[statement.language]),
        *_observer(statement),
        code(MODIFIER, codes.PROCEDURE_REPORTED, _procedure(statement)),
    ]
    if statement.film.is_image:
        children.append(_image_library(statement.film))
    return [*children, container(CONTAINS, codes.IMAGING_MEASUREMENTS, groups)]


def _procedure(statement: Statement) -> Code:
    refusal = statement.result.refusal
    return codes.IMAGING if refusal and refusal.code in _NOT_CHEST_FILMS else codes.CHEST_RADIOGRAPHY


def _observer(statement: Statement) -> Iterator[Dataset]:
    """TID 1002 and 1004."""
    yield code(OBSERVER, codes.OBSERVER_TYPE, codes.DEVICE)
    yield uid(OBSERVER, codes.DEVICE_UID, statement.device_uid)
    yield text(OBSERVER, codes.DEVICE_NAME, MODEL_NAME)
    yield text(OBSERVER, codes.DEVICE_MANUFACTURER, MANUFACTURER)
    yield text(OBSERVER, codes.DEVICE_MODEL, MODEL_NAME)
    yield text(OBSERVER, codes.DEVICE_SERIAL, statement.serial_number)


def _image_library(film: SourceFilm) -> Dataset:
    """TID 1600; what the film does not say is left out."""
    image = reference(CONTAINS, codes.SOURCE, film.sop)
    image.ContentSequence = list(_descriptors(film))
    if not image.ContentSequence:
        del image.ContentSequence
    return container(CONTAINS, codes.IMAGE_LIBRARY, [container(CONTAINS, codes.IMAGE_LIBRARY_GROUP, [image])])


def _descriptors(film: SourceFilm) -> Iterator[Dataset]:
    """TID 1602 and 1603."""
    if film.modality in codes.MODALITIES:
        yield code(ACQUISITION, codes.MODALITY, codes.MODALITIES[film.modality])
    if film.rows and film.columns:
        yield number(ACQUISITION, codes.PIXEL_DATA_ROWS, str(film.rows), codes.PIXELS)
        yield number(ACQUISITION, codes.PIXEL_DATA_COLUMNS, str(film.columns), codes.PIXELS)
    if film.orientation:
        yield text(ACQUISITION, codes.ORIENTATION_ROW, film.orientation[0])
        yield text(ACQUISITION, codes.ORIENTATION_COLUMN, film.orientation[1])
    if film.spacing_mm:
        yield number(ACQUISITION, codes.HORIZONTAL_SPACING, film.spacing_mm[1], codes.MILLIMETER)
        yield number(ACQUISITION, codes.VERTICAL_SPACING, film.spacing_mm[0], codes.MILLIMETER)


def _tracked(statement: Statement, title: Callable[[Words], str]) -> list[Dataset]:
    """The head of a measurement group: what it is about, for people, and for machines the same in every language."""
    return [
        text(OBSERVER, codes.TRACKING_IDENTIFIER, title(statement.say)),
        uid(OBSERVER, codes.TRACKING_UID, uids.tracking(statement.film.sop_instance_uid, title(ENGLISH))),
    ]


def _group(children: list[Dataset], template: str) -> Dataset:
    return container(CONTAINS, codes.MEASUREMENT_GROUP, children, template=template)


# The patient group


def _patient_group(statement: Statement) -> Dataset:
    """TID 1501: what holds for the patient as a whole."""
    film, result, alarm = statement.film, statement.result, statement.alarm
    raised = alarm.status is AlarmStatus.RAISED
    children = _tracked(statement, lambda say: say("Lumbar bone density of the patient"))
    if raised:
        children.append(code(CONTAINS, codes.FINDING, codes.BONE_DENSITY_LOW))
    children.append(code(MODIFIER, codes.FINDING_SITE, codes.LUMBAR_SPINE))
    children += _algorithm(statement)
    children += _assessment(result)
    children.append(code(CONTAINS, codes.BONE_DENSITY_ALARM, codes.ALARM_VALUES[alarm.status]))
    if raised:
        children.append(code(CONTAINS, codes.RECOMMENDED_FOLLOW_UP, codes.DXA))
    children.append(reference(CONTAINS, codes.SOURCE_OF_MEASUREMENT, film.sop, image=film.is_image))
    children.append(text(CONTAINS, codes.SENTENCE, statement.sentence))
    said = wording.comment(result, alarm, statement.table, film.notes, statement.revision, statement.say)
    return _group([*children, text(CONTAINS, codes.COMMENT, said)], "1501")


def _algorithm(statement: Statement) -> Iterator[Dataset]:
    """TID 4019."""
    model = statement.result.model
    yield text(MODIFIER, codes.ALGORITHM_NAME, f"{MODEL_NAME} {model.pathway}")
    yield text(MODIFIER, codes.ALGORITHM_VERSION, f"{statement.software_version}, bundle {model.bundle}")
    yield text(MODIFIER, codes.ALGORITHM_MANUFACTURER, MANUFACTURER)
    for parameter in wording.algorithm_parameters(statement.result, statement.table):
        yield text(MODIFIER, codes.ALGORITHM_PARAMETERS, parameter)
    yield code(MODIFIER, codes.ALGORITHM_FAMILY, codes.ARTIFICIAL_INTELLIGENCE)


def _assessment(result: ScreeningResult) -> Iterator[Dataset]:
    """Whether the film could be judged, and how it was judged."""
    if result.refusal is None:
        summary = codes.SUCCEEDED_WITH_FINDINGS if result.crossed else codes.SUCCEEDED_WITHOUT_FINDINGS
        yield code(CONTAINS, codes.SUMMARY, summary)
        yield code(CONTAINS, codes.QUALITY_ASSESSMENT, codes.QUALITY_USABLE)
        return
    yield code(CONTAINS, codes.SUMMARY, codes.NONE_SUCCEEDED)
    if result.refusal.code in _BAD_PICTURE:
        yield code(CONTAINS, codes.QUALITY_ASSESSMENT, codes.QUALITY_UNUSABLE)
    yield code(CONTAINS, codes.QUALITY_FINDING, codes.REFUSALS[result.refusal.code])


# The vertebrae


def _vertebra_groups(statement: Statement) -> Iterator[Dataset]:
    """TID 1501, one for each vertebra that the model estimates."""
    for finding in statement.result.findings:
        row = statement.table.row(finding.vertebra, statement.film.sex or None)
        yield _group(
            [
                *_vertebra(statement, finding),
                code(MODIFIER, codes.FINDING_SITE, codes.VERTEBRAE[finding.vertebra]),
                _bmd(finding, row, statement),
                _bmd_sd(finding),
                _t_score(finding, statement.table),
                number(CONTAINS, codes.ALARM_THRESHOLD, f"{finding.threshold:.2f}", codes.T_SCORE_UNIT),
                code(
                    CONTAINS,
                    codes.THRESHOLD_CROSSED,
                    codes.BELOW_THRESHOLD if finding.below else codes.NOT_BELOW_THRESHOLD,
                ),
                reference(CONTAINS, codes.SOURCE_OF_MEASUREMENT, statement.film.sop, image=statement.film.is_image),
            ],
            "1501",
        )


def _vertebra(statement: Statement, finding: VertebraFinding) -> list[Dataset]:
    return _tracked(statement, lambda say: say("Bone density of {vertebra}", vertebra=finding.vertebra.value))


def _bmd(finding: VertebraFinding, row: ReferenceRow | None, statement: Statement) -> Dataset:
    """TID 300 with the population's statistics (TID 311)."""
    table = statement.table
    children = [
        code(MODIFIER, codes.MEASUREMENT_METHOD, codes.RADIOGRAPH_METHOD),
        code(MODIFIER, codes.DERIVATION, codes.ESTIMATED),
        *_interval(finding),
    ]
    if row is not None:
        children += [
            number(PROPERTY, codes.POPULATION_MEAN, wording.bmd(row.mean), codes.G_PER_CM2),
            number(PROPERTY, codes.POPULATION_SD, wording.bmd(row.sd), codes.G_PER_CM2),
            text(PROPERTY, codes.POPULATION_DESCRIPTION, _population(statement)),
            text(PROPERTY, codes.REFERENCE_AUTHORITY, table.source),
        ]
    return number(CONTAINS, codes.BONE_DENSITY, wording.bmd(finding.bmd), codes.G_PER_CM2, *children)


def _interval(finding: VertebraFinding) -> Iterator[Dataset]:
    """The calibrated interval: how far its limits lie from the estimate (CID 225), and the limits; TID 310."""
    if finding.interval is None:
        return
    low, high = finding.interval
    for name, value in (
        (codes.UNCERTAINTY_BELOW, finding.bmd - low),
        (codes.UNCERTAINTY_ABOVE, high - finding.bmd),
        (codes.INTERVAL_LOW, low),
        (codes.INTERVAL_HIGH, high),
    ):
        yield number(PROPERTY, name, wording.bmd(value), codes.G_PER_CM2)


def _population(statement: Statement) -> str:
    table = statement.table
    return statement.say("Young adults: {population} ({maker})", population=table.population, maker=table.maker)


def _bmd_sd(finding: VertebraFinding) -> Dataset:
    derivation = code(MODIFIER, codes.DERIVATION, codes.STANDARD_DEVIATION)
    return number(CONTAINS, codes.BONE_DENSITY, wording.bmd(finding.sd), codes.G_PER_CM2, derivation)


def _t_score(finding: VertebraFinding, table: ReferenceTable) -> Dataset:
    """TID 300 with the reference table (TID 315); Normality (TID 310) only where it crosses, never "normal"."""
    children = [text(Relation.INFERRED_FROM, codes.TABLE_CITATION, table.citation)]
    if finding.below:
        children.append(code(PROPERTY, codes.NORMALITY, codes.ABNORMALLY_LOW))
    shown = wording.t_score(finding.t_score, finding.threshold)
    return number(CONTAINS, codes.T_SCORE, shown, codes.T_SCORE_UNIT, *children)


# Regions and landmarks


def _roi_groups(statement: Statement) -> Iterator[Dataset]:
    """TID 1410 with a closed outline; a ROI that lies off the film has none."""
    film = statement.film
    for roi in statement.result.rois:
        outline = [anatomy.to_corner_origin(corner) for corner in roi.corners]
        if film.columns and film.rows:
            outline = anatomy.clipped(outline, film.columns, film.rows)
        if outline:
            yield _roi_group(statement, anatomy.ROIS[roi.name], [*outline, outline[0]])


def _landmark_groups(statement: Statement) -> Iterator[Dataset]:
    """TID 1410 with a point; a landmark off the film is left out."""
    film = statement.film
    for landmark in statement.result.landmarks:
        point = anatomy.to_corner_origin((landmark.x, landmark.y))
        on_film = not (film.columns and film.rows) or (0 <= point[0] <= film.columns and 0 <= point[1] <= film.rows)
        if on_film:
            yield _landmark_group(statement, anatomy.LANDMARKS[landmark.name], point)


def _roi_group(statement: Statement, place: anatomy.Place, outline: list[anatomy.Point]) -> Dataset:
    head = _tracked(statement, lambda say: say("ROI: {place}", place=place.name(say)))
    return _region_group(head, statement.film, place, outline, codes.OUTLINE)


def _landmark_group(statement: Statement, place: anatomy.Place, point: anatomy.Point) -> Dataset:
    head = _tracked(statement, lambda say: say("Landmark: {place}", place=place.name(say)))
    return _region_group(head, statement.film, place, [point], codes.REPRESENTATIVE_POINT)


def _region_group(
    head: list[Dataset], film: SourceFilm, place: anatomy.Place, points: list[anatomy.Point], purpose: Code
) -> Dataset:
    side = [code(MODIFIER, codes.LATERALITY, place.side)] if place.side is not None else []
    return _group(
        [
            *head,
            code(CONTAINS, codes.GEOMETRIC_PURPOSE, purpose),
            region(CONTAINS, codes.IMAGE_REGION, points, film.sop),
            code(MODIFIER, codes.FINDING_SITE, place.site, *side),
        ],
        "1410",
    )
