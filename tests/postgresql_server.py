"""A PostgreSQL server for tests: its own folder, a free port on loopback, gone afterwards."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from screening_node.store.session import Store

_TEMPLATE = "node_template"


@dataclass
class PostgresqlServer:
    """A running server with a migrated database to copy."""

    port: int
    pg_ctl: list[str]
    folder: Path
    numbers: Iterator[int] = field(default_factory=count)

    @staticmethod
    def why_not() -> str | None:
        """What is missing and how to get it; None where nothing is."""
        if _programs() is None:
            return "PostgreSQL is not installed: apt-get install postgresql"
        if importlib.util.find_spec("psycopg") is None:
            return "the PostgreSQL driver is not installed: pip install -e '.[postgresql]'"
        return None

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[PostgresqlServer]:
        folder = Path(tempfile.mkdtemp(prefix="postgresql-"))  # short: a socket's path has an end
        programs = _programs()
        assert programs is not None
        as_user = _unprivileged(folder)
        data, port = folder / "data", _free_port()
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        pg_ctl = [*as_user, str(programs / "pg_ctl"), "-D", str(data), "-w"]
        try:
            initdb = [*as_user, str(programs / "initdb"), "-D", str(data), "-U", "node", "-A", "trust", "-E", "UTF8"]
            subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
            server = cls(port=port, pg_ctl=[*pg_ctl, "-l", str(folder / "log"), "-o", options], folder=folder)
            server.start()
            server._make_template()
            yield server
        finally:
            subprocess.run([*pg_ctl, "-m", "immediate", "stop"], check=False, capture_output=True, cwd=folder)
            shutil.rmtree(folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server again after ``stop``; on return it answers."""
        subprocess.run([*self.pg_ctl, "start"], check=True, stdout=subprocess.DEVNULL, cwd=self.folder)

    def stop(self) -> None:
        """Stop the server as an administrator would: open connections are cut."""
        subprocess.run([*self.pg_ctl, "-m", "fast", "stop"], check=True, stdout=subprocess.DEVNULL, cwd=self.folder)

    def empty_database(self) -> str:
        """The URL of a new database without any table."""
        name = f"empty_{next(self.numbers)}"
        self._create(name, "")
        return self._url(name)

    def database(self) -> str:
        """The URL of a new, migrated database."""
        name = f"node_{next(self.numbers)}"
        self._create(name, f"TEMPLATE {_TEMPLATE}")
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://node@127.0.0.1:{self.port}/{name}"

    def _make_template(self) -> None:
        self._create(_TEMPLATE, "")
        store = Store(self._url(_TEMPLATE))
        store.migrate()
        store.close()

    def _create(self, name: str, options: str) -> None:
        import psycopg

        url = self._url("postgres").replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} {options}".encode())


def _programs() -> Path | None:
    """The folder of the newest server programs; Debian keeps them off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return None if elsewhere is None else Path(elsewhere).parent


def _unprivileged(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: then it runs as the user that its package made."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
