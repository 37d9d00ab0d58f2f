"""What is trained on? The table of interactions that an engine made, as numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.event import ACTIONS, Event, hashes, interest
from foryou.domain.records import NOBODY, Core


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
    """Read a table of interactions, a file or a folder of files that are in order by name.

    Events on items that the catalog does not know are left out. `people`: what profiles say.
    """
    table = pl.concat([pl.read_parquet(one) for one in (sorted(path.glob("*.parquet")) if path.is_dir() else [path])])
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
