"""kill -9 of the worker wherever it happens to be: nothing is lost, nothing is there twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import screening_process
import sqlalchemy as sa
from builders import a_patient, an_instance
from scripted import HEALTHY, THIN

from screening_node.queue import queue, rescue
from screening_node.queue.job import JobState
from screening_node.queue.lease import utc_now
from screening_node.queue.retry import RetryRules
from screening_node.store import records
from screening_node.store import tables as t
from screening_node.store.archive import Archive
from screening_node.store.session import Store

FILMS, PATIENTS, KILLS = 120, 12, 8
#: The films are innocent here: no number of deaths may bury one.
RULES = RetryRules(tries=1000, first_delay_s=0.01)


def fill(store: Store, archive: Archive) -> None:
    for number in range(FILMS):
        temp = archive.spool()
        temp.write_text(str(THIN if number % 2 else HEALTHY))
        uid = f"1.2.{number}"
        patient = a_patient(patient_id=f"P{number % PATIENTS}")
        with store.begin() as tx:
            records.record_instance(tx, an_instance(uid, path=archive.keep(temp, uid), patient=patient))


def done(store: Store) -> int:
    with store.read() as tx:
        return queue.count(tx)[JobState.DONE]


def run_and_kill(store: Store, folder: Path, run: int, more: int) -> None:
    """Let a worker finish ``more`` films, and kill it a moment later; the supervisor's part is played here."""
    owner, goal, end = f"host/worker/{run}", min(FILMS, done(store) + more), time.monotonic() + 60
    process = subprocess.Popen([sys.executable, screening_process.__file__, str(folder), owner])
    try:
        while done(store) < goal:
            assert time.monotonic() < end, "the worker does not get on"
            time.sleep(0.005)
        time.sleep(random.Random(run).uniform(0, 0.02))
    finally:
        process.kill()
        process.wait()
    rescue.rescue_owner(store, owner, RULES, now=utc_now())


def count(store: Store, statement: str) -> int:
    with store.read() as tx:
        return int(tx.execute(sa.text(statement)).scalar_one())


def test_killed_again_and_again(store: Store, archive: Archive, tmp_path: Path) -> None:
    fill(store, archive)
    for run in range(KILLS):
        run_and_kill(store, tmp_path, run, more=3)
    rescued = count(store, "SELECT sum(failures) FROM jobs")
    run_and_kill(store, tmp_path, KILLS, more=FILMS)

    assert rescued >= KILLS // 2, "the blows missed"
    assert done(store) == FILMS
    assert count(store, "SELECT count(*) FROM results") == FILMS
    assert count(store, "SELECT count(DISTINCT exam_id) FROM results WHERE current") == FILMS
    assert count(store, "SELECT count(*) FROM estimates") == 2 * FILMS
    assert count(store, "SELECT count(*) FROM outbox") == 2 * FILMS
    assert count(store, "SELECT count(DISTINCT sop_instance_uid) FROM outbox") == FILMS
    thin_patients = len({number % PATIENTS for number in range(FILMS) if number % 2})
    assert count(store, "SELECT count(*) FROM alarms") == thin_patients
    with store.read() as tx:
        owed = set(tx.execute(sa.select(t.outbox.c.path)).scalars())
    assert owed <= set(archive.kept()), "what is owed is on disk"
