import re
from pathlib import Path

import pytest
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.coding import Code

from screening_node.domain.alarm import AlarmStatus
from screening_node.domain.result import RefusalCode, Vertebra
from screening_node.reporting import codes, uids

#: Codes with a source outside pydicom's dictionary, and what that source calls them (docs/private-codes.md).
ELSEWHERE = {
    ("399208008", "SCT"): "Plain chest X-ray",
    ("449781000", "SCT"): "Bone density below reference range",
    ("C0005938", "UMLS"): "Bone density",
    ("en", "RFC5646"): "English",
    ("de", "RFC5646"): "German",
    ("es", "RFC5646"): "Spanish",
    ("fr", "RFC5646"): "French",
    ("zh-Hant", "RFC5646"): "Chinese (traditional script)",
    ("zh-Hans", "RFC5646"): "Chinese (simplified script)",
    ("ja", "RFC5646"): "Japanese",
    ("ko", "RFC5646"): "Korean",
    ("18748-4", "LN"): "Diagnostic imaging study",
    ("g/cm2", "UCUM"): "g/cm2",
    ("{T-score}", "UCUM"): "T-score",
    ("{pixels}", "UCUM"): "Pixels",
}
PAGE = Path(__file__).parents[3] / "docs" / "private-codes.md"


def every_code() -> list[Code]:
    members = (
        code for value in vars(codes).values() for code in (value.values() if isinstance(value, dict) else (value,))
    )
    return [code for code in members if isinstance(code, Code)]


def name(code: Code) -> str:
    return f"{code.value}-{code.scheme_designator}"


def dictionary_meanings(code: Code) -> set[str]:
    entries = concepts[code.scheme_designator].values()
    meanings = (meaning for entry in entries for value, (meaning, _) in entry.items() if value == code.value)
    return {re.sub(r" \([a-z ]+\)$", "", meaning) for meaning in meanings}  # without SNOMED's semantic tag


@pytest.mark.parametrize(
    "code", [code for code in every_code() if code.scheme_designator != codes.PRIVATE_DESIGNATOR], ids=name
)
def test_a_standard_code_means_what_its_source_says(code: Code) -> None:
    elsewhere = ELSEWHERE.get((code.value, code.scheme_designator))
    if elsewhere is not None:
        assert code.meaning == elsewhere
    else:
        assert code.meaning in dictionary_meanings(code)


def test_exceptions_are_exceptions_and_used() -> None:
    used = {(code.value, code.scheme_designator) for code in every_code()}
    assert set(ELSEWHERE) <= used
    known = {key for key in ELSEWHERE if key[1] in ("SCT", "DCM") and dictionary_meanings(Code(*key, ""))}
    assert not known


@pytest.mark.parametrize("code", every_code(), ids=name)
def test_a_code_fits_its_elements(code: Code) -> None:
    assert 0 < len(code.value) <= 16
    assert 0 < len(code.meaning) <= 64
    assert code.meaning.isascii()
    assert "\\" not in code.value + code.meaning


@pytest.mark.parametrize("code", [code for code in every_code() if code.scheme_designator == "SCT"], ids=name)
def test_a_snomed_code_has_its_check_digit(code: Code) -> None:
    assert verhoeff(code.value) == 0
    wrong = code.value[:-1] + str((int(code.value[-1]) + 1) % 10)
    assert verhoeff(wrong) != 0


def test_one_value_has_one_meaning() -> None:
    pairs = {(code.value, code.scheme_designator): code.meaning for code in every_code()}
    assert all(pairs[code.value, code.scheme_designator] == code.meaning for code in every_code())


def test_each_case_has_a_code_of_its_own() -> None:
    for table, cases in (
        (codes.REFUSALS, RefusalCode),
        (codes.ALARM_VALUES, AlarmStatus),
        (codes.VERTEBRAE, Vertebra),
    ):
        assert list(table) == list(cases)
        assert len({(code.value, code.scheme_designator) for code in table.values()}) == len(table)


def test_no_code_is_a_diagnosis_or_says_dxa_was_the_method() -> None:
    values = {code.value for code in every_code()}
    assert not values & {"64859006", "312894000", "24966-4", "38267-1", "104938-6"}
    words = " ".join(code.meaning.casefold() for code in every_code())
    assert not re.search(r"osteopor|osteopen|\bnormal\b|healthy", words)


def test_the_page_of_private_codes_lists_exactly_what_is_used() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z0-9-]+)` \| ([^|]+?) \|", page, re.MULTILINE)
    own = {(code.value, code.meaning) for code in every_code() if code.scheme_designator == codes.PRIVATE_DESIGNATOR}
    assert {row for row in rows if row[0] != codes.PRIVATE_DESIGNATOR} == own
    for said in (codes.PRIVATE_DESIGNATOR, uids.CODING_SCHEME_UID, codes.PRIVATE_NAME):
        assert said in page
    for refusal, code in codes.REFUSALS.items():
        if code.scheme_designator != codes.PRIVATE_DESIGNATOR:
            assert f'| `{refusal.value}` | ({code.value}, {code.scheme_designator}, "{code.meaning}") |' in page


def verhoeff(digits: str) -> int:
    """0 for a number with a right check digit (SNOMED CT Technical Implementation Guide, appendix B)."""
    check = 0
    for position, digit in enumerate(reversed(digits)):
        moved = int(digit)
        for _ in range(position % 8):
            moved = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[moved]
        check = dihedral(check, moved)
    return check


def dihedral(a: int, b: int) -> int:
    """Multiplication in the symmetry group of the pentagon."""
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b) % 5
    return 5 + (a - b) % 5 if b < 5 else (a - b) % 5
