"""Chaos: films from several DCMTK senders while processes are killed, connections cut, disks filled, stores stopped.

    python benchmarks/chaos [--films 10000] [--kills 500] [--store postgresql] [--seed 1] [--json]

A node as users run it (`screening-node serve`), DCMTK's storescu as modalities, its storescp as PACS. At the end every
film that was acknowledged must have its bytes, one current result and one report; the counts are printed, and the exit
status is 1 where one of them is not zero. Needs dcmtk, for --store postgresql also postgresql (Debian's packages); as
root it mounts a small tmpfs for the archive, to fill it and to turn it read-only; otherwise those two faults are left
out, and the report's list of faults lacks them. Clocks are not skewed and no packets are dropped: a process that
stands still for longer than its lease, and a wire that falls silent, stand for both.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from factory import make_dx, save

from chaos.faults import Trouble
from chaos.films import Supply, Template, send
from chaos.verdict import judge
from chaos.world import World, world
from screening_node.phantom.dicom_film import write_film

#: One film in so many is judged by the networks; the others are refused by their header, which is quick.
_JUDGED = 20


def main() -> int:
    """Run, count, print."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        figures = run(
            Path(name),
            films=options.films,
            kills=options.kills,
            senders=options.senders,
            postgresql=options.store == "postgresql",
            seed=options.seed,
            pause=options.pause,
        )
    if options.json:
        print(json.dumps(figures, indent=1))
    else:
        print("\n".join(f"{key:24} {value}" for key, value in figures.items()))
    return 0 if figures["good"] else 1


def run(
    folder: Path, *, films: int, kills: int, senders: int, postgresql: bool, seed: int, pause: float
) -> dict[str, Any]:
    """The whole run; the figures of its verdict, and what was done to the node."""
    supply = Supply(_templates(folder / "templates"), films, folder / "films")
    began = time.monotonic()
    with world(folder, postgresql=postgresql, disk_mib=160 + films // 20) as there:
        trouble = Trouble(there, kills, seed, pause=pause)
        trouble.start()
        threads = [
            threading.Thread(target=_modality, args=(supply, there, number, trouble), daemon=True)
            for number in range(senders)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        trouble.join()
        if trouble.ended_by is not None:
            raise trouble.ended_by
        asked = settle(there, films)
        verdict = judge(there, supply.acknowledged)
    return {
        **asdict(verdict),
        "sent_again": supply.resent,
        "retried_by_admin": asked,
        "kills": trouble.killed,
        "killed": there.kills,
        "faults": dict(trouble.faults),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "good": verdict.good,
    }


def settle(there: World, films: int) -> int:
    """Wait until everything is judged and delivered; how often an admin had to ask again for what was given up."""
    asked = 0
    while True:
        exams = there.rows("select exam_id from jobs where state = 'dead'")
        parked = there.rows("select id from outbox where state = 'parked'")
        for (exam,) in exams:
            there.admin("exams", "retry", str(exam))
        for (delivery,) in parked:
            there.admin("deliveries", "retry", str(delivery))
        asked += len(exams) + len(parked)
        if not exams and not parked and _settled(there, films):
            return asked
        time.sleep(0.5)


def _settled(there: World, films: int) -> bool:
    return (
        there.one("select count(*) from results where current") >= films
        and there.one("select count(*) from jobs where state in ('queued', 'running')") == 0
        and there.one("select count(*) from outbox where state in ('pending', 'sending')") == 0
    )


def _modality(supply: Supply, there: World, number: int, trouble: Trouble) -> None:
    """Sends one to four films an association, no faster than the kills come, until all films are acknowledged."""
    turn = 0
    while not supply.over and trouble.ended_by is None:
        turn += 1
        films = supply.fetch(1 + (turn + number) % 4, share=trouble.progress)
        if films:
            taken = send(films, there.wire.port, f"MODALITY{number}", 120)
            supply.settle(films, taken)
            time.sleep(0 if taken else 1)  # as a modality does that was refused or found nobody
        else:
            time.sleep(0.2)  # the next films wait for the next kill, or are with another sender and may come back


def _templates(folder: Path) -> list[Template]:
    folder.mkdir(parents=True)
    quick = save(make_dx(PatientAge="021Y"), folder / "young.dcm")
    write_film(7, folder / "judged.dcm", size=512)
    young, judged = Template.of(quick, folder / "a"), Template.of(folder / "judged.dcm", folder / "b")
    return [judged, *[young] * (_JUDGED - 1)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--seed", type=int, default=1, help="of the faults' kinds and lengths")
    parser.add_argument("--pause", type=float, default=1.5, help="mean seconds between faults")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
