"""The node, its store, its disk, its PACS and the wire to it: everything that a fault can befall."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from acceptance.node import Node
from integration import peers
from postgresql_server import PostgresqlServer

from chaos.proxy import Wire

#: Mebibytes of the disk that holds the archive; below the reserve the node refuses (A700).
_RESERVE_MIB = 64
_MAIN = "serve"


@dataclass
class Pacs:
    """A DCMTK storescp that can be stopped and started on the same port."""

    folder: Path
    port: int = field(default_factory=peers.free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [peers.require("storescp", "dcmtk"), "-aet", "STORESCP", "-od", str(self.folder), str(self.port)]
        with (self.folder.parent / "pacs.log").open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        peers.wait_until(lambda: peers.listens(self.port))

    def stop(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@dataclass
class World:
    """What the driver may break. ``disk`` is a file system of its own, or None where this user cannot mount one."""

    node: Node
    pacs: Pacs
    wire: Wire
    store_url: str
    archive: Path
    disk: Path | None
    database: PostgresqlServer | None
    kills: dict[str, int] = field(default_factory=dict)

    def victims(self) -> dict[int, str]:
        """Process ids of the node that runs, and their names as its log tells them."""
        if self.node.ended():
            return {}
        assert self.node.process is not None
        names = {
            int(pid): name
            for name, pid in re.findall(r"Started ([\w-]+) as process (\d+)\.", self.node.log.read_text())
        }
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.node.process.pid).children()
            own = {child.pid: names[child.pid] for child in children if child.pid in names}
            return {self.node.process.pid: _MAIN} | own
        return {}

    def kill(self, pid: int, name: str) -> None:
        """kill -9; where it was the first process, the node is started again as systemd would."""
        if name == _MAIN:
            self.node.kill()
            self.node.start()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.kills[name] = self.kills.get(name, 0) + 1

    def admin(self, *arguments: str) -> None:
        """A command of the admin's on this node; fails where it does."""
        command = [sys.executable, "-m", "screening_node", *arguments, "--config", str(self.node.config)]
        subprocess.run(command, env=os.environ | self.node.overrides, capture_output=True, check=True)

    def rows(self, sql: str) -> list[Any]:
        """Rows of the node's store, read beside it."""
        engine = sa.create_engine(self.store_url)
        try:
            with engine.connect() as connection:
                return list(connection.execute(sa.text(sql)).all())
        finally:
            engine.dispose()

    def one(self, sql: str) -> Any:
        """The first column of the first row."""
        return self.rows(sql)[0][0]


@contextlib.contextmanager
def world(folder: Path, *, postgresql: bool, disk_mib: int) -> Iterator[World]:
    """Everything started; everything stopped again, by process id."""
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(_disk(folder / "disk", disk_mib))
        database = stack.enter_context(PostgresqlServer.running()) if postgresql else None
        archive = (disk or folder) / "archive"
        node = Node(folder / "node", overrides={"SCREENING_NODE__STORE__ARCHIVE": str(archive)})
        node.folder.mkdir(parents=True)
        node.admin_port = peers.free_port()
        url = database.database() if database else f"sqlite:///{node.database}"
        node.overrides |= {
            "SCREENING_NODE__STORE__URL": url,
            "SCREENING_NODE__WORKER__LEASE_SECONDS": "10",
            "SCREENING_NODE__INTAKE__MIN_FREE_MIB": str(_RESERVE_MIB if disk else 0),
            "SCREENING_NODE__INTAKE__NETWORK_TIMEOUT_SECONDS": "10",
            "OMP_NUM_THREADS": "1",
        }
        pacs = Pacs(folder / "pacs")
        pacs.start()
        stack.callback(pacs.stop)
        node.destinations = (("pacs", "STORESCP", pacs.port),)
        node.start()
        stack.callback(lambda: None if node.ended() else node.kill())
        wire = Wire(node.port)
        stack.callback(wire.close)
        yield World(node=node, pacs=pacs, wire=wire, store_url=url, archive=archive, disk=disk, database=database)


@contextlib.contextmanager
def _disk(folder: Path, mib: int) -> Iterator[Path | None]:
    """A small file system that can be filled and made read-only; None where this user cannot mount one."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
