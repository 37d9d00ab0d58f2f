"""A small world for the two towers: users who walk along rings of items."""

import numpy as np

from foryou.train.two_tower import Histories, Rows, TowerSettings

RINGS, LONG = 4, 12
ITEMS = RINGS * LONG
SMALL = TowerSettings(
    vectors=16, width=8, blocks=2, heads=2, wide=2, window=10, epochs=2, rate=0.01, tokens=200, dropout=0.1, seed=3,
    device="cpu",
)  # fmt: skip


def rows(lists: list[list[int]]) -> Rows:
    start = np.cumsum([0, *(len(one) for one in lists)]).astype(np.int64)
    return Rows(np.array([value for one in lists for value in one], np.int64), start)


def walks(users: int = 60, unseen: tuple[int, ...] = (), seed: int = 1) -> Histories:
    """Give users who each walk along one ring, item after item; a term says the ring, people say where they walk."""
    random = np.random.default_rng(seed)
    item, start = [], [0]
    for user in range(users):
        first, steps = int(random.integers(LONG)), int(random.integers(1, LONG + 1))
        walk = [1 + (user % RINGS) * LONG + (first + step) % LONG for step in range(steps)]
        item += [one for one in walk if one not in unseen]
        start.append(len(item))
    terms = rows([[], *([(one - 1) // LONG] for one in range(1, ITEMS + 1))])
    people = rows([[user % RINGS] for user in range(users)])
    return Histories(
        np.array(item, np.int32), np.array(start, np.int64), ITEMS, terms, people,
        np.arange(100, 100 + RINGS, dtype=np.uint32), np.arange(200, 200 + RINGS, dtype=np.uint32),
    )  # fmt: skip
