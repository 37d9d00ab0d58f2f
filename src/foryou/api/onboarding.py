"""What is a newcomer asked, and what becomes of the answers? Interests go into the profile, likes into the events."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from foryou.api import schema
from foryou.api.waiting import until
from foryou.domain.catalog import Catalog
from foryou.domain.errors import Invalid
from foryou.domain.event import Action, hash64, hashes
from foryou.domain.log import Position, Stream, partition_of
from foryou.domain.ports import EventLog, FeatureStore, TimeSource
from foryou.domain.records import UserChange
from foryou.domain.slate import View
from foryou.ingest.codec import user_record
from foryou.ingest.collector import Rejection, check_id
from foryou.models import onboarding
from foryou.serve.live import Live

EXAMPLES = 3  # items that show what a category means
ASKED_OF = 200  # items of each kind that are looked through where nothing was learned yet
Collect = Callable[[Sequence[schema.EventIn | Rejection]], Awaitable[schema.EventsOut]]
Numbers = NDArray[np.int32]


class Onboarding:
    """Asks newcomers and takes in what they say."""

    def __init__(self, live: Live, log: EventLog, features: FeatureStore, clock: TimeSource, collect: Collect) -> None:
        self._live, self._log, self._features, self._clock, self._collect = live, log, features, clock, collect

    async def questions(self, num: int) -> schema.Questions:
        """Give up to `num` categories and `num` items to ask about, those first whose answers say most."""
        return await asyncio.to_thread(self._questions, num)

    def _questions(self, num: int) -> schema.Questions:
        arm = self._live.arm_for("")
        view, chosen = arm.view, arm.questions
        catalog, common = view.catalog, _common(view, chosen)
        items = chosen.items if len(chosen.items) else common
        categories = chosen.categories if len(chosen.categories) else onboarding.most_frequent(catalog)
        return schema.Questions(
            _interests(catalog, categories[:num], common),
            [_question(catalog, item) for item in items.tolist() if catalog.available[item]][:num],
            arm.version,
        )

    async def answer(self, user_id: str, body: schema.OnboardingIn) -> schema.OnboardingOut:
        """Store what a newcomer said, and wait a moment until it counts; durable when this returns. Raises Invalid."""
        check_id("user_id", user_id)
        _check(body)
        events = await self._events(user_id, body)
        taken = await self._collect(events)
        interests = [] if body.interests is UNSET else list(dict.fromkeys(body.interests))
        wanted = {Stream.EVENTS: await self._end(Stream.EVENTS, user_id)} if events else {}
        if body.interests is not UNSET:
            change = UserChange(
                user_id=user_id, op="patch", received_ms=self._clock.now_ms(), interests=tuple(interests)
            )
            await asyncio.to_thread(self._log.append, Stream.USERS, [user_record(change)])
            wanted[Stream.USERS] = await self._end(Stream.USERS, user_id)
        return schema.OnboardingOut(
            user_id, taken.accepted, taken.duplicates, self._unknown_interests(interests),
            self._unknown_items([*body.liked_item_ids, *body.disliked_item_ids]),
            await until(lambda: self._reached(user_id, wanted)),
        )  # fmt: skip

    async def _events(self, user_id: str, body: schema.OnboardingIn) -> list[schema.EventIn | Rejection]:
        """Give likes and dislikes as events; what is said again after a slow answer has the same ids again."""
        record = (await asyncio.to_thread(self._features.read, [user_id]))[0]
        since = record.core.forgotten_ms if record else 0  # who was forgotten may say the same anew
        said = [(Action.LIKE, item_id) for item_id in body.liked_item_ids]
        said += [(Action.DISLIKE, item_id) for item_id in body.disliked_item_ids]
        return [
            schema.EventIn(
                user_id=user_id, action=action, item_id=item_id,
                event_id=f"onboarding-{hash64(repr((user_id, str(action), item_id, since))):016x}",
            )
            for action, item_id in said
        ]  # fmt: skip

    async def _end(self, stream: Stream, user_id: str) -> int:
        ends: Position = await asyncio.to_thread(self._log.ends, stream)
        return ends.get(partition_of(user_id, self._log.partitions()), -1)  # none where it waits in a spool

    def _reached(self, user_id: str, wanted: dict[Stream, int]) -> bool:
        held = self._features.position(partition_of(user_id, self._log.partitions()))
        return all(held.get(stream, -1) >= end for stream, end in wanted.items())

    def _unknown_interests(self, names: Sequence[str]) -> list[str]:
        arm = self._live.arm_for("")
        catalog = arm.view.catalog
        return [
            name for name in names
            if name not in catalog.category_numbers and name not in catalog.brand_numbers
            and not arm.questions.describes(name)
        ]  # fmt: skip

    def _unknown_items(self, item_ids: Sequence[str]) -> list[str]:
        numbers = self._live.arm_for("").view.catalog.numbers(hashes(list(item_ids))).tolist()
        return [item_id for item_id, number in zip(item_ids, numbers, strict=True) if not number]


def _check(body: schema.OnboardingIn) -> None:
    """Raise Invalid for an id that is none, or an item that is said twice."""
    liked = set(body.liked_item_ids)
    for field in ("liked_item_ids", "disliked_item_ids"):
        seen: set[str] = set()
        for place, item_id in enumerate(getattr(body, field)):
            check_id(f"{field}/{place}", item_id)
            if item_id in seen:
                raise Invalid(f"{field}/{place}", f"{item_id!r} is said twice", "say it once")
            if field == "disliked_item_ids" and item_id in liked:
                raise Invalid(f"{field}/{place}", f"{item_id!r} is liked, too", "say one of the two")
            seen.add(item_id)


def _common(view: View, chosen: onboarding.Questions) -> Numbers:
    """Give items that many know: those popular in training, then what trends, then what is new."""
    pool = np.concatenate([chosen.examples, view.trending_top[:ASKED_OF], view.newest[:ASKED_OF]])
    return np.asarray(pool[np.sort(np.unique(pool, return_index=True)[1])], np.int32)


def _interests(catalog: Catalog, categories: Numbers, common: Numbers) -> list[schema.InterestQuestion]:
    """Give the categories with items that many know, each item once while there are others."""
    shown: dict[int, list[int]] = {category: [] for category in categories.tolist()}
    for fresh in (True, False):
        taken = {item for items in shown.values() for item in items}
        for item in common[catalog.available[common]].tolist():
            mine = [number for number in catalog.categories.of(item).tolist() if number in shown]
            short = [number for number in mine if len(shown[number]) < EXAMPLES and item not in shown[number]]
            if short and not (fresh and item in taken):
                shown[min(short, key=lambda number: len(shown[number]))].append(item)
                taken.add(item)
    return [
        schema.InterestQuestion(catalog.category_name(number), [_question(catalog, item) for item in items])
        for number, items in shown.items()
    ]


def _question(catalog: Catalog, item: int) -> schema.ItemQuestion:
    names = [catalog.category_name(number) for number in catalog.categories.of(item).tolist()]
    return schema.ItemQuestion(catalog.id_of(item), catalog.title_of(item), names)
