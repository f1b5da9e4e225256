"""Files that no row knows: a process died between keeping a file and committing its row."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import sqlalchemy as sa

from screening_node.store.archive import Archive
from screening_node.store.session import Store
from screening_node.store.tables import instances, outbox

_AT_ONCE = 500


def orphans(store: Store, archive: Archive, *, older_than_seconds: float = 3600.0) -> Iterator[str]:
    """The relative paths of kept files without a row; younger ones may still be about to get theirs.

    Harmless but for the space that they take: the sender was never told that they were stored. Raises
    StoreUnavailable.
    """
    newest = time.time() - older_than_seconds
    old = (path for path in archive.kept() if archive.path(path).stat().st_mtime <= newest)
    for paths in _batched(old, _AT_ONCE):
        with store.read() as tx:
            there = sa.and_(instances.c.path.in_(paths), instances.c.removed_at.is_(None))
            known = set(tx.execute(sa.select(instances.c.path).where(there)).scalars())
            known |= set(tx.execute(sa.select(outbox.c.path).where(outbox.c.path.in_(paths))).scalars())
        yield from sorted(set(paths) - known)


def _batched(paths: Iterator[str], size: int) -> Iterator[tuple[str, ...]]:
    while some := tuple(itertools.islice(paths, size)):
        yield some
