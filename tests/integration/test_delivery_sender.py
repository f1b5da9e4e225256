"""The SCU against Orthanc, DCMTK's storescp and peers that behave badly."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from factory import DX_PRESENTATION, make_dx, save, to_bytes
from integration import peers
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLosslessSV1, RLELossless
from pynetdicom import AE, evt

from screening_node.delivery.destination import Destination, Timeouts
from screening_node.delivery.folder_pacs import FolderPacs
from screening_node.delivery.sender import Connection, Sent, echo, inspect, send_files
from screening_node.delivery.sockets import listen
from screening_node.errors import DestinationRefused, DestinationUnavailable, UnreadableObject

QUICK = Timeouts(connect=2.0, association=2.0, message=2.0)


def at(port: int, ae_title: str = "PACS") -> Destination:
    return Destination(name="pacs", ae_title=ae_title, host="127.0.0.1", port=port)


def send(path: Path, port: int, ae_title: str = "PACS") -> Sent:
    (sent,) = send_files([path], at(port, ae_title), calling_ae="SENDER", timeouts=QUICK)
    return sent


@contextmanager
def scp(status: int | Dataset = 0x0000, *, syntaxes: Any = None, **settings: Any) -> Iterator[int]:
    """An SCP of DX that answers every C-STORE with ``status``; ``settings`` are attributes of its AE."""
    entity = AE(ae_title="PACS")
    entity.add_supported_context(DX_PRESENTATION, syntaxes or [ExplicitVRLittleEndian])
    for name, value in settings.items():
        setattr(entity, name, value)
    handlers = [(evt.EVT_C_STORE, lambda event: status)]
    server = listen(entity, ("127.0.0.1", 0), handlers, name="scp")
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def test_orthanc_gets_the_bytes(orthanc: peers.Orthanc, tmp_path: Path) -> None:
    film = make_dx()
    sent = send(save(film, tmp_path / "film.dcm"), orthanc.port, orthanc.ae_title)
    assert sent.error is None
    (tmp_path / "back.dcm").write_bytes(orthanc.file_of(film.SOPInstanceUID))
    assert dcmread(tmp_path / "back.dcm") == film


def test_storescp_gets_the_bytes_unchanged(storescp: peers.StoreScp, tmp_path: Path) -> None:
    film = save(make_dx(), tmp_path / "film.dcm")
    assert send(film, storescp.port).error is None
    (stored,) = storescp.files()
    assert _data_set_bytes(stored) == _data_set_bytes(film)


def _data_set_bytes(path: Path) -> bytes:
    return path.read_bytes()[inspect(path).offset :]


def test_several_over_one_association(storescp: peers.StoreScp, tmp_path: Path) -> None:
    films = [save(make_dx(), tmp_path / f"{number}.dcm") for number in range(5)]
    heard: list[Sent] = []
    sent = send_files(films, at(storescp.port), calling_ae="SENDER", timeouts=QUICK, on_progress=heard.append)
    assert [one.error for one in sent] == [None] * 5
    assert heard == sent
    assert len(storescp.files()) == 5


def test_an_scp_of_implicit_vr_gets_it_encoded_again(tmp_path: Path) -> None:
    film = make_dx()
    with peers.storescp(tmp_path / "stored", "+xi") as implicit_only:
        assert send(save(film, tmp_path / "film.dcm"), implicit_only.port).error is None
        (stored,) = implicit_only.files()
    back = dcmread(stored)
    assert back.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert {element.tag for element in back} == {element.tag for element in film}
    assert back.PixelData == film.PixelData


def test_a_compressed_film_is_not_decoded_for_a_peer(tmp_path: Path) -> None:
    film = save(make_dx(TransferSyntaxUID=RLELossless, PixelData=_encapsulated()), tmp_path / "film.dcm")
    with scp() as port:
        error = send(film, port).error
    assert isinstance(error, DestinationRefused)
    assert "RLE Lossless" in str(error)


def test_a_compressed_film_goes_as_it_is(tmp_path: Path) -> None:
    film = save(make_dx(TransferSyntaxUID=JPEGLosslessSV1, PixelData=_encapsulated()), tmp_path / "film.dcm")
    with peers.storescp(tmp_path / "stored", "+xs") as peer:
        assert send(film, peer.port).error is None
        (stored,) = peer.files()
    assert _data_set_bytes(stored) == _data_set_bytes(film)


def _encapsulated() -> bytes:
    from pydicom.encaps import encapsulate

    return encapsulate([b"\xff\xd8 not really a JPEG \xff\xd9"])


def test_echo(orthanc: peers.Orthanc, storescp: peers.StoreScp) -> None:
    echo(at(orthanc.port, orthanc.ae_title), calling_ae="NODE", timeouts=QUICK)
    echo(at(storescp.port), calling_ae="NODE", timeouts=QUICK)


def test_nobody_listens(tmp_path: Path) -> None:
    error = send(save(make_dx(), tmp_path / "film.dcm"), peers.free_port()).error
    assert isinstance(error, DestinationUnavailable)
    assert "cannot be reached" in str(error)


def test_echo_where_nobody_listens() -> None:
    with pytest.raises(DestinationUnavailable, match="cannot be reached"):
        echo(at(peers.free_port()), calling_ae="NODE", timeouts=QUICK)


def test_no_such_host() -> None:
    nowhere = Destination(name="pacs", ae_title="PACS", host="no-such-host.invalid", port=104)
    with pytest.raises(DestinationUnavailable, match="host name"):
        echo(nowhere, calling_ae="NODE", timeouts=QUICK)


def test_calling_ae_not_recognised(tmp_path: Path) -> None:
    with scp(require_calling_aet=["SOMEBODY"]) as port:
        error = send(save(make_dx(), tmp_path / "film.dcm"), port).error
    assert isinstance(error, DestinationRefused)
    assert "does not know this node's AE title" in str(error)


def test_called_ae_not_recognised(tmp_path: Path) -> None:
    with scp(require_called_aet=True) as port:
        error = send(save(make_dx(), tmp_path / "film.dcm"), port, "WRONG").error
    assert isinstance(error, DestinationRefused)
    assert "ae_title of this destination" in error.fix


def test_orthanc_that_does_not_know_us(tmp_path: Path) -> None:
    closed = {"DicomAlwaysAllowStore": False, "DicomAlwaysAllowEcho": False, "DicomCheckCalledAet": True}
    with peers.orthanc(tmp_path / "closed", **closed) as closed_orthanc:
        error = send(save(make_dx(), tmp_path / "film.dcm"), closed_orthanc.port, "WRONG").error
    assert isinstance(error, DestinationRefused)


def test_too_many_associations_is_transient(tmp_path: Path) -> None:
    film = save(make_dx(), tmp_path / "film.dcm")
    with scp(maximum_associations=1) as port, Connection(at(port), "FIRST", QUICK) as first:
        first.open_for([inspect(film)])
        error = send(film, port).error
    assert isinstance(error, DestinationUnavailable)
    assert "too many associations" in str(error)


def test_refused_sop_class(tmp_path: Path) -> None:
    film = save(make_dx(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.34"), tmp_path / "report.dcm")
    with scp() as port:
        error = send(film, port).error
    assert isinstance(error, DestinationRefused)
    assert "SOP class" in str(error)


def test_one_refused_sop_class_does_not_stop_the_others(tmp_path: Path) -> None:
    report = save(make_dx(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.34"), tmp_path / "report.dcm")
    film = save(make_dx(), tmp_path / "film.dcm")
    with scp() as port:
        sent = send_files([report, film], at(port), calling_ae="SENDER", timeouts=QUICK)
    assert [isinstance(one.error, DestinationRefused) for one in sent] == [True, False]
    assert sent[1].error is None


@pytest.mark.parametrize(
    ("status", "error"), [(0xA700, DestinationUnavailable), (0xC000, DestinationRefused), (0xB000, type(None))]
)
def test_statuses(tmp_path: Path, status: int, error: type) -> None:
    with scp(status) as port:
        sent = send(save(make_dx(), tmp_path / "film.dcm"), port)
    assert isinstance(sent.error, error)
    assert bool(sent.note) == (status == 0xB000)


def test_the_peers_comment_is_passed_on(tmp_path: Path) -> None:
    answer = Dataset()
    answer.Status = 0xC123
    answer.ErrorComment = "no such study"
    with scp(answer) as port:
        assert "0xC123 (no such study)" in str(send(save(make_dx(), tmp_path / "film.dcm"), port).error)


def test_a_peer_that_aborts_while_it_receives(tmp_path: Path) -> None:
    with peers.storescp(tmp_path / "stored", "--abort-during") as peer:
        error = send(save(make_dx(rows=512, columns=512), tmp_path / "film.dcm"), peer.port).error
    assert isinstance(error, DestinationUnavailable)
    assert "ended the association" in str(error)


def test_a_peer_that_does_not_answer_a_store(tmp_path: Path) -> None:
    released = threading.Event()
    entity = AE(ae_title="PACS")
    entity.add_supported_context(DX_PRESENTATION)

    def never(event: evt.Event) -> int:
        released.wait(20)
        return 0

    server = listen(entity, ("127.0.0.1", 0), [(evt.EVT_C_STORE, never)], name="scp")
    try:
        error = send(save(make_dx(), tmp_path / "film.dcm"), server.server_address[1]).error
    finally:
        released.set()
        server.shutdown()
    assert isinstance(error, DestinationUnavailable)
    assert "did not answer" in str(error)


def test_a_peer_that_accepts_the_connection_and_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = send(save(make_dx(), tmp_path / "film.dcm"), silent.getsockname()[1]).error
    assert isinstance(error, DestinationUnavailable)


def test_a_peer_that_is_no_dicom_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:
        threading.Thread(target=_answer_http, args=(web,), daemon=True).start()
        error = send(save(make_dx(), tmp_path / "film.dcm"), web.getsockname()[1]).error
    assert isinstance(error, DestinationUnavailable)


def _answer_http(server: socket.socket) -> None:
    peer, _ = server.accept()
    with peer:
        peer.recv(10)
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_file_that_is_no_dicom_cannot_be_inspected(tmp_path: Path) -> None:
    (tmp_path / "empty.dcm").touch()
    with pytest.raises(UnreadableObject):
        inspect(tmp_path / "empty.dcm")


def test_damaged_files_go_out_as_they_are(tmp_path: Path) -> None:
    whole = to_bytes(make_dx())
    damaged = {"empty.dcm": b"", "garbage.dcm": b"\x13\x37" * 400, "cut.dcm": whole[:700]}
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
    received: list[bytes] = []
    entity = AE(ae_title="PACS")
    entity.add_supported_context(DX_PRESENTATION, [ExplicitVRLittleEndian])

    def keep(event: evt.Event) -> int:
        received.append(event.request.DataSet.getvalue())
        return 0

    server = listen(entity, ("127.0.0.1", 0), [(evt.EVT_C_STORE, keep)], name="scp")
    sent = send_files([tmp_path / name for name in damaged], at(server.server_address[1]), calling_ae="SENDER")
    server.shutdown()
    assert [one.error for one in sent] == [None] * 3
    assert received[:2] == [b"", b"\x13\x37" * 400]
    assert whole.endswith(received[2] + whole[700:])


def test_the_folder_pacs_writes_whole_files(tmp_path: Path) -> None:
    film = make_dx()
    heard: list[Path] = []
    with FolderPacs(tmp_path / "pacs", on_received=heard.append) as pacs:
        path = save(film, tmp_path / "film.dcm")
        assert send(path, pacs.port).error is None
        assert send(path, pacs.port).error is None
        echo(at(pacs.port), calling_ae="NODE", timeouts=QUICK)
    assert pacs.files() == heard[:1] == heard[1:]
    assert dcmread(heard[0]) == film
    assert [path.name for path in (tmp_path / "pacs").iterdir()] == [heard[0].name]
