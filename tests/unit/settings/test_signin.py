"""``[admin.oidc]``: what can be said of a provider, what is refused, and that its secret stays one."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.cli.site_config import CONFIG

from screening_node.assembly.admin import shown_settings
from screening_node.assembly.sign_in import oidc_config
from screening_node.errors import Misconfigured
from screening_node.settings import Settings, load_settings

OIDC = """
[admin.oidc]
issuer = "https://login.example.org/realms/hospital"
client_id = "screening-node"
client_secret_file = "oidc.secret"
authorities = "ca.pem"
page = "https://screening.example.org/"
role_claim = "realm_access.roles"

[admin.oidc.roles]
"screening admins" = "admin"
"""


def load(folder: Path, old: str = "", new: str = "") -> Settings:
    (folder / "bundle").mkdir(exist_ok=True)
    (folder / "bundle" / "card.toml").write_text("")
    assert old in OIDC
    (folder / "node.toml").write_text(CONFIG.format(port=11112, destinations="") + OIDC.replace(old, new, 1))
    return load_settings(folder / "node.toml")


def test_a_provider_is_told_with_its_secret_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "oidc.secret").write_text("a secret\n")
    settings = load(tmp_path)
    told = oidc_config(settings)
    assert told is not None
    assert (told.client_secret, told.page) == ("a secret", "https://screening.example.org")
    assert told.roles == {"screening admins": "admin"}
    assert told.tls is not None
    assert told.tls.trust.authorities == tmp_path / "ca.pem"
    assert told.scopes == ("openid", "profile")
    assert "a secret" not in repr(told) + repr(settings) + str(shown_settings(settings))


def test_a_secret_by_environment_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_NODE__ADMIN__OIDC__CLIENT_SECRET", "a secret")
    settings = load(tmp_path, 'client_secret_file = "oidc.secret"', "")
    told = oidc_config(settings)
    assert told is not None
    assert told.client_secret == "a secret"
    assert "a secret" not in repr(settings) + str(shown_settings(settings))


@pytest.mark.parametrize("content", [None, "", "  \n"])
def test_without_a_secret_the_node_says_so(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "oidc.secret").write_text(content)
    with pytest.raises(Misconfigured, match=r"oidc\.secret holds no secret"):
        oidc_config(load(tmp_path))
    with pytest.raises(Misconfigured, match="no client's secret"):
        oidc_config(load(tmp_path, 'client_secret_file = "oidc.secret"', ""))


def test_a_provider_on_this_machine_needs_no_tls(tmp_path: Path) -> None:
    settings = load(tmp_path, 'https://login.example.org/realms/hospital"', 'http://127.0.0.1:8080"')
    assert settings.admin.oidc is not None
    assert settings.admin.oidc.issuer == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("old", "new", "key", "hint"),
    [
        ("https://login", "http://login", "admin.oidc.issuer", "Write https"),
        ("https://screening", "http://screening", "admin.oidc.page", "Write https"),
        ("example.org/realms/hospital", "example.org/realms?x=1", "admin.oidc.issuer", "question mark"),
        ("https://login.example.org", "login.example.org", "admin.oidc.issuer", "no address of a provider"),
        ("screening.example.org/", "screening.example.org/node", "admin.oidc.page", "up to the port"),
        ('authorities = "ca.pem"\n', "", "admin.oidc", "authorities = FILE"),
        ('"admin"', '"root"', "admin.oidc.roles.screening admins", "Correct the value"),
        ('"screening admins" = "admin"', "", "admin.oidc.roles", "Correct the value"),
        ("client_id", 'scopes = ["profile"]\nclient_id', "admin.oidc.scopes", "openid"),
        ("client_id", 'client_secret = "x"\nclient_id', "admin.oidc.client_secret", "by environment"),
        ("client_id", 'clientid = "x"\nclient_id', "admin.oidc.clientid", "Did you mean client_id?"),
    ],
)
def test_what_cannot_be_safe_is_refused(tmp_path: Path, old: str, new: str, key: str, hint: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(tmp_path, old, new)
    assert key in str(caught.value)
    assert hint in str(caught.value)


def test_a_secret_given_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_NODE__ADMIN__OIDC__CLIENT_SECRET", "a secret")
    with pytest.raises(Misconfigured, match="given twice") as caught:
        load(tmp_path)
    assert "a secret" not in str(caught.value)
