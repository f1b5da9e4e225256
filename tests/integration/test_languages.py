"""Every language in every kind of object, as dciodvfy and DCMTK read it."""

import re
from pathlib import Path

import pytest
from integration.test_companions import IODS
from integration.test_reports_validators import KNOWN_WARNINGS, said_by
from unit.reporting import cases
from unit.reporting.companions import REPORTER

from screening_node.reporting import wording
from screening_node.reporting.kinds import Kind, ObjectSet
from screening_node.reporting.language import Language, words


@pytest.mark.parametrize("language", [language for language in Language if language is not Language.ENGLISH])
def test_validators_find_no_error_and_read_the_language(language: Language, tmp_path: Path) -> None:
    film = cases.film_file(tmp_path / "film.dcm")
    wanted = list(ObjectSet(kinds=tuple(Kind), language=language).wanted(None))
    made = REPORTER.reports(film, cases.result(), cases.RAISED, cases.AT, 2, wanted)
    assert {each.kind for each in made} == set(Kind)
    for each, report in made.items():
        path = tmp_path / f"{each.kind}.dcm"
        path.write_bytes(report.data)
        done = said_by("dciodvfy", "dicom3tools", "-new", path)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        expected = [{**IODS, Kind.SR: "Comprehensive3DSR"}[each.kind]]
        assert [line for line in lines if not KNOWN_WARNINGS.search(line)] == expected, each.kind
        assert done.returncode == 0
    done = said_by("dsrdump", "dcmtk", "-v", "+Pl", "+Pc", tmp_path / "SR.dcm")
    complaints = re.findall(r"^[EWF]: .*", done.stderr, re.MULTILINE)
    assert [line for line in complaints if not KNOWN_WARNINGS.search(line)] == []
    assert wording.heading(words(language)) in done.stdout
