"""What is trained on? A snapshot of the log as Parquet: each event once, in time order, nothing of those who left."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.errors import NotFound, Refused
from foryou.domain.event import ABOUT_ITEMS, ACTIONS, CODE, Action, Event, hashes, interest
from foryou.domain.log import Entry, Position, Stream
from foryou.domain.ports import EventLog
from foryou.domain.records import NOBODY, Core

READ = 5_000
_SCHEMA = {
    "event_id": pl.String, "user_id": pl.String, "item_id": pl.String, "action": pl.UInt8, "at_ms": pl.Int64,
    "value": pl.Float32, "session_id": pl.String, "recommendation_id": pl.String, "device": pl.String,
}  # fmt: skip
_LEARNED = frozenset(ABOUT_ITEMS) - {Action.IMPRESSION}


def snapshot(
    log: EventLog, decode: Callable[[bytes], Event], path: Path, on_progress: Callable[[int, int], None]
) -> Position:
    """Write the events about items into a Parquet file; gives the position that it reaches.

    Sorted by (at_ms, event_id), each event_id once; what a user did before a `forget` is left out, what an
    alias did counts for the user it became. The file appears whole or not at all.
    """
    ends = log.ends(Stream.EVENTS)
    forgotten, alias = {}, {}
    parts: list[pl.DataFrame] = []
    done, total = 0, sum(end + 1 for end in ends.values())
    for place, rows in _batches(log, decode, ends):
        for offset, event in rows:
            if event.action is Action.FORGET:
                forgotten[event.user_id] = (place, offset)
            elif event.action is Action.ALIAS and event.unit == "into":
                alias[event.user_id] = event.query
        parts.append(_frame(place, rows))
        done += len(rows)
        on_progress(done, total)
    if not done:
        raise NotFound("The log holds no events; import a data set (`foryou import PATH`) or post some first")
    table = _cleaned(pl.concat(parts), forgotten, alias)
    part = path.with_suffix(".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(part, compression="zstd")
    part.rename(path)
    return ends


def _batches(
    log: EventLog, decode: Callable[[bytes], Event], ends: Position
) -> Iterator[tuple[int, list[tuple[int, Event]]]]:
    for partition, end in ends.items():
        after = -1
        while after < end:
            entries = [entry for entry in log.read(Stream.EVENTS, partition, after, READ) if entry.offset <= end]
            if not entries:
                break
            yield partition, [(entry.offset, event) for entry in entries if (event := _decoded(entry, decode))]
            after = entries[-1].offset


def _decoded(entry: Entry, decode: Callable[[bytes], Event]) -> Event | None:
    try:
        return decode(entry.record.body)
    except Refused:
        return None  # the worker passes over it, too, and says so


def _frame(partition: int, rows: list[tuple[int, Event]]) -> pl.DataFrame:
    learned = [(offset, event) for offset, event in rows if event.action in _LEARNED]
    columns = {
        name: [getattr(event, name) for _, event in learned]
        for name in ("event_id", "user_id", "item_id", "at_ms", "value", "session_id", "recommendation_id")
    }
    columns["action"] = [CODE[event.action] for _, event in learned]
    columns["device"] = [event.context.get("device", "") for _, event in learned]
    frame = pl.DataFrame(columns, schema=_SCHEMA)
    offsets = pl.Series("offset", [offset for offset, _ in learned], pl.Int64)
    return frame.with_columns(offsets, pl.lit(partition, pl.Int32).alias("partition"))


def _cleaned(table: pl.DataFrame, forgotten: dict[str, tuple[int, int]], alias: dict[str, str]) -> pl.DataFrame:
    if forgotten:
        gone = pl.DataFrame(
            [(user, place, offset) for user, (place, offset) in forgotten.items()],
            schema={"user_id": pl.String, "partition": pl.Int32, "gone": pl.Int64}, orient="row",
        )  # fmt: skip
        table = table.join(gone, on=["user_id", "partition"], how="left")
        table = table.filter(pl.col("gone").is_null() | (pl.col("offset") > pl.col("gone"))).drop("gone")
    if alias:
        table = table.with_columns(pl.col("user_id").replace(alias))
    return table.unique("event_id", keep="first", maintain_order=True).sort("at_ms", "event_id")


@dataclass(frozen=True, slots=True)
class Interactions:
    """Events as numbers, in time order, n of them.

    user int32 0..U-1 · item int32 catalog numbers, 1..N · at_ms int64 · taste float32 interest in [-1, 1] ·
    action uint8 · value float32 (NaN = none) · device: its name per event, "" = unknown ·
    people: what is known of each user beside the events (U of them, or none)
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    at_ms: NDArray[np.int64]
    taste: NDArray[np.float32]
    action: NDArray[np.uint8]
    value: NDArray[np.float32]
    event_ids: list[str]
    user_ids: list[str]
    items: int
    device: list[str] = field(default_factory=list)
    people: list[Core] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.user)

    def part(self, start: int, end: int) -> "Interactions":
        """Give the events from `start` up to `end`; users and items keep their numbers."""
        return self.where(np.arange(start, min(end, len(self))))

    def where(self, rows: NDArray[np.integer]) -> "Interactions":
        """Give the events of these rows, in their order."""
        return Interactions(
            self.user[rows], self.item[rows], self.at_ms[rows], self.taste[rows], self.action[rows], self.value[rows],
            [self.event_ids[row] for row in rows], self.user_ids, self.items,
            [self.device[row] for row in rows] if self.device else [], self.people,
        )  # fmt: skip

    def events(self, catalog: Catalog) -> list[Event]:
        """Give them as events again, for a replay through the fold."""
        names = {number: catalog.id_of(number) for number in np.unique(self.item).tolist()}
        return [
            Event(
                event_id=self.event_ids[row], user_id=self.user_ids[self.user[row]], action=ACTIONS[self.action[row]],
                at_ms=int(self.at_ms[row]), item_id=names[int(self.item[row])], received_ms=int(self.at_ms[row]),
                value=None if np.isnan(self.value[row]) else float(self.value[row]),
                context={"device": self.device[row]} if self.device and self.device[row] else {},
            )
            for row in range(len(self))
        ]  # fmt: skip


def interactions(path: Path, catalog: Catalog, people: Mapping[str, Core] = {}) -> Interactions:
    """Read a snapshot; events on items that the catalog does not know are left out. `people`: what profiles say."""
    table = pl.read_parquet(path)
    known_items = table["item_id"].unique(maintain_order=True)
    number_of = dict(zip(known_items.to_list(), catalog.numbers(hashes(known_items.to_list())).tolist(), strict=True))
    number = table["item_id"].replace_strict(number_of, return_dtype=pl.Int32)
    table = table.with_columns(number.alias("number")).filter(pl.col("number") > 0)
    users = table["user_id"].unique(maintain_order=True).to_list()
    place = {user: row for row, user in enumerate(users)}
    action = table["action"].to_numpy()
    value = table["value"].fill_null(float("nan")).to_numpy().astype(np.float32)
    return Interactions(
        user=table["user_id"].replace_strict(place, return_dtype=pl.Int32).to_numpy(),
        item=table["number"].to_numpy(),
        at_ms=table["at_ms"].to_numpy(),
        taste=interest(action, value),
        action=action,
        value=value,
        event_ids=table["event_id"].to_list(),
        user_ids=users,
        items=len(catalog),
        device=table["device"].to_list(),
        people=[people.get(user, NOBODY.core) for user in users],
    )
