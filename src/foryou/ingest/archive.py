"""How does the log become an archive? Part by part of Parquet: each event once for ever, resumed where it stopped."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from foryou.domain.archive import PARTS, STATES, Part, State, standing
from foryou.domain.errors import Conflict, Refused
from foryou.domain.event import CODE, Action, Event, hashes
from foryou.domain.log import Entry, Position, Stream
from foryou.domain.ports import Archive, EventLog
from foryou.ingest.archived_ids import known, remember

READ = 5_000
CHUNK = 100_000  # offsets of a part at most; about 100 MB while it is made
STATES_KEPT = 5
EXAMPLES = 5
Progress = Callable[[int, int], None]
SCHEMA = {
    "event_id": pl.String, "user_id": pl.String, "user_hash": pl.Int64, "item_id": pl.String, "action": pl.UInt8,
    "at_ms": pl.Int64, "received_ms": pl.Int64, "value": pl.Float32, "unit": pl.String, "quantity": pl.Int32,
    "query": pl.String, "session_id": pl.String, "recommendation_id": pl.String, "position": pl.Int32,
    "device": pl.String, "context": pl.String, "partition": pl.Int32, "offset": pl.Int64,
}  # fmt: skip
_SAID = (
    "event_id", "user_id", "item_id", "at_ms", "value", "unit", "quantity", "query", "session_id",
    "recommendation_id", "position",
)  # fmt: skip


@dataclass(slots=True)
class _Read:
    """The events of a plan as they lie in the log."""

    offsets: list[int] = field(default_factory=list)
    appended_ms: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    unread: int = 0


def state_of(store: Archive) -> tuple[int, State]:
    """Give the number of the state in force and the state; (0, the empty one) of an archive without any."""
    names = store.names(f"{STATES}/")
    if not names:
        return 0, State()
    return int(names[-1].removeprefix(f"{STATES}/").removesuffix(".json")), msgspec.json.decode(
        store.read(names[-1]), type=State
    )


def archive(
    log: EventLog, store: Archive, decode: Callable[[bytes], Event], on_progress: Progress, chunk: int = CHUNK
) -> State:
    """Bring the archive up to the present end of the log; gives its state.

    What is written next is noted first (`pending`), with the exact offsets; then come the parts, the ids, and the state
    in which they count. So a run that was killed is completed by the next one with the same objects. A `forget` takes
    the user's earlier events out of all parts before the state moves past it.
    Raises Conflict if another archives the same log at once, Unavailable if log or store are away.
    """
    ends = log.ends(Stream.EVENTS)
    number, state = state_of(store)
    total = sum(end + 1 for end in ends.values())
    if state.pending is None and (plan := _plan(state.through, ends, chunk)):
        number, state = _saved(store, number + 1, msgspec.structs.replace(state, pending=plan))
    while state.pending is not None:
        old, state = state, _carried_out(log, store, decode, state)
        state = msgspec.structs.replace(state, pending=_plan(state.through, ends, chunk))
        number, state = _saved(store, number + 1, state)
        _sweep(store, number, old, state)
        on_progress(_done(state.through, ends), total)
    return state


def _done(through: Position, ends: Position) -> int:
    return sum(min(through.get(partition, -1), end) + 1 for partition, end in ends.items())


def _plan(through: Position, ends: Position, chunk: int) -> tuple[int, int, int] | None:
    for partition, end in sorted(ends.items()):
        first = through.get(partition, -1) + 1
        if first <= end:
            return partition, first, min(first + chunk - 1, end)
    return None


def _saved(store: Archive, number: int, state: State) -> tuple[int, State]:
    if not store.create(f"{STATES}/{number:012}.json", msgspec.json.encode(state)):
        raise Conflict("Another process archives this log at the moment; wait until it ends, and try again")
    return number, state


def _sweep(store: Archive, number: int, old: State, new: State) -> None:
    """Delete old states and the runs of ids that were merged into others."""
    gone = {run.name for runs in old.runs.values() for run in runs} - {
        run.name for runs in new.runs.values() for run in runs
    }
    states = [name for name in store.names(f"{STATES}/") if name < f"{STATES}/{number - STATES_KEPT:012}"]
    store.delete([*sorted(gone), *states])


def _carried_out(log: EventLog, store: Archive, decode: Callable[[bytes], Event], state: State) -> State:
    """Write the parts of the pending plan; gives the state in which they count."""
    assert state.pending is not None
    partition, first, last = state.pending
    read = _read(log, decode, partition, first, last)
    ids = hashes([event.event_id for event in read.events])
    runs = state.runs.get(partition, ())
    new = _first_of_each(ids) & ~known(store, runs, ids)
    forgotten = {
        event.user_id: offset
        for event, offset, is_new in zip(read.events, read.offsets, new, strict=True)
        if is_new and event.action is Action.FORGET
    }
    table = _without(_frame(partition, read).filter(pl.Series(new, dtype=pl.Boolean)), forgotten)
    erased = int(new.sum()) - len(table)
    earlier = [part for part in standing(store.names(f"{PARTS}/"), state) if part.partition == partition]
    erased += _erased(store, earlier, forgotten) if forgotten else 0
    for day, rows in _by_day(table):
        store.replace(Part(day, partition, first, last).name, rows.write_parquet)
    repeated = [read.events[row].event_id for row in np.flatnonzero(~new)[:EXAMPLES]]
    return State(
        through=state.through | {partition: last},
        runs=state.runs | {partition: remember(store, runs, ids[new], (partition, first, last))},
        newest_ms=max([state.newest_ms, *read.appended_ms]),
        events=state.events + int(new.sum()),
        repeats=state.repeats + int((~new).sum()),
        unread=state.unread + read.unread,
        erased=state.erased + erased,
        repeated=(*state.repeated, *repeated)[:EXAMPLES],
    )


def _read(log: EventLog, decode: Callable[[bytes], Event], partition: int, first: int, last: int) -> _Read:
    found = _Read()
    for entry in _entries(log, partition, first, last):
        try:
            event = decode(entry.record.body)
        except Refused:
            found.unread += 1  # the worker passes over it, too, and says so
            continue
        found.events.append(event)
        found.offsets.append(entry.offset)
        found.appended_ms.append(entry.appended_ms)
    return found


def _entries(log: EventLog, partition: int, first: int, last: int) -> Iterator[Entry]:
    after = first - 1
    while after < last:
        entries = log.read(Stream.EVENTS, partition, after, min(READ, last - after))
        if not entries:
            return
        yield from (entry for entry in entries if entry.offset <= last)
        after = entries[-1].offset


def _first_of_each(ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
    first = np.zeros(len(ids), np.bool_)
    first[np.unique(ids, return_index=True)[1]] = True
    return first


def _frame(partition: int, read: _Read) -> pl.DataFrame:
    events = read.events
    columns: dict[str, object] = {name: [getattr(event, name) for event in events] for name in _SAID}
    columns["user_hash"] = hashes([event.user_id for event in events]).view(np.int64)
    columns["action"] = [CODE[event.action] for event in events]
    columns["received_ms"] = read.appended_ms
    columns["device"] = [event.context.get("device", "") for event in events]
    encode = msgspec.json.Encoder(order="deterministic").encode
    columns["context"] = [encode(event.context).decode() if event.context else "" for event in events]
    columns["partition"] = np.full(len(events), partition, np.int32)
    columns["offset"] = read.offsets
    return pl.DataFrame({name: columns[name] for name in SCHEMA}, schema=SCHEMA)


def _by_day(table: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    if len(table):
        day = pl.from_epoch("received_ms", time_unit="ms").dt.strftime("%Y-%m-%d").alias("day")
        for (name,), rows in table.with_columns(day).partition_by("day", as_dict=True).items():
            yield str(name), rows.drop("day")


def _without(table: pl.DataFrame, forgotten: dict[str, int]) -> pl.DataFrame:
    """Leave out what forgotten users did until they were, and that they were: nothing names them any more."""
    if not forgotten:
        return table
    until = pl.col("user_id").replace_strict(forgotten, default=-1, return_dtype=pl.Int64)
    return table.filter(pl.col("offset") > until)


def _erased(store: Archive, parts: Sequence[Part], forgotten: dict[str, int]) -> int:
    """Write the parts that hold events of forgotten users anew without them; gives how many events were erased."""
    count = 0
    for part in parts:
        paths, options = store.located([part.name])
        rows = pl.scan_parquet(paths, storage_options=options or None, hive_partitioning=False)
        if rows.filter(pl.col("user_id").is_in(list(forgotten))).select(pl.len()).collect().item():
            table = rows.collect()
            kept = _without(table, forgotten)
            count += len(table) - len(kept)
            if len(kept):
                store.replace(part.name, kept.write_parquet)
            else:
                store.delete([part.name])
    return count
