"""The admin's page as a process: it listens, waits for its port where that is taken, and never stops the node."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time

import uvicorn
from fastapi import FastAPI

from screening_node.admin.address import LOOPBACK, page_address
from screening_node.admin.app import create_app
from screening_node.admin.site import AdminConfig
from screening_node.errors import Misconfigured, ScreeningNodeError
from screening_node.store import accounts
from screening_node.store.archive import Archive
from screening_node.store.session import Store

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2
_TRY_AGAIN_S = 5.0


def run_admin(config: AdminConfig, store: Store, archive: Archive, stop: threading.Event) -> None:
    """Serve the admin's page until ``stop`` is set.

    Where the port is taken it is tried again and again. Without any account the page listens on loopback only,
    whatever the configuration says, and moves to the configured address once there is one.
    """
    while not stop.is_set():
        host = _host(config, store)
        listener = _listen(host, config.port, stop)
        if listener is None:
            return
        with listener:
            log.info("The admin's page is on %s", page_address(host, config.port, tls=config.certificate is not None))
            _serve(config, store, archive, listener, host, stop)
        stop.wait(_LOOK_EVERY_S)  # a server that breaks at once must not spin


def _host(config: AdminConfig, store: Store) -> str:
    if config.oidc is not None or _has_accounts(store) or config.host in (LOOPBACK, "::1", "localhost"):
        return config.host
    log.warning(
        "The admin's page is served on %s only, since there is no account yet: screening-node admin create-user NAME.",
        LOOPBACK,
    )
    return LOOPBACK


def _has_accounts(store: Store) -> bool:
    try:
        with store.read() as tx:
            return accounts.any_there(tx)
    except ScreeningNodeError:
        return False


def _listen(host: str, port: int, stop: threading.Event) -> socket.socket | None:
    """A listening socket, as soon as the port is free; None where ``stop`` comes first."""
    said = False
    while not stop.is_set():
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server((host, port), family=family, backlog=64)
            # Answers leave in two pieces; without this the second one waits 40 ms for the first's acknowledgement.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return listener
        except OSError as error:
            if not said:
                log.warning(
                    "The admin's page cannot listen on %s:%d (%s) and tries again every %.0f s. Films are taken all "
                    "the same. Fix: change [admin] port, or free that one.",
                    host,
                    port,
                    error.strerror,
                    _TRY_AGAIN_S,
                )
                said = True
            stop.wait(_TRY_AGAIN_S)
    return None


def _serve(
    config: AdminConfig, store: Store, archive: Archive, listener: socket.socket, host: str, stop: threading.Event
) -> None:
    """Until ``stop``, or until the page belongs on another address."""
    server = uvicorn.Server(_uvicorn(config, create_app(config, store, archive)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="admin", daemon=True)
    thread.start()
    moves = host != config.host
    looked = time.monotonic()
    while thread.is_alive() and not stop.wait(_LOOK_EVERY_S):
        if moves and time.monotonic() - looked > _TRY_AGAIN_S:
            looked = time.monotonic()
            if _has_accounts(store):
                break
    server.should_exit = True
    thread.join()


def _uvicorn(config: AdminConfig, app: FastAPI) -> uvicorn.Config:
    """How the page is served. Raises Misconfigured where certificate and key do not fit."""
    made = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,  # its lines would hold what people searched for
        server_header=False,
        limit_concurrency=200,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
        ssl_certfile=config.certificate,
        ssl_keyfile=config.key,
        ssl_keyfile_password="",  # none at all would ask for it on the terminal
    )
    try:
        made.load()
    except (ssl.SSLError, OSError, ValueError) as error:
        raise Misconfigured(
            f"admin.certificate and admin.key cannot be used: {type(error).__name__}.",
            fix="Name PEM files of one certificate and its own key, without a password.",
        ) from error
    return made
