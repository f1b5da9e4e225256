"""The upkeep process: at its hour, once over several hosts."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from builders import an_instance
from unit.cli.site_config import CONFIG

from screening_node.assembly import upkeep
from screening_node.assembly.running import processes
from screening_node.errors import StoreUnavailable
from screening_node.queue import queue
from screening_node.settings import Settings, load_settings
from screening_node.store import records
from screening_node.store.archive import Archive
from screening_node.store.session import Store

RULES = '[retention]\nfailed_days = 5\nhour = 2\nminute = 30\ntime_zone = "Europe/Berlin"\n'


def configured(folder: Path, rules: str) -> Settings:
    (folder / "bundle").mkdir()
    (folder / "bundle" / "card.toml").touch()
    (folder / "node.toml").write_text(CONFIG.format(port=11112, destinations="") + rules)
    return load_settings(folder / "node.toml")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return configured(tmp_path, RULES)


@pytest.fixture
def node(settings: Settings) -> Store:
    store = Store(settings.store.url.get_secret_value())
    store.migrate()
    return store


def old_film(store: Store, archive: Archive, uid: str) -> Path:
    """A film that nobody needs any more."""
    temp, old = archive.spool(), dt.datetime.now(dt.UTC) - dt.timedelta(days=6)
    temp.write_bytes(b"film")
    path = archive.keep(temp, uid)
    with store.begin() as tx:
        records.record_instance(tx, an_instance(uid, b"film", path=path, received_at=old))
        job = queue.of_exam(tx, records.exam(tx, int(uid[-1])).id)
        assert job is not None
        queue.cancel(tx, job.id, now=old)
    return archive.path(path)


def test_one_host_does_it_each_day(node: Store, settings: Settings) -> None:
    archive = Archive(settings.store.archive)
    first = old_film(node, archive, "1.1")
    upkeep.nightly(settings, node)
    second = old_film(node, archive, "1.2")
    upkeep.nightly(settings, node)  # as the other host would
    assert (first.exists(), second.exists()) == (False, True)
    node.close()


def test_it_is_done_at_the_hour_of_the_sites_clock(node: Store, settings: Settings) -> None:
    (job,) = upkeep._scheduler(settings, node).get_jobs()
    berlin = ZoneInfo("Europe/Berlin")
    noon = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)
    assert job.trigger.get_next_fire_time(None, noon) == dt.datetime(2026, 7, 2, 2, 30, tzinfo=berlin)
    skipped = dt.datetime(2026, 3, 29, 0, 0, tzinfo=berlin)  # the clock goes from 2 to 3 that night
    assert job.trigger.get_next_fire_time(None, skipped).date() in (skipped.date(), dt.date(2026, 3, 30))
    node.close()


def test_what_fails_waits_for_the_next_day(
    node: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("The database does not answer.")

    monkeypatch.setattr(upkeep, "retain_now", away)
    upkeep.nightly(settings, node)
    assert "it goes on tomorrow" in caplog.text
    node.close()


def test_the_process_ends_when_it_is_told(node: Store, settings: Settings) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=upkeep.run_upkeep_process, args=(stop, "host/upkeep/1", settings))
    thread.start()
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    node.close()


@pytest.mark.parametrize(("rules", "wanted"), [("", False), ("[retention]\nmin_free_mib = 5000\n", True)])
def test_there_is_a_process_where_there_is_a_rule(tmp_path: Path, rules: str, wanted: bool) -> None:
    settings = configured(tmp_path, rules)
    assert ("upkeep" in [spec.name for spec in processes(settings)]) is wanted
