"""Does everything that was acknowledged get to Kafka, whatever is cut or killed on the way?"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from foryou.domain.clock import Clock
from foryou.domain.errors import Invalid, Unavailable
from foryou.domain.log import Appended, Entry, Record, Stream
from foryou.stores.log_kafka import Address, KafkaLog
from foryou.stores.log_kafka.topics import RECORD_BYTES
from foryou.stores.log_spooled import Spooled
from foryou.stores.spool import Spool
from proxy import Proxy

MB = 1_000_000
SOON_S = 30
MANY = 60_000  # records that take a process some time to send


def records(total: int, start: int = 0) -> list[Record]:
    return [Record(f"user-{n % 9}", f"id-{n}", b"%d" % n * 5) for n in range(start, start + total)]


class Line:
    """A broker behind a proxy, a folder for spools, and the line to the broker that is never cut."""

    def __init__(self, url: str, folder: Path, proxy: Proxy) -> None:
        prefix = f"{folder.parent.name}-{folder.name}"
        self.folder, self.proxy = folder, proxy
        self.direct = f"{url}/{prefix}"
        self.url = f"kafka://{proxy.url.removeprefix('http://')}/{prefix}"

    def open(self, limit: int = 100 * MB) -> Spooled:
        return Spooled(KafkaLog(self.url, Clock()), Spool(self.folder, limit, Clock()))

    def warm(self) -> None:
        """Send a first record: a new broker takes seconds until a producer gets its number."""
        with closing(KafkaLog(self.direct, Clock())) as log:
            until(lambda: _sent(log))

    def held(self, stream: Stream = Stream.EVENTS) -> list[Entry]:
        """Give what is in Kafka."""
        with closing(KafkaLog(self.direct, Clock())) as log:
            return [entry for part in range(log.partitions()) for entry in log.read(stream, part, -1, 10_000_000)]

    def child(self, what: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, __file__, what, self.url, str(self.folder)], stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip


@pytest.fixture
def line(services: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    for module in ("topics", "writing", "reading"):
        monkeypatch.setattr(f"foryou.stores.log_kafka.{module}.PATIENCE_S", 1.5)
    url = services("kafka")
    with closing(Proxy(f"http://{Address.of(url).servers}")) as proxy:
        made = Line(url, tmp_path, proxy)
        made.warm()
        yield made


def _sent(log: KafkaLog) -> bool:
    try:
        return bool(log.append(Stream.LISTS, records(1)))
    except Unavailable:
        return False


def until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON_S
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_all_there(held: list[Entry], wanted: list[Record]) -> None:
    """Each record as it was sent; those of a key first came in their order; repeats come after."""
    firsts: dict[str, Record] = {}
    for entry in held:
        assert firsts.setdefault(entry.record.record_id, entry.record) == entry.record
    by_key = [[one for one in some if one.key == key] for some in (list(firsts.values()), wanted)
              for key in sorted({record.key for record in wanted})]  # fmt: skip
    half = len(by_key) // 2
    assert by_key[:half] == by_key[half:]


def test_while_the_broker_is_there_nothing_waits(line: Line) -> None:
    with closing(line.open()) as log:
        assert log.append(Stream.EVENTS, records(10)) == Appended(10, 0)
        assert (log.spool.records, log.why, log.partitions()) == (0, "", 4)
        assert sum(len(log.read(Stream.EVENTS, part, -1, 100)) for part in range(4)) == 10
        assert sum(end + 1 for end in log.ends(Stream.EVENTS).values()) == 10
        assert log.changed(Stream.EVENTS) == log.changed(Stream.EVENTS)


def test_what_comes_while_the_line_is_cut_follows_in_order(line: Line) -> None:
    with closing(line.open()) as log:
        log.append(Stream.EVENTS, records(100))
        line.proxy.cut()
        for start in range(100, 1_000, 50):
            log.append(Stream.EVENTS, records(50, start))
        assert (log.spool.records, log.spool.bytes > 0, log.age_s(Clock().now_ms()) > 0) == (900, True, True)
        assert "check that it runs there" in log.why
        assert len(line.held()) == 100
        line.proxy.mend()
        until(lambda: log.spool.records == 0)
        until(lambda: not log.why)
        log.append(Stream.EVENTS, records(100, 1_000))
        assert (log.spool.records, log.why, log.age_s(Clock().now_ms())) == (0, "", 0.0)
    assert_all_there(line.held(), records(1_100))


def test_items_do_not_wait(line: Line) -> None:
    with closing(line.open()) as log:
        line.proxy.cut()
        for stream in (Stream.ITEMS, Stream.USERS, Stream.LISTS):
            with pytest.raises(Unavailable, match="check that it runs there"):
                log.append(stream, records(1))
        assert log.spool.records == 0


def test_a_full_spool_is_unavailable_and_exposures_leave_room_for_events(line: Line) -> None:
    with closing(line.open(limit=10_000)) as log:
        line.proxy.cut()
        for stream in (Stream.EXPOSURES, Stream.EVENTS):
            with pytest.raises(Unavailable, match=r"limit 0.0 MB; mend the log, or raise stores.spool_mb"):
                append(log, stream, lambda number: None)
        assert log.spool.bytes > 9_000
        waiting = log.spool.records
        line.proxy.mend()
        until(lambda: log.spool.records == 0)
        log.append(Stream.EVENTS, records(10))
    assert len(line.held()) + len(line.held(Stream.EXPOSURES)) == waiting + 10


def test_a_process_that_starts_while_the_broker_is_away_takes_events(line: Line) -> None:
    line.proxy.cut()
    with closing(line.open()) as log:
        log.append(Stream.EVENTS, records(10))
    with closing(line.open()) as log:
        assert log.spool.records == 10
        line.proxy.mend()
        until(lambda: log.spool.records == 0)
    assert_all_there(line.held(), records(10))


def test_kill_minus_nine_takes_nothing_that_was_acknowledged(line: Line) -> None:
    with closing(KafkaLog(line.url, Clock())):
        pass
    line.proxy.cut()
    with line.child("append") as child:
        said = [int(child.stdout.readline()) for _ in range(40)]
        child.kill()
        said += [int(word) for word in child.stdout.read().split("\n")[:-1]]
    with closing(line.open()) as log:
        assert log.spool.records >= len(said) * 5
        line.proxy.mend()
        until(lambda: log.spool.records == 0)
    held = line.held()
    assert {entry.record.record_id for entry in held} >= {
        f"id-{n}" for number in said for n in range(number, number + 5)
    }
    assert_all_there(held, records(len({entry.record.record_id for entry in held})))


def test_a_process_that_is_killed_while_it_sends_leaves_the_rest_to_the_next(line: Line) -> None:
    with closing(Spool(line.folder, 100 * MB, Clock())) as spool:
        for start in range(0, MANY, 100):
            spool.write(Stream.EVENTS, records(100, start))
    with closing(KafkaLog(line.direct, Clock())) as log, line.child("send") as child:
        until(lambda: bool(log.ends(Stream.EVENTS)))
        child.kill()
    before = len(line.held())
    assert 0 < before < MANY
    with closing(line.open()) as log:
        assert log.spool.records == MANY  # not even half a segment was through
        until(lambda: log.spool.records == 0)
    assert_all_there(line.held(), records(MANY))


def test_what_kafka_will_never_take_is_set_aside_and_the_rest_goes_on(line: Line) -> None:
    with closing(line.open()) as log:
        line.proxy.cut()
        log.append(Stream.EVENTS, records(1))
        log.append(Stream.EVENTS, [Record("user", "id", bytes(RECORD_BYTES + 1))])
        line.proxy.mend()
        until(lambda: log.spool.damaged == 1)
        until(lambda: log.spool.records == 0)
        log.append(Stream.EVENTS, records(1, 1))
        with pytest.raises(Invalid, match="a record of"):
            log.append(Stream.EVENTS, [Record("user", "id", bytes(RECORD_BYTES + 1))])
    assert {entry.record.record_id for entry in line.held()} >= {"id-1"}


def append(log: Spooled, stream: Stream, tell: Callable[[int], None]) -> None:
    for number in count(0, 5):
        log.append(stream, records(5, number))
        tell(number)


def main(what: str, url: str, folder: str) -> None:
    log = Spooled(KafkaLog(url, Clock()), Spool(Path(folder), 100 * MB, Clock()))
    if what == "append":
        append(log, Stream.EVENTS, lambda number: print(number, flush=True))  # noqa: T201
    time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
