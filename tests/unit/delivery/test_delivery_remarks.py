"""Receivers' words are shown only as far as they can name nobody."""

import pytest

from screening_node.delivery.remarks import harmless, words_of

SECRETS = words_of("4711^^^HOSPITAL^PI|Doe^Jane|19500102|F")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Unknown patient", "Unknown patient"),
        ("Required field missing: PID-3.4", "Required field missing PID-3.4"),
        ("Patient Doe^Jane not found", "Patient … not found"),
        ("patient doe, jane (4711) born 1950-01-02", "patient … born …"),
        ("MRN 4711 belongs to Smith, Robert", "MRN … belongs to …"),
        ("Identifiant du patient inconnu : Müller", "… du patient inconnu …"),
        ("患者が見つかりません", ""),
        ("http://ris.example/patient/4711?name=doe", ""),
        ("at Bundle.entry[2].resource", "at Bundle.entry[2].resource"),
        ("", ""),
    ],
)
def test_words(text: str, shown: str) -> None:
    assert harmless(text, SECRETS) == shown


def test_it_stays_short_and_on_one_line() -> None:
    said = harmless("not\nso " * 1000, frozenset())
    assert len(said) <= 200
    assert "\n" not in said
