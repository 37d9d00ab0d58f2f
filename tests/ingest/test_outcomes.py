"""Is each action counted for the answer that it belongs to, and only once, whatever is folded again?"""

import random
from collections.abc import Sequence

import pytest

from foryou.domain.clock import DAY_MS
from foryou.domain.event import Action, Event
from foryou.domain.exposure import Exposure
from foryou.domain.log import Entry, Record, Stream
from foryou.ingest.outcomes import Outcomes, Tally
from foryou.ingest.readable import Readable
from foryou.ingest.turn import News
from foryou.trial import outcomes as offline

T0 = 1_800_000_000_000


def answer(name: str, user: str, at_ms: int, *items: str, placement: str = "home") -> Exposure:
    return Exposure(name, user, at_ms, placement, "main", "b", 1, 0, items, (), (), ())


def did(name: str, user: str, action: Action, item: str, at_ms: int, value: float | None = None, of: str = "") -> Event:
    return Event(name, user, action, at_ms, item, value=value, recommendation_id=of)


def news(exposures: Sequence[Exposure] = (), events: Sequence[Event] = (), at: int = 0, partition: int = 0) -> News:
    def read(stream: Stream, values: Sequence) -> Readable:
        entries = [Entry(partition, at + place, 0, Record("", "", b"")) for place in range(len(values))]
        return Readable(stream, entries, list(values))

    before = {"events": at - 1, "users": -1, "exposures": at - 1}
    return News(
        partition, before, {}, read(Stream.EVENTS, events), Readable(Stream.USERS), read(Stream.EXPOSURES, exposures),
        {}, False, 0,
    )  # fmt: skip


HOME = ("home", "main")


def test_actions_belong_to_the_answer_that_they_name_or_to_the_last_that_showed_the_item() -> None:
    counted = Outcomes(100)
    shown = [answer("r1", "ann", T0, "a", "b"), answer("r2", "ann", T0 + 10, "a", placement="item")]
    acts = [
        did("1", "ann", Action.CLICK, "a", T0 + 20, of="r1"),  # named
        did("2", "ann", Action.CLICK, "a", T0 + 30),  # the last that showed it: r2
        did("3", "ann", Action.CLICK, "b", T0 + 40),  # only r1 did
        did("4", "bob", Action.CLICK, "a", T0 + 50),  # shown to somebody else
        did("5", "ann", Action.CLICK, "z", T0 + 60, of="r1"),  # not in that answer
        did("6", "ann", Action.CLICK, "a", T0 + 10 + DAY_MS + 1),  # too late
        did("7", "ann", Action.CLICK, "a", T0 - 1),  # before
    ]
    counted.folded(news(shown, acts))
    assert counted.taken() == {HOME: Tally(1, 2, 2), ("item", "main"): Tally(1, 1, 1)}
    assert counted.taken() == {}


def test_clicks_and_purchases_count_once_per_answer_and_item_and_a_retry_adds_nothing() -> None:
    counted = Outcomes(100)
    counted.folded(news([answer("r", "ann", T0, "a", "b")]))
    acts = [
        did("1", "ann", Action.VIEW, "a", T0 + 1), did("2", "ann", Action.CLICK, "a", T0 + 2),
        did("3", "ann", Action.DWELL, "a", T0 + 3, 40.0), did("3", "ann", Action.DWELL, "a", T0 + 3, 40.0),
        did("4", "ann", Action.DWELL, "b", T0 + 4, 20.0), did("5", "ann", Action.PURCHASE, "a", T0 + 5, 7.5),
        did("5", "ann", Action.PURCHASE, "a", T0 + 5, 7.5), did("6", "ann", Action.PURCHASE, "a", T0 + 6, 2.5),
    ]  # fmt: skip
    counted.folded(news(events=acts))
    assert counted.taken() == {HOME: Tally(1, 2, 1, 1, 2, 60.0, 10.0)}


def test_what_is_folded_again_after_a_failover_does_not_count_again() -> None:
    counted, one = Outcomes(100), news([answer("r", "ann", T0, "a")], [did("1", "ann", Action.CLICK, "a", T0 + 1)], 5)
    counted.folded(one)
    counted.folded(one)
    counted.folded(news(events=[did("2", "ann", Action.PURCHASE, "a", T0 + 2, 3.0)], at=6))
    assert counted.taken() == {HOME: Tally(1, 1, 1, 1, revenue=3.0)}


def test_a_process_that_starts_credits_answers_of_before_and_does_not_count_them() -> None:
    asked = []

    def earlier(partition: int, before: int) -> list[Exposure]:
        asked.append((partition, before))
        return [answer("r", "ann", T0, "a")]

    counted = Outcomes(100, earlier)
    counted.folded(news(events=[did("1", "ann", Action.CLICK, "a", T0 + 1)], at=8, partition=3))
    counted.folded(news(events=[did("2", "ann", Action.PURCHASE, "a", T0 + 2)], at=9, partition=3))
    assert asked == [(3, 7)]
    assert counted.taken() == {HOME: Tally(clicks=1, bought=1)}


def test_arms_of_experiments_count_by_themselves() -> None:
    counted = Outcomes(100)
    one = answer("r", "ann", T0, "a")
    other = Exposure("s", "bob", T0, "home", "new", "b", 1, 0, ("a",), (), (), (), experiment="rank")
    counted.folded(news([one, other], [did("1", "bob", Action.CLICK, "a", T0 + 1)]))
    assert counted.taken() == {HOME: Tally(1, 1), ("home", "rank/new"): Tally(1, 1, 1)}


def test_only_so_many_answers_are_remembered_and_none_longer_than_a_day() -> None:
    counted = Outcomes(2)
    counted.folded(news([answer(f"r{n}", "ann", T0 + n, f"i{n}") for n in range(3)]))
    assert len(counted) == 2
    counted.folded(
        news(events=[did("1", "ann", Action.CLICK, "i0", T0 + 9), did("2", "ann", Action.CLICK, "i1", T0 + 9)])
    )
    assert counted.taken()[HOME] == Tally(3, 3, 1)
    counted.folded(news([answer("late", "bob", T0 + 2 * DAY_MS, "x")], at=9))
    assert len(counted) == 1
    off = Outcomes(0)
    off.folded(news([answer("r", "ann", T0, "a")]))
    assert (len(off), off.taken()) == (0, {})


@pytest.mark.parametrize("seed", range(8))
def test_live_counts_are_those_of_the_experiments_report(seed: int) -> None:
    draw = random.Random(seed)
    users, items = [f"u{n}" for n in range(5)], [f"i{n}" for n in range(12)]
    exposures = [
        Exposure(f"r{n}", draw.choice(users), T0 + n * 1_000, "home", "a", "b", 1, 0, tuple(draw.sample(items, 4)),
                 (), (), (), experiment="test")
        for n in range(60)
    ]  # fmt: skip
    events = [
        did(f"e{n}", draw.choice(users), draw.choice([Action.CLICK, Action.VIEW, Action.PURCHASE, Action.DWELL]),
            draw.choice(items), T0 + 70_000 + n, draw.random() * 50, draw.choice(["", "", f"r{draw.randrange(60)}"]))
        for n in range(300)
    ]  # fmt: skip
    counted = Outcomes(1_000)
    counted.folded(news(exposures, events))
    found = counted.taken()["home", "test/a"]
    gathering = offline.Gathering("test", ("a",), (T0, 0), 0, lambda item: "")
    wanted = offline.gathered(gathering, exposures, events).sums.sum(axis=0)
    ours = [found.lists, found.shown, found.clicks, found.bought, found.dwell_s, found.revenue]
    assert ours == pytest.approx(wanted[:6].tolist())
    assert found.clicks > 20
