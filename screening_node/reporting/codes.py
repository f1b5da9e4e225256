"""Every coded concept that the node writes, once.

Sources, by scheme designator:

- ``DCM``: DICOM PS3.16 Annex D. ``UCUM``: The Unified Code for Units of Measure. Both as in pydicom's dictionary.
- ``SCT``: SNOMED CT codes that DICOM uses (PS3.16 Annex O), as in pydicom's dictionary; three exceptions are marked.
- ``UMLS``, ``RFC5646``: marked where they stand.
- ``99SCRNODE``: the node's own, docs/private-codes.md; used only where no standard code says the same.

No validator notices a wrong concept code: tests/unit/reporting/test_codes.py holds each against pydicom's
dictionary, and the meaning of the others against their source. LOINC codes of bone density are not used: each says
that the method was DXA. 'Osteoporosis' and 'osteopenia' are diagnoses: the node makes none.
"""

from __future__ import annotations

from typing import Final

from pydicom.sr.coding import Code

from screening_node.domain.alarm import AlarmStatus
from screening_node.domain.result import RefusalCode, Vertebra
from screening_node.reporting.language import Language

PRIVATE_DESIGNATOR: Final = "99SCRNODE"
PRIVATE_NAME: Final = "Screening Node private codes"
PRIVATE_VERSION: Final = "3"


def _dcm(value: str, meaning: str) -> Code:
    return Code(value, "DCM", meaning)


def _sct(value: str, meaning: str) -> Code:
    return Code(value, "SCT", meaning)


def _own(value: str, meaning: str) -> Code:
    return Code(value, PRIVATE_DESIGNATOR, meaning)


# The document (TID 1500, 1204, 1002, 1004)
IMAGING_MEASUREMENT_REPORT = _dcm("126000", "Imaging Measurement Report")
LANGUAGE = _dcm("121049", "Language of Content Item and Descendants")
#: Tags of RFC 5646, as CID 5000 asks; the script is part of the tag where a language is written in two.
LANGUAGES = {
    language: Code(language.value, "RFC5646", meaning)
    for language, meaning in (
        (Language.ENGLISH, "English"),
        (Language.GERMAN, "German"),
        (Language.SPANISH, "Spanish"),
        (Language.FRENCH, "French"),
        (Language.CHINESE_TRADITIONAL, "Chinese (traditional script)"),
        (Language.CHINESE_SIMPLIFIED, "Chinese (simplified script)"),
        (Language.JAPANESE, "Japanese"),
        (Language.KOREAN, "Korean"),
    )
}
OBSERVER_TYPE = _dcm("121005", "Observer Type")
DEVICE = _dcm("121007", "Device")
DEVICE_UID = _dcm("121012", "Device Observer UID")
DEVICE_NAME = _dcm("121013", "Device Observer Name")
DEVICE_MANUFACTURER = _dcm("121014", "Device Observer Manufacturer")
DEVICE_MODEL = _dcm("121015", "Device Observer Model Name")
DEVICE_SERIAL = _dcm("121016", "Device Observer Serial Number")
PROCEDURE_REPORTED = _dcm("121058", "Procedure reported")
#: Not in pydicom's dictionary; SNOMED CT 399208008 |Plain X-ray of chest (procedure)|, as Synthea and others use it.
CHEST_RADIOGRAPHY = _sct("399208008", "Plain chest X-ray")
IMAGING = _sct("363679005", "Imaging procedure")
PROCESSING_EQUIPMENT = _dcm("109102", "Processing Equipment")

# The image library (TID 1600 to 1603)
IMAGE_LIBRARY = _dcm("111028", "Image Library")
IMAGE_LIBRARY_GROUP = _dcm("126200", "Image Library Group")
SOURCE = _sct("260753009", "Source")
MODALITY = _dcm("121139", "Modality")
PIXEL_DATA_ROWS = _dcm("110910", "Pixel Data Rows")
PIXEL_DATA_COLUMNS = _dcm("110911", "Pixel Data Columns")
ORIENTATION_ROW = _dcm("111044", "Patient Orientation Row")
ORIENTATION_COLUMN = _dcm("111043", "Patient Orientation Column")
HORIZONTAL_SPACING = _dcm("111026", "Horizontal Pixel Spacing")
VERTICAL_SPACING = _dcm("111066", "Vertical Pixel Spacing")
MODALITIES = {
    "CR": _dcm("CR", "Computed Radiography"),
    "DX": _dcm("DX", "Digital Radiography"),
    "RG": _dcm("RG", "Radiographic imaging"),
    "XA": _dcm("XA", "X-Ray Angiography"),
    "CT": _dcm("CT", "Computed Tomography"),
    "MR": _dcm("MR", "Magnetic Resonance"),
    "OT": _dcm("OT", "Other Modality"),
}

# Measurement groups (TID 1501, 1410) and what they share
IMAGING_MEASUREMENTS = _dcm("126010", "Imaging Measurements")
MEASUREMENT_GROUP = _dcm("125007", "Measurement Group")
TRACKING_IDENTIFIER = _dcm("112039", "Tracking Identifier")
TRACKING_UID = _dcm("112040", "Tracking Unique Identifier")
SOURCE_OF_MEASUREMENT = _dcm("121112", "Source of Measurement")
FINDING_SITE = _sct("363698007", "Finding Site")
LATERALITY = _sct("272741003", "Laterality")
LEFT = _sct("7771000", "Left")
RIGHT = _sct("24028007", "Right")

# The algorithm (TID 4019)
ALGORITHM_NAME = _dcm("111001", "Algorithm Name")
ALGORITHM_VERSION = _dcm("111003", "Algorithm Version")
ALGORITHM_MANUFACTURER = _dcm("122405", "Algorithm Manufacturer")
ALGORITHM_PARAMETERS = _dcm("111002", "Algorithm Parameters")
ALGORITHM_FAMILY = _dcm("111000", "Algorithm Family")
ARTIFICIAL_INTELLIGENCE = _dcm("123110", "Artificial Intelligence")

# The patient group
FINDING = _dcm("121071", "Finding")
#: Not in pydicom's dictionary; SNOMED CT 449781000 |Bone density below reference range (finding)|, read on
#: healthassure.in (2026). A finding, not a diagnosis; emitted only with an alarm.
BONE_DENSITY_LOW = _sct("449781000", "Bone density below reference range")
LUMBAR_SPINE = _sct("122496007", "Lumbar spine")
SUMMARY = _dcm("111017", "CAD Processing and Findings Summary")
SUCCEEDED_WITH_FINDINGS = _dcm("111242", "All algorithms succeeded; with findings")
SUCCEEDED_WITHOUT_FINDINGS = _dcm("111241", "All algorithms succeeded; without findings")
NONE_SUCCEEDED = _dcm("111245", "No algorithms succeeded; without findings")
QUALITY_ASSESSMENT = _dcm("111050", "Quality Assessment")
QUALITY_USABLE = _dcm("111237", "Usable - Meets the quality control standard")
QUALITY_UNUSABLE = _dcm("111235", "Unusable - Quality renders image unusable")
QUALITY_FINDING = _dcm("111052", "Quality Finding")
RECOMMENDED_FOLLOW_UP = _dcm("111053", "Recommended Follow-up")
DXA = _sct("241686001", "Dual energy X-Ray absorptiometry")
COMMENT = _dcm("121106", "Comment")
BONE_DENSITY_ALARM = _own("ALARM", "Bone density alarm")
#: One line of text for reporting systems to pick up, in the site's own words.
SENTENCE = _own("SENTENCE", "Sentence for dictation")
ALARM_VALUES = {
    AlarmStatus.RAISED: _own("ALARM-RAISED", "Bone density alarm raised"),
    AlarmStatus.NOT_RAISED: _own("ALARM-NOT", "Bone density alarm not raised; low density not excluded"),
    AlarmStatus.NOT_EVALUATED: _own("ALARM-NOT-EVAL", "Bone density alarm not evaluated"),
    AlarmStatus.RETRACTED: _own("ALARM-RETRACTED", "Bone density alarm retracted; low density not excluded"),
}

#: What stands in Quality Finding for each refusal; every one has a code of its own, so that machines can tell them.
REFUSALS = {
    RefusalCode.OWN_OBJECT: _own("R-OWN", "Not evaluated: object made by this node"),
    RefusalCode.NOT_A_RADIOGRAPH: _own("R-NORADIOGRAPH", "Not evaluated: not a radiograph"),
    RefusalCode.LOCALISER: _own("R-LOCALISER", "Not evaluated: localiser image"),
    RefusalCode.SECONDARY_CAPTURE: _own("R-SECONDARY", "Not evaluated: secondary capture"),
    RefusalCode.NOT_CHEST: _own("R-NOCHEST", "Not evaluated: not a chest film"),
    RefusalCode.NOT_FRONTAL: _own("R-VIEW", "Not evaluated: not a frontal view"),
    RefusalCode.AGE_UNKNOWN: _own("R-AGEUNKNOWN", "Not evaluated: patient's age unknown"),
    RefusalCode.AGE_OUT_OF_RANGE: _own("R-AGERANGE", "Not evaluated: patient's age outside the model's range"),
    RefusalCode.SEX_UNKNOWN: _own("R-SEXUNKNOWN", "Not evaluated: patient's sex not in reference table"),
    RefusalCode.NO_PIXELS: _dcm("111213", "No image"),
    RefusalCode.PIXELS_UNREADABLE: _own("R-UNREADABLE", "Not evaluated: pixels cannot be decoded"),
    RefusalCode.PIXEL_FORMAT: _own("R-PIXELFORMAT", "Not evaluated: pixel format not supported"),
    RefusalCode.SPACING_UNKNOWN: _own("R-SPACING", "Not evaluated: pixel spacing unknown"),
    RefusalCode.RESOLUTION_TOO_LOW: _own("R-RESOLUTION", "Not evaluated: resolution too low"),
    RefusalCode.TOO_LARGE: _own("R-TOOLARGE", "Not evaluated: image too large"),
    RefusalCode.BURNED_IN: _own("R-BURNEDIN", "Not evaluated: burned-in annotation"),
    RefusalCode.EXPOSURE: _own("R-EXPOSURE", "Not evaluated: exposure or contrast out of range"),
    RefusalCode.LANDMARKS_IMPLAUSIBLE: _dcm("111209", "Positioning"),
    RefusalCode.HARDWARE: _sct("53350007", "Prosthesis"),
    RefusalCode.MEMBERS_DISAGREE: _own("R-DISAGREE", "Not evaluated: networks disagree"),
    RefusalCode.ESTIMATE_IMPLAUSIBLE: _own("R-IMPLAUSIBLE", "Not evaluated: estimate implausible"),
}

# The vertebra groups (TID 1501 with TID 300)
VERTEBRAE = {
    Vertebra.L1: _sct("66794005", "L1 vertebra"),
    Vertebra.L2: _sct("14293000", "L2 vertebra"),
    Vertebra.L3: _sct("36470004", "L3 vertebra"),
    Vertebra.L4: _sct("11994002", "L4 vertebra"),
}
#: UMLS Metathesaurus concept C0005938 (MeSH D015519); DICOM has no code for it, LOINC's say DXA.
BONE_DENSITY = Code("C0005938", "UMLS", "Bone density")
MEASUREMENT_FAILURE = _dcm("114006", "Measurement failure")
MEASUREMENT_METHOD = _sct("370129005", "Measurement Method")
RADIOGRAPH_METHOD = _own("M-RADIOGRAPH", "Estimated by neural network from a chest radiograph")
DERIVATION = _dcm("121401", "Derivation")
ESTIMATED = _sct("414135002", "Estimated")
STANDARD_DEVIATION = _sct("386136009", "Standard Deviation")
#: How far the limits of the calibrated interval lie from the estimate (CID 225), and the limits themselves: no
#: standard code says how sure an interval is.
UNCERTAINTY_BELOW = _sct("371885007", "-, range of lower measurement uncertainty")
UNCERTAINTY_ABOVE = _sct("371886008", "+, range of upper measurement uncertainty")
INTERVAL_LOW = _own("INTERVAL-LOW", "Lower limit of the 90 % interval of the bone density")
INTERVAL_HIGH = _own("INTERVAL-HIGH", "Upper limit of the 90 % interval of the bone density")
POPULATION_MEAN = _sct("373098007", "Mean Value of population")
POPULATION_SD = _dcm("121414", "Standard deviation of population")
POPULATION_DESCRIPTION = _dcm("121405", "Population description")
REFERENCE_AUTHORITY = _dcm("121406", "Reference Authority")
T_SCORE = _own("TSCORE", "T-score")  # DICOM has a code for the Z-score only, (113071, DCM)
TABLE_CITATION = _dcm("121422", "Table of Values Citation")
NORMALITY = _dcm("121402", "Normality")
ABNORMALLY_LOW = _sct("371880002", "Abnormally Low")
ALARM_THRESHOLD = _own("THRESHOLD", "T-score below which an alarm is raised")
THRESHOLD_CROSSED = _own("CROSSED", "T-score against alarm threshold")
BELOW_THRESHOLD = _own("BELOW", "T-score below alarm threshold")
NOT_BELOW_THRESHOLD = _own("NOT-BELOW", "T-score not below alarm threshold")

# Messages (HL7 v2, FHIR): what a report says by its structure
SERVICE = _own("SERVICE", "Bone density estimate from a chest film")
#: The method is not part of it: LOINC 18748-4, as FHIR's examples of imaging reports have it.
IMAGING_STUDY = Code("18748-4", "LN", "Diagnostic imaging study")
LOWEST_T_SCORE = _own("LOWEST-T", "Lowest T-score of the vertebrae judged")
LIMITS_OF_USE = _own("LIMITS", "Limits of use")
REPLACES = _own("REPLACES", "Message that this one replaces")

# Regions and landmarks (TID 1410)
IMAGE_REGION = _dcm("111030", "Image Region")
GEOMETRIC_PURPOSE = _dcm("130400", "Geometric purpose of region")
OUTLINE = _dcm("111041", "Outline")
REPRESENTATIVE_POINT = _dcm("128140", "Representative point")
CLAVICLE = _sct("51299004", "Clavicle")
RIB = _sct("113197003", "Rib")
C7 = _sct("87391001", "C7 vertebra")
T12 = _sct("23215003", "T12 vertebra")
CERVICAL_SPINE = _sct("122494005", "Cervical spine")
THORACO_LUMBAR_SPINE = _sct("1217256009", "Thoraco-lumbar spine")

# The key object (TID 2010)
OF_INTEREST = _dcm("113000", "Of Interest")
KEY_OBJECT_DESCRIPTION = _dcm("113012", "Key Object Description")

# Units (UCUM)
G_PER_CM2 = Code("g/cm2", "UCUM", "g/cm2")
T_SCORE_UNIT = Code("{T-score}", "UCUM", "T-score")
PIXELS = Code("{pixels}", "UCUM", "Pixels")
MILLIMETER = Code("mm", "UCUM", "mm")
