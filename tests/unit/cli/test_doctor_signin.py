"""``screening-node doctor`` on the provider that vouches for users."""

from __future__ import annotations

from pathlib import Path

import openid_provider
import pytest
from cli.site_config import CONFIG
from cli.test_doctor import examined
from integration import peers


@pytest.fixture
def configured(site: Path) -> Path:
    secret = site.parent / "oidc.secret"
    secret.write_text("a secret")
    secret.chmod(0o600)
    return site


def configure(site: Path, issuer: str) -> None:
    told = CONFIG.format(port=peers.free_port(), destinations="").replace("port = 0", f"port = {peers.free_port()}")
    page = "http://127.0.0.1:8180"
    keys = f'issuer = "{issuer}"\nclient_id = "node"\nclient_secret_file = "oidc.secret"\npage = "{page}"\n'
    site.write_text(f'{told}[admin.oidc]\n{keys}roles = {{ admins = "admin" }}\n')


def test_a_provider_that_is_there(configured: Path) -> None:
    with openid_provider.provider("http://127.0.0.1:8180/") as provider:
        configure(configured, provider.issuer)
        _, found = examined(configured)
    assert found["sign-in"]["state"] == "ok"
    assert provider.issuer in found["sign-in"]["message"]
    assert provider.asked == [], "nobody is signed in"


def test_a_provider_that_is_away_or_careless_is_a_warning(configured: Path) -> None:
    """Local accounts sign in all the same, and films do not depend on it."""
    with openid_provider.provider("http://127.0.0.1:8180/") as provider:
        provider.metadata_changes = {"code_challenge_methods_supported": ["plain"]}
        configure(configured, provider.issuer)
        _, found = examined(configured)
    assert found["sign-in"]["state"] == "warn"
    assert "PKCE" in found["sign-in"]["message"]
    _, found = examined(configured)
    assert found["sign-in"]["state"] == "warn"
    assert "cannot be reached" in found["sign-in"]["message"]


def test_a_secret_that_is_missing_or_open_to_others(configured: Path) -> None:
    with openid_provider.provider("http://127.0.0.1:8180/") as provider:
        configure(configured, provider.issuer)
        secret = configured.parent / "oidc.secret"
        secret.unlink()
        _, found = examined(configured)
        assert "holds no secret" in found["sign-in"]["message"]
        secret.write_text("a secret")
        secret.chmod(0o644)
        _, found = examined(configured)
    assert found["sign-in"]["state"] == "warn"
    assert "Others than its owner" in found["sign-in"]["message"]
