"""Reports of every kind: films good and bad, outcomes, character sets, SOP classes."""

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unit.reporting import cases

from screening_node.domain.alarm import AlarmDecision
from screening_node.domain.result import RefusalCode, ScreeningResult
from screening_node.reporting import document
from screening_node.reporting.language import Language
from screening_node.reporting.reporter import Report, Reporter, SopReference

ABSENT = dict.fromkeys(
    [
        *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
        *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "StudyDescription", "ReferringPhysicianName"),
        *("ImagerPixelSpacing", "PatientOrientation", "Modality", "Rows", "Columns", "SpecificCharacterSet"),
    ]
)
EMPTY = {keyword: b"" for keyword in ABSENT if keyword not in ("Rows", "Columns")}
IDENTIFIERS = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "StudyID", "AccessionNumber"),
    *("StudyDescription", "ReferringPhysicianName"),
)
#: highdicom 0.28.2 cannot read a NUM without a value, which PS3.3 section C.18.1 allows.
UNREADABLE_FOR_HIGHDICOM = "failed measurement"
TRANSLATED = [language for language in Language if language is not Language.ENGLISH]
SR_NAMES = {
    document.COMPREHENSIVE_3D_SR: "Comprehensive3DSR",
    document.COMPREHENSIVE_SR: "ComprehensiveSR",
    document.ENHANCED_SR: "EnhancedSR",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A film's header, what was said of it, and how it is reported."""

    header: dict[str, Any]
    result: ScreeningResult
    alarm: AlarmDecision
    sop_class_uid: str = document.COMPREHENSIVE_3D_SR
    revision: int = 1
    language: Language = Language.ENGLISH


def judged(header: dict[str, Any] | None = None, **changes: Any) -> Case:
    return Case(**{"header": header or {}, "result": cases.result(), "alarm": cases.RAISED} | changes)


CASES = {
    "alarm": judged(),
    "no alarm": judged(result=cases.normal(), alarm=cases.NOT_RAISED),
    "no geometry": judged(result=cases.result(geometry=False)),
    "some vertebrae": judged(result=replace(cases.result(), findings=cases.result().findings[:1])),
    "failed measurement": judged(
        result=replace(cases.normal(), findings=(replace(cases.normal().findings[0], bmd=float("nan")),)),
        alarm=cases.NOT_RAISED,
    ),
    "revised": judged(revision=2),
    "retracted": judged(alarm=cases.RETRACTED, revision=2),
    "header corrected": judged(alarm=cases.CORRECTED, revision=2),
    "retracted, then refused": judged(result=cases.refused(RefusalCode.EXPOSURE), alarm=cases.RETRACTED, revision=3),
    "calibrated": judged(result=cases.calibrated()),
    "MONOCHROME1": judged({"PhotometricInterpretation": "MONOCHROME1"}),
    "CR": judged({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1", "Modality": "CR"}),
    "time zone": judged({"TimezoneOffsetFromUTC": "+0845"}),
    "nothing in the header": judged(ABSENT),
    "empty elements": judged(EMPTY),
    "sex O": judged({"PatientSex": b"O"}),
    "sex U": judged({"PatientSex": b"U"}),
    "odd dates": judged(
        {"StudyDate": b"2026.03.04", "StudyTime": b"10:11:12", "PatientBirthDate": b"0000", "PatientAge": b"76"}
    ),
    "impossible dates": judged({"StudyDate": b"20261399", "StudyTime": b"999999", "PatientBirthDate": b"20990101"}),
    "everything too long": judged(dict.fromkeys(IDENTIFIERS, b"X" * 200)),
    "long description": judged(
        {"StudyDescription": ("Thorax in zwei Ebenen, äußerst ausführlich " * 4).encode("latin-1")}
    ),
    "bad spacing and orientation": judged({"ImagerPixelSpacing": b"0\\0", "PatientOrientation": b"X"}),
    "GB18030": judged({"SpecificCharacterSet": b"GB18030", "PatientName": "Wang^XiaoDong=王^小东".encode("gb18030")}),
    "Chinese, ISO 2022": judged(
        {
            "SpecificCharacterSet": b"\\ISO 2022 IR 58",
            "PatientName": b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        }
    ),
    "Korean": judged(
        {
            "SpecificCharacterSet": b"\\ISO 2022 IR 149",
            "PatientName": b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab",
        }
    ),
    "Japanese, ISO 2022": judged(
        {
            "SpecificCharacterSet": b"ISO 2022 IR 13\\ISO 2022 IR 87",
            "PatientName": b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
        }
    ),
    "Shift-JIS": judged({"SpecificCharacterSet": b"ISO_IR 13", "PatientName": "山田^太郎".encode("shift_jis")}),
    "GBK": judged({"SpecificCharacterSet": b"GBK", "PatientName": "Wang^XiaoDong=王^小东".encode("gbk")}),
    "beyond the BMP": judged({"SpecificCharacterSet": b"ISO_IR 192", "PatientName": "Yoshida=𠮷田^太郎".encode()}),
    "three groups": judged(
        {"SpecificCharacterSet": b"ISO_IR 192", "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう".encode()}
    ),
    "issuer that HL7 has no room for": judged({"IssuerOfPatientID": b"NATIONAL HEALTH INSURANCE REGISTER"}),
    "Latin-1": judged({"PatientName": "Buc^Jérôme".encode("latin-1")}),
    "Latin-1, not declared": judged({"SpecificCharacterSet": None, "PatientName": "Buc^Jérôme".encode("latin-1")}),
    "Arabic": judged({"SpecificCharacterSet": b"ISO_IR 127", "PatientName": "قباني^لنزار".encode("iso8859-6")}),
    "unknown character set": judged({"SpecificCharacterSet": b"KLINGON", "PatientName": b"\xe9^\xe8"}),
    **{f"refused: {code.value}": judged(result=cases.refused(code), alarm=cases.NOT_EVALUATED) for code in RefusalCode},
    **{f"alarm as {name}": judged(sop_class_uid=uid) for uid, name in SR_NAMES.items()},
    **{
        f"refused as {name}": judged(
            result=cases.refused(RefusalCode.EXPOSURE), alarm=cases.NOT_EVALUATED, sop_class_uid=uid
        )
        for uid, name in SR_NAMES.items()
    },
    **{f"alarm in {language.value}": judged(language=language) for language in TRANSLATED},
    **{
        f"retracted in {language.value}": judged(alarm=cases.RETRACTED, revision=2, language=language)
        for language in TRANSLATED
    },
    **{
        f"refused in {language.value}": judged(
            result=cases.refused(RefusalCode.HARDWARE), alarm=cases.NOT_EVALUATED, language=language
        )
        for language in TRANSLATED
    },
    "revised as EnhancedSR": judged(sop_class_uid=document.ENHANCED_SR, revision=3),
}
READABLE = {name: case for name, case in CASES.items() if name != UNREADABLE_FOR_HIGHDICOM}


def report_of(case: Case, folder: Path, before: str = "2.25.1") -> Report:
    """The case's report; a revision names the report of UID ``before``."""
    film = cases.film_file(folder / "film.dcm", **case.header)
    reporter = Reporter(cases.TABLE, software_version="0.1.0", zone=dt.UTC, sop_class_uid=case.sop_class_uid)
    old = SopReference(sop_class_uid=case.sop_class_uid, sop_instance_uid=before) if case.revision > 1 else None
    return reporter.report(film, case.result, case.alarm, cases.AT, case.revision, old, case.language)
