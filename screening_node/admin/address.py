"""Where the admin's page is; apart from the server, which takes a second to import."""

from __future__ import annotations

LOOPBACK = "127.0.0.1"


def page_address(host: str, port: int, *, tls: bool) -> str:
    """The page's link, as a browser on this machine opens it."""
    name = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)
    return f"{'https' if tls else 'http'}://{f'[{name}]' if ':' in name else name}:{port}/"
