"""Does the doctor find what is planted, and nothing in a sound log?"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from foryou.domain.clock import DAY_MS, HOUR_MS, ManualClock
from foryou.domain.event import Action, Event
from foryou.domain.item import ItemChange
from foryou.domain.log import Record, Stream
from foryou.domain.records import UserChange
from foryou.ingest.codec import event_record, item_record, user_record
from foryou.ingest.doctor import CHECKS, Examined, Finding, Severity, examine, scope
from foryou.ingest.doctor.finding import Tally
from foryou.ingest.importers import detect, run
from foryou.ingest.worker import Worker
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.stores.items_sqlite import SqliteItems
from foryou.stores.log_sqlite import SqliteLog

START_MS = 1_600_000_000_000
CLOCK = ManualClock(START_MS + 100 * DAY_MS)
ITEMS = [ItemChange(item_id=f"i{n}", op="put", price=1.0 + n % 7, published_ms=START_MS - DAY_MS) for n in range(60)]


def event(user: object, item: object, at_ms: float, action: Action = Action.CLICK, **more: object) -> Event:
    at_ms = int(at_ms)
    said = {"event_id": f"{user}:{item}:{action}:{at_ms}", "received_ms": at_ms} | more
    return Event(user_id=str(user), item_id=str(item), action=action, at_ms=at_ms, **said)  # type: ignore[arg-type]


def odd(user: int, step: int) -> int:
    """Give seconds without a pattern."""
    return (user * 977 + step * step * 131) % 7_000


def sound() -> list[Event]:
    """Give 40 people who click on items of their own, several times a day at odd hours, for ten days."""
    return [
        event(user, f"i{(user * 7 + step * 3) % 60}", START_MS + step * 8 * HOUR_MS + odd(user, step) * 1_000)
        for step in range(30)
        for user in range(40)
    ]  # fmt: skip


def examined(
    tmp_path: Path,
    events: Sequence[Event],
    items: Sequence[ItemChange] = ITEMS,
    users: Sequence[UserChange] = (),
    raw: Sequence[Record] = (),
) -> Examined:
    log = SqliteLog(tmp_path / "log", CLOCK)
    features, store = SqliteFeatures(tmp_path / "features.db", CLOCK), SqliteItems(tmp_path / "items.db", CLOCK)
    log.append(Stream.ITEMS, list(map(item_record, items)))
    log.append(Stream.USERS, list(map(user_record, users)))
    log.append(Stream.EVENTS, [*map(event_record, events), *raw])
    worker = Worker(log, features, store)
    worker.lease()
    worker.catch_up()
    found = examine(log, scope(log, store, CLOCK, 0.2, quiet), CHECKS, quiet)
    for one in (log, features, store):
        one.close()
    return found


def quiet(_step: str, _done: int, _total: int) -> None:
    """Hear no progress."""


def one(found: Examined, check: str, says: str = "") -> Finding:
    """Give the one finding of a check that says this."""
    fits = [finding for finding in found.findings if finding.check == check and says in finding.what]
    assert len(fits) == 1, found.findings
    assert fits[0].mend
    return fits[0]


def test_a_sound_log_has_no_finding(tmp_path: Path) -> None:
    found = examined(tmp_path, sound())
    assert found == Examined(1_200, 60, ())
    assert found.healthy


def test_events_on_unknown_items_are_found(tmp_path: Path) -> None:
    few = one(examined(tmp_path / "few", [*sound(), event(1, "ghost", START_MS)]), "orphan events")
    assert (few.severity, few.count, few.of) == (Severity.WARNING, 1, 1_201)
    assert "ghost" in few.examples[0]
    many = examined(tmp_path / "many", sound(), items=ITEMS[:30])
    assert one(many, "orphan events").severity is Severity.ERROR
    assert not many.healthy
    assert "the catalog is empty" in one(examined(tmp_path / "none", sound(), items=()), "orphan events").what


def test_profiles_that_no_event_meets_are_found(tmp_path: Path) -> None:
    users = [UserChange(user_id=f"U-{n}", op="put", age=30) for n in range(5)]
    assert one(examined(tmp_path / "none", sound(), users=users), "profiles").severity is Severity.ERROR
    users.append(UserChange(user_id="3", op="put", age=30))
    assert one(examined(tmp_path / "few", sound(), users=users), "profiles").severity is Severity.NOTE


@pytest.mark.parametrize(
    ("wrong", "severity", "says"),
    [
        (event(1, "i1", CLOCK.at_ms + HOUR_MS), Severity.ERROR, "lie in the future"),
        (event(1, "i1", 1_600_000_000), Severity.ERROR, "lie before 1990"),
        (event(1, "i1", START_MS, received_ms=START_MS + 2 * DAY_MS), Severity.NOTE, "arrived more than a day after"),
        (event(1, "i1", CLOCK.at_ms), Severity.NOTE, "have their arrival as their time"),
    ],
)
def test_times_that_cannot_be_right_are_found(tmp_path: Path, wrong: Event, severity: Severity, says: str) -> None:
    found = one(examined(tmp_path, [*sound(), wrong]), "clock skew", says)
    assert (found.severity, found.count) == (severity, 1)


def test_dates_without_an_hour_are_found(tmp_path: Path) -> None:
    midnights = [event(user, f"i{day}", (START_MS // DAY_MS + day) * DAY_MS) for user in range(20) for day in range(10)]
    assert one(examined(tmp_path, midnights), "clock skew", "midnight").count == 200


def test_a_retry_under_a_new_id_is_found(tmp_path: Path) -> None:
    twice = [event(n, "i1", START_MS, event_id=f"{n}x{k}") for n in range(9) for k in range(2)]
    found = one(examined(tmp_path, [*sound(), *twice]), "duplicate ids")
    assert (found.severity, found.count) == (Severity.NOTE, 9)


def test_an_id_that_two_records_share_is_found(tmp_path: Path) -> None:
    again = event_record(sound()[0])
    found = one(examined(tmp_path, sound(), raw=[Record(again.key, "another", again.body)]), "duplicate ids")
    assert (found.severity, found.count) == (Severity.ERROR, 1)


@pytest.mark.parametrize(
    ("acts", "says"),
    [
        ([event("bot", f"i{n % 60}", START_MS + n * 100 + 7 * n * n % 50) for n in range(600)], "within a minute"),
        ([event("bot", f"i{n % 60}", START_MS + n * 500 + n * n * 37 % 450) for n in range(7_000)], "within an hour"),
        ([event("bot", f"i{n % 60}", START_MS + n * 30_000) for n in range(150)], "one action every 30.0 s, 149 times"),
        ([event("bot", "i1", START_MS + n * 50_000 + n * n * 977 % 40_000) for n in range(150)], "all on item i1"),
    ],
)  # fmt: skip
def test_machines_are_found(tmp_path: Path, acts: list[Event], says: str) -> None:
    found = one(examined(tmp_path, [*sound(), *acts]), "bots")
    assert found.count == len(acts)
    assert says in found.examples[0]
    assert found.examples[0].startswith("user bot: ")
    assert len(found.examples) == 1


def test_an_item_that_is_pushed_on_one_day_is_found(tmp_path: Path) -> None:
    push = [event(f"fake{n}", "i5", START_MS + n * 100_000) for n in range(300)]
    found = one(examined(tmp_path, [*sound(), *push]), "label bombs", "on one item")
    assert found.severity is Severity.ERROR
    assert found.examples[0].startswith("item i5 on 2020-09-13: 3")


def test_one_user_who_speaks_for_all_is_found(tmp_path: Path) -> None:
    much = [event("guest", f"i{n % 60}", START_MS + n * 70_000 + n * n * 977 % 60_000) for n in range(900)]
    found = one(examined(tmp_path, [*sound(), *much]), "label bombs", "one user")
    assert found.severity is Severity.WARNING
    assert found.examples[0].startswith("user guest on 2020-09-13: ")


def test_actions_that_are_never_positive_are_found(tmp_path: Path) -> None:
    rated = [event(n, "i1", START_MS + n * HOUR_MS, Action.RATING, value=0.9) for n in range(30)]
    assert "scale" in one(examined(tmp_path / "rated", [*sound(), *rated]), "actions never positive").mend
    shown = [event(n, "i1", START_MS + n * HOUR_MS, Action.IMPRESSION) for n in range(30)]
    found = one(examined(tmp_path / "shown", shown), "actions never positive", "none of them says")
    assert found.examples == ("30 impression",)
    assert not examined(tmp_path / "empty", []).healthy


def test_events_before_their_item_are_found(tmp_path: Path) -> None:
    items = [*ITEMS[:-1], ItemChange(item_id="i59", op="put", published_ms=START_MS + 90 * DAY_MS)]
    found = one(examined(tmp_path, sound(), items=items), "time leakage", "older than the published_ms")
    assert found.severity is Severity.WARNING
    assert found.count == sum(one.item_id == "i59" for one in sound())


def test_an_attribute_that_counts_events_is_found(tmp_path: Path) -> None:
    events = sound() + [
        event(f"v{n}", f"i{k}", START_MS + n * HOUR_MS + k * 61_000) for k in range(60) for n in range(k)
    ]
    count = {item.item_id: sum(event.item_id == item.item_id for event in events) for item in ITEMS}
    items = [
        ItemChange(item_id=name, op="put", attributes={"views": str(number * 3), "weight": str(math.sin(number) ** 2)})
        for name, number in count.items()
    ]
    found = one(examined(tmp_path, events, items=items), "time leakage")
    assert found.examples == ("attribute views",)
    assert found.severity is Severity.ERROR


def test_tests_without_a_past_are_found(tmp_path: Path) -> None:
    strangers = [event(f"{user}-{step}", f"i{user}", START_MS + step * 8 * HOUR_MS + user * 61_003)
                 for step in range(30) for user in range(40)]  # fmt: skip
    found = one(examined(tmp_path, strangers), "time leakage", "no event before them")
    assert found.severity is Severity.WARNING
    assert found.count >= 240


def test_a_record_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    found = one(examined(tmp_path, sound(), raw=[Record("1", "bad", b"\xc1")]), "damaged records")
    assert (found.severity, found.count, found.of) == (Severity.ERROR, 1, 1_201)


def test_real_ratings_are_healthy(tmp_path: Path, old: Path) -> None:
    log = SqliteLog(tmp_path / "log", CLOCK)
    run(detect(old, CLOCK), log, quiet)
    features, items = SqliteFeatures(tmp_path / "features.db", CLOCK), SqliteItems(tmp_path / "items.db", CLOCK)
    worker = Worker(log, features, items)
    worker.lease()
    worker.catch_up()
    assert examine(log, scope(log, items, CLOCK, 0.2, quiet), CHECKS, quiet).healthy
    for one in (log, features, items):
        one.close()


def test_a_tally_counts_as_the_slow_way_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foryou.ingest.doctor.finding.COMPACT", 7)
    random = np.random.default_rng(5)
    tally, slow = Tally(), dict[tuple[int, int], int]()
    for _ in range(20):
        first, second = random.integers(-3, 3, 5), random.integers(0, 3, 5).astype(np.uint64)
        tally.add(first, second)
        for pair in zip(first.tolist(), second.tolist(), strict=True):
            slow[pair] = slow.get(pair, 0) + 1
    assert [((a, b), n) for a, b, n in tally.rows().tolist()] == sorted(slow.items())
