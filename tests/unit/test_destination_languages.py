"""A language that a site writes beside a destination is the one in which people there read."""

from __future__ import annotations

from pathlib import Path

import pytest
from screening_bench import Bench
from scripted import THIN
from unit.reporting import cases, trees
from unit.reporting.companions import REPORTER

from screening_node import assembly
from screening_node.reporting import codes
from screening_node.reporting.kinds import ObjectSet
from screening_node.reporting.language import Language
from screening_node.settings import load_settings
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.session import Store

SITE = """
[[destinations]]
name = "pacs"
ae_title = "PACS"
host = "192.0.2.1"
port = 104
language = "zh-Hant"

[[destinations]]
name = "other"
ae_title = "OTHER"
host = "192.0.2.2"
port = 104

[store]
url = "sqlite:///node.sqlite"
archive = "archive"

[pathways.chest_film]
bundle = "bundle"
reference = "wang2022-implied"
thresholds = "flex"
"""


def test_from_the_configuration_to_the_report(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "card.toml").write_text("")
    (tmp_path / "node.toml").write_text(SITE)
    film = cases.film_file(tmp_path / "film.dcm")
    said = {}
    for name, objects in assembly.object_sets(load_settings(tmp_path / "node.toml")).items():
        wanted = list(objects.wanted(None))
        (report,) = REPORTER.reports(film, cases.result(), cases.RAISED, cases.AT, 1, wanted).values()
        document = trees.parsed(report)
        said[name] = (trees.value(trees.child(document, codes.LANGUAGE)).value, document.SeriesDescription)
    assert said == {
        "pacs": ("zh-Hant", "骨密度估計 - 研究用，不得用於診斷"),
        "other": ("en", "Bone density estimate - RESEARCH, NOT FOR DIAGNOSTIC USE"),
    }


@pytest.fixture
def bench(store: Store, archive: Archive) -> Bench:
    return Bench(store, archive)


def test_a_film_is_reported_once_in_each_language(bench: Bench) -> None:
    german = ObjectSet(language=Language.GERMAN)
    bench.film(THIN)
    bench.run(bench.screening(destinations={"pacs": german, "other": ObjectSet(), "third": german}))
    assert [one.language for one in bench.reporter.asked] == [Language.GERMAN, Language.ENGLISH]
    paths = {row.destination: row.path for row in bench.rows(t.outbox)}
    assert set(paths) == {"pacs", "other", "third"}
