"""What do the towers learn from? What each user did in order, what items and users are, cut into windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.event import CODE, Action
from foryou.domain.records import Core
from foryou.models.tower import Tower, person
from foryou.train.dataset import Interactions

LEAST = 2  # items, or users, that a term must describe to be known
Window = tuple[int, int, int]  # user, and the rows from .. to of the items


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of different lengths: row n is values[start[n]:start[n + 1]].  values int64 [v] · start int64 [n + 1]"""

    values: NDArray[np.int64]
    start: NDArray[np.int64]

    def take(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give these rows one after the other, and where each starts: int64 [v], int64 [len(rows)]."""
        size = self.start[rows + 1] - self.start[rows]
        start = np.cumsum(size) - size
        flat = np.repeat(self.start[rows] - start, size) + np.arange(size.sum())
        return self.values[flat], start


@dataclass(frozen=True, slots=True)
class Histories:
    """Histories of U users over items 1..N.

    item int32 [n], those of user u are item[start[u]:start[u + 1]], oldest first · start int64 [U + 1]
    terms: rows of item terms, N + 1 of them · people: rows of what is known of users, U of them ·
    term_names, people_names uint32: what their values count, sorted
    """

    item: NDArray[np.int32]
    start: NDArray[np.int64]
    items: int
    terms: Rows
    people: Rows
    term_names: NDArray[np.uint32]
    people_names: NDArray[np.uint32]


def histories_of(log: Interactions, catalog: Catalog) -> Histories:
    """Give what users liked or rated, each item once, where it came first; low ratings count, too (ADR 0014)."""
    rows = np.flatnonzero((log.taste > 0) | (log.action == CODE[Action.RATING]))
    order = rows[np.lexsort((rows, log.user[rows]))]
    pair = log.user[order].astype(np.int64) * (log.items + 1) + log.item[order]
    order = order[np.sort(np.unique(pair, return_index=True)[1])]
    start = np.searchsorted(log.user[order], np.arange(len(log.user_ids) + 1)).astype(np.int64)
    names, terms = named(*catalog.terms.take(np.arange(log.items + 1, dtype=np.int32)))
    people_names, people = people_of(log.people, _devices(log), len(log.user_ids))
    return Histories(log.item[order], start, log.items, terms, people, names, people_names)


def people_of(people: Sequence[Core], device: Sequence[str], users: int) -> tuple[NDArray[np.uint32], Rows]:
    """Give what is known of users as terms (`models.tower.person`), and those of each user as places among them."""
    said = [
        person(people[user] if people else Core(), device[user] if device else "") for user in range(users)
    ]  # fmt: skip
    start = np.cumsum([0, *(len(one) for one in said)]).astype(np.int64)
    return named(np.array([term for one in said for term in one], np.uint32), start)


def named(values: NDArray[np.uint32], start: NDArray[np.int64]) -> tuple[NDArray[np.uint32], Rows]:
    """Give the terms that stand in two rows or more, sorted, and the rows as places among them."""
    names, count = np.unique(values, return_counts=True)
    names = names[count >= LEAST].astype(np.uint32)
    known = np.isin(values, names)
    ends = np.concatenate([[0], np.cumsum(known)])[start]
    return names, Rows(np.searchsorted(names, values[known]).astype(np.int64), ends.astype(np.int64))


def _devices(log: Interactions) -> list[str]:
    """Give the device that each user came with last."""
    found = [""] * len(log.user_ids)
    if log.device:
        for user, device in zip(log.user.tolist(), log.device, strict=True):
            found[user] = device or found[user]
    return found


def some_users(histories: Histories, tower: Tower, count: int) -> NDArray[np.float32]:
    """Give the vectors of some users: what an index is asked for.  float32 [<= count, D]"""
    users = len(histories.start) - 1
    chosen = np.random.default_rng(0).choice(users, min(count, users), replace=False)
    rows = [histories.item[histories.start[user] : histories.start[user + 1]][-tower.window :] for user in chosen]
    padded = np.zeros((len(rows), max(1, *(len(row) for row in rows))), np.int32)
    for row, found in zip(padded, rows, strict=True):
        row[: len(found)] = found
    return tower.users(padded, np.array([len(row) for row in rows], np.int32), tower.start([[] for _ in rows]))


def batches(histories: Histories, window: int, tokens: int, seed: tuple[int, int]) -> list[list[Window]]:
    """Give windows of about equal length together, about `tokens` entries a batch, in an order drawn with the seed.

    A history longer than the window is cut at places that are drawn anew each time, so that every entry is learned
    from behind long and short histories.
    """
    random = np.random.default_rng(seed)
    windows: list[Window] = []
    for user, (first, end) in enumerate(zip(histories.start[:-1].tolist(), histories.start[1:].tolist(), strict=True)):
        cut = first + (int(random.integers(1, window + 1)) if end - first > window else end - first)
        while first < end:
            windows.append((user, first, cut))
            first, cut = cut, min(cut + window, end)
    size = np.array([end - first for _, first, end in windows], np.float64)
    order = np.argsort(-(size + 8 * random.random(len(size))), kind="stable")
    groups: list[list[Window]] = []
    at = 0
    while at < len(order):
        longest = int(size[order[at]]) + 8
        many = max(1, tokens // longest)
        groups.append([windows[place] for place in order[at : at + many]])
        at += many
    return [groups[place] for place in random.permutation(len(groups)).tolist()]
