"""Do the kernels that fold give what the plain words say, for each user alone and for all at once?"""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import oracles_folding as oracles
from foryou import kernels
from foryou.domain.records import ACTION_DTYPE
from tries import tries

SOME = tries(150)
MOST, MOST_SEEN, FIRST, VIEWS = 4, 5, 3, 2
acts = st.tuples(st.integers(0, 6), st.integers(1, 9), st.integers(1, 5))
users = st.lists(st.tuples(st.lists(acts, max_size=8), st.lists(acts, max_size=8)), min_size=1, max_size=4)


def table(parts: Sequence[Sequence[oracles.Act]]) -> np.ndarray:
    flat = [act for part in parts for act in part]
    made = np.zeros(len(flat), ACTION_DTYPE)
    for column, name in enumerate(("at_ms", "event", "item")):
        made[name] = [act[column] for act in flat]
    return made


def starts(sizes: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


@SOME
@given(users)
def test_histories_and_items_seen_are_those_of_the_plain_words(
    people: list[tuple[list[oracles.Act], list[oracles.Act]]],
) -> None:
    histories = [oracles.remember([], old, MOST)[0] for old, _ in people]
    seen = [oracles.see([], [item for _, _, item in old], MOST_SEEN)[0] for old, _ in people]
    new = [acts for _, acts in people]
    items = [[item for _, _, item in acts] for acts in new]
    first, start, seen_start = (starts([len(part) for part in parts]) for parts in (new, histories, seen))
    low = np.array([item for part in items for item in part], np.uint32)
    flat_seen = np.array([item for part in seen for item in part], np.uint32)
    place = starts([MOST] * len(people))
    out, size, fresh = np.zeros(place[-1], ACTION_DTYPE), np.zeros(len(people), np.int64), np.zeros(len(low), np.bool_)
    kernels.remember(table(histories), start, table(new), first, MOST, out, place, size, fresh)
    views, count = np.zeros((len(people), VIEWS), np.uint64), np.zeros(len(people), np.int32)
    kernels.latest(out, place, size, 3, views, count)
    room = starts([MOST_SEEN] * len(people))
    both, many = np.zeros(room[-1], np.uint32), np.zeros(len(people), np.int64)
    novel = np.zeros(len(low), np.bool_)
    kernels.see(flat_seen, seen_start, low, first, MOST_SEEN, both, room, many, novel)
    began = np.zeros(len(low), np.bool_)
    kernels.beginnings(flat_seen, seen_start, low, first, fresh, FIRST, began)
    for u in range(len(people)):
        mine = slice(first[u], first[u + 1])
        kept, said = oracles.remember(histories[u], new[u], MOST)
        found = out[place[u] : place[u] + size[u]]
        assert [tuple(int(row[name]) for name in ("at_ms", "event", "item")) for row in found] == kept
        assert fresh[mine].tolist() == said
        assert views[u, : count[u]].tolist() == oracles.latest(kept, 3, VIEWS)
        assert (both[room[u] : room[u] + many[u]].tolist(), novel[mine].tolist()) == oracles.see(
            seen[u], items[u], MOST_SEEN
        )
        assert began[mine].tolist() == oracles.beginnings(seen[u], items[u], said, FIRST)
