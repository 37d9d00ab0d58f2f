"""Which processes run on a home? API processes that answer and one stream process that folds, under one supervisor."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from litestar import Litestar
from prometheus_client import CollectorRegistry

from foryou import config as configuration
from foryou.api import rest
from foryou.api.cursors import Cursors
from foryou.api.models import Bundles
from foryou.api.parts import Parts
from foryou.api.service import Service
from foryou.config import Config
from foryou.domain.errors import Invalid, Unavailable
from foryou.ingest.exposures import Exposures
from foryou.observe.evidence import Notes
from foryou.observe.metrics import Metrics, exposition
from foryou.observe.said import say, speak
from foryou.serve.evidence import known
from foryou.serve.live import UNTRAINED, Live
from foryou.serve.prepared import SHARE, Prepared
from foryou.serve.watch import Watch
from foryou.serve.wording import Words
from foryou.stores.log_spooled import Spooled
from foryou.wiring.home import Home, cached, limits, open_home, spooled
from foryou.wiring.jobs import Telling
from foryou.wiring.launching import START
from foryou.wiring.metered import Metered
from foryou.wiring.pauses import aside, fewer_pauses
from foryou.wiring.secret import cursor_secret
from foryou.wiring.spawning import guard, spawn
from foryou.wiring.start import orphaned

if TYPE_CHECKING:
    from foryou.api.grpc import Door
    from foryou.observe.watching import Watch as Watching
    from foryou.stores.features_cached import Cached

RESTART_S = 0.5
PREPARED_WITHIN_S = 1.0  # lists for strangers are no older than this and the time that they take


def application() -> Litestar:
    """Give the ASGI application of one API process; configured by the environment that `serve` has set."""
    config = configuration.load()
    metrics = Metrics()

    def make() -> Service:
        made = service(cached(spooled(open_home(config))), metrics)
        fewer_pauses()
        return made

    speak(config.observe.log_format)
    watch = spans(config)
    app = partial(rest.app, make, metrics, exposition(), watch=watch, told=config.observe.access_log)
    return app(beside=grpc_door(config, metrics, watch)) if config.serve.grpc_port else app()


def spans(config: Config) -> "Watching | None":
    """Give who sends spans of some requests, None where nobody is told. Raises Invalid where it is not installed."""
    if not config.observe.otlp_endpoint:
        return None
    try:
        from foryou.observe.spans import Spans
    except ImportError as error:
        raise Invalid(
            "observe.otlp_endpoint", f"no OpenTelemetry here ({error})", "pip install 'foryou[otel]', or leave it empty"
        ) from None
    return Spans(config.observe.otlp_endpoint, config.observe.sample)


def grpc_door(config: Config, metrics: Metrics, watch: "Watching | None" = None) -> "Door":
    """Give the door of gRPC; watch: who looks at some calls closely. Raises Invalid where it is not installed."""
    try:
        from foryou.api import grpc
    except ImportError as error:
        raise Invalid(
            "serve.grpc_port", f"no gRPC here ({error})", "pip install 'foryou[grpc]', or set it to 0"
        ) from None
    return grpc.door(config.serve.host, config.serve.grpc_port, metrics, watch)


def service(home: Home, metrics: Metrics) -> Service:
    """Give the service of a home, its pipelines warm and kept fresh by a thread of its own.

    If the log is away, it takes events, and answers as soon as it knows which items there are.
    """
    config = home.config
    live = home.live(lambda records: Metered(records, metrics))
    metrics.expected.set(config.observe.expected_requests)
    try:
        aside(live.refresh)
    except Unavailable as error:
        say(f"takes events only, until the log is back: {error}")
    exposures = Exposures(home.log, config.serve.exposure_queue)
    prepared = Prepared(live, home.clock, {name: one.length for name, one in config.placements.items()})
    aside(prepared.look)
    parts = Parts(
        bundles=bundles_of(home), admin_key=configuration.admin_key(),
        live=live, log=home.log, features=home.features, items=home.items, models=home.models,
        exposures=exposures, metrics=metrics, clock=home.clock, deadline_ms=config.serve.deadline_ms,
        words=Words(config.serve.language, config.serve.viewed),
        placements=config.placements, prepared=prepared,
        cursors=Cursors(cursor_secret(Path(config.home))),
    )  # fmt: skip
    stop = threading.Event()
    threads = [
        threading.Thread(target=keep, args=(parts, stop, config), daemon=True)
        for keep in (_keep_fresh, _keep_released, _keep_prepared)
    ]
    if home.cache is not None:
        threads.append(threading.Thread(target=_measure_cache, args=(home.cache, metrics, stop, config), daemon=True))
    for thread in threads:
        thread.start()

    def end() -> None:
        stop.set()
        for thread in threads:
            thread.join()
        if home.cache is not None:
            home.cache.close()

    return Service(parts, on_close=end)


def bundles_of(home: Home) -> Bundles:
    """Give what shows and steers what serves."""
    said = home.config.rollout
    return Bundles(home.models, home.clock, Path(home.config.home), said.schedule, said.watch_s)


def _keep_fresh(parts: Parts, stop: threading.Event, config: Config) -> None:
    logged = dropped = 0
    told_trends = told_spool = False
    while not stop.wait(config.serve.refresh_ms / 1e3):
        if orphaned(config):
            os.kill(os.getpid(), signal.SIGKILL)  # nothing is lost: what was acknowledged is durable
        try:
            parts.live.follow()
        except Exception as error:  # noqa: BLE001 - without this thread the process would serve old news for ever
            parts.metrics.fallbacks.labels("refresh").inc()
            say(f"refresh failed, serving what was known: {error!r}")
        if away := parts.live.trends_away:
            parts.metrics.fallbacks.labels("trends").inc()
        if away and not told_trends:
            say(f"no look at the trends, serving those that were known: {away}")
        told_trends = bool(away)
        exposures = parts.exposures
        parts.metrics.exposures.labels("logged").inc(exposures.written - logged)
        parts.metrics.exposures.labels("dropped").inc(exposures.dropped - dropped)
        logged, dropped = exposures.written, exposures.dropped
        _measure(parts.live, parts.metrics)
        if isinstance(parts.log, Spooled):
            told_spool = _watch_spool(parts.log, parts, told_spool)


def _watch_spool(log: Spooled, parts: Parts, told: bool) -> bool:
    """Measure what waits for the log, and say when it begins and ends to; gives whether it does."""
    metrics, spool = parts.metrics, log.spool
    metrics.spool_records.set(spool.records)
    metrics.spool_bytes.set(spool.bytes)
    metrics.spool_age.set(log.age_s(parts.clock.now_ms()))
    if bool(spool.records) != told:
        said = f"events wait for the log: {log.why}" if not told else "all events that waited are in the log"
        say(said)
    return bool(spool.records)


def _keep_released(parts: Parts, stop: threading.Event, config: Config) -> None:
    """Look for another release; beside `_keep_fresh`, because loading a bundle may take long."""
    told, training = "", Telling(Path(config.home), parts.metrics)
    counted, notes = dict[tuple[str, str], int](), Notes(Path(config.home))
    watch = Watch(parts.live, parts.models, parts.clock, limits(config))
    training.look()
    while not stop.wait(config.stores.look_ms / 1e3):
        training.look()
        try:
            parts.live.take_up_release()
            _measure_rollout(parts, counted, notes)
            if why := watch.look():
                parts.metrics.returns.inc()
                say(f"the new bundle returns: {why}")
            said, kind = parts.live.away, "away" if parts.live.away else ""  # each look words an outage differently
        except Exception as error:  # noqa: BLE001 - without this thread the process would serve one release for ever
            said = kind = repr(error)
        if said:
            parts.metrics.fallbacks.labels("release").inc()
        if kind and kind != told:
            say(f"no look at the releases, serving the one that was known: {said}")
        told = kind


def _measure_rollout(parts: Parts, counted: dict[tuple[str, str], int], notes: Notes) -> None:
    """Measure old and new bundle while one is rolled out. counted: (version, outcome) -> what was measured before."""
    rollout = parts.live.rollout
    newest = parts.live.release.rollout
    parts.metrics.tried_share.set(rollout.step.share if rollout else 0.0)
    parts.metrics.step.set(rollout.at + 1 if rollout else 0)
    parts.metrics.returned.set(newest.since_ms / 1e3 if newest and newest.ended else 0.0)
    for version in (rollout.old, rollout.new) if rollout else ():
        if arm := parts.live.arm_of(version):
            seen = arm.health.queries - arm.health.rehearsed
            now = arm.health.faults | {"answered": seen, "rehearsed": arm.health.rehearsed}
            for outcome, count in now.items():
                before = counted.get((version, outcome), 0)
                parts.metrics.tried.labels(version, outcome).inc(max(0, count - before))
                counted[version, outcome] = count
    if rollout:
        notes.write(rollout.begun_ms, known(parts.live))


def _keep_prepared(parts: Parts, stop: threading.Event, config: Config) -> None:
    """Make the lists for strangers anew; beside `_keep_fresh`, so that no news waits for them."""
    took = 0.0
    while not stop.wait(min(max(config.serve.refresh_ms / 1e3, took / SHARE), PREPARED_WITHIN_S)):
        try:
            took = parts.prepared.look(most=1)  # all at once would be in the way of answers
        except Exception as error:  # noqa: BLE001 - without this thread strangers would be shown old lists for ever
            parts.metrics.fallbacks.labels("prepared").inc()
            say(f"the lists for strangers stay as they were: {error!r}")


def _measure_cache(cache: "Cached", metrics: Metrics, stop: threading.Event, config: Config) -> None:
    """Measure the memory of user records, also for the last time."""
    before = dict.fromkeys(("hit", "miss", "unheard", "renewed"), 0)
    dropped = 0
    while True:
        ended = stop.wait(config.serve.refresh_ms / 1e3)
        now = {"hit": cache.hits, "miss": cache.misses, "unheard": cache.unheard, "renewed": cache.renewed}
        for outcome, count in now.items():
            metrics.cache.labels(outcome).inc(count - before[outcome])
        metrics.cache_dropped.inc(cache.dropped - dropped)
        before, dropped = now, cache.dropped
        metrics.cache_users.set(len(cache))
        metrics.cache_bytes.set(cache.bytes)
        while cache.delays_ms:
            metrics.cache_stale.observe(max(0.0, cache.delays_ms.popleft()))
        if ended:
            return


def _measure(live: Live, metrics: Metrics) -> None:
    metrics.refused.set(len(live.refused))
    ages = [time.time() - arm.created_ms / 1e3 for arm in live.arms() if arm.version != UNTRAINED]
    if ages:
        metrics.bundle_age.set(max(ages))


class Supervisor:
    """Runs the stream process and the API processes of a home in the foreground until it is told to stop."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stopping = threading.Event()
        self._stream: subprocess.Popen[bytes] | None = None

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until SIGINT or SIGTERM. Raises Unavailable if the port is taken."""
        serve = self._config.serve
        for port in filter(None, (serve.port, serve.grpc_port)):
            _must_be_free(serve.host, port)
        if serve.grpc_port:
            grpc_door(self._config, Metrics(CollectorRegistry()))  # said here once, not by each process
        os.environ[f"{configuration.PREFIX}SERVE__SUPERVISOR_PID"] = str(os.getpid())
        guard()
        watch = threading.Thread(target=self._watch_stream, daemon=True)
        watch.start()
        server = granian.Granian(
            "foryou.wiring.serving:application", address=serve.host, port=serve.port, interface=Interfaces.ASGI,
            workers=serve.workers, factory=True, loop=Loops.uvloop, websockets=False, log_level=LogLevels.warning,
            respawn_failed_workers=True, respawn_interval=RESTART_S, workers_kill_timeout=10, backlog=2_048,
        )  # fmt: skip
        server.on_startup(on_ready)
        try:
            server.serve()
        finally:
            self._stopping.set()
            self._end_stream()
            watch.join(timeout=10)

    def _watch_stream(self) -> None:
        """Keep one stream process running."""
        command = [sys.executable, "-m", START, "stream"]
        while not self._stopping.is_set():
            self._stream = spawn(command)
            self._stream.wait()
            if not self._stopping.wait(RESTART_S):
                say("the stream process ended; starting it again")

    def _end_stream(self) -> None:
        if self._stream and self._stream.poll() is None:
            self._stream.terminate()
            try:
                self._stream.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._stream.kill()


def _must_be_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(f"{host}:{port} cannot be listened on ({error}); choose another with --port") from None


def supervise(config: Config) -> None:
    """Run all processes of the home until SIGINT or SIGTERM. Raises Unavailable if a port is taken."""
    url = f"http://{config.serve.host}:{config.serve.port}"
    grpc = f", gRPC {config.serve.host}:{config.serve.grpc_port}" if config.serve.grpc_port else ""
    told = f"serving on {url}  (docs {url}/docs, metrics {url}/metrics{grpc}, Ctrl-C stops)"
    Supervisor(config).run(lambda: print(told, file=sys.stderr))  # noqa: T201
