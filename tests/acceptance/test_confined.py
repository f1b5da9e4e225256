"""A node as deploy/ runs it: another user, no capability, nothing writable but its own folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from acceptance.node import Node
from factory import make_dx, save
from integration import peers

NOBODY = 65534
_OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private")
#: Everything read-only but the folder ($1); were it possible to write elsewhere, the test would show nothing.
_CONFINED = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro /
if touch /usr/confined /var/tmp/confined 2>/dev/null; then echo "still writable"; exit 3; fi
cd "$1"
exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --inh-caps="$3" --ambient-caps="$3" \
    --bounding-set="$3" "$2" -m screening_node serve --config "$1/node.toml"
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the other user can reach; pytest's own are root's alone."""
    made = Path(tempfile.mkdtemp(prefix="confined-"))
    os.chown(made, NOBODY, NOBODY)
    yield made
    shutil.rmtree(made)


def may_unshare() -> bool:
    """Whether this user may make a mount namespace, and change what is mounted in it."""
    probe = [*_OWN_MOUNTS, "mount", "-o", "remount,bind,ro", "/"]
    return os.geteuid() == 0 and subprocess.run(probe, capture_output=True, check=False).returncode == 0


def capabilities_to_read_python() -> tuple[str, int]:
    """None; but where Python itself lies in root's own folder, the one to read what others may not."""
    readable = all(parent.stat().st_mode & 0o005 == 0o005 for parent in Path(sys.base_prefix).resolve().parents)
    return ("-all", 0) if readable else ("-all,+dac_read_search", 1 << 2)


@pytest.mark.skipif(not may_unshare(), reason="needs root with the right to mount: run it as root on a host of its own")
def test_a_film_is_judged_without_rights_and_with_one_writable_folder(folder: Path, tmp_path: Path) -> None:
    node = Node(folder=folder)
    node.write_config()
    log = tmp_path / "confined.log"
    capabilities, mask = capabilities_to_read_python()
    command = [*_OWN_MOUNTS, "sh", "-c", _CONFINED, "sh", str(folder), sys.executable, capabilities]
    with peers.running(command, node.port, log) as process:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            status = Path(f"/proc/{member.pid}/status").read_text()
            assert set(member.uids()) == {NOBODY}
            assert f"CapEff:\t{mask:016x}" in status
            assert f"CapBnd:\t{mask:016x}" in status
            assert "NoNewPrivs:\t1" in status
        film = save(make_dx(), tmp_path / "film.dcm")
        assert peers.storescu(node.port, film).returncode == 0, log.read_text()[-2000:]
        node.settle(1)
        assert "Permission denied" not in log.read_text()
        assert "Read-only file system" not in log.read_text()
    for path in [folder / "node.sqlite", *(folder / "archive").rglob("*")]:
        assert path.stat().st_uid == NOBODY
        assert path.stat().st_mode & 0o002 == 0
