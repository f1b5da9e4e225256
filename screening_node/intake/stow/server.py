"""STOW-RS as a process: it listens, with or without TLS, takes renewed certificates, and drains at a stop."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import uvicorn
from pydicom.dataset import Dataset

from screening_node.domain.exam import ExamKey, Patient
from screening_node.errors import Misconfigured
from screening_node.intake.callers import Doorkeeper, RefusalLedger
from screening_node.intake.files import FileDoor, Limits
from screening_node.intake.scp import quiet_libraries
from screening_node.intake.stow.app import Stow, StowRules
from screening_node.intake.stow.callers import check_tokens
from screening_node.store.archive import Archive
from screening_node.store.session import Store
from screening_node.tls import Renewing, ServerTls, serving

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2
#: How often certificates are looked at: renewed ones need no restart of the node.
_RENEW_EVERY_S = 10.0
#: Connections that have sent no whole request yet count here only.
_CONNECTIONS_A_REQUEST = 4


@dataclass(frozen=True, kw_only=True)
class StowConfig:
    """Where STOW-RS listens, whom it lets in, what it takes. Port 0 takes a free one."""

    host: str
    port: int
    rules: StowRules
    limits: Limits
    tls: ServerTls | None = None
    drain_seconds: float = 5.0


def run_stow(
    config: StowConfig,
    store: Store,
    archive: Archive,
    route: Callable[[Dataset], ExamKey],
    patient_of: Callable[[Dataset], Patient],
    stop: threading.Event,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve until ``stop`` is set. ``ready`` hears the port once it listens. Raises Misconfigured."""
    quiet_libraries()
    check_tokens(config.rules.callers)
    context = None if config.tls is None else serving(config.tls)
    door = FileDoor(store=store, archive=archive, route=route, patient_of=patient_of, limits=config.limits)
    stow = Stow(door, Doorkeeper((), store, RefusalLedger()), config.rules)
    with _listener(config) as listener:
        port = int(listener.getsockname()[1])
        words = "" if context is None else " with TLS"
        logger.info("STOW-RS on %s:%d%s", config.host, port, words)
        if ready is not None:
            ready(port)
        while not stop.is_set():
            _serve(config, stow, listener, context, stop)


def _listener(config: StowConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        listener = socket.create_server((config.host, config.port), family=family, backlog=128)
    except OSError as error:
        raise Misconfigured(
            f"STOW-RS cannot listen on {config.host}:{config.port} ({error.strerror}).",
            fix="Change [intake.stow] host or port, or stop the program that holds that port.",
        ) from error
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _serve(
    config: StowConfig, stow: Stow, listener: socket.socket, renewing: Renewing | None, stop: threading.Event
) -> None:
    """Until ``stop``, or until certificates were renewed. New connections wait meanwhile, none is refused."""
    context = None if renewing is None else renewing.get()
    server = uvicorn.Server(_uvicorn(config, stow, context))
    held = listener.dup()  # uvicorn closes what it is given
    thread = threading.Thread(target=server.run, kwargs={"sockets": [held]}, name="stow", daemon=True)
    thread.start()
    looked = time.monotonic()
    while thread.is_alive() and not stop.wait(_LOOK_EVERY_S):
        if renewing is not None and time.monotonic() - looked > _RENEW_EVERY_S:
            looked = time.monotonic()
            if renewing.get() is not context:
                break
    server.should_exit = True
    thread.join()
    with suppress(OSError):
        held.close()


def _uvicorn(config: StowConfig, stow: Stow, context: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        stow.application(),
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # addresses are those of the peers, whatever a header says
        limit_concurrency=config.rules.max_requests * _CONNECTIONS_A_REQUEST,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(config.drain_seconds),
        ssl_context_factory=None if context is None else (lambda *_: context),
    )
