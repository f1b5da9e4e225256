"""The node as a whole: which processes run on this host, and what is made ready before they start."""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack
from typing import Any

from screening_node.assembly.admin import run_admin_process
from screening_node.assembly.certificates import check_certificates
from screening_node.assembly.delivery import run_delivery_process
from screening_node.assembly.intake import run_intake_process
from screening_node.assembly.logs import configure_logging
from screening_node.assembly.notifications import channels
from screening_node.assembly.ports import port_is_free
from screening_node.assembly.pull import nightly, run_pull_process
from screening_node.assembly.sign_in import oidc_config
from screening_node.assembly.storage import lock_paths, opened
from screening_node.assembly.upkeep import run_upkeep_process
from screening_node.assembly.ways_in import run_folder_process, run_stow_process
from screening_node.assembly.worker import run_worker_process
from screening_node.errors import Misconfigured
from screening_node.settings import Settings
from screening_node.store import pulls
from screening_node.store.archive import Archive


def serve(settings: Settings) -> None:
    """Run the node on this host until SIGTERM or Ctrl-C. Raises AlreadyRunning or Misconfigured."""
    from screening_node import service
    from screening_node.queue import rescue
    from screening_node.queue.retry import RetryRules

    configure_logging()

    def rescue_dead(owner: str) -> None:
        with opened(settings) as store:
            rescue.rescue_owner(store, owner, RetryRules(), now=dt.datetime.now(dt.UTC))
            pulls.give_back_leases(store, owner)

    *others, last = lock_paths(settings)
    with ExitStack() as held:
        for path in others:
            held.enter_context(service.single_run(path))
        service.serve(processes(settings), last, at_start=lambda: _prepare(settings), on_death=rescue_dead)


def _prepare(settings: Settings) -> None:
    """Only once the lock is held: what an earlier run left behind belongs to nobody now."""
    from screening_node import service
    from screening_node.queue import rescue
    from screening_node.queue.retry import RetryRules

    check_certificates(settings)
    channels(settings)  # one may have no address
    if settings.admin.served:
        oidc_config(settings)  # its secret may be missing
    if settings.node.plain and not port_is_free(settings):
        raise Misconfigured(
            f"node.port: {settings.node.host}:{settings.node.port} is taken, or no address of this machine.",
            fix="Change [node] host or port, or stop the program that holds that port.",
        )
    Archive(settings.store.archive).sweep()
    with opened(settings) as store:
        store.migrate()
        rescue.rescue_left_behind(store, service.host_prefix(), RetryRules(), now=dt.datetime.now(dt.UTC))
    pulls.give_back_leases(store, service.host_prefix())


def processes(settings: Settings) -> list[Any]:
    """The processes of this host, in the order of a film's route."""
    from screening_node.service import ProcessSpec

    numbers = range(1, settings.intake.processes + 1)
    specs = [
        *(
            ProcessSpec(
                name="intake" if number == 1 else f"intake-{number}", target=run_intake_process, args=(settings,)
            )
            for number in numbers
        ),
        ProcessSpec(name="worker", target=run_worker_process, args=(settings,)),
        ProcessSpec(name="delivery", target=run_delivery_process, args=(settings,)),
    ]
    if settings.intake.stow is not None:
        specs.append(ProcessSpec(name="stow", target=run_stow_process, args=(settings,)))
    if settings.intake.folder is not None:
        specs.append(ProcessSpec(name="folder", target=run_folder_process, args=(settings,)))
    if nightly(settings):
        specs.append(ProcessSpec(name="pull", target=run_pull_process, args=(settings,)))
    if settings.retention.any_rule:
        specs.append(ProcessSpec(name="upkeep", target=run_upkeep_process, args=(settings,)))
    if settings.admin.served:
        specs.append(ProcessSpec(name="admin", target=run_admin_process, args=(settings,)))
    return specs
