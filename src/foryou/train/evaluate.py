"""How good is what is served? Two protocols over the newest part of the log, beside tuned baselines of the same run.

`replay`      the served pipeline lives through the newest share of the log: each page predicted, then fed in
`time split`  one list per user at the cut, records frozen, against everything that the user did afterwards
Settings are tuned on the window before the test; the test is looked at once.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.errors import Invalid
from foryou.domain.slate import Answer
from foryou.train import baselines, metrics, replay
from foryou.train.dataset import Interactions

NEW_USER = 3  # events: a user with fewer before the prediction is new
HEAVY_USER = 100
Made = Callable[[], replay.Rehearsal]


@dataclass(frozen=True, slots=True)
class Variants:
    """The pipelines to judge, each a fresh rehearsal: as served; without exploration and cap."""

    served: Made
    plain: Made


@dataclass(slots=True)
class Judgement:
    """Figures of one run, ready for JSON."""

    protocol: dict[str, Any] = field(default_factory=dict)
    pipeline: dict[str, Any] = field(default_factory=dict)
    baselines: dict[str, Any] = field(default_factory=dict)
    comparisons: dict[str, Any] = field(default_factory=dict)
    slices: dict[str, Any] = field(default_factory=dict)
    new_users: dict[str, Any] = field(default_factory=dict)  # lists that newcomers got: coverage, categories
    time_split: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)  # items shown, by source that found them
    rules: dict[str, int] = field(default_factory=dict)  # candidates dropped, by rule


def judge(
    log: Interactions, cut: int, catalog: Catalog, variants: Variants, on_progress: Callable[[str, int, int], None]
) -> Judgement:
    """Run both protocols on rows from `cut` on. The pipelines were fitted on the rows before it, nothing else."""
    if not 0 < cut < len(log):
        raise Invalid("events", f"{len(log)} are too few to hold any back", "import more, at least a hundred")
    done = Judgement()
    done.protocol = {"events": len(log) - cut, "users": len(np.unique(log.user[cut:])), "fitted_on": cut}

    def replayed(name: str, made: Made, live: bool) -> replay.Replayed:
        told = partial(on_progress, f"replay {name}")
        return replay.replay_pipeline(log, cut, len(log), catalog, made(), metrics.K, live, told)

    ours = {
        "plain": replayed("plain", variants.plain, True),
        "served": replayed("served", variants.served, True),
        "frozen": replayed("frozen", variants.plain, False),
    }
    user = ours["plain"].user
    gains = {name: metrics.ndcg_of_rank(run.rank) for name, run in ours.items()}
    done.pipeline = {name: figures(run.rank, user) for name, run in ours.items()}
    done.pipeline["served"] |= lists(ours["served"].answers, catalog, log, cut)
    theirs = _baselines(log, cut, done, on_progress)
    before = done_before(log, cut)
    _compare(done, gains, theirs, user, before < NEW_USER)
    done.slices = slices(log, cut, before, {"pipeline": gains["plain"], **theirs})
    done.new_users = newcomers(ours["served"].answers, log, cut, catalog)
    done.time_split = time_split(log, cut, catalog, variants)
    done.sources = contributions(ours["served"].answers)
    done.rules = dict(ours["served"].dropped)
    return done


def figures(rank: NDArray[np.int32], user: NDArray[np.int32]) -> dict[str, float]:
    """Give NDCG@10 with its interval, hit rate and precision at 10 of predictions with one relevant item each."""
    gain, hit = metrics.ndcg_of_rank(rank), (rank >= 0) & (rank < metrics.K)
    low, high = metrics.interval(gain, user)
    return {
        "ndcg_at_10": float(gain.mean()), "ndcg_low": low, "ndcg_high": high, "hr_at_10": float(hit.mean()),
        "precision_at_10": float(hit.mean()) / metrics.K,
    }  # fmt: skip


def _baselines(
    log: Interactions, cut: int, done: Judgement, on_progress: Callable[[str, int, int], None]
) -> dict[str, NDArray[np.float64]]:
    """Tune each baseline on the window before the test, fit it again up to the cut, and replay the test once."""
    before, shown = log.part(0, cut), replay.window(log, cut, len(log))
    gains = {}
    for chosen in baselines.tuned(before, int(cut * 0.8), lambda a, b: on_progress("tune baselines", a, b)):
        baseline = chosen.baseline
        rank = replay.ranks(shown, baseline.fit(before))
        gains[baseline.name] = metrics.ndcg_of_rank(rank)
        done.baselines[baseline.name] = figures(rank, log.user[cut:]) | {
            "settings": baseline.settings, "validation_ndcg_at_10": chosen.validation_ndcg
        }  # fmt: skip
    return gains


def _compare(
    done: Judgement,
    gains: dict[str, NDArray[np.float64]],
    theirs: dict[str, NDArray[np.float64]],
    user: NDArray[np.int32],
    new: NDArray[np.bool_],
) -> None:
    best = max(theirs, key=lambda name: float(theirs[name].mean()))
    pairs = {
        f"plain_vs_{best}": (gains["plain"], theirs[best]),
        "live_vs_frozen": (gains["plain"], gains["frozen"]),
        "served_vs_plain": (gains["served"], gains["plain"]),
        "new_users_vs_popularity": (gains["plain"][new], theirs["popularity"][new]),
    }
    done.comparisons = {
        name: {"ratio": ratio.value, "low": ratio.low, "high": ratio.high}
        for name, (a, b) in pairs.items()
        if b.any()
        for ratio in (metrics.paired_bootstrap(a, b, user if len(a) == len(user) else user[new]),)
    }
    done.comparisons["best_baseline"] = best


def done_before(log: Interactions, cut: int) -> NDArray[np.int64]:
    """Give how many events its user had before each event of the test.  int64 [n - cut]"""
    past = np.zeros(len(log.user_ids), np.int64)
    before = np.empty(len(log) - cut, np.int64)
    np.add.at(past, log.user[:cut], 1)
    for page in replay.pages(log, cut, len(log)):
        before[page.start - cut : page.end - cut] = past[page.user]
        past[page.user] += page.end - page.start
    return before


def slices(
    log: Interactions, cut: int, before: NDArray[np.int64], gains: dict[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """Give the mean gain of each model for new users, heavy users, new items and users without a history."""
    known = np.bincount(log.item[:cut], minlength=log.items + 1) > 0
    groups = {
        "new_users": before < NEW_USER, "heavy_users": before >= HEAVY_USER, "new_items": ~known[log.item[cut:]],
        "no_history": before == 0,
    }  # fmt: skip
    return {
        name: {"events": int(rows.sum()), **{who: float(gain[rows].mean()) for who, gain in gains.items()}}
        for name, rows in groups.items()
        if rows.any()
    }


def newcomers(answers: list[Answer], log: Interactions, cut: int, catalog: Catalog) -> dict[str, Any]:
    """Give, of the lists for users without a history and for those with little, the covered share and categories.

    Answers are those of the replay's pages, in order. A list is covered if it is whole (`Answer.whole`).
    """
    past = np.bincount(log.user[:cut], minlength=len(log.user_ids))
    groups: dict[str, list[Answer]] = {"no_history": [], "new_users": []}
    for page, answer in zip(replay.pages(log, cut, len(log)), answers, strict=True):
        if answer.cold:
            groups["no_history"].append(answer)
        if past[page.user] < NEW_USER:
            groups["new_users"].append(answer)
        past[page.user] += page.end - page.start
    return {
        name: {
            "lists": len(found),
            "coverage": float(np.mean([answer.whole(metrics.K) for answer in found])),
            "categories_per_list": float(np.mean([_categories(answer, catalog) for answer in found])),
        }
        for name, found in groups.items()
        if found
    }


def _categories(answer: Answer, catalog: Catalog) -> int:
    return len({int(catalog.category[catalog.number(item.item_id)]) for item in answer.items} - {0})


def lists(answers: list[Answer], catalog: Catalog, log: Interactions, cut: int) -> dict[str, float]:
    """Give coverage, categories per list and novelty of what was shown."""
    count = np.bincount(log.item[:cut], minlength=log.items + 1)
    shown = [[catalog.number(item.item_id) for item in answer.items] for answer in answers]
    flat = np.array([number for items in shown for number in items], np.int64)
    share = np.maximum(count[flat], 1) / max(1, count.sum())
    categories = [_categories(answer, catalog) for answer in answers if answer.items]
    return {
        "catalog_coverage": len(np.unique(flat)) / max(1, len(catalog)),
        "categories_per_list": float(np.mean(categories)),
        "intra_list_diversity": _diversity(shown, catalog),
        "novelty_bits": float(-np.log2(share).mean()),
    }


def _diversity(shown: list[list[int]], catalog: Catalog) -> float:
    """Give the mean share of pairs of a list that are of different (first) categories."""
    shares = []
    for items in shown:
        if len(items) > 1:
            _, same = np.unique(catalog.category[items], return_counts=True)
            shares.append(1 - float((same * (same - 1)).sum()) / (len(items) * (len(items) - 1)))
    return float(np.mean(shares)) if shares else 0.0


def time_split(log: Interactions, cut: int, catalog: Catalog, variants: Variants) -> dict[str, Any]:
    """One list per user at the cut against all that the user did afterwards and had not done before.

    auc: how often, of the 1,000 candidates of a user, one that was taken up stands before one that was not.
    """
    later: dict[int, set[int]] = {}
    for user, item in zip(log.user[cut:].tolist(), log.item[cut:].tolist(), strict=True):
        later.setdefault(user, set()).add(item)
    users = list(later)
    rehearsal = variants.plain()
    rehearsal.know(log.user_ids, log.people)
    rehearsal.feed_all(log.part(0, cut).events(catalog))
    scores, reached, areas = [], [], []
    for start in range(0, len(users), 32):
        batch = users[start : start + 32]
        names, now = [log.user_ids[user] for user in batch], [int(log.at_ms[cut])] * len(batch)
        answers, candidates = rehearsal.ask(names, now, metrics.K), rehearsal.ask(names, now, 1_000)
        for user, answer, found in zip(batch, answers, candidates, strict=True):
            scores.append(metrics.score_list([catalog.number(item.item_id) for item in answer.items], later[user]))
            proposed = [catalog.number(item.item_id) for item in found.items]
            reached.append(len(later[user].intersection(proposed)) / len(later[user]))
            areas += metrics.area(np.array([number in later[user] for number in proposed], np.bool_))
    return {
        "users": len(users),
        "precision_at_10": float(np.mean([one.precision for one in scores])),
        "recall_at_10": float(np.mean([one.recall for one in scores])),
        "ndcg_at_10": float(np.mean([one.ndcg for one in scores])),
        "hr_at_10": float(np.mean([one.hit for one in scores])),
        "candidate_recall_at_1000": float(np.mean(reached)),
        "auc": float(np.mean(areas)) if areas else float("nan"),
    }


def contributions(answers: list[Answer]) -> dict[str, int]:
    """Count which source brought each item shown."""
    return dict(Counter(name for answer in answers for item in answer.items for name in {item.source, *item.found_by}))
