"""Connections and transactions: SQLite on one host, PostgreSQL on several, the same code above."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from screening_node.errors import DiskFull, Misconfigured, ScreeningNodeError, StoreUnavailable
from screening_node.store import schema

if TYPE_CHECKING:
    import psycopg

_READ_ONLY = "screening_node_read_only"
#: Parts of a connection's address, and the variables that libpq reads them from.
_LIBPQ = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}


class Store:
    """The database behind a URL such as ``sqlite:////var/lib/screening-node/node.db``.

    Thread safe: each transaction takes a connection of its own from a pool. Not to be carried over a fork.
    """

    def __init__(self, url: str, *, busy_seconds: float = 5.0) -> None:
        """``busy_seconds``: how long a writer waits for another one before it raises StoreUnavailable."""
        parsed = _parse(url)
        self._file = _database_file(parsed)
        self._engine = _engine(parsed, self._file, busy_seconds)

    @property
    def file(self) -> Path | None:
        """The SQLite file, or None on a database server."""
        return self._file

    @contextlib.contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A writing transaction: committed on exit, rolled back on an exception.

        On SQLite it is the only writer from its first line on (BEGIN IMMEDIATE), so that what it reads cannot
        change before it writes. Raises StoreUnavailable or DiskFull.
        """
        with _translated(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A snapshot to read from; never waits for a writer. Raises StoreUnavailable."""
        with _translated(), self._engine.connect() as opened:
            connection = opened.execution_options(**{_READ_ONLY: True})
            connection.begin()
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            yield connection

    def migrate(self, target: str | None = None) -> None:
        """Bring the database to this version's tables, or to others; makes file and folder where there are none.

        Raises StoreUnavailable, DiskFull, AlreadyRunning where nodes of another version are connected, or
        Misconfigured where a newer version made the database.
        """
        if self._file is not None:
            _create_file(self._file)
        with self.begin() as tx:
            schema.take_turns(tx)
            schema.change(tx, target or schema.head())

    def tables(self) -> str | None:
        """The number of the tables that are there; None where there are none, or no file. Raises StoreUnavailable."""
        if self._file is not None and not self._file.exists():
            return None
        with self.read() as tx:
            return schema.current(tx)

    def server_environment(self) -> dict[str, str]:
        """The server's address for PostgreSQL's own programs, as variables: a password on a command line is seen."""
        _, options = self._engine.dialect.create_connect_args(self._engine.url)
        return {variable: str(options[key]) for key, variable in _LIBPQ.items() if options.get(key) is not None}

    @property
    def announces(self) -> bool:
        """Whether commits can wake others (``wakeups.py``): a server whose driver can listen."""
        return self._file is None and self._engine.driver == "psycopg"

    def connect_to_listen(self) -> psycopg.Connection:
        """A connection outside the pool that commits each statement; the caller closes it. Raises StoreUnavailable.

        A host that vanished without a word is noticed after half a minute.
        """
        import psycopg

        arguments, options = self._engine.dialect.create_connect_args(self._engine.url)
        alive = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4, "connect_timeout": 10}
        named = {"application_name": schema.connection_name()}
        with self.translating():
            return psycopg.connect(*arguments, **{**alive, **options, **named}, autocommit=True)

    @contextlib.contextmanager
    def translating(self) -> Iterator[None]:
        """Errors of a connection outside the pool into StoreUnavailable."""
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            raise StoreUnavailable(
                "The database does not answer.", fix="Check [store] url and the database's own log."
            ) from error

    def close(self) -> None:
        """Close the pooled connections."""
        self._engine.dispose()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Misconfigured("The database URL cannot be read.", fix="Write sqlite:///path in [store] url.") from error
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise Misconfigured(f"The node has no driver for {backend}.", fix="Use sqlite or postgresql in [store] url.")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise Misconfigured("The database must be a file.", fix="Write sqlite:///path in [store] url.")
    return parsed


def _database_file(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite":
        return None
    assert url.database is not None
    return Path(url.database).absolute()


def _engine(url: URL, file: Path | None, busy_seconds: float) -> sa.Engine:
    try:
        if file is None:
            named = {"application_name": schema.connection_name()}
            return sa.create_engine(url, pool_size=8, max_overflow=24, pool_pre_ping=True, connect_args=named)
        engine = sa.create_engine(
            "sqlite://",
            creator=lambda: _connect(file, busy_seconds),
            poolclass=sa.pool.QueuePool,
            pool_size=8,
            max_overflow=24,
        )
    except (ImportError, NoSuchModuleError) as error:
        raise Misconfigured(
            f"The database driver {url.drivername} is not installed.", fix="Install it, or use sqlite in [store] url."
        ) from error
    sa.event.listen(engine, "begin", _begin_immediate)
    sa.event.listen(engine, "checkout", _CheckedOut(file))
    return engine


def _connect(file: Path, busy_seconds: float) -> sqlite3.Connection:
    """Open an *existing* file (mode=rw): a database that vanished must not come back empty."""
    connection = sqlite3.connect(
        f"{file.as_uri()}?mode=rw", uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


def _begin_immediate(connection: sa.Connection) -> None:
    read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


class _CheckedOut:
    """Pool listener: a pooled connection to a deleted or replaced file would swallow rows; drop it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, connection: Any, record: Any, proxy: Any) -> None:
        there = _inode(self._file)
        if record.info.setdefault("inode", there) != there:
            raise sa.exc.DisconnectionError("the database file was replaced")


def _inode(file: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _create_file(file: Path) -> None:
    """Make the folder and an empty database in WAL mode; WAL is kept in the file, so once is enough."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"The database's folder {file.parent} cannot be made.", fix="Make it, or change [store] url."
        ) from error
    with _translated():
        connection = sqlite3.connect(file, timeout=5.0)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Database errors into the node's own. Errors of the node's making (a broken constraint) stay as they are."""
    try:
        yield
    except (DBAPIError, sqlite3.DatabaseError, PoolTimeoutError, sa.exc.DisconnectionError) as error:
        ours = translate(error)
        if ours is None:
            raise
        raise ours from error


def translate(error: Exception) -> ScreeningNodeError | None:
    """The node's own error for a database error, or None where it shows a mistake in the node itself.

    Neither SQL nor parameters are quoted: parameters carry patients' names.
    """
    if isinstance(error, sa.exc.IntegrityError | sa.exc.ProgrammingError | sa.exc.DataError):
        return None
    if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError):
        return None
    text = str(error.orig if isinstance(error, DBAPIError) else error)
    if "disk is full" in text or "No space left" in text:
        return DiskFull("The database cannot grow: the disk is full.", fix="Free space on the disk of [store] url.")
    for pattern, message, fix in _KNOWN:
        if pattern in text:
            return StoreUnavailable(message, fix=fix)
    return StoreUnavailable("The database does not answer.", fix="Check [store] url and the database's own log.")


_KNOWN = (
    (
        "locked",
        "The database is locked by another program.",
        "Close programs that hold the database open (backup, sqlite3).",
    ),
    (
        "unable to open database file",
        "The database file is gone or cannot be opened.",
        "Put the file back from a backup, or restart the node to begin with an empty one.",
    ),
    (
        "file was replaced",
        "The database file was deleted or replaced under the running node.",
        "Put the file back from a backup and restart the node.",
    ),
    (
        "readonly",
        "The database file may not be written.",
        "Give the node's user the right to write the file and its folder.",
    ),
    ("no such table", "The database holds no tables of the node.", "Restart the node: it makes them at start."),
    (
        "not a database",
        "The database file is damaged or is no SQLite database.",
        "Move it away, put a backup in its place, and restart the node.",
    ),
    (
        "malformed",
        "The database file is damaged.",
        "Move it away, put a backup in its place, and restart the node.",
    ),
)
