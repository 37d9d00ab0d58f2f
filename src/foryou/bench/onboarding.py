"""What are the questions to newcomers worth? First pages after our questions, after others, and without any.

Users of the newest fifth of the log who have no history before it are asked, and answer with their own later ratings:
4 and 5 are likes, 1 and 2 dislikes, 3 and what they never rated is passed over. Whatever a user was asked about in any
arm is neither shown to him nor counted in any arm, so that all arms are judged by the same items.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.event import CODE, LOW_RATING, Action, Event
from foryou.domain.records import Core
from foryou.models.onboarding import Questions
from foryou.train import metrics, replay
from foryou.train.dataset import Interactions
from foryou.wiring import training
from foryou.wiring.home import Home, questions

LIKED = 4.0  # a rating from here on is told as a like
POPULAR = 200  # random questions are drawn from so many of the most popular items
CHOSEN = 3  # interests that a user names
ARMS = ("nothing", "profile", "questions", "popular", "random", "interests", "both")
MEANING = {
    "nothing": "nothing is known of the user", "profile": "age, gender and location are known",
    "questions": "our questions", "popular": "the most popular items are asked about",
    "random": f"items drawn from the {POPULAR} most popular ones", "both": "our questions and interests",
    "interests": f"up to {CHOSEN} of our categories, those that the ratings of the asked items favour most",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Newcomer:
    """One user: the rows of his log, and which items each arm asks about."""

    user: int
    rows: NDArray[np.int64]
    asked: dict[str, tuple[int, ...]]

    def anywhere(self) -> set[int]:
        """Give what any arm asks about."""
        return {item for items in self.asked.values() for item in items}


def measure(home: Home, count: int, on_progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Fit on the older part of the log, ask the newcomers of the rest; gives NDCG@10 of their first pages by arm."""
    log, catalog, _ = training.snapshot(home, on_progress)
    log = replay.by_page(log)
    cut = int(len(log) * (1 - home.config.train.validation_share))
    fitted = training.fitting(home.config, on_progress)
    bundle, _ = fitted.bundle(log.part(0, cut), catalog, "asking", 0, Path(home.config.home) / "work")
    chosen = questions(bundle, catalog)
    people = newcomers(log, cut, chosen, np.asarray(bundle.arrays["popular"], np.int32), count)
    lived = training.rehearsal(bundle, catalog, home.config, home.config.placements["home"])
    before = log.part(0, cut)
    usual = _shares(catalog, before.item[_liked(before)])
    cores = {arm: [_core(log, catalog, arm, one, chosen.categories[:count], usual) for one in people] for arm in ARMS}
    lived.know([_name(arm, one) for arm in ARMS for one in people], [core for arm in ARMS for core in cores[arm]])
    lived.feed_all(before.events(catalog))
    found = {}
    for place, arm in enumerate(ARMS):
        found[arm] = _arm(lived, log, catalog, arm, people)
        on_progress("arms", place + 1, len(ARMS))
    return _figures(found, people, log, count)


def newcomers(log: Interactions, cut: int, chosen: Questions, popular: NDArray[np.int32], count: int) -> list[Newcomer]:
    """Give the users without a row before `cut`, asked `count` questions by each arm, who did something else, too."""
    random, pool = np.random.default_rng(0), popular[:POPULAR]
    known = set(log.user[:cut].tolist())
    found = []
    for user in np.unique(log.user[cut:]).tolist():
        if user in known:
            continue
        ours = tuple(chosen.items[:count].tolist())
        drawn = tuple(random.choice(pool, min(count, len(pool)), replace=False).tolist())
        asked = {"questions": ours, "both": ours, "popular": tuple(pool[:count].tolist()), "random": drawn}
        one = Newcomer(user, np.flatnonzero(log.user == user), asked)
        if set(log.item[one.rows].tolist()) - one.anywhere():
            found.append(one)
    return found


def _liked(log: Interactions) -> NDArray[np.bool_]:
    rated = log.action == CODE[Action.RATING]
    return np.where(rated, log.value >= LIKED, log.taste > 0)


def _disliked(log: Interactions) -> NDArray[np.bool_]:
    rated = log.action == CODE[Action.RATING]
    return np.where(rated, log.value <= LOW_RATING, log.taste < 0)


def _shares(catalog: Catalog, items: NDArray[np.int32]) -> NDArray[np.float64]:
    """Give how often the categories are among the items.  float64 [K+1]"""
    count = np.bincount(catalog.categories.take(items)[0], minlength=len(catalog.category_names) + 1)
    return np.asarray(count / max(1, count.sum()), np.float64)


def _name(arm: str, one: Newcomer) -> str:
    return f"{arm}/{one.user}"


def _core(
    log: Interactions, catalog: Catalog, arm: str, one: Newcomer, categories: NDArray[np.int32], usual: NDArray[Any]
) -> Core:
    """Give what the profile of a newcomer says in an arm."""
    if arm == "profile" and log.people:
        return log.people[one.user]
    if arm not in ("interests", "both"):
        return Core()
    mine = log.where(one.rows[np.isin(log.item[one.rows], list(one.anywhere()))])
    likes, dislikes = (_shares(catalog, mine.item[rows]) for rows in (_liked(mine), _disliked(mine)))
    favour = (likes - dislikes / 2 - usual / 2 if dislikes.any() else likes - usual)[categories]
    best = [place for place in np.argsort(-favour, kind="stable")[:CHOSEN].tolist() if favour[place] > 0]
    return msgspec.structs.replace(
        Core(), interests=tuple(catalog.category_name(int(categories[place])) for place in best)
    )


def _arm(
    lived: replay.Rehearsal, log: Interactions, catalog: Catalog, arm: str, people: Sequence[Newcomer]
) -> list[tuple[list[int], int]]:
    """Give the first page of each newcomer in an arm, and how many questions he answered."""
    now_ms = int(log.at_ms[min(one.rows[0] for one in people)])
    likes, dislikes = _liked(log), _disliked(log)
    events, answered = [], []
    for one in people:
        told = [row for row in one.rows.tolist() if log.item[row] in one.asked.get(arm, ())]
        told = [row for row in told if likes[row] or dislikes[row]]
        answered.append(len(told))
        events += [
            Event(
                event_id=f"{arm}-{row}", user_id=_name(arm, one), action=Action.LIKE if likes[row] else Action.DISLIKE,
                at_ms=now_ms, item_id=catalog.id_of(int(log.item[row])), received_ms=now_ms,
            )
            for row in told
        ]  # fmt: skip
    if events:
        lived.feed(events)
    pages = []
    for start in range(0, len(people), replay.BATCH):
        part = people[start : start + replay.BATCH]
        hidden = [tuple(catalog.id_of(item) for item in sorted(one.anywhere())) for one in part]
        shown = lived.ask([_name(arm, one) for one in part], [now_ms] * len(part), metrics.K, hidden)
        pages += [[catalog.number(item.item_id) for item in answer.items] for answer in shown]
    return list(zip(pages, answered, strict=True))


def _figures(
    found: dict[str, list[tuple[list[int], int]]], people: Sequence[Newcomer], log: Interactions, count: int
) -> dict[str, Any]:
    likes = _liked(log)
    gains, rows = {}, []
    for arm, pages in found.items():
        done, liked = [], []
        for one, (page, _) in zip(people, pages, strict=True):
            left = one.rows[~np.isin(log.item[one.rows], list(one.anywhere()))]
            done.append(metrics.score_list(page, set(log.item[left].tolist())).ndcg)
            wanted = set(log.item[left[likes[left]]].tolist())
            liked.append(metrics.score_list(page, wanted).ndcg if wanted else 0.0)
        gains[arm] = np.array(done)
        rows.append({
            "arm": arm, "ndcg_at_10": float(np.mean(done)), "ndcg_at_10_of_liked": float(np.mean(liked)),
            "answered": float(np.mean([told for _, told in pages])), "meaning": MEANING[arm],
        })  # fmt: skip
    user = np.array([one.user for one in people])
    against = ("nothing", "popular", "random")
    ratios = {
        f"questions_vs_{name}": metrics.paired_bootstrap(gains["questions"], gains[name], user) for name in against
    }
    ratios["interests_vs_nothing"] = metrics.paired_bootstrap(gains["interests"], gains["nothing"], user)
    ratios["profile_vs_nothing"] = metrics.paired_bootstrap(gains["profile"], gains["nothing"], user)
    return {
        "users": len(people), "questions": count, "arms": rows,
        "ratios": [{"compared": k, "ratio": v.value, "low": v.low, "high": v.high} for k, v in ratios.items()],
    }  # fmt: skip
