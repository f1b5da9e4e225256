"""STOW-RS: the same checks, durability and refusals as over C-STORE, answered as PS3.18 section 10.5.3 says."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest
from certificates import Authority
from factory import CR, PATIENT_ID, PATIENT_NAME, make_dx, save, to_bytes
from integration import peers
from integration.bad_input.test_disk import tiny_disk
from integration.modality import data_set_of
from integration.nodes import RunningIntake
from integration.stow_sender import StowRunner, open_request, post, related, running_stow, status_line
from integration.test_own_objects import judged
from pydicom.uid import generate_uid
from unit.reporting import cases
from unit.reporting.companions import REPORTER

from screening_node.domain.result import RefusalCode
from screening_node.intake.files import Limits
from screening_node.intake.statuses import IntakeStatus as Status
from screening_node.intake.stow.callers import StowCaller
from screening_node.reporting.kinds import Kind, ObjectSet
from screening_node.store import tables
from screening_node.store.archive import Archive
from screening_node.store.session import Store
from screening_node.tls import ClientTls, Identity, ServerTls, Trust, calling

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def run_stow_rs(store: Store, archive: Archive) -> StowRunner:
    return lambda **settings: running_stow(store, archive, **settings)


@pytest.fixture
def stow(run_stow_rs: StowRunner) -> Iterator[RunningIntake]:
    with run_stow_rs() as running:
        yield running


def test_a_film_is_kept_as_if_it_had_come_by_c_store(stow: RunningIntake) -> None:
    film = make_dx(rows=400, columns=400)
    answer = post(stow.port, related([to_bytes(film)]))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert answer.kept() == [film.SOPInstanceUID]
    assert answer.module["00081190"] == {"vr": "UR"}
    assert list(stow.kept()) == [film.SOPInstanceUID]
    assert stow.kept()[film.SOPInstanceUID].endswith(data_set_of(film))
    assert stow.jobs() == 1
    assert stow.rows(tables.instances)[0].calling_ae == "STOW-RS"
    assert stow.spooled() == []


def test_the_same_film_by_both_ways_is_one(store: Store, archive: Archive, run_an_intake, tmp_path: Path) -> None:
    film = make_dx()
    with run_an_intake() as intake:
        assert peers.storescu(intake.port, save(film, tmp_path / "film.dcm")).returncode == 0
    with running_stow(store, archive) as stow:
        assert post(stow.port, related([to_bytes(film)])).status == 200
        assert stow.jobs() == len(stow.kept()) == 1


def test_many_films_in_one_message(stow: RunningIntake) -> None:
    films = [make_dx(rows=300, columns=300, seed=seed) for seed in range(6)]
    answer = post(stow.port, related([to_bytes(film) for film in films]))
    assert answer.status == 200
    assert answer.kept() == [film.SOPInstanceUID for film in films]
    assert set(stow.kept()) == set(answer.kept())


def test_of_two_films_one_is_bad(stow: RunningIntake) -> None:
    good, bad = make_dx(), make_dx(SeriesInstanceUID=None)
    answer = post(stow.port, related([to_bytes(bad), to_bytes(good)]))
    assert answer.status == 202
    assert answer.kept() == [good.SOPInstanceUID]
    assert answer.failed() == {bad.SOPInstanceUID: Status.INVALID_STUDY_OR_SERIES}
    assert list(stow.kept()) == [good.SOPInstanceUID]
    assert stow.audited() == [("intake.refused", "INVALID_STUDY_OR_SERIES")]


def test_bytes_that_are_no_dicom(stow: RunningIntake) -> None:
    answer = post(stow.port, related([b"no film at all", b"\0" * 400]))
    assert answer.status == 409
    assert answer.others() == [Status.CANNOT_UNDERSTAND] * 2
    assert answer.kept() == []
    assert stow.spooled() == []


def test_a_study_that_was_named(stow: RunningIntake) -> None:
    film = make_dx()
    assert post(stow.port, related([to_bytes(film)]), f"/studies/{generate_uid()}").failed() == {
        film.SOPInstanceUID: Status.DATA_SET_MISMATCH
    }
    assert post(stow.port, related([to_bytes(film)]), f"/studies/{film.StudyInstanceUID}").status == 200
    assert post(stow.port, related([to_bytes(film)]), "/studies/no-uid").status == 400


def test_again_and_with_other_content(stow: RunningIntake) -> None:
    film = make_dx()
    other = make_dx(SOPInstanceUID=film.SOPInstanceUID, seed=1)
    assert post(stow.port, related([to_bytes(film)] * 2)).status == 200
    assert post(stow.port, related([to_bytes(film)])).status == 200
    answer = post(stow.port, related([to_bytes(other)]))
    assert answer.status == 409
    assert answer.failed() == {film.SOPInstanceUID: Status.DUPLICATE_SOP_INSTANCE}
    assert stow.kept()[film.SOPInstanceUID].endswith(data_set_of(film))
    assert stow.jobs() == 1


def test_classes_and_syntaxes_that_the_node_does_not_keep(stow: RunningIntake) -> None:
    unknown, private = make_dx(SOPClassUID="1.2.3.4"), make_dx()
    encoded = to_bytes(private).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.77")
    answer = post(stow.port, related([to_bytes(unknown), encoded]))
    assert answer.status == 409
    assert answer.failed() == {
        unknown.SOPInstanceUID: Status.SOP_CLASS_NOT_SUPPORTED,
        private.SOPInstanceUID: Status.SYNTAX_NOT_SUPPORTED,
    }


def test_meta_information_that_lies(stow: RunningIntake) -> None:
    film = make_dx()
    film.file_meta.MediaStorageSOPClassUID = CR
    film.SOPClassUID = CR
    lying = to_bytes(film).replace(CR.encode() + b"\0", b"1.2.840.10008.5.1.4.1.1.7\0", 1)
    answer = post(stow.port, related([lying]))
    assert answer.failed() == {film.SOPInstanceUID: Status.DATA_SET_MISMATCH}


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 415),
        ("application/dicom", 415),
        ('multipart/related; type="application/dicom+json"; boundary=frontier', 415),
        ('multipart/form-data; type="application/dicom"; boundary=frontier', 415),
        ('multipart/related; type="application/dicom"', 400),
        ('multipart/related; type="application/dicom"; boundary=' + "x" * 201, 400),
        ('multipart/related; type="application/dicom"; boundary=another', 400),
        ("multipart/related; boundary=frontier", 200),
        ('Multipart/Related; boundary="frontier"; TYPE="Application/DICOM"', 200),
    ],
)
def test_types_of_messages(stow: RunningIntake, content_type: str, status: int) -> None:
    assert post(stow.port, related([to_bytes(make_dx())]), Content_Type=content_type).status == status
    assert len(stow.kept()) == (status == 200)


def test_a_part_of_another_type(stow: RunningIntake) -> None:
    answer = post(stow.port, related([to_bytes(make_dx())], kind="application/dicom+json"))
    assert (answer.status, answer.others()) == (409, [Status.CANNOT_UNDERSTAND])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Accept": "application/dicom+xml"}, 406),
        ({"Accept": "application/dicom+xml, application/json;q=0.5"}, 200),
        ({"Content_Encoding": "gzip"}, 415),
    ],
)
def test_headers(stow: RunningIntake, headers: dict[str, str], status: int) -> None:
    assert post(stow.port, related([to_bytes(make_dx())]), **headers).status == status


def test_nothing_else_is_there(stow: RunningIntake) -> None:
    assert post(stow.port, b"", "/studies", method="GET").status == 405
    assert post(stow.port, b"", "/").status == 404
    assert post(stow.port, related([])).status == 400


def test_a_body_that_breaks_off(stow: RunningIntake) -> None:
    first, second = make_dx(rows=300, columns=300), make_dx(rows=300, columns=300)
    body = related([to_bytes(first), to_bytes(second)])
    with open_request(stow.port, len(body)) as peer:
        peer.sendall(body[: len(body) - 90_000])
        peers.wait_until(lambda: len(stow.kept()) == 1)
    peers.wait_until(lambda: stow.spooled() == [])
    assert list(stow.kept()) == [first.SOPInstanceUID], "a part that had ended is kept"


def test_a_message_without_its_end(stow: RunningIntake) -> None:
    film = make_dx()
    body = related([to_bytes(film), to_bytes(make_dx())])
    answer = post(stow.port, body[:-300])
    assert (answer.status, answer.kept(), answer.others()) == (202, [film.SOPInstanceUID], [Status.CANNOT_UNDERSTAND])
    assert post(stow.port, related([to_bytes(make_dx())])[:-300]).status == 400
    assert stow.spooled() == []


def test_a_slow_sender_holds_up_nobody(run_stow_rs: StowRunner) -> None:
    body = related([to_bytes(make_dx())])
    with run_stow_rs(patience=0.5) as stow, open_request(stow.port, len(body)) as slow:
        slow.sendall(body[:500])
        assert post(stow.port, body).status == 200
        assert status_line(slow).startswith(b"HTTP/1.1 408")
        peers.wait_until(lambda: stow.spooled() == [])


def test_more_senders_than_allowed(run_stow_rs: StowRunner) -> None:
    body = related([to_bytes(make_dx(rows=600, columns=600))])
    with run_stow_rs(max_requests=1) as stow, open_request(stow.port, len(body)) as first:
        first.sendall(body[:400_000])
        peers.wait_until(stow.spooled)
        answer = post(stow.port, body)
        assert (answer.status, answer.headers["retry-after"]) == (503, "30"), "the sender hears it, having sent all"
        first.sendall(body[400_000:])
        assert status_line(first).startswith(b"HTTP/1.1 200")


def test_a_disk_below_its_reserve(run_stow_rs: StowRunner) -> None:
    with run_stow_rs(limits=Limits(min_free_bytes=1 << 62)) as stow:
        film = make_dx()
        answer = post(stow.port, related([to_bytes(film)]))
        assert (answer.status, answer.headers["retry-after"]) == (503, "30")
        assert answer.failed() == {film.SOPInstanceUID: Status.OUT_OF_DISK}
        assert stow.kept() == {}


def test_a_disk_that_is_full(store: Store, tmp_path: Path) -> None:
    small, large = make_dx(), make_dx(rows=1024, columns=1024)
    with (
        tiny_disk(tmp_path / "disk", 400) as disk,
        running_stow(store, Archive(disk / "archive")) as stow,
    ):
        answer = post(stow.port, related([to_bytes(large)]))
        assert (answer.status, answer.failed()) == (503, {large.SOPInstanceUID: Status.OUT_OF_DISK})
        assert stow.spooled() == []
        answer = post(stow.port, related([to_bytes(large), to_bytes(small)]))
        assert (answer.status, answer.kept()) == (202, [small.SOPInstanceUID]), "a small one still fits"


def test_an_archive_that_is_gone(run_stow_rs: StowRunner, archive: Archive, tmp_path: Path) -> None:
    with run_stow_rs() as stow:
        archive.root.rename(tmp_path / "unmounted")
        answer = post(stow.port, related([to_bytes(make_dx())]))
        assert (answer.status, answer.headers["retry-after"]) == (503, "30")
        (tmp_path / "unmounted").rename(archive.root)
        assert post(stow.port, related([to_bytes(make_dx())])).status == 200


def test_the_nodes_own_objects_are_kept_and_not_judged(stow: RunningIntake, archive: Archive, tmp_path: Path) -> None:
    film = cases.film_file(tmp_path / "film.dcm")
    wanted = ObjectSet(kinds=tuple(Kind)).wanted(None)
    made = REPORTER.reports(film, cases.result(), cases.RAISED, cases.AT, 1, wanted)
    answer = post(stow.port, related([report.data for report in made.values()]))
    assert (answer.status, len(answer.kept())) == (200, len(made))
    assert set(judged(stow.store, archive)) == {RefusalCode.OWN_OBJECT}


def test_objects_and_messages_too_large(run_stow_rs: StowRunner) -> None:
    large, small = make_dx(rows=400, columns=400), make_dx()
    with run_stow_rs(limits=Limits(min_free_bytes=0, max_object_bytes=100_000), max_request_bytes=800_000) as stow:
        answer = post(stow.port, related([to_bytes(large)]))
        assert (answer.status, answer.failed()) == (413, {large.SOPInstanceUID: Status.OBJECT_TOO_LARGE})
        assert post(stow.port, related([to_bytes(large), to_bytes(small)])).status == 202
        assert post(stow.port, related([to_bytes(large)] * 3)).status == 413
        assert list(stow.kept()) == [small.SOPInstanceUID]


def test_a_message_without_a_length_is_counted(run_stow_rs: StowRunner) -> None:
    body = related([to_bytes(make_dx())] * 4)
    with run_stow_rs(max_request_bytes=600_000) as stow:
        chunks = [body, b"x" * 700_000]
        answer = post(stow.port, iter(chunks), Transfer_Encoding="chunked")  # type: ignore[arg-type]
        assert answer.status == 413


def test_tokens_and_addresses(run_stow_rs: StowRunner, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    body = related([to_bytes(make_dx())])
    callers = (StowCaller(name="PACS", token_file=file), StowCaller(name="RIS", token=TOKEN[::-1]))
    with run_stow_rs(callers=callers) as stow:
        answer = post(stow.port, body)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="STOW-RS"')
        assert post(stow.port, body, Authorization=f"Bearer {TOKEN}x").status == 401
        assert post(stow.port, body, Authorization=f"Basic {TOKEN}").status == 401
        assert stow.kept() == {}
        assert post(stow.port, body, Authorization=f"Bearer {TOKEN}").status == 200
        assert stow.rows(tables.instances)[0].calling_ae == "PACS"
        file.write_text("another-token-for-this-caller\n")
        assert post(stow.port, body, Authorization=f"Bearer {TOKEN}").status == 401
        refused = [row.detail["reason"] for row in stow.rows(tables.audit) if row.action == "association.refused"]
        assert refused == ["STOW-RS: token missing or wrong"], "once an hour"


def test_an_address_that_is_not_listed(run_stow_rs: StowRunner) -> None:
    with run_stow_rs(callers=(StowCaller(name="PACS", networks=(ip_network("192.0.2.0/24"),)),)) as stow:
        assert post(stow.port, related([to_bytes(make_dx())]), X_Forwarded_For="192.0.2.1").status == 403


def test_over_tls_with_client_certificates(run_stow_rs: StowRunner, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    node, pacs = authority.issue("node"), authority.issue("pacs")
    trust = Trust(authorities=authority.certificate)
    tls = ServerTls(identity=Identity(certificate=node.certificate, key=node.key), trust=trust)
    body = related([to_bytes(make_dx())])
    known = ClientTls(trust=trust, identity=Identity(certificate=pacs.certificate, key=pacs.key))
    with run_stow_rs(tls=tls) as stow:
        assert post(stow.port, body, context=calling(known).get()).status == 200
        with pytest.raises(OSError, match=r"certificate required|reset|EOF|Broken pipe|closed"):
            post(stow.port, body, context=calling(ClientTls(trust=trust)).get())
        assert len(stow.kept()) == 1


def test_no_patient_data_in_its_log(stow: RunningIntake, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        post(stow.port, related([to_bytes(make_dx()), to_bytes(make_dx(SeriesInstanceUID=None))]))
        post(stow.port, f"--frontier\r\n{PATIENT_NAME}\r\n\r\n".encode())
    assert "(STOW-RS " in caplog.text, "each request has a number, which its films' lines carry"
    assert PATIENT_NAME not in caplog.text
    assert PATIENT_ID not in caplog.text


@contextmanager
def orthanc_that_sends(folder: Path, port: int) -> Iterator[peers.Orthanc]:
    """An Orthanc whose DICOMweb plugin knows the node."""
    plugin = peers.orthanc_plugin("libOrthancDicomWeb.so", "orthanc-dicomweb")
    web = {"Enable": True, "Servers": {"node": {"Url": f"http://127.0.0.1:{port}/", "ChunkedTransfers": False}}}
    with peers.orthanc(folder, Plugins=[str(plugin)], DicomWeb=web) as running:
        yield running


def test_orthanc_sends_a_study(stow: RunningIntake, tmp_path: Path) -> None:
    study = generate_uid()
    films = [make_dx(rows=300, columns=300, seed=seed, StudyInstanceUID=study) for seed in range(3)]
    files = [save(film, tmp_path / f"{seed}.dcm") for seed, film in enumerate(films)]
    with orthanc_that_sends(tmp_path / "orthanc", stow.port) as pacs:
        assert peers.storescu(pacs.port, *files).returncode == 0
        (resource,) = pacs.get("/studies")
        pacs.post("/dicom-web/servers/node/stow", {"Resources": [resource], "Synchronous": True})
    assert set(stow.kept()) == {film.SOPInstanceUID for film in films}
    assert stow.jobs() == 3
