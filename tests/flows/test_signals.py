"""Does every signal, and nothing but it, move the next answer the way it should? From the log to the answer."""

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

import worlds
from foryou.api import schema
from foryou.config import Fold, Serve, Stores
from foryou.domain import catalog as catalogs
from foryou.domain.bundle import ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.clock import HOUR_MS
from foryou.domain.event import Action, Event
from foryou.domain.exposure import Exposure
from foryou.domain.log import Stream
from foryou.domain.records import Core, UserChange
from foryou.domain.release import Release
from foryou.ingest.codec import event_record, exposure_record, user_record
from foryou.observe.metrics import Metrics
from foryou.train import content, lifts
from foryou.train.dataset import Interactions
from foryou.wiring.home import Home
from foryou.wiring.models import PRIORS
from foryou.wiring.serving import service
from worlds import MINUTE_MS, NOW_MS

FILMS = [
    msgspec.structs.replace(film, brand=f"{film.item_id.split('-')[0]} studio", text=f"{film.title} is a film")
    for film in worlds.films()
]
Act = Event | Exposure | UserChange
Answer = dict[str, float]  # ids and scores, best first
GROUPS = {  # who likes what in the log that the lifts are learned from
    "location": {"Rome": "war", "Oslo": "love"}, "gender": {"f": "space", "m": "crime"},
    "age": {"25": "love", "55": "war"}, "device": {"tv": "space", "phone": "crime"},
    "hour": {"night": "crime", "morning": "love"},
}  # fmt: skip
HOURS = {"night": NOW_MS + 4 * HOUR_MS, "morning": NOW_MS + 12 * HOUR_MS}  # now it is 22:13 UTC


def planted(catalog: Catalog) -> Interactions:
    """Give a log in which each group likes one genre: 300 events of a user of each group."""
    people, rows = [], []
    devices = []
    for kind, groups in GROUPS.items():
        for name, genre in groups.items():
            said = {"location": {"location": name}, "gender": {"gender": name}}.get(kind, {})
            people.append(Core(age=int(name) if kind == "age" else 0, **said))
            for n in range(300):
                at_ms = HOURS[name] if kind == "hour" else NOW_MS + n * HOUR_MS
                rows.append((len(people) - 1, catalog.number(f"{genre}-{n % worlds.EACH + 1}"), at_ms))
                devices.append(name if kind == "device" else "")
    user, item, at_ms = (np.array(column) for column in zip(*rows, strict=True))
    ones = np.ones(len(rows), np.float32)
    names = [str(row) for row in range(len(rows))]
    return Interactions(
        user.astype(np.int32), item.astype(np.int32), at_ms, ones, ones.astype(np.uint8), ones, names,
        [str(n) for n in range(len(people))], len(catalog), devices, people,
    )  # fmt: skip


def trained(catalog: Catalog) -> ModelBundle:
    """Give the films' bundle with contents and lifts, every input at the weight that it has untaught."""
    weights = PRIORS | {"popularity": 0.02, "trending": 0.0, "welcome": 0.0}
    plain = worlds.bundle("v1", **weights)
    popularity = np.asarray(plain.arrays["popularity"], np.float32)
    learned = content.fit(catalog, popularity, content.ContentSettings(width=8))
    return ModelBundle(plain.manifest, dict(plain.arrays) | learned | lifts.fit(planted(catalog), catalog))


class Town:
    """A home with its door: what is appended to the log is folded, and questions come in as requests do."""

    def __init__(self, home: Home, metrics: Metrics) -> None:
        self.home, self._number = home, count()
        self.door = service(home, metrics)
        self._worker = home.worker()
        self._worker.lease()

    def newcomer(self, *acts: Act) -> str:
        """Give a user of whom these acts are all that is known."""
        name = f"user-{next(self._number)}"
        for place, act in enumerate(acts):
            if isinstance(act, Exposure):
                own = msgspec.structs.replace(act, user_id=name, recommendation_id=f"{name}:{place}")
                self.home.log.append(Stream.EXPOSURES, [exposure_record(own)])
            elif isinstance(act, UserChange):
                self.home.log.append(Stream.USERS, [user_record(msgspec.structs.replace(act, user_id=name))])
            else:
                event = msgspec.structs.replace(act, user_id=name, event_id=f"{name}:{place}")
                self.home.log.append(Stream.EVENTS, [event_record(event)])
        self._worker.catch_up()
        self.door._parts.live.refresh()
        return name

    def ask(self, user: str, k: int = len(FILMS), personalize: bool = True, **context: str) -> Answer:
        """Give ids and scores of what is recommended, best first."""
        ask = schema.Ask(
            user_id=user, num_results=k, personalize=personalize, context=schema.Context(**context)
        )  # fmt: skip
        answer = asyncio.run(self.door.recommend(ask))
        assert not set(answer.degraded) - {"unknown_user", "short_answer"}
        return {item.item_id: item.score for item in answer.items}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    home = worlds.home_in(
        tmp_path_factory.mktemp("town"), placements={"home": worlds.PLAIN},
        serve=Serve(deadline_ms=60_000, refresh_ms=60_000), stores=Stores(look_ms=60_000), fold=Fold(lease_ms=600_000),
    )  # fmt: skip
    catalog = catalogs.build(FILMS, "films", {})
    home.models.publish_catalog(catalog)
    home.models.publish(trained(catalog))
    home.models.replace_release(Release(1, {"main": (("v1", 1.0),)}, NOW_MS), 0)
    made = Town(home, Metrics(CollectorRegistry()))
    yield made
    made.door.close()


def did(action: Action, item_id: str = "", minutes_ago: float = 1, **more: Any) -> Event:
    at_ms = NOW_MS - round(minutes_ago * MINUTE_MS)
    return Event("", "", action, at_ms, item_id, at_ms, **more)


def shown(*item_ids: str, minutes_ago: float = 5) -> Exposure:
    at_ms = NOW_MS - round(minutes_ago * MINUTE_MS)
    ones = (1.0,) * len(item_ids)
    return Exposure("", "", at_ms, "home", "main", "v1", 0, -1, item_ids, ones, ("popular",) * len(item_ids), ones)


BEFORE = tuple(
    did(Action.VIEW, f"{genre}-9", 60 + n) for n, genre in enumerate(worlds.GENRES)
)  # what all users have in common


def place(answer: Answer, *items: str) -> float:
    """Give the mean place of the items of these names or genres that an answer shows, 0 = first."""
    found = [n for n, name in enumerate(answer) if name in items or worlds.genre_of(name) in items]
    return sum(found) / len(found)


def first(answer: Answer, genre: str, k: int = 10) -> int:
    """Give how many of the first items are of a genre."""
    return [worlds.genre_of(name) for name in list(answer)[:k]].count(genre)


LIKED: dict[str, tuple[Event, ...]] = {
    "a view": (did(Action.VIEW, "war-1"),),
    "a click": (did(Action.CLICK, "war-1"),),
    "a like": (did(Action.LIKE, "war-1"),),
    "a long dwell": (did(Action.DWELL, "war-1", value=60.0),),
    "an item in the cart": (did(Action.ADD_TO_CART, "war-1"),),
    "a purchase": (did(Action.PURCHASE, "war-1"),),
    "a high rating": (did(Action.RATING, "war-1", value=5.0),),
    "a search": (did(Action.SEARCH, query="war"),),
}
DISLIKED: dict[str, tuple[Event, ...]] = {
    "a dislike": (did(Action.DISLIKE, "war-1"),),
    "a dwell of less than 5 s": (did(Action.DWELL, "war-1", value=4.9),),
    "a hide": (did(Action.HIDE, "war-1"),),
    "a low rating": (did(Action.RATING, "war-1", value=1.0),),
}


@pytest.mark.parametrize("signal", LIKED)
def test_what_says_yes_raises_its_like(town: Town, signal: str) -> None:
    without, told = (town.ask(town.newcomer(*BEFORE, *acts)) for acts in ((), LIKED[signal]))
    assert place(told, "war") < place(without, "war")
    assert first(told, "war") > first(without, "war")


@pytest.mark.parametrize("signal", DISLIKED)
def test_what_says_no_lowers_its_like(town: Town, signal: str) -> None:
    before = (*BEFORE, did(Action.VIEW, "war-2", 30))
    without, told = (town.ask(town.newcomer(*before, *acts)) for acts in ((), DISLIKED[signal]))
    assert "war-1" not in told
    assert place(told, "war") > place(without, "war")
    assert first(told, "war") < first(without, "war")


def test_the_stronger_the_action_the_more_it_raises(town: Town) -> None:
    actions = (Action.VIEW, Action.CLICK, Action.ADD_TO_CART, Action.PURCHASE)
    answers = [town.ask(town.newcomer(*BEFORE, did(action, "war-1"))) for action in actions]
    scores = [answer["war-5"] for answer in answers]
    assert scores == sorted(scores)
    assert len(set(scores)) == len(scores)


def test_what_was_viewed_or_searched_last_counts_most(town: Town) -> None:
    views = did(Action.VIEW, "war-1", 3), did(Action.VIEW, "love-1", 500)
    other = did(Action.VIEW, "war-1", 500), did(Action.VIEW, "love-1", 3)
    war, love = (town.ask(town.newcomer(*BEFORE, *acts)) for acts in (views, other))
    assert first(war, "war") > first(love, "war")
    assert first(war, "love") < first(love, "love")
    searches = did(Action.SEARCH, minutes_ago=3, query="war"), did(Action.SEARCH, minutes_ago=9, query="love")
    found = town.ask(town.newcomer(*BEFORE, *searches))
    assert first(found, "war") == 10


def test_a_search_and_a_page_of_an_earlier_session_say_nothing(town: Town) -> None:
    page = {"category": "space"}
    plain = town.newcomer(*BEFORE, did(Action.VIEW, "war-1", 31))
    told = town.newcomer(*BEFORE, did(Action.VIEW, "war-1", 31, context=page), did(Action.SEARCH, "", 31, query="love"))
    assert town.ask(told) == town.ask(plain)


@pytest.mark.parametrize(
    ("context", "genre"), [({"category": "war"}, "war"), ({"device": "tv"}, "space"), ({"device": "phone"}, "crime")]
)
def test_what_an_event_says_of_page_and_device_raises_what_goes_with_it(
    town: Town, context: dict[str, str], genre: str
) -> None:
    without, told = (
        town.ask(town.newcomer(*BEFORE, did(Action.VIEW, "love-9", 10, context=said))) for said in ({}, context)
    )
    assert place(told, genre) < place(without, genre)
    assert first(told, genre) > first(without, genre)


@pytest.mark.parametrize(
    ("context", "genre"),
    [
        ({"search": "war"}, "war"), ({"search": "Love"}, "love"), ({"search": "crime studio"}, "crime"),
        ({"category": "space"}, "space"), ({"device": "tv"}, "space"), ({"device": "phone"}, "crime"),
        ({"location": "Rome"}, "war"), ({"location": "Oslo"}, "love"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("known", [True, False])
def test_what_a_request_says_raises_what_goes_with_it(
    town: Town, context: dict[str, str], genre: str, known: bool
) -> None:
    user = town.newcomer(*BEFORE if known else ())
    without, told = town.ask(user), town.ask(user, **context)
    assert place(told, genre) < place(without, genre)
    assert first(told, genre) > first(without, genre)


@pytest.mark.parametrize(
    ("profile", "genre"),
    [
        ({"location": "Rome"}, "war"), ({"location": "Oslo"}, "love"), ({"gender": "f"}, "space"),
        ({"gender": "m"}, "crime"), ({"age": 29}, "love"), ({"age": 50}, "war"), ({"interests": ("crime",)}, "crime"),
    ],
)  # fmt: skip
def test_what_a_profile_says_raises_what_goes_with_it(town: Town, profile: dict[str, Any], genre: str) -> None:
    nothing = UserChange(user_id="", op="patch", attributes={"shoes": "brown"})
    without, told = (
        town.ask(town.newcomer(one)) for one in (nothing, msgspec.structs.replace(nothing, **profile))
    )  # fmt: skip
    assert place(told, genre) < place(without, genre)
    assert first(told, genre) > first(without, genre)


def test_the_hour_of_the_day_changes_what_is_shown(town: Town) -> None:
    user, answers = town.newcomer(), {}
    for hour, at_ms in HOURS.items():
        town.home.clock.at_ms = at_ms
        answers[hour] = town.ask(user)
    town.home.clock.at_ms = NOW_MS
    evening = town.ask(user)
    assert first(answers["night"], "crime") > first(evening, "crime")
    assert first(answers["morning"], "love") > first(evening, "love")


IMPRESSIONS = tuple(did(Action.IMPRESSION, "war-3", minutes) for minutes in (9, 10, 11))


@pytest.mark.parametrize(
    "acts", [IMPRESSIONS, tuple(shown("war-3", "love-3", minutes_ago=minutes) for minutes in (9, 10, 11))],
    ids=["reported by the client", "as it was answered"],
)  # fmt: skip
def test_what_was_shown_and_not_clicked_sinks(town: Town, acts: tuple[Act, ...]) -> None:
    without, once, often = (town.ask(town.newcomer(*BEFORE, *some)) for some in ((), acts[:1], acts))
    assert without["war-3"] > once["war-3"] > often["war-3"]
    assert place(often, "war-3") > place(without, "war-3")
    assert {name: score for name, score in often.items() if name not in ("war-3", "love-3")} == {
        name: score for name, score in without.items() if name not in ("war-3", "love-3")
    }


def test_what_was_shown_yesterday_may_be_shown_again(town: Town) -> None:
    old = did(Action.IMPRESSION, "war-3", 24 * 60 + 1), shown("love-3", minutes_ago=24 * 60 + 1)
    without, told = (town.ask(town.newcomer(*BEFORE, *some)) for some in ((), old))
    assert told == without


def test_what_the_client_reports_counts_instead_of_what_was_answered(town: Town) -> None:
    answered = shown("war-3", "love-3")
    below = town.newcomer(*BEFORE, answered, did(Action.IMPRESSION, "war-3", 5))
    only = town.newcomer(*BEFORE, did(Action.IMPRESSION, "war-3", 5))
    assert town.ask(below) == town.ask(only)
    long_ago = town.newcomer(*BEFORE, answered, did(Action.IMPRESSION, "war-3", 3_000))
    assert town.ask(long_ago) == town.ask(town.newcomer(*BEFORE, answered))


def test_who_asks_for_no_personal_answer_gets_what_everybody_gets(town: Town) -> None:
    users = [
        town.newcomer(*BEFORE), town.newcomer(*BEFORE, *LIKED["a purchase"]), town.newcomer(*DISLIKED["a hide"]),
        town.newcomer(*LIKED["a search"], *IMPRESSIONS), town.newcomer(), "nobody knows me",
        town.newcomer(UserChange(user_id="", op="put", age=25, gender="f", location="Rome", interests=("war",))),
    ]  # fmt: skip
    everybody = town.ask("")
    for user in users:
        assert town.ask(user, personalize=False) == everybody
    assert len({tuple(town.ask(user)) for user in users}) > 4
    assert town.ask(users[1], personalize=False, search="war") == town.ask("", search="war") != everybody
