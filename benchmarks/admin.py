"""How long the admin's page takes: the start page over 100,000 alerts, an exam's first picture of a 12 MB film.

    .venv/bin/python benchmarks/admin.py [--alerts 100000]

Medians over HTTP on loopback, one request at a time, with the page's own process beside this one.
"""

from __future__ import annotations

import argparse
import datetime as dt
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests")]

from admin_site import a_config, wait_for  # noqa: E402
from builders import a_result  # noqa: E402
from factory import make_dx, save  # noqa: E402

from screening_node.admin.server import run_admin  # noqa: E402
from screening_node.store import tables as t  # noqa: E402
from screening_node.store.archive import Archive  # noqa: E402
from screening_node.store.session import Store  # noqa: E402

NOW = dt.datetime.now(dt.UTC)
_AT_ONCE = 5000


def main() -> None:
    """Fill a store, start the page, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, default=100_000)
    count = parser.parse_args().alerts
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        store = Store(f"sqlite:///{place / 'node.db'}")
        store.migrate()
        archive = Archive(place / "archive")
        fill(store, count)
        big_films(store, archive, place)
        store.close()
        measure(place, count)


def measure(place: Path, count: int) -> None:
    """Every figure, from a page in a process of its own."""
    config = a_config()
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    process = context.Process(target=serve, args=(config, place, stop))
    process.start()
    address = f"http://127.0.0.1:{config.port}"
    wait_for(address)
    deep = f"sort=lowest&after=-2.5~{count // 2}"
    pages = {
        "start page": "/",
        "start page, all states": "/?state=all",
        "lowest T-score first": "/?sort=lowest",
        "lowest first, far down": f"/?state=all&{deep}",
        "newest first, far down": f"/?state=all&after=~{count // 2}",
        "filter by category": "/?state=all&category=osteopenia",
        "search for one patient": f"/?state=all&text=P{count - 7:06d}",
        "tiles alone (what pages poll)": "/strip",
        "work": "/work",
        "overview": "/overview",
        "an exam": "/exams/17",
        "metrics": "/metrics",
    }
    print(f"{count} alerts, films and reports on SQLite; median of 21 requests, worst")
    with httpx.Client(base_url=address, timeout=600) as client:
        for name, path in pages.items():
            print(f"  {name:32}" + figures(lambda path=path: client.get(path).raise_for_status(), 21))
        films = iter(range(1, 8))
        fresh = figures(lambda: client.get(f"/exams/{next(films)}/film.png").raise_for_status(), 7)
        print(f"  {'film of 12 MB, first picture':32}{fresh}")
        kept = figures(lambda: client.get("/exams/1/film.png").raise_for_status(), 21)
        print(f"  {'the same, its copy kept':32}{kept}")
        for ending in ("csv", "xlsx"):
            whole = figures(lambda ending=ending: client.get(f"/alerts.{ending}?state=all").raise_for_status(), 1)
            print(f"  {'all alerts as ' + ending.upper():32}{whole}")
    stop.set()
    process.join()


def figures(request: Callable[[], Any], times: int) -> str:
    """Median and worst in ms."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        request()
        taken.append(1000 * (time.perf_counter() - begin))
    return f"{statistics.median(taken):8.1f} ms {max(taken):8.1f} ms"


def serve(config: Any, place: Path, stop: Event) -> None:
    """The page's process."""
    ended = threading.Event()
    threading.Thread(target=lambda: (stop.wait(), ended.set()), daemon=True).start()
    run_admin(config, Store(f"sqlite:///{place / 'node.db'}"), Archive(place / "archive"), ended)


def fill(store: Store, count: int) -> None:
    """One patient, film, job, result, alarm and delivered report for each number from 1 on; in bulk."""
    document = a_result().to_dict()
    makers: tuple[tuple[sa.Table, Callable[[int], dict[str, Any]]], ...] = (
        (t.patients, lambda n: {"patient_key": f"{n:040d}", "diagnosed": False, "updated_at": NOW}),
        (t.exams, exam),
        (t.jobs, job),
        (t.alarms, alarm),
        (t.results, lambda n: result(n, document)),
        (t.estimates, estimate),
        (t.outbox, report),
    )
    for table, make in makers:
        for numbers in batches(count):
            with store.begin() as tx:
                tx.execute(sa.insert(table), [make(n) for n in numbers])
    with store.begin() as tx:
        tx.execute(t.alarms.update().values(result_id=t.alarms.c.number))


def batches(count: int) -> Iterator[range]:
    """The numbers from 1 on, some thousands at a time."""
    for begin in range(1, count + 1, _AT_ONCE):
        yield range(begin, min(begin + _AT_ONCE, count + 1))


def at(n: int) -> dt.datetime:
    """Two years of films, the newest last."""
    return NOW - dt.timedelta(minutes=10 * (100_000 - n % 100_000))


def exam(n: int) -> dict[str, Any]:
    """A row of exams."""
    return {
        "id": n,
        "pathway": "chest_film",
        "key": f"1.2.{n}",
        "patient_key": f"{n:040d}",
        "patient_id": f"P{n:06d}",
        "patient_name": f"Nobody^Number{n}",
        "sex": "F",
        "age": 70,
        "accession_number": f"A{n}",
        "study_instance_uid": f"1.3.{n}",
        "study_date": at(n).date(),
        "modality": "DX" if n % 3 else "CR",
        "scanner": f"Maker Model {n % 5}",
        "calling_ae": "XRAY",
        "complete": True,
        "received_at": at(n),
    }


def job(n: int) -> dict[str, Any]:
    """A row of jobs, done."""
    counters = {"priority": 0, "attempt": 1, "failures": 0, "interruptions": 0}
    times = {"not_before": at(n), "requested_at": at(n), "finished_at": at(n)}
    return {"id": n, "exam_id": n, "state": "done", **counters, **times}


def alarm(n: int) -> dict[str, Any]:
    """A row of alarms: of a hundred, eighty are closed, ten acknowledged, ten open."""
    return {
        "number": n,
        "patient_key": f"{n:040d}",
        "state": "closed" if n % 10 < 8 else "acknowledged" if n % 10 == 8 else "open",
        "category": "osteopenia" if n % 4 else "osteoporosis",
        "lowest_t": -2.0 - (n * 7919 % 2000) / 1000,
        "lowest_vertebra": "L1",
        "confidence": 0.5 + (n * 7919 % 500) / 1000,
        "study_date": at(n).date(),
        "opened_at": at(n),
        "updated_at": at(n),
    }


def result(n: int, document: dict[str, Any]) -> dict[str, Any]:
    """A row of results."""
    return {
        "id": n,
        "exam_id": n,
        "revision": 1,
        "current": True,
        "job_id": n,
        "category": "osteoporosis",
        "crossed": True,
        "lowest_t": -2.7,
        "lowest_vertebra": "L1",
        "alarm_step": "open",
        "alarm_status": "raised",
        "alarm_reason": "Below threshold.",
        "alarm": n,
        "bundle": "chest_film 0.2.0",
        "document": document,
        "created_at": at(n) + dt.timedelta(seconds=2),
    }


def estimate(n: int) -> dict[str, Any]:
    """A row of estimates."""
    return {
        "result_id": n,
        "vertebra": "L1",
        "bmd": 0.7,
        "sd": 0.06,
        "t_score": -2.7,
        "threshold": -2.2,
        "below": True,
    }


def report(n: int) -> dict[str, Any]:
    """A row of the outbox, delivered."""
    what = {"kind": "SR", "sop_class_uid": "1.2", "sop_instance_uid": f"2.25.{n}", "path": f"reports/{n}"}
    times = {"not_before": at(n), "created_at": at(n), "delivered_at": at(n) + dt.timedelta(seconds=4)}
    return {"result_id": n, "destination": "pacs", "state": "delivered", "attempt": 1, **what, **times}


def big_films(store: Store, archive: Archive, place: Path) -> None:
    """A film of 12 MB behind each of the first exams."""
    for number in range(1, 8):
        temp = archive.spool()
        save(make_dx(rows=2700, columns=2300, seed=number), temp)
        size = temp.stat().st_size
        path = archive.keep(temp, f"1.2.{number}")
        uids = dict.fromkeys(("sop_instance_uid", "study_instance_uid", "series_instance_uid"), f"1.2.{number}")
        with store.begin() as tx:
            tx.execute(
                t.instances.insert().values(
                    exam_id=number,
                    sop_class_uid="1.2",
                    transfer_syntax_uid="1.2",
                    sha256=f"{number:064d}",
                    size=size,
                    path=path,
                    calling_ae="XRAY",
                    received_at=at(number),
                    **uids,
                )
            )


if __name__ == "__main__":
    main()
