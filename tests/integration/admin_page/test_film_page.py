"""A film's page, a report as a page, and the pages that count films."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin_films import SiteFilms, fill_patient
from admin_site import LIMITS, Browser, a_config, running

from screening_node.admin import listings
from screening_node.domain.histogram import Histogram
from screening_node.store.archive import Archive
from screening_node.store.session import Store


@pytest.fixture(scope="module")
def film(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, Store, int]]:
    """A patient with several films; the newest one's page, with a real report."""
    folder = tmp_path_factory.mktemp("film")
    store = Store(f"sqlite:///{shutil.copy(empty_database, folder / 'node.db')}")
    archive, config = Archive(folder / "archive"), a_config(validation=Histogram.of([0.8, 0.9, 1.0]))
    films = SiteFilms(store, archive, config.reference, folder, LIMITS)
    exam = fill_patient(films, dt.datetime.now(dt.UTC), size=480)
    with running(config, store, archive) as address, Browser(address) as opened:
        yield opened, store, exam
    store.close()


def test_a_film_shows_what_each_region_said(film: tuple[Browser, Store, int]) -> None:
    browser, _, exam = film
    text = browser.get(f"/exams/{exam}").text
    assert "What each region said by itself" in text
    assert text.count('<polygon data-region="') == 14
    assert text.count('<tr data-region="') == 15
    assert "whole film" in text
    assert "What the gate measured" in text
    assert "Tilt of the spine" in text


def test_a_films_page_shows_the_patients_course(film: tuple[Browser, Store, int]) -> None:
    browser, _, exam = film
    text = browser.get(f"/exams/{exam}").text
    assert "Lowest T-score of each film over time" in text
    assert text.count('<circle class="ring"') == 1
    assert text.count("this one</small>") == 1
    assert "to the first report delivered" in text


def test_a_report_is_read_as_a_page_and_audited(film: tuple[Browser, Store, int]) -> None:
    browser, store, exam = film
    (delivery,) = listings.deliveries(store, exam=exam)
    text = browser.get(f"/exams/{exam}/reports/{delivery['id']}").text
    assert "Imaging Measurement Report" in text
    assert "Imaging Measurements" in text
    assert "g/cm2" in text
    assert "DCM 126000" not in text, "the title's code is no part of the tree"
    assert "DCM 126010" in text
    assert delivery["sop_instance_uid"] in text
    assert LIMITS in text
    newest = listings.audit(store)[0]
    assert (newest["action"], newest["subject"]) == ("report.read", f"exam {exam}")


def test_what_is_no_report_of_the_film_is_not_there(film: tuple[Browser, Store, int]) -> None:
    browser, store, exam = film
    (delivery,) = listings.deliveries(store, exam=exam)
    assert browser.get(f"/exams/{exam - 1}/reports/{delivery['id']}").status_code == 404
    assert browser.get(f"/exams/{exam}/reports/999").status_code == 404


def test_a_report_that_cannot_be_read_is_said(film: tuple[Browser, Store, int]) -> None:
    browser, store, _ = film
    first = listings.deliveries(store)[-1]  # bytes that are no DICOM
    answer = browser.get(f"/exams/{first['exam']}/reports/{first['id']}")
    assert answer.status_code == 400
    assert "cannot be read" in answer.text


def test_the_overview_lays_the_estimates_beside_the_cohorts(film: tuple[Browser, Store, int]) -> None:
    browser, _, _ = film
    text = browser.get("/overview").text
    assert "By modality and scanner" in text
    assert "Mirage Ray" in text or "Fabula" in text or "unknown" in text
    assert "validation cohort, 3 films" in text
    assert 'class="against"' in text


def test_a_card_without_a_distribution_is_said(browser: Browser) -> None:
    assert "does not say how the estimates of its validation cohort were spread" in browser.get("/overview").text or (
        "No film has been judged" in browser.get("/overview").text
    )


def test_refused_films_are_filtered_by_reason(browser: Browser) -> None:
    assert "The film is a lateral one." in browser.get("/work?reason=not-frontal").text
    other = browser.get("/work?reason=exposure-out-of-range").text
    assert "The film is a lateral one." not in other
    assert browser.get("/work?reason=nonsense").status_code == 200
