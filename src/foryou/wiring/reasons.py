"""Are the reasons true? Many users are answered, then asked again from records without what the reasons name."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from foryou.domain.event import hash64, hashes
from foryou.domain.log import Stream
from foryou.domain.records import UserRecord
from foryou.domain.slate import Answer, Query, QueryBatch, Shown
from foryou.features.hydrate import assemble_batch
from foryou.serve.pipeline import Pipeline
from foryou.wiring.home import Home

Progress = Callable[[str, int, int], None]
READ = 5_000
TOGETHER = 32  # questions asked at a time


@dataclass(frozen=True, slots=True)
class Trial:
    """One reason put to the test: how far the score fell without these items of the history.

    `reach`: how far it stood above the last place of its list. `left`: it would not be shown any more.
    """

    user_id: str
    item_id: str
    source: str
    without: tuple[str, ...]
    score: float
    fall: float
    reach: float
    left: bool


@dataclass(frozen=True, slots=True)
class Part:
    """The trials of one kind: how many there were, how many fell, the median and the smallest tenth of the falls.

    `of_reach`: the median fall as a share of the distance to the last place, of the items above it.
    """

    trials: int
    fell: int
    median_fall: float
    p10_fall: float
    median_of_reach: float
    left: int


@dataclass(slots=True)
class Verified:
    """What became of all trials."""

    users: int = 0
    items: int = 0
    codes: dict[str, int] = field(default_factory=dict)  # code of the reason -> items shown
    trials: list[Trial] = field(default_factory=list)

    @property
    def true(self) -> bool:
        """Say whether every score fell."""
        return all(trial.fall > 0 for trial in self.trials)

    @property
    def wrong(self) -> list[Trial]:
        """Give the trials in which the score did not fall."""
        return [trial for trial in self.trials if trial.fall <= 0]

    def parts(self) -> dict[str, Part]:
        """Give the figures of all trials, of single items and pairs, and by the source of the item."""
        groups: dict[str, list[Trial]] = defaultdict(list)
        for trial in self.trials:
            for name in ("all", "single" if len(trial.without) == 1 else "together", f"from {trial.source}"):
                groups[name].append(trial)
        return {name: _part(trials) for name, trials in groups.items()}


def _part(trials: Sequence[Trial]) -> Part:
    fall = np.array([trial.fall for trial in trials])
    reach = np.array([trial.reach for trial in trials])
    median, low = np.percentile(fall, (50, 10))
    share = float(np.median(fall[reach > 0] / reach[reach > 0])) if (reach > 0).any() else 0.0
    left = sum(trial.left for trial in trials)
    return Part(len(trials), int((fall > 0).sum()), float(median), float(low), share, left)


def verify(home: Home, users: int, k: int, now_ms: int, on_progress: Progress) -> Verified:
    """Put the reasons of up to `users` users of the home to the test."""
    live = home.live()
    live.refresh(now_ms)
    people = some_users(home, users)
    found = Verified(users=len(people))
    for start in range(0, len(people), TOGETHER):
        for user in people[start : start + TOGETHER]:
            query = Query(user, k, now_ms, hash64(f"{user}:verify"))
            tried(live.arm_for(user).pipelines["home"], query, found)
        on_progress("verify", min(start + TOGETHER, len(people)), len(people))
    return found


def some_users(home: Home, users: int) -> list[str]:
    """Give up to so many users of the log, drawn by the hash of their ids: the same ones each time."""
    known = set[str]()
    for partition, end in home.log.ends(Stream.EVENTS).items():
        after = -1
        while after < end and (entries := home.log.read(Stream.EVENTS, partition, after, READ)):
            known.update(entry.record.key for entry in entries)
            after = entries[-1].offset
    return sorted(known, key=hash64)[:users]


def tried(pipeline: Pipeline, query: Query, found: Verified) -> None:
    """Answer a query, then again without what the reasons name, and note how far each score falls.

    The second answer is worked out from records that never had those actions, by all stages; inputs that tell how an
    item stands among the candidates keep the measure of the first answer.
    """
    seen: list[QueryBatch] = []
    answer = _answers(pipeline, [query], lambda queries: _kept(seen, pipeline.stages.hydrate(queries)))[0]
    found.items += len(answer.items)
    for item in answer.items:
        found.codes[item.reason.code] = found.codes.get(item.reason.code, 0) + 1
    asked = [
        (item, without) for item in answer.items if item.reason.code == "history"
        for without in dict.fromkeys([*((name,) for name in item.reason.because), item.reason.because])
    ]  # fmt: skip
    cutoff = min((item.score for item in answer.items), default=0.0)
    for start in range(0, len(asked), TOGETHER):
        some = asked[start : start + TOGETHER]
        queries = [replace(query, asked=item.item_id, explain=False) for item, _ in some]
        again = _answers(pipeline, queries, _forgetful(seen[0], [without for _, without in some]))
        found.trials += [
            _trial(query, item, without, answer, cutoff)
            for (item, without), answer in zip(some, again, strict=True)
        ]  # fmt: skip


def _kept(seen: list[QueryBatch], batch: QueryBatch) -> QueryBatch:
    seen.append(batch)
    return batch


def _forgetful(batch: QueryBatch, gone: Sequence[Sequence[str]]) -> Callable[[list[Query]], QueryBatch]:
    """Give a `hydrate` that reads the one record of the batch, each time without some items."""

    def hydrate(queries: list[Query]) -> QueryBatch:
        records = [without_items(batch.people[0], hashes(list(items)).tolist()) for items in gone]
        again = assemble_batch(queries, records, batch.view)
        again.measure = batch.measures([0] * len(queries))
        return again

    return hydrate


def without_items(record: UserRecord, hashes: Sequence[int]) -> UserRecord:
    """Forget every action on these items: older ones take their places."""
    kept, item = np.ones(len(record.history), np.bool_), record.history["item"]
    for one in hashes:
        kept &= item != np.uint64(one)
    return replace(record, history=record.history[kept])


def _answers(pipeline: Pipeline, queries: list[Query], hydrate: Callable[[list[Query]], QueryBatch]) -> list[Answer]:
    again = Pipeline(replace(pipeline.stages, hydrate=hydrate), pipeline.version)
    return again.run(queries)[0]


def _trial(query: Query, item: Shown, without: tuple[str, ...], answer: Answer, cutoff: float) -> Trial:
    verdict = answer.verdict
    assert verdict is not None  # the item was asked for
    return Trial(
        query.user_id, item.item_id, item.source, without, item.score, item.score - verdict.score,
        item.score - cutoff, verdict.outcome != "shown",
    )  # fmt: skip
