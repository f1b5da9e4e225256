"""The page: every table and figure, one file, no reference to another, and what a cohort cannot give is said."""

import csv
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from laboratory.studies import answers, cohort, film, study, usual

from screening_node.errors import Permanent
from screening_node.laboratory.evaluate import about_study, drawn
from screening_node.laboratory.evaluation import files
from screening_node.laboratory.evaluation.contents import Contents, compose
from screening_node.laboratory.evaluation.study import Study

LIMITS = ("Phantom-trained, not for clinical use. A single film never rules disease out.",)
#: Elements without an end tag.
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Ids, links, headings and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tables: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [value or "" for key, value in attrs if key == "id"]
        self.links += [value or "" for key, value in attrs if key in ("href", "src", "xlink:href")]
        if tag == "table":
            self.tables.append(str(told["id"]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def composed(of: Study) -> Contents:
    return compose(of, spacing=np.full((len(of), 2), 0.2))


@pytest.fixture(scope="module")
def usual_contents() -> Contents:
    return composed(usual())


@pytest.fixture(scope="module")
def written(usual_contents: Contents, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    files.write(folder, about_study(usual(), LIMITS), usual_contents)
    return folder


def test_the_page_holds_every_table_and_figure_and_needs_nothing_else(usual_contents: Contents, written: Path) -> None:
    text = (written / "evaluation.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert page.tables == [f"table-{table.key}" for table in usual_contents.tables]
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert "http" not in text
    assert "@import" not in text
    assert "url(" not in text.replace("url(#", "")
    assert text.count("<svg") == sum(len(section.drawings) for section in usual_contents.sections)


def test_the_tables_and_figures_of_the_papers_are_all_there(usual_contents: Contents) -> None:
    keys = {table.key for table in usual_contents.tables}
    assert keys >= {
        "overview",
        "table-1",
        "by-vertebra",
        "table-2",
        "table-3",
        "figure-7",
        "refusals",
        "comparison",
        "landmarks",
        "landmarks-by-name",
        "coverage",
        "calibration",
        "subgroups",
        "worst-films",
        "figure-4",
        "figure-8",
        "dxa-between",
    }
    figures = {drawing.key for section in usual_contents.sections for drawing in section.drawings}
    assert figures >= {
        "figure-4",
        "figure-5-1",
        "figure-5-2",
        "figure-6",
        "figure-7-1",
        "figure-8-1",
        "coverage-1",
        "landmarks-within",
    }


def test_the_page_says_what_it_is_and_is_not(written: Path) -> None:
    text = (written / "evaluation.html").read_text(encoding="utf-8")
    assert "Phantom-trained, not for clinical use." in text
    assert "never rules disease out" in text
    assert "ward &lt;7&gt; &amp; co" in text
    assert "ward <7>" not in text
    data = json.loads((written / "evaluation.json").read_text(encoding="utf-8"))
    assert "Phantom-trained" in data["limits_of_use"][0]
    assert data["facts"]["Films"] == "120"


def test_no_patient_is_named_in_what_is_written(written: Path) -> None:
    for path in written.rglob("*.*"):
        assert "P117" not in path.read_text(encoding="utf-8"), path


def test_each_table_is_a_csv_file_and_in_the_json(usual_contents: Contents, written: Path) -> None:
    data = json.loads((written / "evaluation.json").read_text(encoding="utf-8"))
    for table in usual_contents.tables:
        with (written / "tables" / f"{table.key}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(table.rows) == len(data["tables"][table.key]["rows"]), table.key
        assert set(table.keys) == set(data["tables"][table.key]["rows"][0])
    first = data["tables"]["table-1"]["rows"][0]
    assert first["L1_r_low"] < first["L1_r"] < first["L1_r_high"]


def test_the_same_study_gives_the_same_page(usual_contents: Contents, written: Path, tmp_path: Path) -> None:
    files.write(tmp_path, about_study(usual(), LIMITS), composed(usual()))
    for name in ("evaluation.html", "evaluation.json"):
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes()


def test_a_hospitals_cohort_without_landmarks_ages_and_sexes(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    plain = {"landmarks": None, "age": None, "sex": None}
    truth = [*rng.normal(0.85, 0.12, (40, 3)).T, np.full(40, np.nan)]
    of = cohort([film(number, bmd, **plain) for number, bmd in enumerate(np.array(truth).T)])
    one = study(of, answers(of, rng.normal(0.85, 0.1, (40, 4))))
    contents = composed(one)
    said = " ".join(contents.left_out)
    for part in ("no landmarks.csv", "gives no age", "no manifest lists findings", "L4: never measured"):
        assert part in said
    keys = {table.key for table in contents.tables}
    assert keys >= {"table-1", "table-3", "subgroups", "coverage"}
    assert not keys & {"landmarks", "figure-4", "figure-8", "comparison"}
    page = files.write(tmp_path, about_study(one, ()), contents)
    text = page.read_text(encoding="utf-8")
    assert "Not for clinical use." in text
    assert "a hospital&#39;s" in text
    assert "never rules disease out" in text


def test_a_cohort_of_which_every_film_is_refused(tmp_path: Path) -> None:
    of = cohort([film(number, [0.7, 0.9, 1.0, 1.1]) for number in range(6)])
    one = study(of, answers(of, np.full((6, 4), np.nan), sd=None, landmarks=None))
    contents = composed(one)
    assert "one refused every film: it has no figures." in contents.left_out
    text = files.write(tmp_path, about_study(one, LIMITS), contents).read_text(encoding="utf-8")
    assert "landmarks-implausible" in text
    assert "nan" not in (tmp_path / "evaluation.json").read_text(encoding="utf-8").lower().replace("finance", "")


def test_one_film_is_enough_for_a_page(tmp_path: Path) -> None:
    of = cohort([film(0, [0.7, 0.9, 1.0, 1.1])])
    one = study(of, answers(of, np.ones((1, 4))))
    assert files.write(tmp_path, about_study(one, LIMITS), composed(one)).exists()


def test_baselines_get_rows_but_no_figures_of_their_own() -> None:
    contents = compose(usual(), judged=["attentive"], spacing=np.full((120, 2), 0.2))
    by_key = {table.key: table for table in contents.tables}
    assert {row["model"] for row in by_key["table-1"].rows} == {"attentive", "thumbnail"}
    assert {row["model"] for row in by_key["subgroups"].rows} == {"attentive"}
    drawings = [drawing for section in contents.sections for drawing in section.drawings]
    assert not any("thumbnail" in drawing.title for drawing in drawings)


def test_pictures_take_the_pages_colours(usual_contents: Contents) -> None:
    for section in usual_contents.sections:
        for drawing in section.drawings:
            assert "var(--ink)" in drawing.svg, drawing.key
            assert "#0101" not in drawing.svg, drawing.key
            assert "<metadata" not in drawing.svg


def test_a_terminal_gets_the_same_numbers(usual_contents: Contents) -> None:
    overview = next(iter(usual_contents.tables))
    table = drawn(overview)
    assert table.row_count == len(overview.rows)
    assert len(table.columns) == len(overview.columns)


def test_a_place_that_cannot_be_written_is_named(usual_contents: Contents, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(Permanent, match="taken"):
        files.write(tmp_path / "taken", about_study(usual(20), LIMITS), usual_contents)


def test_the_thresholds_of_a_site_get_rows_of_their_own() -> None:
    whole = usual(40)
    own = replace(whole.thresholds, name="ours", by_vertebra=dict.fromkeys(whole.thresholds.by_vertebra, -1.0))
    table = next(table for table in composed(replace(whole, thresholds=own)).tables if table.key == "table-3")
    assert "ours" in {row["thresholds"] for row in table.rows}
