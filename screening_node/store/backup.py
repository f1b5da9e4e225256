"""A copy of everything while the node runs, and everything back from it.

    <folder>/node.sqlite   the database as it was at one moment (SQLite's online backup)
    <folder>/archive/      every file that it names; written once and never changed, so a later backup adds the new
    <folder>/SHA256SUMS    a line for each of them; ``sha256sum -c SHA256SUMS`` works without the node

The database is copied first, and then the files that this copy names: what arrives meanwhile is in the next backup.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from screening_node.errors import Misconfigured, StoreUnavailable, UnreadableObject
from screening_node.store.session import Store

DATABASE = "node.sqlite"
DUMP = "database.dump"
ARCHIVE = "archive"
SUMS = "SHA256SUMS"
_PIECE = 1024 * 1024
_PATHS = "SELECT path FROM instances {there} UNION SELECT path FROM outbox ORDER BY 1"


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What a backup or a restore did: files of the archive in all, and those that were copied now."""

    files: int
    copied: int


def backup(store: Store, archive: Path, folder: Path) -> Copied:
    """Copy database and archive into ``folder``, which is empty or an earlier backup.

    Raises Misconfigured where the folder is neither or the database is a server's, UnreadableObject where a file of
    the archive is missing, StoreUnavailable where something cannot be read or written.
    """
    if store.file is None:
        raise Misconfigured(
            "The database is a server's: its own tools copy it.",
            fix="Run pg_dump --format=custom first, then copy the archive folder (its files never change).",
        )
    if folder.exists() and any(folder.iterdir()) and not (folder / SUMS).exists():
        raise Misconfigured(f"{folder} holds other things.", fix="Name an empty folder, or an earlier backup.")
    with _translated(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds what the store holds
        (folder / ARCHIVE).mkdir(exist_ok=True)
        known = _read_sums(folder)
        (folder / SUMS).touch()  # from here on the folder is a backup's, if an unfinished one
        paths = _copy_database(store.file, folder / DATABASE)
        missing = [path for path in paths if path not in known or not (folder / ARCHIVE / path).is_file()]
        sums = {path: known[path] for path in paths if path not in missing}
        sums |= {path: _copy(archive / path, folder / ARCHIVE / path) for path in missing}
        _write_sums(folder, {**{f"{ARCHIVE}/{path}": sums[path] for path in paths}, DATABASE: _sum(folder / DATABASE)})
    return Copied(files=len(paths), copied=len(missing))


def dump(store: Store, folder: Path) -> Path:
    """Let a database server's own program copy the database; the file, which ``pg_restore`` reads.

    Raises Misconfigured where that program is not installed, StoreUnavailable where it fails.
    """
    file = folder / DUMP
    with _translated(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
    command = ["pg_dump", "--format=custom", "--no-password", f"--file={file}"]
    try:
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **store.server_environment()})
    except FileNotFoundError as error:
        raise Misconfigured(
            "pg_dump is not installed: it makes the backup.", fix="apt-get install postgresql-client"
        ) from error
    except subprocess.CalledProcessError as error:
        file.unlink(missing_ok=True)
        raise StoreUnavailable(
            "pg_dump failed; there is no backup.", fix="Run it by hand to see why; its version must be the server's."
        ) from error
    return file


def restore(folder: Path, database: Path, archive: Path) -> Copied:
    """Put a backup in place of a store that is not there (any more); every file is compared with its sum on the way.

    The database comes last: without it no node takes the half-restored archive for a store. Raises Misconfigured
    where ``folder`` is no backup or there is a database already, UnreadableObject where a file is damaged.
    """
    if not (folder / DATABASE).is_file() or not (folder / SUMS).is_file():
        raise Misconfigured(f"{folder} is no complete backup.", fix=f"Name a folder with {DATABASE} and {SUMS}.")
    if database.exists():
        raise Misconfigured(f"{database} is there already.", fix="Move it and the archive folder away first.")
    with _translated(archive):
        known = _read_sums(folder)
        for path, digest in known.items():
            if _copy(folder / ARCHIVE / path, archive / path) != digest:
                raise _damaged(folder / ARCHIVE / path)
        _put_database(folder, database)
    return Copied(files=len(known), copied=len(known))


def _put_database(folder: Path, database: Path) -> None:
    database.parent.mkdir(parents=True, exist_ok=True)
    temp = database.with_name(database.name + ".restored")
    if _copy(folder / DATABASE, temp) != dict(_sums(folder)).get(DATABASE):
        raise _damaged(folder / DATABASE)
    temp.rename(database)


def _copy_database(source: Path, target: Path) -> list[str]:
    """An exact copy of a database in use; the archive's paths that it names."""
    temp = target.with_name(target.name + ".part")
    temp.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=30)) as origin,
        contextlib.closing(sqlite3.connect(temp)) as copy,
    ):
        origin.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file; a node that opens it goes back to WAL
        if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise _damaged(source)
        paths = _paths(copy)
    _synced(temp)
    temp.rename(target)
    return paths


def _paths(copy: sqlite3.Connection) -> list[str]:
    """What the database names, but for films that the rule of retention took; tables of before knew no such rule."""
    columns = {row[1] for row in copy.execute("PRAGMA table_info(instances)")}
    there = "WHERE removed_at IS NULL" if "removed_at" in columns else ""
    return [str(path) for (path,) in copy.execute(_PATHS.format(there=there))]


def _copy(source: Path, target: Path) -> str:
    """Copy a file durably; returns the SHA-256 of what was copied."""
    if not source.is_file():
        raise UnreadableObject(f"{source} is missing.", fix="screening-node store check lists what else is.")
    target.parent.mkdir(parents=True, exist_ok=True)
    temp = target.with_name(target.name + ".part")
    digest = hashlib.sha256()
    with source.open("rb") as origin, temp.open("wb") as copy:
        while piece := origin.read(_PIECE):
            digest.update(piece)
            copy.write(piece)
    shutil.copystat(source, temp)
    _synced(temp)
    temp.rename(target)
    return digest.hexdigest()


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _synced(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _write_sums(folder: Path, sums: dict[str, str]) -> None:
    temp = folder / f"{SUMS}.part"
    temp.write_text("".join(f"{digest}  {path}\n" for path, digest in sums.items()))
    _synced(temp)
    temp.rename(folder / SUMS)


def _read_sums(folder: Path) -> dict[str, str]:
    """Path below the archive -> SHA-256, as far as an earlier backup has got."""
    return {path.removeprefix(f"{ARCHIVE}/"): digest for path, digest in _sums(folder) if path.startswith(ARCHIVE)}


def _sums(folder: Path) -> Iterator[tuple[str, str]]:
    file = folder / SUMS
    for line in file.read_text().splitlines() if file.exists() else ():
        digest, _, path = line.partition("  ")
        yield path, digest


def _damaged(path: Path) -> UnreadableObject:
    return UnreadableObject(f"{path} is damaged: it is not what was written.", fix="Use another backup.")


@contextlib.contextmanager
def _translated(place: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(
            f"Copying to {place} failed: {getattr(error, 'strerror', None) or type(error).__name__}.",
            fix="Look at the disk's space and rights, then run it again: it goes on where it was.",
        ) from error
