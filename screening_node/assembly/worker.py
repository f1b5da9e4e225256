"""The worker process: judges films, on GPU or CPU."""

from __future__ import annotations

import functools
import logging
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from screening_node import __version__
from screening_node.assembly.delivery import object_sets
from screening_node.assembly.logs import configure_logging
from screening_node.assembly.storage import opened
from screening_node.domain.alarm import ThresholdSet
from screening_node.domain.tscore import ReferenceTable
from screening_node.errors import Misconfigured
from screening_node.settings import Settings, load_reference_table, load_threshold_set, read_toml
from screening_node.store.archive import Archive
from screening_node.store.session import Store

if TYPE_CHECKING:
    from screening_node.pathways.base import Pathway
    from screening_node.reporting.reporter import Reporter

log = logging.getLogger(__name__)


def run_worker_process(stop: threading.Event, owner: str, settings: Settings) -> None:
    """Judge films until ``stop`` is set; the body of a worker process."""
    from screening_node.queue.worker import Worker, WorkerRules
    from screening_node.screening import Screening

    configure_logging()
    parts = judging(settings)
    log.info("Judging with bundle %s.", parts.pathway.identity.bundle)
    with opened(settings) as store, _vitals(settings, store, owner):
        screening = Screening(
            pathways={parts.pathway.name: parts.pathway},
            reference=parts.reference,
            thresholds=parts.thresholds,
            store=store,
            archive=Archive(settings.store.archive),
            reporter=parts.reporter,
            destinations=object_sets(settings),
            report_refusals=settings.reports.refusals,
            window_months=settings.alarms.window_months,
        )
        rules = WorkerRules(
            batch_size=settings.worker.batch, decoders=settings.worker.threads, lease_s=settings.worker.lease_seconds
        )
        Worker(store, owner, prepare=screening.prepare, judge=screening.judge, rules=rules).run(stop)


def _vitals(settings: Settings, store: Store, owner: str) -> AbstractContextManager[None]:
    """The GPU's memory, for /metrics, by host and process; another process of that name goes on with its figures."""
    from screening_node.networks import gpu
    from screening_node.queue import vitals

    measure = functools.partial(gpu.memory, device(settings.worker.device))
    return vitals.written(store, owner.rpartition("/")[0], measure)


@dataclass(frozen=True, kw_only=True)
class Judging:
    """What judges a film: networks, tables and the writer of reports."""

    pathway: Pathway[Any]
    reference: ReferenceTable
    thresholds: ThresholdSet
    reporter: Reporter


def judging(settings: Settings) -> Judging:
    """Load the bundle and the tables. Raises Misconfigured (BundleInvalid) where they do not fit together."""
    from screening_node.reporting.reporter import Reporter
    from screening_node.reporting.sentence import Sentences, in_every_language

    section = settings.pathways.chest_film
    reference = load_reference_table(section.reference)
    return Judging(
        pathway=chest_film_pathway(settings),
        reference=reference,
        thresholds=load_threshold_set(section.thresholds),
        reporter=Reporter(
            reference,
            software_version=__version__,
            sentences=Sentences(
                judged=in_every_language(settings.reports.sentence),
                refused=in_every_language(settings.reports.sentence_refused),
            ),
        ),
    )


def chest_film_pathway(settings: Settings, bundle: Path | None = None) -> Pathway[Any]:
    """The chest-film pathway with its bundle (or another one), on the configured device."""
    from screening_node.pathways.chest_film.admission import AdmissionRules
    from screening_node.pathways.chest_film.pathway import ChestFilmPathway

    section = settings.pathways.chest_film
    reference = load_reference_table(section.reference)
    thresholds = load_threshold_set(section.thresholds)
    rules = AdmissionRules(age_range=section.age_range, reference=reference)
    return ChestFilmPathway.load(bundle or section.bundle, device(settings.worker.device), rules, thresholds=thresholds)


def device(wanted: str) -> Any:
    """The torch device of ``[worker] device``; "auto" is CUDA where there is one. Raises Misconfigured."""
    import torch

    name = wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(name)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise Misconfigured(
            f"worker.device is {wanted}, but torch sees {torch.cuda.device_count()} CUDA devices.",
            fix='Write device = "auto" in [worker], or mend the GPU driver.',
        )
    return chosen


@dataclass(frozen=True, kw_only=True)
class CardInBrief:
    """What is said of a bundle when a node starts."""

    name: str
    limits_of_use: str


def card_of(settings: Settings) -> CardInBrief:
    """The configured bundle in brief, without torch: only the worker loads that, and checks the whole card."""
    table = read_toml(settings.pathways.chest_film.bundle / "card.toml")
    return CardInBrief(
        name=f"{table.get('name', 'without a name')} {table.get('version', '')}".strip(),
        limits_of_use=str(table.get("limits_of_use", "")),
    )
