"""Is a log lived through in the right order, with nothing known too early, and ranked as by hand?"""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import START_MS, table

import worlds
from foryou.domain.clock import ManualClock
from foryou.domain.event import hash64
from foryou.domain.slate import Answer, Query, Reason, Shown, Trace
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.train import replay
from foryou.train.dataset import Interactions
from foryou.train.replay import Page, Rehearsal, by_page, pages, ranks, replay_pipeline, together, window
from tries import tries

SOME = tries(60)


def random_log(seed: int, events: int = 60, users: int = 5, items: int = 9) -> Interactions:
    random = np.random.default_rng(seed)
    rows = [(int(random.integers(users)), int(random.integers(1, items + 1)), 1.0) for _ in range(events - users)]
    rows = [(user, 1, 1.0) for user in range(users)] + rows
    at_ms = np.sort(random.integers(0, 20_000, events)).tolist()
    return by_page(table(rows, items, at_ms))


def test_a_page_is_what_one_user_did_in_one_second() -> None:
    log = table([(0, 1, 1), (0, 2, 1), (1, 3, 1), (0, 4, 1), (0, 5, 1)], 5, [0, 999, 999, 1_000, 2_500])
    assert pages(by_page(log), 0, 5) == [
        Page(0, START_MS, 0, 2), Page(1, START_MS + 999, 2, 3), Page(0, START_MS + 1_000, 3, 4),
        Page(0, START_MS + 2_500, 4, 5),
    ]  # fmt: skip
    assert pages(log, 3, 5) == pages(log, 0, 5)[2:]
    assert pages(log, 2, 2) == []


def test_rows_in_another_order_are_refused() -> None:
    log = table([(1, 1, 1), (0, 2, 1)], 5, [0, 999])
    with pytest.raises(ValueError, match=r"rows must be in the order of \(second, user\); sort them with `by_page`"):
        pages(log, 0, 2)


def test_by_page_puts_a_second_in_the_order_of_users_and_items() -> None:
    log = by_page(table([(1, 3, 1), (0, 9, 1), (0, 2, 1), (1, 1, 1)], 9, [5, 100, 900, 1_000]))
    assert list(zip(log.user.tolist(), log.item.tolist(), strict=True)) == [(0, 2), (0, 9), (1, 3), (1, 1)]


@SOME
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_what_is_asked_together_is_in_order_and_nobody_waits_for_the_own_page(seed: int, live: bool) -> None:
    grouped = pages(random_log(seed), 0, 60)
    runs = list(together(grouped, live))
    assert [page for run in runs for page in run] == grouped
    for run in runs:
        assert len(run) <= replay.BATCH
        assert run[-1].at_ms - run[0].at_ms <= replay.TOGETHER_MS
        if live:
            assert len({page.user for page in run}) == len(run)


def test_pages_far_apart_are_not_asked_together() -> None:
    late = replay.TOGETHER_MS + 1
    runs = together([Page(0, 0, 0, 1), Page(1, late - 1, 1, 2), Page(2, late, 2, 3)])
    assert [[page.user for page in run] for run in runs] == [[0, 1], [2]]


def slow_ranks(log: Interactions, start: int, scores: np.ndarray, live: bool) -> list[int]:
    """Rank each event's item among what its user had not seen before its page, one by one."""
    found = []
    for row in range(start, len(log)):
        user, second = log.user[row], log.at_ms[row] // 1_000
        before = (log.at_ms // 1_000 < second) if live else (np.arange(len(log)) < start)
        seen = set(log.item[(log.user == user) & before].tolist())
        mine = int(log.item[row])
        rivals = [item for item in range(1, log.items + 1) if item not in seen and item != mine]
        found.append(sum((-scores[user, item], item) < (-scores[user, mine], mine) for item in rivals))
    return found


@SOME
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_ranks_are_those_reckoned_one_by_one(seed: int, live: bool) -> None:
    log = random_log(seed)
    start = next(page.start for page in pages(log, 0, 60) if page.start >= 30)
    scores = np.random.default_rng(seed).choice([0.0, 0.5, 1.0], (5, log.items + 1)).astype(np.float32)
    shown = window(log, start, len(log), live)
    found = ranks(shown, lambda history, taste: scores[shown.user])
    assert found.tolist() == slow_ranks(log, start, scores, live)


def test_a_window_knows_what_was_done_before_each_page_newest_first() -> None:
    rows = [(0, 1, 1.0), (0, 2, -1.0), (1, 3, 1.0), (0, 4, 0.5), (0, 5, 1.0), (1, 1, 1.0)]
    log = table(rows, 5)
    shown = window(log, 3, 6)
    assert shown.user.tolist() == [0, 0, 1]
    assert shown.history[:, :4].tolist() == [[2, 1, 0, 0], [4, 2, 1, 0], [3, 0, 0, 0]]
    assert shown.taste[1, :3].tolist() == [0.5, -1, 1]
    assert (shown.page.tolist(), shown.target.tolist()) == ([0, 1, 2], [4, 5, 1])
    frozen = window(log, 3, 6, live=False)
    assert frozen.history[:, :3].tolist() == [[2, 1, 0], [2, 1, 0], [3, 0, 0]]


def test_ranks_of_many_pages_come_in_chunks_that_change_nothing() -> None:
    rows = [(user, item, 1.0) for item in range(1, 7) for user in range(200)]
    log = table(rows, 6)
    shown = window(log, 200, len(log))
    assert len(list(shown.chunks())) == 2
    scores = np.linspace(1, 0, 7, dtype=np.float32)
    assert not ranks(shown, lambda history, taste: np.tile(scores, (len(history), 1))).any()


class Stub:
    """A pipeline that shows the first items nobody told it about, and notes what its users were known to have done."""

    def __init__(self) -> None:
        self.store = SqliteFeatures(":memory:", ManualClock(0))
        self.looked: list[int] = []
        self.known: list[tuple[str, int, int]] = []

    def run(self, queries: list[Query]) -> tuple[list[Answer], Trace]:
        answers = []
        for one, record in zip(queries, self.store.read([one.user_id for one in queries]), strict=True):
            assert one.seed == hash64(f"{one.user_id}:{one.now_ms}")
            self.known.append((one.user_id, one.now_ms, 0 if record is None else len(record.history)))
            items = [Shown(f"{genre}-1", "", 1.0, "s", 1.0, Reason("", "")) for genre in worlds.GENRES[: one.k]]
            answers.append(Answer(items, (), "v", -1, None))  # type: ignore[arg-type]
        return answers, Trace(fallbacks=["rank"], dropped={"seen": 2})

    def rehearsal(self) -> Rehearsal:
        return Rehearsal(self.store, self.run, self.looked.append)


def lived(rows: Sequence[tuple[int, int, float]], start: int, live: bool) -> tuple[Stub, replay.Replayed, Rehearsal]:
    stub = Stub()
    made = stub.rehearsal()
    log = table(rows, 60)
    told: list[tuple[int, int]] = []
    done = replay_pipeline(log, start, len(log), worlds.catalog(), made, 3, live, lambda a, b: told.append((a, b)))
    assert told[-1] == (len(log) - start, len(log) - start)
    return stub, done, made


ROWS = [(0, 9, 1.0), (1, 1, 1.0), (0, 1, 1.0), (1, 2, 1.0), (0, 3, 1.0), (0, 4, 1.0), (1, 50, 1.0)]


def test_a_page_is_asked_before_it_is_fed() -> None:
    stub, done, made = lived(ROWS, 2, live=True)
    assert [known for _, _, known in stub.known] == [1, 1, 2, 3, 2]
    assert [user for user, _, _ in stub.known] == ["u0", "u1", "u0", "u0", "u1"]
    assert done.rank.tolist() == [0, 1, 2, -1, -1], "war-1, love-1, space-1 are shown, crime-1 and others are not"
    assert done.user.tolist() == [0, 1, 0, 0, 1]
    assert stub.looked[0] == START_MS + 2 * 60_000
    assert made.dropped["seen"] == done.dropped["seen"] == 2 * len(stub.looked)
    assert made.fallbacks["rank"] == len(stub.looked)


def test_frozen_records_stay_as_they_were_at_the_start() -> None:
    stub, done, _ = lived(ROWS, 2, live=False)
    assert [known for _, _, known in stub.known] == [1, 1, 1, 1, 1]
    assert done.rank.tolist() == [0, 1, 2, -1, -1]


def test_many_events_are_fed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "FEED", 3)
    stub = Stub()
    made = stub.rehearsal()
    made.feed_all(table([(0, n, 1.0) for n in range(1, 9)], 60).events(worlds.catalog()))
    record = stub.store.read(["u0"])[0]
    assert record
    assert (len(record.history), record.offset) == (8, 7)
