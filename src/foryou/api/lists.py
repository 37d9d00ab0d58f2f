"""Who keeps the editorial and the sponsored lists? The log does; here they are checked, written and read back."""

import asyncio
from collections.abc import Callable, Sequence

from foryou.api import schema
from foryou.domain.catalog import Catalog
from foryou.domain.errors import Conflict, Invalid, NotFound
from foryou.domain.event import hashes
from foryou.domain.lists import MAX_LISTS, NO_LISTS, ItemList, ListChange, Lists
from foryou.domain.log import Stream
from foryou.domain.ports import EventLog, TimeSource
from foryou.ingest.codec import list_of, list_record
from foryou.ingest.collector import check_id
from foryou.serve.lists import followed


class Keeper:
    """Puts, gives and deletes lists. What it gives is what the log says at this moment."""

    def __init__(
        self, log: EventLog, clock: TimeSource, catalog: Callable[[], Catalog], placements: Sequence[str]
    ) -> None:
        self._log, self._clock, self._catalog, self._placements = log, clock, catalog, placements
        self._lists: Lists = NO_LISTS

    async def put(self, name: str, body: schema.ListIn) -> schema.ListOut:
        """Store a list; durable when this returns. Raises Invalid, or Conflict when there are too many."""
        check_id("name", name)
        self._check(body)
        known = await self._read()
        if name not in known.by_name and len(known.by_name) >= MAX_LISTS:
            raise Conflict(f"There are {len(known.by_name)} lists, limit {MAX_LISTS}; delete one that has ended")
        made = ItemList(
            name=name, kind=body.kind, item_ids=tuple(body.item_ids), start_ms=body.start_ms, end_ms=body.end_ms,
            placements=tuple(body.placements), quota=body.quota, label=body.label,
            impressions_per_day=body.impressions_per_day,
        )  # fmt: skip
        await self._append(ListChange(name=name, received_ms=self._clock.now_ms(), now=made))
        return self._out(made)

    async def delete(self, name: str) -> schema.ListDeleted:
        """Delete a list. Raises NotFound."""
        await self._found(name)
        await self._append(ListChange(name=name, received_ms=self._clock.now_ms()))
        return schema.ListDeleted(name)

    async def one(self, name: str) -> schema.ListOut:
        """Give a list. Raises NotFound."""
        return self._out(await self._found(name))

    async def all(self) -> schema.ListsOut:
        """Give all lists in the order of their names."""
        return schema.ListsOut([self._out(one) for one in (await self._read()).by_name.values()])

    def _check(self, body: schema.ListIn) -> None:
        seen: set[str] = set()
        for place, item_id in enumerate(body.item_ids):
            check_id(f"item_ids/{place}", item_id)
            if item_id in seen:
                raise Invalid(f"item_ids/{place}", f"{item_id!r} is said twice", "an item has one place in a list")
            seen.add(item_id)
        for place, name in enumerate(body.placements):
            if name not in self._placements:
                known = ", ".join(self._placements)
                raise Invalid(f"placements/{place}", f"placement {name!r} is not configured", f"use one of {known}")
        if body.end_ms and body.end_ms <= body.start_ms:
            raise Invalid("end_ms", f"{body.end_ms} is not after start_ms {body.start_ms}", "send a later end, or 0")

    async def _found(self, name: str) -> ItemList:
        check_id("name", name)
        found = (await self._read()).by_name.get(name)
        if found is None:
            raise NotFound(f"There is no list {name!r}; PUT /v1/lists/{{name}} makes one")
        return found

    async def _read(self) -> Lists:
        self._lists = await asyncio.to_thread(followed, self._log, self._lists, list_of)
        return self._lists

    async def _append(self, change: ListChange) -> None:
        await asyncio.to_thread(self._log.append, Stream.LISTS, [list_record(change)])

    def _out(self, one: ItemList) -> schema.ListOut:
        numbers = self._catalog().numbers(hashes(list(one.item_ids))).tolist()
        unknown = [item_id for item_id, number in zip(one.item_ids, numbers, strict=True) if not number]
        now_ms = self._clock.now_ms()
        active = any(one.holds(placement, now_ms) for placement in self._placements)
        return schema.ListOut(
            one.name, one.kind, one.item_ids, one.start_ms, one.end_ms, one.placements, one.quota, one.label, active,
            unknown, one.impressions_per_day,
        )  # fmt: skip
