"""May this object be judged as a frontal chest film? Answered from its header alone, before anything is decoded.

Free of torch. Headers lie, above all View Position, which is often empty: what is empty passes, and the pixels are
asked later (gate.py); what is there and says no is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from screening_node.domain.result import Refusal, RefusalCode
from screening_node.domain.tscore import ReferenceTable
from screening_node.imaging import header
from screening_node.imaging.pixels import check_format, spacing_mm


@dataclass(frozen=True, kw_only=True)
class AdmissionRules:
    """What a site lets through. ``age_range`` in years, both included (Wang 2022: 40 to 90)."""

    reference: ReferenceTable
    age_range: tuple[int, int] = (40, 90)
    secondary_capture: bool = False
    spacing_required: bool = True


#: Secondary Capture and its multi-frame forms (PS3.4 B.5).
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_RADIOGRAPH_MODALITIES = frozenset({"CR", "DX", "RG", "XR"})
_CHEST_WORDS = ("CHEST", "THORAX", "RIB", "LUNG")
_NOT_CHEST_WORDS = ("ABD", "PELV", "SPINE", "SHOULDER", "STERN", "CLAV")
#: Chest, thorax, thoracic cavity, rib, lung in SNOMED CT and SRT (PS3.16 CID 4031).
_CHEST_CODES = frozenset(
    {"51185008", "T-D3000", "816094009", "43799004", "113197003", "T-11300", "39607008", "T-28000"}
)
_FRONTAL_VIEWS = frozenset({"PA", "AP", "POSTERO-ANTERIOR", "ANTERO-POSTERIOR"})
#: Values and beginnings of View Position that are no frontal view: lateral, decubitus, oblique, lordotic, breast.
_OTHER_VIEWS = frozenset({"LL", "RL", "LLD", "RLD", "LLO", "RLO", "LAO", "RAO", "LPO", "RPO", "ML", "MLO", "CC", "LM"})
_OTHER_VIEW_WORDS = ("LAT", "OBL", "DECUB", "LORDO")


def admit(dataset: Dataset, rules: AdmissionRules) -> Refusal | None:
    """The first reason to refuse, or None. Cheap; never raises."""
    checks: Sequence[Callable[[Dataset, AdmissionRules], Refusal | None]] = (
        _check_object,
        lambda dataset, _: check_format(dataset),
        _check_body_part,
        _check_view,
        _check_patient,
        _check_film,
    )
    return next((refusal for refusal in (check(dataset, rules) for check in checks) if refusal is not None), None)


def _check_object(dataset: Dataset, rules: AdmissionRules) -> Refusal | None:
    """Whether it is a radiograph at all, and somebody else's."""
    if header.is_own_object(dataset):
        return _refusal(RefusalCode.OWN_OBJECT, "The object was made by this node.")
    if "LOCALIZER" in (value.upper() for value in header.texts(dataset, "ImageType")):
        return _refusal(RefusalCode.LOCALISER, "The image is a localiser.")
    modality = (header.text(dataset, "Modality") or "").upper()
    sop_class = header.text(dataset, "SOPClassUID") or ""
    if modality and modality not in _RADIOGRAPH_MODALITIES:
        return _refusal(RefusalCode.NOT_A_RADIOGRAPH, f"The modality is {modality[:16]}, not a projection radiograph.")
    if sop_class.startswith(_SECONDARY_CAPTURE) and modality:
        if rules.secondary_capture:
            return None
        return _refusal(RefusalCode.SECONDARY_CAPTURE, "The image is a secondary capture, not the detector's own.")
    if sop_class not in header.RADIOGRAPH_CLASSES:
        return _refusal(RefusalCode.NOT_A_RADIOGRAPH, "The object is of no radiography storage class.")
    return None


def _check_body_part(dataset: Dataset, _rules: AdmissionRules) -> Refusal | None:
    part = (header.text(dataset, "BodyPartExamined") or "").upper()
    if part:
        chest = any(word in part for word in _CHEST_WORDS) and not any(word in part for word in _NOT_CHEST_WORDS)
        return None if chest else _refusal(RefusalCode.NOT_CHEST, "The header names another body part than the chest.")
    codes = _codes(dataset, "AnatomicRegionSequence")
    if codes and not _CHEST_CODES.intersection(code for code, _ in codes):
        return _refusal(RefusalCode.NOT_CHEST, "The header codes another region than the chest.")
    return None


def _check_view(dataset: Dataset, _rules: AdmissionRules) -> Refusal | None:
    view = (header.text(dataset, "ViewPosition") or "").upper()
    meanings = [meaning.upper() for _, meaning in _codes(dataset, "ViewCodeSequence")]
    direction = (header.text(dataset, "PatientOrientation") or "").upper()
    other = view in _OTHER_VIEWS or any(word in view for word in _OTHER_VIEW_WORDS)
    coded_other = any(word in meaning for meaning in meanings for word in _OTHER_VIEW_WORDS)
    if other or (view not in _FRONTAL_VIEWS and (coded_other or direction[:1] in {"A", "P"})):
        return _refusal(RefusalCode.NOT_FRONTAL, "The header names a view that is not frontal.")
    return None


def _check_patient(dataset: Dataset, rules: AdmissionRules) -> Refusal | None:
    patient = header.patient_of(dataset)
    youngest, oldest = rules.age_range
    if patient.age is None:
        return _refusal(RefusalCode.AGE_UNKNOWN, "The header gives no age, and no birth date with a study date.")
    if not youngest <= patient.age <= oldest:
        return _refusal(
            RefusalCode.AGE_OUT_OF_RANGE, f"The patient's age is outside the model's range of {youngest} to {oldest}."
        )
    if not rules.reference.covers(patient.sex):
        return _refusal(
            RefusalCode.SEX_UNKNOWN, f"The reference table {rules.reference.name} needs a sex that the header lacks."
        )
    return None


def _check_film(dataset: Dataset, rules: AdmissionRules) -> Refusal | None:
    if (header.text(dataset, "BurnedInAnnotation") or "").upper() == "YES":
        return _refusal(RefusalCode.BURNED_IN, "The header says that text is burned into the pixels.")
    if rules.spacing_required and spacing_mm(dataset) is None:
        return _refusal(RefusalCode.SPACING_UNKNOWN, "The header gives no pixel spacing, or an impossible one.")
    return None


def _codes(dataset: Dataset, keyword: str) -> list[tuple[str, str]]:
    """(value, meaning) of the items of a code sequence; empty where it cannot be read."""
    try:
        items = list(dataset.get(keyword) or ())
        return [(header.text(item, "CodeValue") or "", header.text(item, "CodeMeaning") or "") for item in items]
    except Exception:  # a sequence may hold anything
        return []


def _refusal(code: RefusalCode, text: str) -> Refusal:
    return Refusal(code=code, text=text)
