"""Real DICOM peers for tests: Orthanc and DCMTK's programs, on loopback, on free ports, ended by process id."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

_START_SECONDS = 30.0


def require(program: str, package: str) -> str:
    """The path of a program; where it is missing the test fails in CI, and elsewhere says how to get it."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        missing(f"{program} is missing: apt-get install {package}")
    return found


def missing(message: str) -> NoReturn:
    """Fail in CI; elsewhere skip, saying what is missing and how to get it."""
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def orthanc_plugin(library: str, package: str) -> Path:
    """Where a plugin of Orthanc lies; what is missing is dealt with as in ``require``."""
    found = sorted(Path("/usr").glob(f"lib/orthanc/{library}*")) + sorted(
        Path("/usr/share/orthanc/plugins").glob(library)
    )
    if not found:
        missing(f"{library} is missing: apt-get install {package}")
    return found[0]


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], seconds: float = _START_SECONDS) -> None:
    """Return once ``condition`` holds; fail the test where it never does."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"not so within {seconds} s: {getattr(condition, '__qualname__', condition)}")
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Whether somebody accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program until it is no longer wanted; yields once it listens on ``port``."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or listens(port))
        if process.poll() is not None:
            pytest.fail(f"{command[0]} ended at once: {log.read_text(errors='replace')[-2000:]}")
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that this test started: asked first, then killed."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True, kw_only=True)
class Orthanc:
    """A running Orthanc: a PACS with a REST interface to look into."""

    ae_title: str
    port: int
    http_port: int

    def get(self, path: str) -> Any:
        """A resource as JSON."""
        return json.loads(self.get_bytes(path))

    def get_bytes(self, path: str) -> bytes:
        """A resource as it comes."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as response:
            return bytes(response.read())

    def post(self, path: str, content: object) -> Any:
        """Ask for something; its answer as JSON."""
        data = json.dumps(content).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data=data, method="POST")
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read() or b"null")

    def instances(self) -> list[str]:
        """Orthanc's identifiers of everything it holds."""
        return list(self.get("/instances"))

    def sop_instance_uids(self) -> list[str]:
        """SOP Instance UIDs of everything it holds."""
        return [instance["MainDicomTags"]["SOPInstanceUID"] for instance in self.get("/instances?expand")]

    def file_of(self, sop_instance_uid: str) -> bytes:
        """The stored Part 10 file of an instance; fails the test where it is not there."""
        for instance in self.get("/instances?expand"):
            if instance["MainDicomTags"]["SOPInstanceUID"] == sop_instance_uid:
                return self.get_bytes(f"/instances/{instance['ID']}/file")
        pytest.fail(f"Orthanc does not hold {sop_instance_uid}")


@contextlib.contextmanager
def orthanc(folder: Path, *, port: int | None = None, **settings: Any) -> Iterator[Orthanc]:
    """A fresh Orthanc with its files in ``folder``. ``settings`` are keys of its configuration."""
    program = require("Orthanc", "orthanc")
    folder.mkdir(parents=True, exist_ok=True)
    peer = Orthanc(ae_title="ORTHANC", port=port or free_port(), http_port=free_port())
    configuration = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "Plugins": [],
        "HttpServerEnabled": True,
        "HttpPort": peer.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": peer.ae_title,
        "DicomPort": peer.port,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowEcho": True,
        "OverwriteInstances": True,
        "StorageCompression": False,
    } | settings
    file = folder / "orthanc.json"
    file.write_text(json.dumps(configuration))
    with running([program, str(file)], peer.port, folder / "orthanc.log"):
        wait_until(lambda: listens(peer.http_port))
        yield peer


@dataclass(frozen=True, kw_only=True)
class StoreScp:
    """A running DCMTK storescp, and the folder that it writes to."""

    ae_title: str
    port: int
    folder: Path

    def files(self) -> list[Path]:
        """What it stored."""
        return sorted(path for path in self.folder.iterdir() if path.is_file())


@contextlib.contextmanager
def storescp(folder: Path, *options: str, port: int | None = None) -> Iterator[StoreScp]:
    """A DCMTK storescp that stores into ``folder``."""
    program = require("storescp", "dcmtk")
    folder.mkdir(parents=True, exist_ok=True)
    peer = StoreScp(ae_title="STORESCP", port=port or free_port(), folder=folder)
    command = [program, "-aet", peer.ae_title, "-od", str(folder), *options, str(peer.port)]
    with running(command, peer.port, folder.parent / f"{folder.name}.log"):
        yield peer


def storescu(port: int, *arguments: str | Path, calling: str = "MODALITY") -> subprocess.CompletedProcess[str]:
    """Send files with DCMTK's storescu; its verbose log comes back."""
    return _dcmtk("storescu", "-v", "-aet", calling, "-aec", "NODE", "127.0.0.1", str(port), *arguments)


def dcmsend(port: int, *arguments: str | Path, calling: str = "MODALITY") -> subprocess.CompletedProcess[str]:
    """Send files with DCMTK's dcmsend."""
    return _dcmtk("dcmsend", "-v", "-aet", calling, "-aec", "NODE", "127.0.0.1", str(port), *arguments)


def echoscu(port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Verify a connection with DCMTK's echoscu."""
    return _dcmtk("echoscu", "-v", "127.0.0.1", str(port), *arguments)


def _dcmtk(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [require(program, "dcmtk"), *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)
