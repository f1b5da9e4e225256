"""The configuration file, the environment over it, and what is said when either is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from screening_node.errors import Misconfigured
from screening_node.settings import Settings, load_settings

GOOD = """
[node]
ae_title = "NODE"
port = 11112

[[destinations]]
name = "pacs"
ae_title = "PACS"
host = "192.0.2.1"
port = 104

[store]
url = "sqlite:///var/node.sqlite"
archive = "var/archive"

[pathways.chest_film]
bundle = "bundle"
reference = "wang2022-implied"
thresholds = "flex"
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("SCREENING_NODE"):
            monkeypatch.delenv(name)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "card.toml").write_text("")
    (tmp_path / "node.toml").write_text(GOOD)
    return tmp_path


def load(site: Path, old: str = "", new: str = "") -> Settings:
    assert old in GOOD
    (site / "node.toml").write_text(GOOD.replace(old, new) if old else GOOD + new)
    return load_settings(site / "node.toml")


def refused(site: Path, old: str = "", new: str = "") -> str:
    with pytest.raises(Misconfigured) as caught:
        load(site, old, new)
    return str(caught.value)


def test_paths_and_names_are_relative_to_the_file(site: Path) -> None:
    settings = load(site)
    assert settings.store.archive == site / "var/archive"
    assert settings.store.url.get_secret_value() == f"sqlite:///{site}/var/node.sqlite"
    assert settings.pathways.chest_film.bundle == site / "bundle"
    assert settings.pathways.chest_film.thresholds.name == "flex.toml"
    assert settings.pathways.chest_film.age_range == (40, 90)


def test_a_table_beside_the_file_goes_before_ours(site: Path) -> None:
    (site / "thresholds").mkdir()
    own = site / "thresholds" / "flex.toml"
    own.write_text('name = "own"\nsource = "site"\n[by_vertebra]\nL1 = -2\nL2 = -2\nL3 = -2\nL4 = -2\n')
    assert load(site).pathways.chest_film.thresholds == own


def test_settings_are_frozen(site: Path) -> None:
    settings = load(site)
    with pytest.raises(Exception, match="frozen"):
        settings.node.port = 1


def test_passwords_are_masked(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_NODE__STORE__URL", "sqlite://user:hunter2@host/node")
    settings = load(site)
    assert "hunter2" not in repr(settings) + str(settings) + settings.store.safe_url
    assert "hunter2" in settings.store.url.get_secret_value()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SCREENING_NODE__NODE__PORT", "104", lambda s: s.node.port == 104),
        ("screening_node__node__ae_title", "OTHER", lambda s: s.node.ae_title == "OTHER"),
        ("SCREENING_NODE__REPORTS__REFUSALS", "false", lambda s: s.reports.refusals is False),
        (
            "SCREENING_NODE__PATHWAYS__CHEST_FILM__THRESHOLDS",
            "uniform-2.5",
            lambda s: s.pathways.chest_film.thresholds.name == "uniform-2.5.toml",
        ),
        (
            "SCREENING_NODE__PATHWAYS__CHEST_FILM__AGE_RANGE",
            "[50, 80]",
            lambda s: s.pathways.chest_film.age_range == (50, 80),
        ),
        (
            "SCREENING_NODE__DESTINATIONS",
            '[{"name": "two", "ae_title": "TWO", "host": "localhost", "port": 4242}]',
            lambda s: [d.name for d in s.destinations] == ["two"],
        ),
        ("SCREENING_NODE__DESTINATIONS__0__PORT", "4242", lambda s: s.destinations[0].port == 4242),
        (
            "SCREENING_NODE__DESTINATIONS__0__OBJECTS",
            '["SR", "PDF"]',
            lambda s: s.destinations[0].objects == ("SR", "PDF"),
        ),
        ("SCREENING_NODE__DESTINATIONS", "[]", lambda s: s.destinations == ()),
    ],
)
def test_the_environment_overrides_every_key(
    site: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: object
) -> None:
    monkeypatch.setenv(name, value)
    assert callable(expected)
    assert expected(load(site))


@pytest.mark.parametrize(
    ("old", "new", "key", "hint"),
    [
        ("port = 11112", "port = 0", "node.port", "Correct the value"),
        ("port = 11112", 'port = "many"', "node.port", "Correct the value"),
        ("port = 11112", "prot = 11112", "node.prot", "Did you mean port?"),
        ("[node]", "[nodes]", "nodes", "Did you mean node?"),
        ('ae_title = "NODE"', 'ae_title = "A_TITLE_OF_17_CHR"', "node.ae_title", "1 to 16"),
        ('ae_title = "NODE"', 'ae_title = ""', "node.ae_title", "1 to 16"),
        ('ae_title = "NODE"', 'ae_title = "A\\\\B"', "node.ae_title", "no backslash"),
        ('bundle = "bundle"', "", "pathways.chest_film.bundle", "Add the key"),
        ('bundle = "bundle"', 'bundle = "absent"', "pathways.chest_film.bundle", "models/chest_film"),
        ('reference = "wang2022-implied"', 'reference = "ge"', "pathways.chest_film.reference", "korea-women"),
        ('thresholds = "flex"', 'thresholds = "flexx"', "pathways.chest_film.thresholds", "uniform-2.5"),
        ('thresholds = "flex"', 'thresholds = "flex"\nage_range = [90, 40]', "pathways.chest_film.age_range", "lower"),
        ('url = "sqlite:///var/node.sqlite"', 'url = "nonsense"', "store.url", "sqlite:///PATH"),
        ('name = "pacs"', 'name = "a b"', "destinations.0.name", "Correct"),
        ('host = "192.0.2.1"\nport = 104', 'host = "localhost"\nport = 11112', "destinations", "leave the node"),
        (
            "port = 104",
            "port = 104\naet = 1",
            "destinations.0.aet",
            "host, language, name, objects, port, protocol, sr",
        ),
        ("port = 104", 'port = 104\nobjects = ["SR", "SR"]', "destinations.0.objects", "List each once"),
        ("port = 104", "port = 104\nobjects = []", "destinations.0.objects", "Correct"),
        ("port = 104", 'port = 104\nobjects = ["DX"]', "destinations.0.objects.0", "Correct"),
        ("port = 104", 'port = 104\nobjects = "SR"', "destinations.0.objects", "Correct"),
        ("port = 104", 'port = 104\nsr = "2d"', "destinations.0.sr", "Correct"),
        ("[node]", '[reports]\nsentence = "{name}"\n[node]', "reports.sentence", "t_score, vertebra"),
        ("[node]", '[reports]\nsentence = { de = "{name}" }\n[node]', "reports.sentence", "t_score, vertebra"),
        ("port = 104", 'port = 104\nlanguage = "klingon"', "destinations.0.language", "Correct"),
    ],
)
def test_an_impossible_value_names_file_key_and_fix(site: Path, old: str, new: str, key: str, hint: str) -> None:
    message = refused(site, old, new)
    assert f"{site / 'node.toml'}: {key}: " in message
    assert hint in message.split("Fix: ")[1]


def test_callers_are_networks(site: Path) -> None:
    allow = 'allow = [{ae_title = "ROOM1", addresses = ["192.0.2.0/24", "::1"]}, {ae_title = "*"}]'
    node = load(site, "port = 11112", "port = 11112\n" + allow).node
    assert [str(network) for network in node.allow[0].addresses or ()] == ["192.0.2.0/24", "::1/128"]
    assert node.allow[1].addresses is None


@pytest.mark.parametrize(
    ("entry", "key", "hint"),
    [
        ('{ae_title = "A", addresses = ["192.0.2.7/24"]}', "node.allow.0.addresses.0", "its own first address"),
        ('{ae_title = "A", addresses = ["room1"]}', "node.allow.0.addresses.0", "Write an address"),
        ('{ae_title = "A", addresses = []}', "node.allow.0.addresses", "Leave addresses out"),
        ('{ae_title = "A", address = "::1"}', "node.allow.0.address", "Did you mean addresses?"),
        ('{addresses = ["::1"]}', "node.allow.0.ae_title", "Add the key"),
        ('{ae_title = "A", certificate = "a"}', "node", "[node.tls] allow only"),
    ],
)
def test_an_impossible_caller_is_refused(site: Path, entry: str, key: str, hint: str) -> None:
    message = refused(site, "port = 11112", f"port = 11112\nallow = [{entry}]")
    assert f"{site / 'node.toml'}: {key}: " in message
    assert hint in message.split("Fix: ")[1]


TLS = """
[node.tls]
certificate = "tls/node.pem"
key = "/etc/tls/node.key"
authorities = "tls/ca.pem"
"""


def test_the_files_of_tls_are_relative_to_the_file(site: Path) -> None:
    section = load(site, new=TLS).node.tls
    assert section is not None
    assert (section.port, section.client_certificates) == (2762, True)
    assert section.certificate == site / "tls/node.pem"
    assert section.key == Path("/etc/tls/node.key")
    destination = load(site, "port = 104", 'port = 104\ntls = {authorities = "tls/pacs.pem"}').destinations[0]
    assert destination.tls is not None
    assert destination.tls.authorities == site / "tls/pacs.pem"
    assert destination.tls.verify_name


def test_a_key_by_environment_stays_secret(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_NODE__NODE__TLS__KEY_PEM", "-----BEGIN SECRET-----\nabc\n")
    settings = load(site, new=TLS.replace('key = "/etc/tls/node.key"\n', ""))
    assert settings.node.tls is not None
    assert settings.node.tls.key_pem is not None
    assert settings.node.tls.key_pem.get_secret_value().endswith("abc\n")
    assert "SECRET" not in repr(settings) + str(settings.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("old", "new", "key", "hint"),
    [
        ('certificate = "tls/node.pem"\n', "", "node.tls", "certificate and key"),
        ('authorities = "tls/ca.pem"', "", "node.tls", "client_certificates = false"),
        ('authorities = "tls/ca.pem"', 'revocations = "x.pem"', "node.tls", "authorities"),
        ("[node.tls]", "[node.tls]\nport = 11112", "node", "a port of its own"),
        ("[node.tls]", "[node.tls]\nchipers = 1", "node.tls.chipers", "Known keys: allow, authorities"),
        ("[node.tls]", '[node.tls]\nkey_pem = "secret"', "node.tls.key_pem", "by environment"),
        (TLS, "[node.tsl]\n", "node.tsl", "Did you mean tls?"),
        (
            'authorities = "tls/ca.pem"',
            'client_certificates = false\nallow = [{ae_title = "A", certificate = "a"}]',
            "node.tls",
            "Drop client_certificates",
        ),
    ],
)
def test_tls_that_cannot_work_is_refused(site: Path, old: str, new: str, key: str, hint: str) -> None:
    message = refused(site, new=TLS.replace(old, new))
    line = next(line for line in message.splitlines() if f": {key}: " in line)
    assert hint in line
    assert "secret" not in message.replace("secrets", "")


def test_commands_run_without_the_key_that_only_the_service_has(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(site, new=TLS.replace('key = "/etc/tls/node.key"', "")).node.tls is not None
    monkeypatch.setenv("SCREENING_NODE__NODE__TLS__KEY_PEM", "secret")
    assert "given twice" in refused(site, new=TLS)


def test_a_node_that_listens_nowhere_is_refused(site: Path) -> None:
    assert "listens nowhere" in refused(site, "port = 11112", "port = 11112\nplain = false")
    assert load(site, "port = 11112", "port = 2762\nplain = false\n" + TLS).node.ports == (2762,)


def test_a_destination_with_tls_has_to_be_verifiable(site: Path) -> None:
    assert "cannot be verified" in refused(site, "port = 104", "port = 104\ntls = {}")


def test_two_destinations_of_one_name_are_refused(site: Path) -> None:
    twice = '[[destinations]]\nname = "pacs"\nae_title = "P2"\nhost = "192.0.2.2"\nport = 104\n'
    assert "more than one is named pacs" in refused(site, new=twice)


def test_all_errors_are_said_at_once(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_NODE__NODE__PORT", "99999")
    monkeypatch.setenv("SCREENING_NODE__NDOE__HOST", "here")
    message = refused(site, 'thresholds = "flex"', 'thresholds = "none"\nextra = 1')
    assert "Environment variable SCREENING_NODE__NODE__PORT: node.port:" in message
    assert "Environment variable SCREENING_NODE__NDOE__HOST: no section [ndoe]" in message
    assert f"{site / 'node.toml'}: pathways.chest_film.thresholds:" in message
    assert "pathways.chest_film.extra" in message
    assert len(message.splitlines()) == 4


def test_broken_json_in_the_environment_is_said(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_NODE__DESTINATIONS", "[{")
    assert "JSON" in refused(site)


@pytest.mark.parametrize("content", [b"[node\n", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "node.toml").write_bytes(content)
    with pytest.raises(Misconfigured, match="not a TOML file"):
        load_settings(tmp_path / "node.toml")


def test_an_absent_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_settings(tmp_path / "absent.toml")
