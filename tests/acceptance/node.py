"""A whole node as a site runs it: `screening-node serve` as a process, on loopback, in a folder of its own."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pydicom
from integration import peers
from pydicom.uid import generate_uid

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Node:
    """A node with its configuration; start, kill and start again as often as a test likes."""

    folder: Path
    destinations: Sequence[tuple[str, str, int]] = ()
    port: int = field(default_factory=peers.free_port)
    overrides: dict[str, str] = field(default_factory=dict)
    #: Nodes of several tests run at once; 0 switches the admin's page off.
    admin_port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        return self.folder / "node.toml"

    @property
    def database(self) -> Path:
        return self.folder / "node.sqlite"

    @property
    def log(self) -> Path:
        return self.folder / "serve.log"

    def write_config(self) -> None:
        """The shipped configuration's pathway, a store of its own, and this node's destinations."""
        shipped = (REPOSITORY / "config" / "node.toml").read_text()
        pathways = shipped[shipped.index("[pathways.chest_film]") : shipped.index("[alarms]")]
        pathways = pathways.replace('"../models', f'"{REPOSITORY}/models')
        blocks = [
            f'[[destinations]]\nname = "{name}"\nae_title = "{ae}"\nhost = "127.0.0.1"\nport = {port}\n'
            for name, ae, port in self.destinations
        ]
        node = f'[node]\nae_title = "NODE"\nhost = "127.0.0.1"\nport = {self.port}\n'
        store = f'[store]\nurl = "sqlite:///{self.database}"\narchive = "{self.folder / "archive"}"\n'
        admin = f"[admin]\nport = {self.admin_port}\n"
        self.config.write_text("\n".join([node, *blocks, store, pathways, admin]))

    def start(self) -> None:
        """Start and return once it takes associations."""
        self.write_config()
        command = [sys.executable, "-m", "screening_node", "serve", "--config", str(self.config)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=os.environ | self.overrides,
                start_new_session=True,
            )
        peers.wait_until(lambda: self.ended() or peers.listens(self.port), 60)
        assert not self.ended(), f"serve ended at once:\n{self.log.read_text()[-3000:]}"

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def terminate(self) -> int:
        """SIGTERM, as systemd would; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        """kill -9 of the node's first process; its children must notice by themselves."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        psutil.wait_procs(children, timeout=30)
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]

    def kill_worker(self, job: int) -> bool:
        """kill -9 of the process that holds a job's lease; False where nobody holds it any more."""
        owner = self.one("select owner from jobs where id = ? and state = 'running'", job)
        if owner is None:
            return False
        pid = int(owner.split("/")[-1])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Rows of the node's own database, read beside it."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)
        with contextlib.closing(connection):
            return connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> Any:
        """First column of the first row, or None."""
        found = self.rows(sql, *values)
        return found[0][0] if found else None

    def settle(self, exams: int, seconds: float = 120) -> None:
        """Return once so many exams are there, none is to be judged and nothing is to be delivered."""
        peers.wait_until(
            lambda: (
                self.one("select count(*) from exams") >= exams
                and self.one("select count(*) from jobs where state in ('queued', 'running')") == 0
                and self.one("select count(*) from outbox where state in ('pending', 'sending')") == 0
            ),
            seconds,
        )

    def cli(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """The admin's command line on this node."""
        command = [sys.executable, "-m", "screening_node", *(str(argument) for argument in arguments)]
        command += ["--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def listing(self, *arguments: str) -> Any:
        """A listing of the command line as data."""
        done = self.cli(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@contextlib.contextmanager
def running_node(folder: Path, *destinations: tuple[str, str, int], **overrides: str) -> Iterator[Node]:
    """A started node; killed at the end where the test has not stopped it."""
    folder.mkdir(parents=True, exist_ok=True)
    node = Node(folder, destinations, overrides=overrides)
    node.start()
    try:
        yield node
    finally:
        if not node.ended():
            node.kill()


_counter = itertools.count(1)


def another_film(film: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a film as another film: fresh UIDs, a patient and study of its own unless ``changes`` say else."""
    number = next(_counter)
    path = folder / f"film{number:04d}.dcm"
    if not changes.get("PatientID"):
        changes |= {"PatientID": f"FICTION-{number}"}
    dataset = pydicom.dcmread(film)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def dciodvfy(report: bytes, folder: Path) -> list[str]:
    """The errors that dicom3tools' validator finds in an object."""
    path = folder / "checked.dcm"
    path.write_bytes(report)
    done = subprocess.run(
        [peers.require("dciodvfy", "dicom3tools"), "-new", str(path)], capture_output=True, text=True, check=False
    )
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def dsrdump(report: bytes, folder: Path) -> str:
    """The report as DCMTK prints it; fails where DCMTK finds anything to complain of."""
    path = folder / "dumped.dcm"
    path.write_bytes(report)
    done = subprocess.run(
        [peers.require("dsrdump", "dcmtk"), "+Pl", str(path)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    complaints = [line for line in done.stderr.splitlines() if line.strip() and "ISO_IR 192" not in line]
    assert complaints == []  # DCMTK says of every UTF-8 report that it does not check its texts
    return done.stdout


def copy_of(folder: Path, to: Path) -> Path:
    """A folder's copy."""
    return Path(shutil.copytree(folder, to))
