"""For machines that watch the node: is it alive, can it work, and Prometheus' figures. No patient data in any."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from screening_node.admin import drift, wellness
from screening_node.admin.access import public
from screening_node.admin.site import Site, site_of
from screening_node.errors import ScreeningNodeError
from screening_node.queue import vitals
from screening_node.store import gauges
from screening_node.store import tables as t
from screening_node.store.alarms import AlarmState

router = APIRouter(dependencies=[Depends(public)])
_BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400)


@router.get("/health/live")
def live() -> PlainTextResponse:
    """The process answers."""
    return PlainTextResponse("alive\n")


@router.get("/health/ready")
def ready(request: Request) -> JSONResponse:
    """Films can be taken in: the store answers, the archive has room. Status 503 where they cannot."""
    site = site_of(request)
    try:
        with site.store.read() as tx:
            tx.execute(sa.select(t.jobs.c.id).limit(1)).first()
        free = site.archive.free_bytes()
    except ScreeningNodeError as error:
        return JSONResponse({"ready": False, "why": type(error).__name__}, status_code=503)
    if free < site.config.min_free_bytes:
        return JSONResponse({"ready": False, "why": "DiskFull"}, status_code=503)
    return JSONResponse({"ready": True, "why": None})


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Figures in Prometheus' text format; status 503 where the store does not answer."""
    registry: CollectorRegistry = request.app.state.registry
    try:
        request.app.state.durations.catch_up()
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")
    except ScreeningNodeError as error:
        return PlainTextResponse(f"# {type(error).__name__}\n", status_code=503)


class Durations:
    """How long stages took, by what was finished since the last scrape; starts anew with the process."""

    def __init__(self, site: Site, registry: CollectorRegistry) -> None:
        self._store = site.store
        self._judged = Histogram(
            "screening_node_judge_seconds", "From a film's arrival to its result.", buckets=_BUCKETS, registry=registry
        )
        self._delivered = Histogram(
            "screening_node_delivery_seconds",
            "From a film's arrival until a destination has its report.",
            ["destination"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._since = wellness.midnight(dt.datetime.now(dt.UTC))
        self._result = 0

    def catch_up(self) -> None:
        """Count what was finished since the last call."""
        now = dt.datetime.now(dt.UTC)
        judged = (
            sa.select(t.results.c.id, t.exams.c.received_at, t.results.c.created_at)
            .join(t.exams, t.exams.c.id == t.results.c.exam_id)
            .where(t.results.c.id > self._result)
        )
        delivered = (
            sa.select(t.outbox.c.destination, t.exams.c.received_at, t.outbox.c.delivered_at)
            .join(t.results, t.results.c.id == t.outbox.c.result_id)
            .join(t.exams, t.exams.c.id == t.results.c.exam_id)
            .where(t.outbox.c.delivered_at > self._since, t.outbox.c.delivered_at <= now)
        )
        with self._store.read() as tx:
            for number, received, created in tx.execute(judged):
                self._judged.observe((created - received).total_seconds())
                self._result = max(self._result, number)
            for destination, received, done in tx.execute(delivered):
                self._delivered.labels(destination).observe((done - received).total_seconds())
        self._since = now


class StoreCollector(Collector):
    """Counts and depths, asked of the store at each scrape."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment. Raises StoreUnavailable."""
        site = self._site
        well = wellness.look(site.store, site.archive, site.config.destinations, site.config.min_free_bytes)
        info = GaugeMetricFamily("screening_node_info", "Version and bundle.", labels=["version", "bundle"])
        info.add_metric([site.config.version, site.config.bundle], 1)
        yield info
        yield from self._depths(well)
        yield from self._lanes(well)
        yield from self._totals()
        yield from self._drift()
        yield from self._memory()

    @staticmethod
    def _depths(well: wellness.Wellness) -> Iterator[Metric]:
        queue = GaugeMetricFamily("screening_node_queue_films", "Films to be judged, by state.", labels=["state"])
        for state, count in well.jobs.items():
            queue.add_metric([state], count)
        queue.add_metric(["dead"], well.failed)
        yield queue
        age = 0.0 if well.oldest_waiting is None else (well.at - well.oldest_waiting).total_seconds()
        yield GaugeMetricFamily("screening_node_queue_age_seconds", "How long the first film has waited.", value=age)
        yield GaugeMetricFamily("screening_node_alerts_open", "Alerts that nobody has seen.", value=well.open_alerts)
        yield GaugeMetricFamily("screening_node_troubles", "What a person should see to.", value=len(well.troubles))
        if well.free_bytes is not None:
            yield GaugeMetricFamily("screening_node_free_bytes", "Room in the archive.", value=well.free_bytes)
        if well.last_film is not None:
            time = well.last_film.timestamp()
            yield GaugeMetricFamily("screening_node_last_film_timestamp_seconds", "When a film came.", value=time)

    @staticmethod
    def _lanes(well: wellness.Wellness) -> Iterator[Metric]:
        owed = GaugeMetricFamily(
            "screening_node_deliveries", "Reports not delivered, by destination.", labels=["destination", "state"]
        )
        for lane in well.lanes:
            owed.add_metric([lane.destination, "waiting"], lane.waiting)
            owed.add_metric([lane.destination, "retried"], lane.retried)
            owed.add_metric([lane.destination, "parked"], lane.parked)
        yield owed

    def _totals(self) -> Iterator[Metric]:
        films = CounterMetricFamily("screening_node_films", "Films received.")
        results = CounterMetricFamily("screening_node_results", "Current results.", labels=["outcome", "reason"])
        alerts = CounterMetricFamily("screening_node_alerts", "Alerts ever raised, by state.", labels=["state"])
        by_outcome = (
            sa.select(t.results.c.category, t.results.c.refusal_code, sa.func.count())
            .where(t.results.c.current)
            .group_by(t.results.c.category, t.results.c.refusal_code)
        )
        with self._site.store.read() as tx:
            films.add_metric([], tx.execute(sa.select(sa.func.count()).select_from(t.exams)).scalar_one())
            for category, code, count in tx.execute(by_outcome):
                results.add_metric(["refused", code] if code else [category, ""], count)
            found = {row[0]: row[1] for row in tx.execute(_alerts_by_state())}
        for state in AlarmState:
            alerts.add_metric([state], found.get(state, 0))
        yield films
        yield results
        yield alerts

    def _drift(self) -> Iterator[Metric]:
        """The newest results beside the validation cohort's, as far as the bundle's card tells of it."""
        config = self._site.config
        with self._site.store.read() as tx:
            recent = drift.recent(tx)
        validation = None if config.validation is None else drift.spread_of(config.validation)
        spreads = {"recent": recent.spread, "validation": validation}
        means = {cohort: None if spread is None else spread.mean for cohort, spread in spreads.items()}
        sds = {cohort: None if spread is None else spread.sd for cohort, spread in spreads.items()}
        refused = {"recent": recent.refusal_rate, "validation": config.validation_refusals}
        crossed = {"recent": recent.crossing_rate}
        yield GaugeMetricFamily("screening_node_recent_films", "Newest films that are compared.", value=recent.films)
        yield _by_cohort("screening_node_estimate_mean", "Mean of films' mean BMD, g/cm2.", means)
        yield _by_cohort("screening_node_estimate_sd", "Standard deviation of films' mean BMD, g/cm2.", sds)
        yield _by_cohort("screening_node_refusal_rate", "Part of the chest films that was refused.", refused)
        yield _by_cohort("screening_node_crossing_rate", "Part of the judged films below a threshold.", crossed)
        if config.validation is not None and recent.judged:
            overlap = recent.estimates.overlap(config.validation)
            yield GaugeMetricFamily("screening_node_estimate_overlap", "Recent and validation, 0 to 1.", value=overlap)

    def _memory(self) -> Iterator[Metric]:
        """GPUs' memory as workers measured it; absent where none has a GPU."""
        with self._site.store.read() as tx:
            measured = gauges.since(tx, dt.datetime.now(dt.UTC) - vitals.FRESH)
        memory = GaugeMetricFamily(
            "screening_node_gpu_memory_bytes", "Of each worker's GPU.", labels=["worker", "kind"]
        )
        for gauge in measured:
            if gauge.name.startswith("gpu_memory_"):
                kind = gauge.name.removeprefix("gpu_memory_").removesuffix("_bytes")
                memory.add_metric([gauge.source, kind], gauge.value)
        if memory.samples:
            yield memory


def _by_cohort(name: str, text: str, figures: Mapping[str, float | None]) -> Metric:
    """One figure of the recent films and of the validation cohort; what is not known is left out."""
    family = GaugeMetricFamily(name, text, labels=["cohort"])
    for cohort, value in figures.items():
        if value is not None:
            family.add_metric([cohort], value)
    return family


def _alerts_by_state() -> sa.Select[str, int]:
    return sa.select(t.alarms.c.state, sa.func.count()).group_by(t.alarms.c.state)
