"""Is a new bundle fit to serve? Judged on days that it has not seen, and put beside the one that serves.

The figures are those of the same recipe, fitted without the last days and lived through them; the bundle itself is
fitted on everything afterwards. Beside the one that serves only what both would show can be compared, not how well:
that one has seen most of those days.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou.domain.bundle import Gate
from foryou.domain.catalog import Catalog
from foryou.domain.clock import DAY_MS
from foryou.domain.slate import Answer
from foryou.train import evaluate, metrics, replay
from foryou.train.dataset import Interactions

DAYS = 7
LEAST = 100  # events held out; with fewer nothing can be judged
MOST = 0.4  # of the events: where the last days hold more, or too few, the newest SHARE is held out
SHARE = 0.2
REQUESTS = 600  # of which both bundles' answers are compared, the newest
CLEARLY = 1.05  # times popularity
WORSE, MUCH_WORSE = 0.95, 0.8  # times the figure of the gate before
COVERED = 0.95  # of the lists of new users must be whole
OVERLAP, SHIFT = 0.3, 0.3  # less in common, or more moved between categories, is worth a look
Progress = Callable[[str, int, int], None]


class Judged(msgspec.Struct, frozen=True):
    """Figures of the held-out days, see `evaluate`; `by_day`: day since 1970 -> events, NDCG@10."""

    events: int
    users: int
    since_ms: int
    days: float
    pipeline: dict[str, float] = {}
    popularity: dict[str, float] = {}
    ratio: dict[str, float] = {}
    lists: dict[str, float] = {}
    time_split: dict[str, float] = {}
    slices: dict[str, dict[str, float]] = {}
    new_users: dict[str, dict[str, float]] = {}
    sources: dict[str, int] = {}
    by_day: dict[int, tuple[int, float]] = {}


class Compared(msgspec.Struct, frozen=True):
    """What two bundles answer to the same requests.

    logged: they were asked for real; else they are those of the held-out days. overlap: mean share of ten items that
    both show, with its interval by users. shift: half the sum of changes of the categories' shares (total variation).
    categories: name -> share before, share now. segments: of users, by what they had done -> figures.
    """

    version: str
    requests: int
    logged: bool
    overlap: float
    low: float
    high: float
    shift: float
    categories: dict[str, tuple[float, float]]
    segments: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Request:
    """Who asked when."""

    user_id: str
    at_ms: int


def held_out(log: Interactions) -> int:
    """Give the row of a log in time order from which it is held out: of its last seven days, or its newest fifth."""
    if not len(log):
        return 0
    cut = int(np.searchsorted(log.at_ms // 1_000, (int(log.at_ms[-1]) - DAYS * DAY_MS) // 1_000))
    if LEAST <= len(log) - cut <= MOST * len(log):
        return cut
    return int(len(log) * (1 - SHARE))


def judge(
    log: Interactions, cut: int, catalog: Catalog, variants: evaluate.Variants, on_progress: Progress
) -> Judged:  # fmt: skip
    """Live through the rows from `cut` on with a pipeline that was fitted on those before."""
    if cut < LEAST or len(log) - cut < LEAST:
        return Judged(len(log) - cut, len(np.unique(log.user[cut:])), 0, 0.0)
    told = partial(on_progress, "replay")
    run = replay.replay_pipeline(log, cut, len(log), catalog, variants.served(), metrics.K, True, told)
    gain, popular = metrics.ndcg_of_rank(run.rank), _popularity(log, cut)
    ratio = metrics.paired_bootstrap(gain, popular, run.user)
    low, high = metrics.interval(popular, run.user)
    before, day = evaluate.done_before(log, cut), log.at_ms[cut:] // DAY_MS
    return Judged(
        events=len(gain), users=len(np.unique(run.user)), since_ms=int(log.at_ms[cut]),
        days=round((int(log.at_ms[-1]) - int(log.at_ms[cut])) / DAY_MS, 2),
        pipeline=evaluate.figures(run.rank, run.user),
        popularity={"ndcg_at_10": float(popular.mean()), "ndcg_low": low, "ndcg_high": high},
        ratio={"value": ratio.value, "low": ratio.low, "high": ratio.high},
        lists=evaluate.lists(run.answers, catalog, log, cut),
        time_split=evaluate.time_split(log, cut, catalog, variants),
        slices=evaluate.slices(log, cut, before, {"ndcg_at_10": gain, "popularity": popular}),
        new_users=evaluate.newcomers(run.answers, log, cut, catalog),
        sources=evaluate.contributions(run.answers),
        by_day={int(one): (int((day == one).sum()), float(gain[day == one].mean())) for one in np.unique(day)},
    )  # fmt: skip


def _popularity(log: Interactions, cut: int) -> NDArray[np.float64]:
    """Give NDCG@10 of each held-out event if everybody were shown what is popular until then."""
    liked = log.item[:cut][log.taste[:cut] > 0]
    column = np.bincount(liked, minlength=log.items + 1).astype(np.float32)
    shown = replay.window(log, cut, len(log))
    return metrics.ndcg_of_rank(replay.ranks(shown, lambda history, taste: np.tile(column, (len(history), 1))))


def compare(
    version: str, log: Interactions, catalog: Catalog, asked: Sequence[Request], logged: bool,
    ours: replay.Rehearsal, theirs: replay.Rehearsal, on_progress: Progress,
) -> Compared:  # fmt: skip
    """Answer the newest requests with both, each with the records of its moment. `version`: of the one that serves."""
    asked = sorted(asked, key=lambda one: one.at_ms)[-REQUESTS:]
    events, second = log.events(catalog), log.at_ms // 1_000
    pairs: list[tuple[Answer, Answer]] = []
    for both in (ours, theirs):
        both.know(log.user_ids, log.people)
    fed = 0
    bounds = [*range(0, len(asked), replay.BATCH), len(asked)]
    for start, end in pairwise(bounds):
        some = asked[start:end]
        until = int(np.searchsorted(second, some[0].at_ms // 1_000))
        for both in (ours, theirs):
            both.feed_all(events[fed:until])
        fed = max(fed, until)
        names, times = [one.user_id for one in some], [one.at_ms for one in some]
        pairs += zip(*(both.ask(names, times, metrics.K) for both in (ours, theirs)), strict=True)
        on_progress("compare", end, len(asked))
    return _compared(version, log, catalog, asked, logged, pairs)


def _compared(
    version: str, log: Interactions, catalog: Catalog, asked: Sequence[Request], logged: bool,
    pairs: Sequence[tuple[Answer, Answer]],
) -> Compared:  # fmt: skip
    shown = [[[catalog.number(item.item_id) for item in answer.items] for answer in pair] for pair in pairs]
    overlap = np.array([len({*now} & {*then}) / max(1, len(now), len(then)) for now, then in shown])
    names = np.unique([one.user_id for one in asked], return_inverse=True)[1] if asked else np.zeros(0, np.int64)
    low, high = metrics.interval(overlap, names) if len(overlap) else (float("nan"), float("nan"))
    shares = [_shares(catalog, [number for pair in shown for number in pair[place]]) for place in (1, 0)]  # before, now
    every = {name: (shares[0].get(name, 0.0), shares[1].get(name, 0.0)) for name in shares[0] | shares[1]}
    moved = sorted(every, key=lambda name: -abs(every[name][1] - every[name][0]))
    count = np.bincount(log.item, minlength=log.items + 1)
    return Compared(
        version, len(pairs), logged, float(overlap.mean()) if len(overlap) else float("nan"), low, high,
        sum(abs(now - then) for then, now in every.values()) / 2, {name: every[name] for name in moved[:12]},
        _segments(log, asked, shown, overlap, count),
    )  # fmt: skip


def _shares(catalog: Catalog, items: Sequence[int]) -> dict[str, float]:
    """Give the share of each (first) category in what was shown."""
    category, count = np.unique(catalog.category[np.array(items, np.int64)], return_counts=True)
    return {
        catalog.category_name(int(number)) or "(none)": float(n) / len(items)
        for number, n in zip(category, count, strict=True)
    }


def _segments(
    log: Interactions, asked: Sequence[Request], shown: Sequence[Sequence[Sequence[int]]],
    overlap: NDArray[np.float64], count: NDArray[np.int64],
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Give, by how much their users had done, how many requests there are, what both share, how popular both are."""
    number = {name: place for place, name in enumerate(log.user_ids)}
    done = np.array([
        np.searchsorted(log.at_ms[log.user == number[one.user_id]], one.at_ms) if one.user_id in number else 0
        for one in asked
    ])  # fmt: skip
    groups = {
        "new users": done < evaluate.NEW_USER, "heavy users": done >= evaluate.HEAVY_USER,
        "all others": (done >= evaluate.NEW_USER) & (done < evaluate.HEAVY_USER),
    }  # fmt: skip

    def popular(rows: NDArray[np.intp], place: int) -> float:
        items = [item for row in rows.tolist() for item in shown[row][place]]
        return float(np.log2(1 + count[items]).mean()) if items else 0.0

    return {
        name: {
            "requests": float(rows.sum()), "overlap": float(overlap[rows].mean()),
            "log2_events_before": popular(np.flatnonzero(rows), 1), "log2_events_now": popular(np.flatnonzero(rows), 0),
        }
        for name, rows in groups.items()
        if rows.any()
    }  # fmt: skip


def decide(
    judged: Judged, compared: Compared | None, before: Gate | None, arrays: Mapping[str, NDArray[np.generic]]
) -> Gate:
    """Give the verdict in words. `before`: of the bundle that serves; `arrays`: of the new one."""
    against, doubts = _against(judged, before, arrays), _doubts(judged, compared, before)
    figures = {
        "events": float(judged.events), **judged.pipeline, **judged.lists, "popularity_ndcg_at_10":
        judged.popularity.get("ndcg_at_10", 0.0), "auc": judged.time_split.get("auc", float("nan")),
        "recall_at_10": judged.time_split.get("recall_at_10", float("nan")),
    }  # fmt: skip
    if compared:
        figures |= {"overlap_at_10": compared.overlap, "category_shift": compared.shift}
    figures = {name: value for name, value in figures.items() if np.isfinite(value)}
    if against:
        return Gate("refuse", "; ".join(against), figures)
    if doubts:
        return Gate("warn", "; ".join(doubts), figures)
    ours, popular = judged.pipeline["ndcg_at_10"], judged.popularity["ndcg_at_10"]
    said = (
        f"NDCG@10 {ours:.4f} ({judged.pipeline['ndcg_low']:.4f}..{judged.pipeline['ndcg_high']:.4f}) on"
        f" {judged.events:,} events of {judged.days:g} held-out days, popularity {popular:.4f}"
    )
    return Gate(
        "pass", said + (f"; {compared.overlap:.0%} in common with {compared.version}" if compared else ""), figures
    )


def _against(judged: Judged, before: Gate | None, arrays: Mapping[str, NDArray[np.generic]]) -> list[str]:
    broken = [name for name, one in arrays.items() if one.dtype.kind == "f" and not np.isfinite(one).all()]
    found = [f"array {name} holds numbers that are not finite" for name in sorted(broken)]
    if not judged.pipeline:
        return found
    ours, popular = judged.pipeline["ndcg_at_10"], judged.popularity["ndcg_at_10"]
    if ours < popular:
        found.append(f"NDCG@10 {ours:.4f} is worse than showing everybody what is popular, {popular:.4f}")
    covered = judged.new_users.get("no_history", {}).get("coverage", 1.0)
    if covered < COVERED:
        found.append(f"only {covered:.0%} of the lists for users without a history are whole")
    low = before.metrics.get("ndcg_low", 0.0) if before else 0.0
    past = before.metrics.get("ndcg_at_10", 0.0) if before else 0.0
    if judged.pipeline["ndcg_high"] < low and ours < MUCH_WORSE * past:
        found.append(f"NDCG@10 {ours:.4f} is far below that of the gate before, {past:.4f}, and their intervals part")
    return found


def _doubts(judged: Judged, compared: Compared | None, before: Gate | None) -> list[str]:
    if not judged.pipeline:
        return [f"{judged.events} held-out events are too few to judge by"]
    ours, popular = judged.pipeline["ndcg_at_10"], judged.popularity["ndcg_at_10"]
    past = before.metrics.get("ndcg_at_10", 0.0) if before else 0.0
    found = []
    if ours < CLEARLY * popular:
        found.append(f"NDCG@10 {ours:.4f} is hardly better than popularity, {popular:.4f}")
    if past and "ndcg_low" in (before.metrics if before else {}) and ours < WORSE * past:
        found.append(f"NDCG@10 {ours:.4f} is below that of the gate before, {past:.4f}")
    if compared and compared.requests and compared.overlap < OVERLAP:
        found.append(f"only {compared.overlap:.0%} of what {compared.version} shows would still be shown")
    if compared and compared.requests and compared.shift > SHIFT:
        found.append(f"{compared.shift:.0%} of what is shown moves to other categories")
    return found
