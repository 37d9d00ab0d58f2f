"""How good are the two towers on the published protocol? MovieLens 1M, the next item, HR@10 and NDCG@10.

The last item of each user is sought from all earlier ones; all items that the user has not rated are ranked. The
penultimate items of 512 users are kept for validation: baselines are tuned on them, and none of the figures that are
reported is chosen by the test.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import NotFound
from foryou.domain.event import CODE, Action
from foryou.domain.records import Core
from foryou.domain.terms import Kind, term
from foryou.models.tower import Tower, person
from foryou.train import item_item, two_tower
from foryou.train.dataset import Interactions
from foryou.train.metrics import ndcg_of_rank
from foryou.train.two_tower import Histories, TowerSettings

WORK = Path("var/bench/ml-1m")
SETTINGS = TowerSettings(
    vectors=128, width=64, blocks=2, heads=2, wide=2, window=200, epochs=14, rate=0.002, tokens=3_200, dropout=0.2,
    id_dropout=0.05, negatives=4_096, hard=0, seed=42,
)  # fmt: skip
WORK = Path("var/bench/ml-1m")
HISTORIES = (50, 200)
VALIDATION = 512
EASE = tuple(item_item.EaseSettings(regularisation, decay) for regularisation in (100.0, 400.0) for decay in (0.9, 1.0))
NEWEST = (5, 10, 20, 50)  # items of the history that the baseline looks at
PUBLISHED = {
    "SASRec (BCE)": (0.2392, 0.1259), "BERT4Rec": (0.2843, 0.1537), "SASRec (sampled softmax)": (0.2853, 0.1603),
    "gSASRec": (0.3003, 0.1726), "HSTU": (0.3097, 0.1720), "HSTU-large": (0.3294, 0.1893),
}  # fmt: skip
Progress = Callable[[str, int, int], None]
Values = NDArray[np.float32]
Scores = Callable[[list[NDArray[np.int32]], NDArray[np.intp]], Values]  # histories and their users -> [B, N+1]


@dataclass(frozen=True, slots=True)
class Data:
    """The sequences of U users over items 1..N, oldest first, and what is known of items and users."""

    sequences: list[NDArray[np.int32]]
    items: int
    terms: list[list[int]]
    people: list[Core]

    @property
    def held(self) -> NDArray[np.intp]:
        """Give the users whose penultimate item is kept for validation."""
        many = min(VALIDATION, len(self.sequences))
        return np.random.RandomState(42).choice(len(self.sequences), many, replace=False)

    def learned(self) -> list[NDArray[np.int32]]:
        """Give what may be learned from: all but the last item, of the users held for validation all but two."""
        parts = [one[:-1] for one in self.sequences]
        for user in self.held.tolist():
            parts[user] = parts[user][:-1]
        return parts


def measure(folder: Path, on_progress: Progress) -> dict[str, Any]:
    """Give `next_item` of this folder, or of `ml-1m` in it; training is kept in WORK and gone on with."""
    inside = folder / "ml-1m"
    return next_item(inside if inside.is_dir() else folder, on_progress, WORK)


def next_item(
    folder: Path, on_progress: Progress, work: Path = WORK, settings: TowerSettings = SETTINGS
) -> dict[str, Any]:
    """Give the figures of the towers, the baselines and the literature. `work`: where its checkpoint lies.

    A run that was broken off goes on from there; a finished training with equal settings is not repeated. Raises
    NotFound where the folder lacks a file.
    """
    data = read(folder)
    curve: list[dict[str, float]] = []
    arrays = _trained(data, settings, work, on_progress, curve)
    tower, rank = Tower(arrays), {}
    for length in HISTORIES:
        scores = scores_of(tower, data, length)
        rank[f"history_{length}"] = figures(data, scores, np.arange(len(data.sequences)), -1)
        rank[f"history_{length}"]["validation"] = figures(data, scores, data.held, -2)
        on_progress("test", len(rank), len(HISTORIES))
    chosen = max(rank, key=lambda name: float(rank[name]["validation"]["ndcg_at_10"]))
    best = rank[chosen]
    return {
        "protocol": "ML-1M, last item of 6,040 users, all unrated items ranked, HR@10 and NDCG@10",
        "ours": {name: best[name] for name in ("hr_at_10", "ndcg_at_10")} | {"model": f"two towers, {chosen}"},
        "histories": rank, "curve": curve, "baselines": baselines(data, on_progress),
        "published": {name: {"hr_at_10": hit, "ndcg_at_10": gain} for name, (hit, gain) in PUBLISHED.items()},
    }  # fmt: skip


def _trained(
    data: Data, settings: TowerSettings, work: Path, on_progress: Progress, curve: list[dict[str, float]]
) -> dict[str, NDArray[Any]]:
    histories = histories_of(data)

    def judged(epoch: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        found = figures(data, scores_of(Tower(arrays), data, settings.window), data.held, -2)
        curve.append({"epoch": epoch, **found})

    return two_tower.fit(
        histories, settings, work / f"towers-{two_tower.fingerprint(histories, settings)}.npz",
        lambda done, total: on_progress("two_tower", done, total), judged,
    )  # fmt: skip


def read(folder: Path) -> Data:
    """Read sequences.txt, and with its two maps movies.dat and users.dat. Raises NotFound, naming what is missing."""
    names = ("sequences.txt", "movies.dat", "users.dat", "sas_to_original_items.txt", "sas_to_original_users.txt")
    for name in names:
        if not (folder / name).is_file():
            raise NotFound(f"{folder} has no {name}; name the folder of MovieLens 1M with the sequences")
    pairs = np.loadtxt(folder / names[0], dtype=np.int32)
    start = np.searchsorted(pairs[:, 0], np.arange(1, pairs[-1, 0] + 2))
    sequences = [pairs[first:end, 1].copy() for first, end in pairwise(start.tolist())]
    movie = {int(row[0]): row for row in _rows(folder / names[1])}
    user = {int(row[0]): row for row in _rows(folder / names[2])}
    of_item, of_user = _map(folder / names[3]), _map(folder / names[4])
    items = int(pairs[:, 1].max())
    terms = [[], *(_terms(movie[of_item[number]]) for number in range(1, items + 1))]
    people = [_person(user[of_user[number]]) for number in range(1, len(sequences) + 1)]
    return Data(sequences, items, terms, people)


def _rows(path: Path) -> list[list[str]]:
    return [line.split("::") for line in path.read_text(encoding="latin-1").splitlines()]


def _map(path: Path) -> dict[int, int]:
    return {int(a): int(b) for a, b in (line.split() for line in path.read_text(encoding="utf-8").splitlines())}


def _terms(row: list[str]) -> list[int]:
    """Give the genres, the year and the decade of a film as terms."""
    year = row[1].rstrip()[-5:-1]
    said = [*((Kind.CATEGORY, name) for name in row[2].split("|")), (Kind.TAG, year), (Kind.TAG, f"{year[:3]}0s")]
    return [term(kind, text) for kind, text in said]


def _person(row: list[str]) -> Core:
    """Give gender, group of ages and occupation of a user."""
    return Core(gender=row[1], attributes={"age": row[2], "occupation": row[3]})


def histories_of(data: Data) -> Histories:
    """Give what the towers learn from."""
    learned = data.learned()
    start = np.cumsum([0, *(len(one) for one in learned)]).astype(np.int64)
    terms_start = np.cumsum([0, *(len(one) for one in data.terms)]).astype(np.int64)
    flat = np.array([value for one in data.terms for value in one], np.uint32)
    names, terms = two_tower.named(flat, terms_start)
    people_names, people = two_tower.people_of(data.people, [], len(learned))
    return Histories(np.concatenate(learned), start, data.items, terms, people, names, people_names)


def scores_of(tower: Tower, data: Data, length: int) -> Scores:
    """Give what scores all items from the newest `length` of each history, by the code that serves."""

    def scores(histories: list[NDArray[np.int32]], users: NDArray[np.intp]) -> Values:
        rows = np.zeros((len(histories), length), np.int32)
        for row, one in zip(rows, histories, strict=True):
            row[: len(one[-length:])] = one[-length:]
        size = np.array([min(len(one), length) for one in histories], np.int32)
        start = tower.start([person(data.people[user]) for user in users.tolist()])
        return np.asarray(tower.users(rows, size, start) @ tower.vectors.T)

    return scores


def figures(data: Data, scores: Scores, users: NDArray[np.intp], place: int) -> dict[str, Any]:
    """Give HR@10 and NDCG@10 of finding the item at `place` (-1 = last) of these users from all before it."""
    rank = np.empty(len(users), np.int64)
    for first in range(0, len(users), 256):
        some = users[first : first + 256]
        histories = [data.sequences[user][:place] for user in some.tolist()]
        found = scores(histories, some)
        row, target = np.arange(len(some)), np.array([data.sequences[user][place] for user in some.tolist()])
        mine = found[row, target].copy()
        for one, history in zip(found, histories, strict=True):
            one[history] = -np.inf
        found[:, 0] = found[row, target] = -np.inf
        rank[first : first + 256] = (found >= mine[:, None]).sum(axis=1)
    return {"hr_at_10": float((rank < 10).mean()), "ndcg_at_10": float(ndcg_of_rank(rank).mean()), "users": len(users)}


def baselines(data: Data, on_progress: Progress) -> dict[str, Any]:
    """Give popularity, and EASE over the newest items with the λ, fading and length that are best on validation."""
    learned = data.learned()
    everybody = np.arange(len(data.sequences))
    count = np.bincount(np.concatenate(learned), minlength=data.items + 1).astype(np.float32)
    popular: Scores = lambda histories, users: np.tile(count, (len(users), 1))  # noqa: E731
    log, best = _log(learned, data.items), (-1.0, EASE[0], NEWEST[0])
    for done, settings in enumerate(EASE):
        links = item_item.ease(log, settings)
        for newest in NEWEST:
            found = figures(data, _sums(links, newest), data.held, -2)
            best = max(best, (found["ndcg_at_10"], settings, newest), key=lambda one: one[0])
        on_progress("baselines", done + 1, len(EASE))
    _, settings, newest = best
    chosen = {"regularisation": settings.regularisation, "decay": settings.decay, "newest": newest}
    ease = figures(data, _sums(item_item.ease(log, settings), newest), everybody, -1)
    return {"popularity": figures(data, popular, everybody, -1), "ease": {**ease, **chosen}}


def _sums(links: Values, newest: int) -> Scores:
    return lambda histories, users: np.stack([links[one[-newest:]].sum(axis=0) for one in histories])


def _log(sequences: list[NDArray[np.int32]], items: int) -> Interactions:
    """Give the sequences as events, one a second."""
    item = np.concatenate(sequences)
    user = np.repeat(np.arange(len(sequences), dtype=np.int32), [len(one) for one in sequences])
    at_ms = np.concatenate([1_000 * np.arange(len(one), dtype=np.int64) for one in sequences])
    action, value = np.full(len(item), CODE[Action.RATING], np.uint8), np.full(len(item), np.nan, np.float32)
    names = [str(user) for user in range(len(sequences))]
    return Interactions(
        user, item, at_ms, np.ones(len(item), np.float32), action, value, [""] * len(item), names, items
    )
