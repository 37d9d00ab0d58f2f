"""What does one answer cost, stage by stage, and is it the right one? One process, one thread, no server."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.bench.scale import crowd
from foryou.domain.slate import Answer, Query
from foryou.models import index
from foryou.models.index import Index
from foryou.models.index.building import shares
from foryou.models.index.exact import Allowed, Found
from foryou.serve.pipeline import Pipeline
from foryou.serve.sources import Collaborative
from foryou.wiring.home import Home

USERS, K, WARM = 200, 20, 40
COMPARED = 100
BATCHES = (1, 8, 32)


class Recorded:
    """An index that remembers what it was asked and what it found."""

    def __init__(self, inner: Index) -> None:
        self._inner = inner
        self.asked: list[NDArray[np.float32]] = []
        self.found: list[NDArray[np.int32]] = []

    def search(self, user: NDArray[np.float32], n: int, allowed: Allowed = None) -> Found:
        """Find as the index does."""
        item, score = self._inner.search(user, n, allowed)
        self.asked += list(user)
        self.found += list(item.copy())
        return item, score


class Exactly:
    """An index that knows the exact answers to the users it was told of."""

    def __init__(self, users: NDArray[np.float32], item: NDArray[np.int64], vectors: NDArray[Any]) -> None:
        self._known = {user.tobytes(): row for user, row in zip(users, item, strict=True)}
        self._vectors = vectors

    def search(self, user: NDArray[np.float32], n: int, allowed: Allowed = None) -> Found:  # noqa: ARG002
        """Give what was worked out for these users."""
        item = np.stack([self._known[one.tobytes()][:n] for one in user]).astype(np.int32)
        return item, index.exact.products(user, self._vectors, item)


def measure(home: Home) -> dict[str, Any]:
    """Give ms and CPU ms per stage of single answers, CPU per answer in batches, and how right the index is."""
    live = home.live()
    live.refresh()
    arm = live.arm_for("")
    pipeline = arm.pipelines["home"]
    now_ms = home.clock.now_ms()
    queries = [Query(crowd.named(user), K, now_ms, user) for user in range(USERS + WARM)]
    stages: dict[str, list[float]] = {}
    for place, query in enumerate(queries):
        _, trace = pipeline.run([query])
        for name, ms, _ in trace.stages if place >= WARM else ():
            stages.setdefault(name, []).append(ms)
    return {
        "stages_of_one": [{"stage": name, "p50_ms": round(float(np.median(ms)), 4)} for name, ms in stages.items()],
        "cpu_ms_per_answer": [{"batch": size, "cpu_ms": _cpu(pipeline, queries, size)} for size in BATCHES],
        **_right(home, pipeline, queries[:COMPARED], arm.version),
    }


def _cpu(pipeline: Pipeline, queries: Sequence[Query], size: int) -> float:
    start = time.thread_time()
    for first in range(0, USERS - size + 1, size):
        pipeline.run(list(queries[first : first + size]))
    return round(1e3 * (time.thread_time() - start) / (USERS // size * size), 4)


def _right(home: Home, pipeline: Pipeline, queries: Sequence[Query], version: str) -> dict[str, float]:
    """Give recall@20 and @500 of the index for users as served, and the overlap of answers with the exact path."""
    plain = [rule for rule in pipeline.stages.adjusters if rule.name != "exploration"]
    source = next(one for one in pipeline.stages.sources if isinstance(one, Collaborative))
    recorded = Recorded(source.index)

    def answers(searched: Index) -> list[set[str]]:
        sources = [Collaborative(searched, one.places) if one is source else one for one in pipeline.stages.sources]
        like = Pipeline(replace(pipeline.stages, sources=sources, adjusters=plain), version)
        return [_items(like.run([replace(query, explain=False)])[0][0]) for query in queries]

    ours = answers(recorded)
    vectors: Any = home.models.load(version).arrays["vectors"]
    users = np.stack(recorded.asked)
    exact = index.best(vectors, users, source.places)
    at_20, at_all = shares(recorded.found, exact)
    theirs = answers(Exactly(users, exact, vectors))
    overlap = np.mean([len(one & other) / max(1, len(other)) for one, other in zip(ours, theirs, strict=True)])
    return {
        "recall_at_20": round(at_20, 4), f"recall_at_{source.places}": round(at_all, 4),
        "overlap_at_20": round(float(overlap), 4),
    }  # fmt: skip


def _items(answer: Answer) -> set[str]:
    return {item.item_id for item in answer.items}
