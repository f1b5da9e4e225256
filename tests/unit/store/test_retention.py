"""Which films go, what keeps them, and that who dies half-way loses nothing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa
from builders import NONE, NOW, OPEN, a_refusal, a_result, an_instance, an_outgoing

from screening_node.domain.result import ScreeningResult
from screening_node.errors import IllegalTransition, StoreUnavailable
from screening_node.queue import queue
from screening_node.store import alarms, chores, outbox, records, retention
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.backup import backup
from screening_node.store.records import Recorded
from screening_node.store.retention import FilmState, RetentionRules, Verdict
from screening_node.store.session import Store
from screening_node.store.upkeep import faults

PLENTY = 10**12
FILM = b"x" * 1000
pytestmark = pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)


class Site:
    """A store and an archive with films of every kind in them."""

    def __init__(self, store: Store, archive: Archive) -> None:
        self.store, self.archive = store, archive

    def film(self, uid: str, days_old: int) -> str:
        """A film that waits to be judged; its path."""
        temp = self.archive.spool()
        temp.write_bytes(FILM)
        path = self.archive.keep(temp, uid)
        with self.store.begin() as tx:
            at = NOW - dt.timedelta(days=days_old)
            records.record_instance(tx, an_instance(uid, FILM, path=path, received_at=at))
        return path

    def judged(self, uid: str, days_old: int, result: ScreeningResult | None = None, owed: bool = False) -> str:
        path = self.film(uid, days_old)
        (job,) = queue.claim(self.store, "me", 1, 60.0, now=NOW)
        result = result or a_result(1.0)
        alarm = OPEN if result.crossed else NONE
        with self.store.begin() as tx:
            exam = records.exam(tx, job.exam_id)
            queue.complete(tx, job, now=NOW)
            reports = [an_outgoing(uid=f"2.25.{job.id}")] if owed else []
            records.commit_result(tx, exam=exam, job_id=job.id, result=result, alarm=alarm, reports=reports, now=NOW)
        return path

    def failed(self, uid: str, days_old: int) -> str:
        path = self.film(uid, days_old)
        with self.store.begin() as tx:
            job = queue.of_exam(tx, self.exam(path))
            assert job is not None
            queue.cancel(tx, job.id, now=NOW)
        return path

    def exam(self, path: str) -> int:
        with self.store.read() as tx:
            return int(tx.execute(sa.select(t.instances.c.exam_id).where(t.instances.c.path == path)).scalar_one())

    def verdicts(self, rules: RetentionRules, free: int = PLENTY) -> list[Verdict]:
        return list(retention.judge(self.store, rules, now=NOW, free_bytes=free))

    def retain(self, rules: RetentionRules) -> retention.Retained:
        return retention.retain(self.store, self.archive, rules, now=NOW)

    def there(self, path: str) -> bool:
        return self.archive.path(path).is_file()


@pytest.fixture
def site(store: Store, archive: Archive) -> Site:
    return Site(store, archive)


EVERY_DAY = RetentionRules(judged_days=10, refused_days=10, failed_days=10)


def test_films_go_by_age_and_state(site: Site) -> None:
    paths = {
        "old": site.judged("1.1", 30),
        "young": site.judged("1.2", 29),
        "refused": site.judged("1.3", 8, a_refusal()),
        "failed": site.failed("1.4", 400),
    }
    rules = RetentionRules(judged_days=30, refused_days=7)
    assert [(one.film.path, one.film.state, one.why) for one in site.verdicts(rules)] == [
        (paths["old"], FilmState.JUDGED, "judged, 30 days old; kept for 30"),
        (paths["refused"], FilmState.REFUSED, "refused, 8 days old; kept for 7"),
    ]
    assert site.retain(rules) == retention.Retained(removed=2, bytes=2000, kept=0)
    assert {name: site.there(path) for name, path in paths.items()} == {
        "old": False, "young": True, "refused": False, "failed": True,
    }  # fmt: skip


def test_without_a_rule_nothing_goes(site: Site) -> None:
    path = site.judged("1.1", 10_000)
    assert site.verdicts(RetentionRules(), free=0) == []
    assert site.retain(RetentionRules()).removed == 0
    assert site.there(path)


def test_what_was_found_stays_and_the_store_is_in_order(site: Site, tmp_path: Path) -> None:
    path = site.judged("1.1", 30)
    site.retain(EVERY_DAY)
    with site.store.read() as tx:
        assert records.current_result(tx, 1) is not None
        assert tx.execute(sa.select(t.estimates.c.vertebra)).all()
        row = tx.execute(sa.select(t.audit)).one()
    assert (row.actor, row.action, row.subject) == ("node", "film.removed", "exam 1")
    assert row.detail == {"why": "judged, 30 days old; kept for 10", "bytes": 1000}
    assert list(faults(site.store, site.archive)) == []
    if site.store.file is not None:
        assert backup(site.store, site.archive.root, tmp_path / "backup").files == 0
    assert not list((site.archive.root / "leaving").rglob("*.dcm"))
    assert not site.there(path)


def test_an_open_alarm_keeps_its_film_until_it_is_closed(site: Site) -> None:
    path = site.judged("1.1", 400, a_result(-3.0))
    (verdict,) = site.verdicts(EVERY_DAY)
    assert (verdict.goes, verdict.film.protected) == (False, "its alarm is not closed")
    with site.store.begin() as tx:
        alarms.acknowledge(tx, 1, by="mia", comment=None, now=NOW)
    assert site.retain(EVERY_DAY) == retention.Retained(removed=0, bytes=0, kept=1)
    assert site.there(path)
    with site.store.begin() as tx:
        alarms.close(tx, 1, comment=None, now=NOW)
    assert site.retain(EVERY_DAY).removed == 1


@pytest.mark.parametrize("ends", ["delivered", "cancelled"])
def test_a_report_on_its_way_keeps_its_film(site: Site, ends: str) -> None:
    site.judged("1.1", 400, owed=True)
    for step in ("pending", "sending", "parked"):
        with site.store.begin() as tx:
            tx.execute(t.outbox.update().values(state=step))
        (verdict,) = site.verdicts(EVERY_DAY)
        assert verdict.film.protected == "a report on it is not delivered", step
    with site.store.begin() as tx:
        tx.execute(t.outbox.update().values(state=outbox.DeliveryState(ends)))
    assert site.retain(EVERY_DAY).removed == 1


def test_a_film_that_is_to_be_judged_stays(site: Site) -> None:
    waiting = site.film("1.1", 400)
    again = site.judged("1.2", 400)  # claims 1.1, the older one
    assert [one.film.protected for one in site.verdicts(EVERY_DAY) if one.film.path == again] == [
        "it is still to be judged"
    ]
    site.retain(EVERY_DAY)
    assert (site.there(waiting), site.there(again)) == (False, True)


def test_a_film_that_is_asked_for_at_the_last_moment_stays(site: Site) -> None:
    path = site.judged("1.1", 400)
    (verdict,) = site.verdicts(EVERY_DAY)
    with site.store.begin() as tx:
        queue.retry_exam(tx, 1, now=NOW)
    assert not retention.remove(site.store, site.archive, verdict, now=NOW, actor="node")
    assert site.there(path)


def test_a_full_disk_takes_the_oldest_that_nothing_needs(site: Site) -> None:
    protected = site.judged("1.1", 500, a_result(-3.0))
    oldest, next_one, young = site.judged("1.2", 400), site.judged("1.3", 300), site.judged("1.4", 6)
    failed = site.failed("1.5", 600)
    rules = RetentionRules(min_free_bytes=5000, keep_days=7)
    assert [one.film.path for one in site.verdicts(rules, free=4500) if one.goes] == [oldest]
    assert [one.film.path for one in site.verdicts(rules, free=0) if one.goes] == [oldest, next_one]
    assert site.verdicts(rules, free=5000) == []
    assert {protected, young, failed}.isdisjoint(one.film.path for one in site.verdicts(rules, free=0) if one.goes)


def test_what_goes_by_age_counts_for_the_space(site: Site) -> None:
    site.judged("1.1", 400)
    refused = site.judged("1.2", 20, a_refusal())
    rules = RetentionRules(refused_days=10, min_free_bytes=1000)
    assert [one.film.path for one in site.verdicts(rules, free=0) if one.goes] == [refused]


def test_a_film_that_is_sent_again_is_there_again(site: Site) -> None:
    path = site.judged("1.1", 400)
    site.retain(EVERY_DAY)
    with pytest.raises(IllegalTransition, match=r"removed by the rule of retention on 2026-03-01.*once more"), \
            site.store.begin() as tx:  # fmt: skip
        queue.retry_exam(tx, 1, now=NOW)
    temp = site.archive.spool()
    temp.write_bytes(FILM)
    assert site.archive.keep(temp, "1.1") == path
    with site.store.begin() as tx:
        assert records.record_instance(tx, an_instance("1.1", FILM, path=path)) is Recorded.DUPLICATE
        queue.retry_exam(tx, 1, now=NOW)
    assert list(faults(site.store, site.archive)) == []
    assert site.there(path)


def test_who_dies_before_the_commit_has_removed_nothing(site: Site) -> None:
    path = site.judged("1.1", 400)
    assert site.archive.set_aside(path) is not None  # and then the power goes
    assert [fault.what for fault in faults(site.store, site.archive)] == ["file is missing"]
    _wait_is_over(site)
    retention.recover(site.store, site.archive)
    assert site.there(path)
    assert list(faults(site.store, site.archive)) == []


def test_who_dies_after_the_commit_has_removed_it(site: Site) -> None:
    path = site.judged("1.1", 400)
    site.archive.set_aside(path)
    with site.store.begin() as tx:
        tx.execute(t.instances.update().values(removed_at=NOW))
    _wait_is_over(site)
    retention.recover(site.store, site.archive)
    assert not site.there(path)
    assert not list((site.archive.root / "leaving").rglob("*.dcm"))


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_ABANDONED_S", 60.0)


def _wait_is_over(site: Site) -> None:
    retention._ABANDONED_S = 0.0  # restored by the fixture


def test_a_store_that_does_not_commit_gets_its_film_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    path = site.judged("1.1", 400)
    (verdict,) = site.verdicts(EVERY_DAY)

    def away(*_: object, **__: object) -> None:
        assert not site.there(path)
        raise StoreUnavailable("away")

    monkeypatch.setattr(retention, "audit", away)
    with pytest.raises(StoreUnavailable):
        retention.remove(site.store, site.archive, verdict, now=NOW, actor="node")
    assert site.there(path)


def test_a_chore_is_done_once_a_day_over_all_hosts(store: Store) -> None:
    def asks(host: str, day: int) -> bool:
        with store.begin() as tx:
            return chores.take(tx, "retention", dt.date(2026, 3, day), host=host, now=NOW)

    assert [asks("a", 1), asks("b", 1), asks("b", 2), asks("a", 2), asks("a", 1)] == [True, False, True, False, False]
    with store.read() as tx:
        assert chores.last(tx, "retention") == (NOW, "b")
        assert chores.last(tx, "other") is None
