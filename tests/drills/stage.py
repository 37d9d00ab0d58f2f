"""On what are drills played? One set of servers that nobody else uses, a trained home, and a load on it."""

import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from crowd import Crowd
from load import Load, Seen, quantile
from machines import Machines, until
from served import Folding, Served, Settings, write
from verdict import Judge, Verdict

from foryou import config
from foryou.domain.clock import DAY_MS
from foryou.domain.ports import FeatureStore
from foryou.ingest.importers import run
from foryou.services.redis import ask
from foryou.services.s3 import BUCKET, REGION
from foryou.simulate.world import World
from foryou.stores.redis_address import address
from foryou.wiring import training
from foryou.wiring.backends import redis_features
from foryou.wiring.home import open_home
from proxy import Proxy

USERS, ITEMS = 100, 200
QUICK = {"rankers": [], "sequence_epochs": 0, "iterations": 2, "width": 16, "content_width": 16}
WITHIN_MS = 250.0
BEHIND = 30  # records, of a fold that keeps up with the load
POST = 250  # events of one call


class Stage:
    """The servers, what is served on them, and who judges. Close it."""

    def __init__(self, folder: Path, long: bool) -> None:
        self.long, self._folder, self._opened = long, folder, ExitStack()
        self.machines = Machines(folder / "services", ("kafka", "redis-cluster", "redis", "s3"))
        self._opened.callback(self.machines.close)
        self.s3 = self._opened.enter_context(closing(Proxy(self.machines.urls["s3"])))
        try:
            self._furnish()
        except BaseException:
            self.close()
            raise

    def _furnish(self) -> None:
        """Give the log a world and the bucket a bundle; then serve them."""
        now_ms = time.time_ns() // 1_000_000
        write(self._folder / "own", self.settings(stores={"read_ms": 2_000, "endpoint": self.machines.urls["s3"]}))
        self._home = home = open_home(config.load(self._folder / "own", {}, train=QUICK))
        self._opened.callback(home.close)
        world = World(now_ms - 10 * DAY_MS, users=USERS, items=ITEMS, events=20 * USERS)  # older than any trend
        run(world, home.log, lambda *_: None)
        worker = home.worker()
        worker.lease()
        worker.catch_up()
        self.model = training.train(home, lambda *_: None, force=True).manifest.version
        worker.release()
        self.log, self.features = home.log, home.features
        self.judge = self._opened.enter_context(closing(Judge(home.log, self._folder, now_ms - DAY_MS)))
        self.main = self.serve("main", workers=2)
        self.main.ready()
        until(lambda: self.main.model() == self.model, "the bundle answers")

    def settings(self, **changes: dict[str, Any]) -> Settings:
        """Give what stands in the foryou.toml of a home of this stage."""
        urls = self.machines.urls
        usual: dict[str, dict[str, Any]] = {
            "stores": {
                "log": f"{urls['kafka']}/drills", "features": urls["redis-cluster"], "models": f"s3://{BUCKET}/drills",
                "endpoint": self.s3.url, "region": REGION, "cache": str(self._folder / "cache"), "look_ms": 250,
            },
            "fold": {"batch": 200, "lease_ms": 2_000},
        }  # fmt: skip
        return {group: usual.get(group, {}) | changes.get(group, {}) for group in {**usual, **changes}}

    def serve(self, name: str, workers: int = 1, **changes: dict[str, Any]) -> Served:
        """Serve another home on these servers; it is stopped with the stage, or before."""
        served = Served(self._folder / name, self.settings(**changes), workers)
        self._opened.callback(served.close)
        return served

    def fold(self, name: str) -> Folding:
        """Start one more stream process on these servers."""
        folding = Folding(self._folder / name, self.settings())
        self._opened.callback(folding.close)
        return folding

    def records(self, url: str) -> FeatureStore:
        """Open other records than those of the cluster."""
        stores = msgspec.structs.replace(self._home.config.stores, features=url)
        opened = redis_features(url, msgspec.structs.replace(self._home.config, stores=stores), self._home.clock)
        self._opened.callback(opened.close)
        return opened

    def master_of(self, shard: int) -> str:
        """Give the process that is the master of a shard of the records."""
        key = address(self.machines.urls["redis-cluster"]).namespace
        ports = self.machines.ports("redis-cluster")
        slot = int(ask(ports[0], "cluster", "keyslot", f"{{{key}:{shard}}}"))
        for line in ask(ports[0], "cluster", "nodes").splitlines():
            _, where, flags, *_, spans = line.split(" ", 8)
            if "master" in flags and any(_holds(span, slot) for span in spans.split()):
                return f"node-{ports.index(int(where.split('@')[0].split(':')[1]))}"
        raise AssertionError(f"nobody has slot {slot}")

    def lasting(self, short_s: float, long_s: float) -> float:
        """Give how long a fault lasts, s."""
        return long_s if self.long else short_s

    def behind(self) -> int:
        """Give how many records of the log are not folded yet."""
        return self.judge.behind(self.features)

    def close(self) -> None:
        self._opened.close()

    @contextmanager
    def drill(
        self, name: str, url: str = "", tries: int = 1, features: FeatureStore | None = None
    ) -> Iterator["Drill"]:
        """Put the load on while the drill is played; then judge."""
        crowd = Crowd()
        load = Load(name.replace(" ", "-"), url or self.main.url, USERS, ITEMS, tries)
        drill = Drill(name, self, load, features or self.features, url or self.main.url)
        try:
            time.sleep(self.lasting(1, 5))
            yield drill
        finally:
            drill.seen, drill.others = load.stop(), crowd.share()
        drill.verdict = self.judge.judge(drill.features, drill.seen.acknowledged)


@dataclass(slots=True)
class Drill:
    """One drill. Whoever plays it says when the fault was felt, and when it was over."""

    name: str
    stage: Stage
    load: Load
    features: FeatureStore
    url: str
    signs: list[str] = field(default_factory=list)
    recovery_s: float = 0.0
    seen: Seen = field(default_factory=Seen)
    verdict: Verdict | None = None
    others: float = 0.0  # share of the processor that others used

    def felt(self, sign: Callable[[], object], what: str, within_s: float = 30) -> None:
        """Return once the fault shows; a drill that nobody felt proves nothing."""
        until(sign, f"{self.name}: {what}", within_s)
        self.signs.append(what)

    def burst(self, count: int) -> None:
        """Post many events at once, besides the load, and see them acknowledged."""
        for start in range(0, count, POST):
            name = f"{self.load.name}-burst-{time.monotonic_ns()}"
            events = [
                {"event_id": f"{name}-{n}", "user_id": f"user-{n % USERS + 1}", "item_id": f"item-{n % ITEMS + 1}"}
                | {"action": "view"}
                for n in range(start, min(count, start + POST))
            ]
            body = msgspec.json.encode(events)
            request = urllib.request.Request(f"{self.url}/v1/events", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.status == 202
            self.load.seen.acknowledged.update(event["event_id"] for event in events)

    def recovered(self, since: float, *also: Callable[[], object]) -> None:
        """Wait, with the load on, until all that is in the log by now is folded and whatever else must be so is so.

        `since`: monotonic seconds at which recovery could begin.
        """
        for condition in (lambda: 0 <= self.stage.judge.behind(self.features) < BEHIND, *also):
            until(condition, f"{self.name}: recovered", 90)
        self.recovery_s = time.monotonic() - since

    def row(self) -> dict[str, Any]:
        """Give the line of the report."""
        seen, verdict = self.seen, self.verdict
        return {
            "drill": self.name, "calls": seen.calls, "failed": seen.failed.total(), "retried": seen.retried,
            "p50 ms": quantile(seen.ms, 0.5), "p99 ms": quantile(seen.ms, 0.99), "max ms": quantile(seen.ms, 1.0),
            "degraded": f"{seen.degraded_calls / max(1, seen.calls):.0%}",
            "declared": ", ".join(f"{what} {count}" for what, count in seen.degraded.most_common(3)),
            "acknowledged": len(seen.acknowledged), "refused posts": seen.refusals.total(),
            "lost": verdict.lost if verdict else "?", "counted twice": verdict.twice if verdict else "?",
            "recovered s": round(self.recovery_s, 1), "felt": "; ".join(self.signs),
            "others' CPU": f"{self.others:.0%}",
        }  # fmt: skip


def _holds(span: str, slot: int) -> bool:
    first, _, last = span.partition("-")
    return first.isdecimal() and int(first) <= slot <= int(last or first)
