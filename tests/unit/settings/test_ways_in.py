"""Ways in beside C-STORE: what can be said of them, and what is refused, key by key."""

from __future__ import annotations

import datetime as dt
from ipaddress import ip_network
from pathlib import Path

import pytest
from unit.cli.site_config import CONFIG

from screening_node.assembly.admin import archives, shown_settings
from screening_node.assembly.looks import ways_in
from screening_node.assembly.pull import nightly, window_of
from screening_node.assembly.running import processes
from screening_node.assembly.ways_in import in_words, stow_callers
from screening_node.errors import Misconfigured, SourceUnavailable
from screening_node.intake.stow.callers import StowCaller
from screening_node.settings import Settings, load_settings

TOKEN = "0123456789abcdef0123"


def load(folder: Path, *blocks: str) -> Settings:
    (folder / "bundle").mkdir(exist_ok=True)
    (folder / "bundle" / "card.toml").write_text("")
    (folder / "node.toml").write_text(CONFIG.format(port=11112, destinations="\n".join(blocks)))
    return load_settings(folder / "node.toml")


def refused(folder: Path, *blocks: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(folder, *blocks)
    return str(caught.value)


def names(settings: Settings) -> list[str]:
    return [each.name for each in processes(settings)]


def test_without_a_section_there_is_no_process(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert names(settings) == ["intake", "worker", "delivery"]
    assert list(ways_in(settings)) == []


def test_stow_needs_little(tmp_path: Path) -> None:
    settings = load(tmp_path, "[intake.stow]")
    assert names(settings) == ["intake", "worker", "delivery", "stow"]
    assert settings.intake.stow is not None
    assert (settings.intake.stow.host, settings.intake.stow.port) == ("127.0.0.1", 8104)


def test_callers_of_stow(tmp_path: Path) -> None:
    block = '[intake.stow]\ncallers = [{ name = "PACS", token_file = "t", addresses = ["192.0.2.0/24"] }]'
    section = load(tmp_path, block).intake.stow
    assert section is not None
    assert stow_callers(section) == (
        StowCaller(name="PACS", token_file=tmp_path / "t", networks=(ip_network("192.0.2.0/24"),)),
    )


def test_a_token_by_environment_stays_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_NODE__INTAKE__STOW__CALLERS__0__TOKEN", TOKEN)
    settings = load(tmp_path, '[intake.stow]\ncallers = [{ name = "PACS" }]')
    assert settings.intake.stow is not None
    assert stow_callers(settings.intake.stow)[0].token == TOKEN
    assert TOKEN not in repr(settings)
    assert TOKEN not in str(settings.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ('callers = [{ name = "PACS" }]', "it says nothing of who may send"),
        (f'callers = [{{ name = "PACS", token = "{TOKEN}" }}]', "a token. Fix: Write it to a file"),
        ('callers = [{ name = "PACS", addresses = [] }]', "lets nobody in"),
        ('callers = [{ name = "A", token_file = "a" }, { name = "A", token_file = "b" }]', "two callers have one name"),
        ('host = "0.0.0.0"\ncallers = [{ name = "PACS", token_file = "t" }]', "in the clear"),
        ("tls = { }", "needs a certificate"),
        ('tls = { certificate = "c.pem", client_certificates = true }', "none can be verified"),
        ("prot = 1", "Did you mean port?"),
    ],
)
def test_what_is_refused(tmp_path: Path, block: str, reason: str) -> None:
    assert reason in refused(tmp_path, f"[intake.stow]\n{block}")


def test_what_the_doctor_says_of_stow(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("short")
    looks = list(ways_in(load(tmp_path, "[intake.stow]\nport = 1")))
    assert [look.state for look in looks][-1] == "warn"
    with pytest.raises(Misconfigured, match="openssl rand"):
        list(ways_in(load(tmp_path, '[intake.stow]\ncallers = [{ name = "PACS", token_file = "t" }]')))


def test_a_watched_folder(tmp_path: Path) -> None:
    settings = load(tmp_path, '[intake.folder]\npath = "films"')
    assert settings.intake.folder is not None
    assert settings.intake.folder.path == tmp_path / "films"
    assert names(settings) == ["intake", "worker", "delivery", "folder"]
    assert [look.state for look in ways_in(settings)] == ["fail"]
    (tmp_path / "films").mkdir()
    assert [look.state for look in ways_in(settings)] == ["ok"]
    with pytest.raises(Misconfigured, match="lie in each other"):
        list(ways_in(load(tmp_path, '[intake.folder]\npath = "archive/films"')))


PACS = '[[pull]]\nname = "pacs"\nae_title = "PACS"\nhost = "192.0.2.1"\nport = 104\n'
WEB = """[[pull]]
name = "web"
ae_title = "WEB"
url = "https://pacs.example.org/dicom-web/"
tls = { authorities = "ca.pem" }
"""


def test_an_archive_is_asked_by_hand_unless_it_has_a_first_day(tmp_path: Path) -> None:
    assert names(load(tmp_path, PACS)) == ["intake", "worker", "delivery"]
    settings = load(tmp_path, PACS + "first_day = 2020-01-31", WEB + 'token_file = "web.token"')
    assert names(settings) == ["intake", "worker", "delivery", "pull"]
    assert [each.name for each in nightly(settings)] == ["pacs"]
    pacs, web = settings.pull
    assert pacs.first_day == dt.date(2020, 1, 31)
    assert (web.url, web.token_file) == ("https://pacs.example.org/dicom-web", tmp_path / "web.token")
    assert web.tls is not None
    assert web.tls.authorities == tmp_path / "ca.pem"
    assert web.modalities == ("CR", "DX")


def test_the_window_as_people_write_it(tmp_path: Path) -> None:
    settings = load(tmp_path, PACS + 'window = "22:30-04:00"\ntime_zone = "Asia/Taipei"')
    window = window_of(settings.pull[0])
    assert (window.opens, window.closes, str(window.zone)) == (dt.time(22, 30), dt.time(4), "Asia/Taipei")
    assert window_of(load(tmp_path, PACS).pull[0]).zone is None, "this machine's"


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (PACS + 'url = "https://x/y"', "by host and port, or by url"),
        (PACS.replace("port = 104", ""), "host and port belong together"),
        ('[[pull]]\nname = "a"\nae_title = "A"', "by host and port, or by url"),
        (WEB.replace("https:", "http:"), "unencrypted"),
        (WEB.replace("tls", "# tls"), "cannot be verified"),
        (WEB.replace("https://", "https://user:password@"), "holds no user"),
        (PACS + 'window = "22-"', "window"),
        (PACS + 'time_zone = "Nowhere/City"', "no time zone"),
        (PACS + "last_day = 2020-01-01", "last_day has no first_day"),
        (PACS + 'modalities = ["cr"]', "modalities"),
        (PACS + PACS, "two sources have one name"),
    ],
)
def test_what_is_refused_of_an_archive(tmp_path: Path, block: str, reason: str) -> None:
    assert reason in refused(tmp_path, block)


def test_an_archive_that_does_not_answer_is_found_by_the_doctor_and_the_settings_page(tmp_path: Path) -> None:
    block = PACS.replace("192.0.2.1", "127.0.0.1").replace("104", "1") + "timeout_seconds = 1"
    settings = load(tmp_path, block)
    (look,) = ways_in(settings)
    (archive,) = archives(settings)
    assert (archive.name, archive.described) == ("archive pacs", "pacs (PACS at 127.0.0.1:1): films come from there")
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        archive.ask()
    assert (look.check, look.state) == ("pull pacs", "fail")
    assert "cannot be reached" in look.message


def test_the_settings_page_shows_every_way_in_and_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_NODE__INTAKE__STOW__CALLERS__0__TOKEN", TOKEN)
    stow = '[intake.stow]\ncallers = [{ name = "PACS" }]\n[intake.folder]\npath = "films"\n'
    told = shown_settings(load(tmp_path, PACS, WEB, stow))
    assert {"intake", "intake.stow", "intake.stow.callers 1", "intake.folder", "pull 1", "pull 2"} <= told.keys()
    assert told["intake.stow.callers 1"]["name"] == "PACS"
    assert TOKEN not in str(told)


def test_what_serve_says_of_them(tmp_path: Path) -> None:
    blocks = (PACS + "first_day = 2020-01-31", WEB, f'[intake.stow]\n[intake.folder]\npath = "{tmp_path}/films"')
    assert in_words(load(tmp_path, *blocks)) == [
        "STOW-RS on 127.0.0.1:8104",
        f"Watches {tmp_path}/films",
        "Fetches at night from pacs",
    ]
    assert in_words(load(tmp_path)) == []
