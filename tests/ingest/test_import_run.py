"""Does an import store everything once, in order, and finish what was interrupted?"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec import UNSET

from foryou.domain.clock import DAY_MS, ManualClock
from foryou.domain.errors import Unavailable
from foryou.domain.log import Appended, Record, Stream
from foryou.ingest.codec import event_of, item_of, user_of
from foryou.ingest.importers import KEPT, ImportReport, Layout, detect, run
from foryou.stores.log_sqlite import SqliteLog

NOW_MS = 1_700_000_000_000
CLOCK = ManualClock(NOW_MS)


def quiet(_step: str, _done: int, _total: int) -> None:
    """Hear no progress."""


def bodies(log: SqliteLog, stream: Stream) -> list[list[bytes]]:
    """Give what lies in each partition, in order."""
    return [
        [entry.record.body for entry in log.read(stream, place, -1, 1_000_000)] for place in range(log.partitions())
    ]


class Sink:
    """A log that keeps what it is given in order, and can be interrupted before an append."""

    def __init__(self, log: SqliteLog, interrupted_at: int = -1) -> None:
        self.given: list[tuple[Stream, list[Record]]] = []
        self._log, self._interrupted_at = log, interrupted_at

    def append(self, stream: Stream, records: Sequence[Record]) -> Appended:
        if len(self.given) == self._interrupted_at:
            raise KeyboardInterrupt
        self.given.append((stream, list(records)))
        return self._log.append(stream, records)

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)


def test_an_import_counts_what_it_found(old: Path, log: SqliteLog) -> None:
    with (old / "u.data").open("a") as file:
        file.write("7\t99\t3\t881250900\nnonsense\n9\t1\t4\t881250700\n")
    report = run(detect(old, CLOCK), log, quiet)
    assert (report.items, report.users, report.events) == (2, 3, 5)
    assert (report.stored, report.repeats, report.orphans, report.rejected) == (9, 0, 1, 1)
    assert [bad.value for bad in report.bad] == ["nonsense"]
    assert (report.oldest_ms, report.newest_ms) == (881_250_700_000, 881_250_950_000)


def test_records_can_be_read_back_and_are_keyed_by_user_and_item(old: Path, log: SqliteLog) -> None:
    things = list(detect(old, CLOCK).read())
    run(detect(old, CLOCK), log, quiet)
    found: list[object] = []
    for stream, back in ((Stream.ITEMS, item_of), (Stream.USERS, user_of), (Stream.EVENTS, event_of)):
        found += [back(body) for partition in bodies(log, stream) for body in partition]
    assert Counter(map(repr, found)) == Counter(map(repr, things))
    keys = {entry.record.key for place in range(4) for entry in log.read(Stream.EVENTS, place, -1, 100)}
    assert keys == {"7", "8"}


@pytest.mark.parametrize("files", ["old", "new"])
def test_importing_twice_adds_nothing(request: pytest.FixtureRequest, log: SqliteLog, files: str) -> None:
    folder = request.getfixturevalue(files)
    first = run(detect(folder, CLOCK), log, quiet)
    before = [bodies(log, stream) for stream in Stream]
    later = ManualClock(NOW_MS + 400 * DAY_MS)
    second = run(detect(folder, later), log, quiet)
    assert (second.stored, second.repeats) == (0, first.stored)
    assert [bodies(log, stream) for stream in Stream] == before


def test_items_come_first_then_users_then_events_in_the_order_of_time(old: Path, log: SqliteLog) -> None:
    with (old / "u.data").open("a") as file:
        file.write("7\t3\t3\t881250900\n10\t3\t3\t881250900\n")
    sink = Sink(log)
    run(detect(old, CLOCK), sink, quiet, batch=1)
    assert [stream for stream, _ in sink.given] == [Stream.ITEMS] * 2 + [Stream.USERS] * 2 + [Stream.EVENTS] * 5
    events = [event_of(records[0].body) for stream, records in sink.given if stream is Stream.EVENTS]
    order = [(event.at_ms, event.user_id, event.item_id) for event in events]
    assert order == sorted(order)
    assert [event.user_id for event in events] == ["10", "7", "8", "7", "7"]


@pytest.mark.parametrize("interrupted_at", range(5))
def test_an_import_that_was_interrupted_is_completed_by_the_next_one(
    old: Path, log: SqliteLog, tmp_path: Path, interrupted_at: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(detect(old, CLOCK), Sink(log, interrupted_at), quiet, batch=1)
    done = run(detect(old, CLOCK), log, quiet)
    assert (done.stored, done.repeats) == (7 - interrupted_at, interrupted_at)
    whole = SqliteLog(tmp_path / "whole", CLOCK)
    run(detect(old, CLOCK), whole, quiet)
    assert [bodies(log, stream) for stream in Stream] == [bodies(whole, stream) for stream in Stream]
    whole.close()


def test_nothing_is_stored_when_a_file_cannot_be_read_to_its_end(old: Path, log: SqliteLog) -> None:
    layout = detect(old, CLOCK)
    (old / "u.data").unlink()
    with pytest.raises(Unavailable, match="cannot be read"):
        run(layout, log, quiet)
    assert all(log.ends(stream) == {} for stream in Stream)


def test_all_bad_lines_are_counted_and_the_first_hundred_kept(old: Path, log: SqliteLog) -> None:
    (old / "u.data").write_text("bad\n" * (KEPT + 5))
    report = run(detect(old, CLOCK), log, quiet)
    assert (report.rejected, len(report.bad), report.newest_ms) == (KEPT + 5, KEPT, 0)
    assert report.bad[-1].line == KEPT


def test_progress_is_told_while_reading_and_after_each_batch(old: Path, log: SqliteLog) -> None:
    (old / "u.data").write_text("".join(f"{user}\t1\t3\t881250949\n" for user in range(10_000)))
    told: list[tuple[str, int, int]] = []
    run(detect(old, CLOCK), log, lambda step, done, total: told.append((step, done, total)), batch=6_000)
    assert told == [
        ("reading", 10_000, 0), ("items", 2, 2), ("users", 2, 2), ("events", 6_000, 10_000), ("events", 10_000, 10_000),
    ]  # fmt: skip


def imported(layout: Layout, log: SqliteLog) -> ImportReport:
    report = run(layout, log, quiet)
    assert report.bad == ()
    assert (report.rejected, report.orphans, report.repeats) == (0, 0, 0)
    return report


def test_movielens_100k_has_the_published_counts(real_data: Callable[[str], Path], log: SqliteLog) -> None:
    report = imported(detect(real_data("ml-100k"), CLOCK), log)
    assert (report.events, report.users, report.items) == (100_000, 943, 1_682)
    assert report.newest_ms == 893_286_638_000
    times = [event_of(entry.record.body).at_ms for entry in log.read(Stream.EVENTS, 0, -1, 100_000)]
    assert len(times) > 20_000
    assert times == sorted(times)


def test_movielens_latest_small_has_the_published_counts(real_data: Callable[[str], Path], log: SqliteLog) -> None:
    report = imported(detect(real_data("ml-latest-small"), CLOCK), log)
    assert (report.events, report.users, report.items) == (100_004, 671, 9_125)
    items = [item_of(body) for partition in bodies(log, Stream.ITEMS) for body in partition]
    assert sum(item.published_ms is UNSET for item in items) == 4
    assert sum(item.categories == () for item in items) == 18
