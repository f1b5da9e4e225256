"""``screening-node doctor``: what is wrong is found, and how to mend it is said."""

from __future__ import annotations

import datetime as dt
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from cli.site_config import CONFIG
from integration import peers
from typer.testing import CliRunner

from screening_node import cli
from screening_node.delivery.folder_pacs import FolderPacs
from screening_node.store.records import audit
from screening_node.store.session import Store


def examined(site: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code, and the worst finding of each check."""
    done = CliRunner().invoke(cli.app, ["doctor", "--json", "--config", str(site)], catch_exceptions=False)
    found: dict[str, dict[str, Any]] = {}
    order = ("ok", "warn", "fail")
    for one in json.loads(done.stdout):
        if one["check"] not in found or order.index(one["state"]) > order.index(found[one["check"]]["state"]):
            found[one["check"]] = one
    return done.exit_code, found


def configure(site: Path, **ports: int) -> None:
    """Destinations by name, and a free port of the node's own."""
    blocks = [
        f'[[destinations]]\nname = "{name}"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = {port}\n'
        for name, port in ports.items()
    ]
    site.write_text(CONFIG.format(port=peers.free_port(), destinations="\n".join(blocks)))


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[FolderPacs]:
    with FolderPacs(tmp_path / "pacs", ae_title="PACS") as started:
        yield started


def test_a_sound_site_has_no_failure(site: Path, pacs: FolderPacs) -> None:
    configure(site, archive=pacs.port)
    code, found = examined(site)
    assert code == 0
    assert {name for name, one in found.items() if one["state"] == "ok"} == {
        "configuration",
        "disk",
        "store",
        "reference",
        "gpu",
        "destination archive",
        "port",
        "admin",
    }
    assert found["bundle"]["state"] == "warn", "what the weights may not be used for is said"
    assert not (site.parent / "node.sqlite").exists(), "looking changes nothing"


def test_a_destination_that_is_away_is_named(site: Path, pacs: FolderPacs) -> None:
    configure(site, here=pacs.port, away=peers.free_port())
    code, found = examined(site)
    assert code == 1
    assert found["destination here"]["state"] == "ok"
    assert found["destination away"]["state"] == "fail"
    assert found["destination away"]["fix"]


def test_no_destination_is_worth_a_word(site: Path) -> None:
    configure(site)
    code, found = examined(site)
    assert (code, found["destinations"]["state"]) == (0, "warn")


def test_a_damaged_bundle_fails(site: Path) -> None:
    configure(site)
    weights = site.parent / "bundle" / "detector.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    code, found = examined(site)
    assert (code, found["bundle"]["state"]) == (1, "fail")
    assert "detector.safetensors" in found["bundle"]["message"]


def test_a_port_that_another_program_holds_fails(site: Path, pacs: FolderPacs) -> None:
    """The PACS stands for a program that is no node: it answers, but not on an address of the node."""
    site.write_text(CONFIG.format(port=11112, destinations="").replace('"127.0.0.1"', '"192.0.2.1"'))
    code, found = examined(site)
    assert (code, found["port"]["state"]) == (1, "fail")


def test_a_node_that_lets_everybody_in_is_worth_a_word(site: Path) -> None:
    configure(site)
    _, found = examined(site)
    assert found["callers"]["state"] == "warn"
    site.write_text(site.read_text().replace("[node]", '[node]\nallow = [{ae_title = "ROOM1"}]'))
    _, found = examined(site)
    assert found["callers"]["state"] == "ok"


def test_who_was_turned_away_lately_is_counted(site: Path) -> None:
    configure(site)
    site.write_text(site.read_text().replace("[node]", '[node]\nallow = [{ae_title = "ROOM1"}]'))
    store = Store(f"sqlite:///{site.parent / 'node.sqlite'}")
    store.migrate()
    now = dt.datetime.now(dt.UTC)
    with store.begin() as tx:
        for hours in (1, 2, 30):
            at = now - dt.timedelta(hours=hours)
            audit(tx, actor="X", action="association.refused", subject="", detail={}, at=at)
    store.close()
    _, found = examined(site)
    assert found["callers"]["message"].startswith("2 refusals")


def with_tls(site: Path, certificate: Path, key: Path, authorities: Path) -> None:
    configure(site)
    files = f'certificate = "{certificate}"\nkey = "{key}"\nauthorities = "{authorities}"\n'
    site.write_text(site.read_text() + f"[node.tls]\nport = {peers.free_port()}\n{files}")


def test_certificates_that_end_soon_are_said(site: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    for ends, state in ((90, "ok"), (9, "warn"), (-1, "fail")):
        pair = authority.issue("node", ends=dt.timedelta(days=ends))
        with_tls(site, pair.certificate, pair.key, authority.certificate)
        _, found = examined(site)
        assert found["certificates of node.tls"]["state"] == state
        assert found["TLS port"]["state"] == "ok"


def test_a_private_key_that_others_may_read_is_said(site: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    pair = authority.issue("node")
    pair.key.chmod(0o644)
    with_tls(site, pair.certificate, pair.key, authority.certificate)
    _, found = examined(site)
    assert found["certificates of node.tls"]["fix"] == f"chmod 600 {pair.key}"


def test_certificates_that_cannot_be_used_fail(site: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    pair = authority.issue("node")
    with_tls(site, pair.certificate, tmp_path / "absent.key", authority.certificate)
    code, found = examined(site)
    assert (code, found["tls"]["state"]) == (1, "fail")
    assert "absent.key" in found["tls"]["message"]


def test_a_wrong_configuration_is_one_finding_for_each_error(site: Path) -> None:
    site.write_text(CONFIG.format(port=0, destinations="") + "[worker2]\n")
    done = CliRunner().invoke(cli.app, ["doctor", "--json", "--config", str(site)], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [one["state"] for one in found] == ["fail", "fail"]
    assert all(one["fix"] for one in found)


def test_the_disk_that_fills_up_is_seen(site: Path) -> None:
    site.write_text(CONFIG.format(port=peers.free_port(), destinations="").replace("= 1\n", "= 999999999\n"))
    code, found = examined(site)
    assert (code, found["disk"]["state"]) == (1, "fail")


def test_people_read_lines(site: Path) -> None:
    configure(site)
    done = CliRunner().invoke(cli.app, ["doctor", "--config", str(site)], catch_exceptions=False)
    assert "warn  destinations: None is configured" in done.stdout


def test_a_taken_port_of_the_admin_page_is_a_warning(site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configure(site)
        site.write_text(site.read_text().replace("[admin]\nport = 0", f"[admin]\nport = {taken.getsockname()[1]}"))
        _, found = examined(site)
    assert found["admin"]["state"] == "warn"
    assert "Films are taken" in found["admin"]["message"]
