"""Archives to fetch from: Orthanc and DCMTK's dcmqrscp, filled with films of known days."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from factory import SECONDARY_CAPTURE, make_dx, save
from integration import peers
from pydicom.dataset import Dataset

from screening_node.delivery.destination import Destination
from screening_node.delivery.sender import send_files
from screening_node.imaging.header import patient_of
from screening_node.intake.files import FileDoor, Limits
from screening_node.intake.pull.dimse import DimsePeer, DimseSource
from screening_node.intake.pull.source import Source, Wanted
from screening_node.intake.pull.web import WebPeer, WebSource
from screening_node.pathways.registry import route
from screening_node.store import pulls
from screening_node.store.archive import Archive
from screening_node.store.session import Store

MARCH_11, MARCH_12, MARCH_13 = (dt.date(2024, 3, day) for day in (11, 12, 13))


def films_of(day: dt.date, count: int, **overrides: object) -> list[Dataset]:
    """Films of as many studies."""
    date = f"{day:%Y%m%d}"
    return [make_dx(rows=200, columns=200, seed=seed, StudyDate=date, **overrides) for seed in range(count)]


def no_film(day: dt.date) -> Dataset:
    """An object that is none to judge, in a study of its own."""
    return make_dx(StudyDate=f"{day:%Y%m%d}", SOPClassUID=SECONDARY_CAPTURE, Modality="OT", BodyPartExamined="HAND")


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A running archive, and how the node fetches from it."""

    source: Callable[[Store, Archive], Source]
    where: Destination
    folder: Path

    def fill(self, objects: Sequence[Dataset]) -> None:
        """Store objects there."""
        files = [save(each, self.folder / f"{each.SOPInstanceUID}.dcm") for each in objects]
        assert all(sent.error is None for sent in send_files(files, self.where, calling_ae="MODALITY"))


Maker = Callable[..., AbstractContextManager[Filled]]


@contextlib.contextmanager
def orthanc(
    folder: Path, node_port: int, *, way: str = "move", wanted: Wanted | None = None, port: int | None = None
) -> Iterator[Filled]:
    """Orthanc, asked over DICOM (C-MOVE or C-GET) or, as ``web``, over DICOMweb."""
    settings: dict[str, object] = {
        "DicomModalities": {"node": ["NODE", "127.0.0.1", node_port]},
        "DicomAlwaysAllowGet": True,
    }
    settings |= {"DicomAlwaysAllowMove": True, "DicomAlwaysAllowFind": True}
    if way == "web":
        plugin = peers.orthanc_plugin("libOrthancDicomWeb.so", "orthanc-dicomweb")
        settings |= {"Plugins": [str(plugin)], "DicomWeb": {"Enable": True}}
    with peers.orthanc(folder, port=port, **settings) as pacs:
        where = Destination(name="pacs", ae_title="ORTHANC", host="127.0.0.1", port=pacs.port)
        if way == "web":
            web = WebPeer(
                name="pacs", url=f"http://127.0.0.1:{pacs.http_port}/dicom-web", ae_title="ORTHANC", seconds=20
            )
            yield Filled(source=partial(_web, web, wanted or Wanted()), where=where, folder=folder)
        else:
            yield Filled(source=partial(_dimse, _peer(where, way), wanted or Wanted()), where=where, folder=folder)


@contextlib.contextmanager
def dcmqrscp(
    folder: Path, node_port: int, *, way: str = "move", wanted: Wanted | None = None, port: int | None = None
) -> Iterator[Filled]:
    """DCMTK's archive."""
    program = peers.require("dcmqrscp", "dcmtk")
    (folder / "store").mkdir(parents=True, exist_ok=True)
    where = Destination(name="pacs", ae_title="QRSCP", host="127.0.0.1", port=port or peers.free_port())
    (folder / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {where.port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nnode = (NODE, 127.0.0.1, {node_port})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nQRSCP {folder / 'store'} RW (500, 1024mb) ANY\nAETable END\n"
    )
    command = [program, "-v", "-c", str(folder / "dcmqrscp.cfg")]
    with peers.running(command, where.port, folder / "dcmqrscp.log") as process:
        yield Filled(source=partial(_dimse, _peer(where, way), wanted or Wanted()), where=where, folder=folder)
        for child in psutil.Process(process.pid).children():  # one for each association that still stands
            child.kill()


def _peer(where: Destination, way: str) -> DimsePeer:
    return DimsePeer(
        name="pacs",
        ae_title=where.ae_title,
        host=where.host,
        port=where.port,
        calling_ae="NODE",
        by_get=way == "get",
        seconds=20,
    )


def door_of(store: Store, archive: Archive) -> FileDoor:
    """The way in that C-GET and WADO-RS share."""
    limits = Limits(min_free_bytes=0)
    return FileDoor(store=store, archive=archive, route=route, patient_of=patient_of, limits=limits)


def _dimse(peer: DimsePeer, wanted: Wanted, store: Store, archive: Archive) -> Source:
    return DimseSource(peer, wanted, door_of(store, archive), partial(pulls.kept, store))


def _web(peer: WebPeer, wanted: Wanted, store: Store, archive: Archive) -> Source:
    return WebSource(peer, wanted, door_of(store, archive))
