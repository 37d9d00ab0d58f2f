"""Is somebody new served well, and something new shown at once? A trained home, asked through its door.

The world: two tastes that have nothing in common. Women of the past acted on Crime, men on Science; every item was
acted on equally often, long ago, so that neither popularity nor trend prefers one.
"""

from collections.abc import Iterator

import pytest
from shop import Shop

from foryou.domain.event import Action, Event
from foryou.domain.item import ItemChange
from foryou.domain.log import Stream
from foryou.domain.records import UserChange
from foryou.ingest.codec import event_record, item_record, user_record
from foryou.observe.metrics import Metrics
from foryou.wiring.training import train

LONG_AGO_MS = 1_600_000_000_000
SHELVES = {"Crime": "murder detective night", "Science": "atom star cell"}
PEOPLE = {"Crime": ("f", 62, "Oslo"), "Science": ("m", 25, "Rome")}  # who acted on what
ITEMS, USERS = 10, 5  # of each taste


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, metrics: Metrics) -> Iterator[Shop]:
    """A shop with a bundle of the world. The events are too few to learn a ranker from: its weights are the priors."""
    shop = Shop(tmp_path_factory.mktemp("trained"), metrics, stocked=False)
    for category, (gender, age, location) in PEOPLE.items():
        names = [f"{category}-{n}".lower() for n in range(ITEMS)]
        users = [f"past-{category}-{n}" for n in range(USERS)]
        shop.home.log.append(Stream.ITEMS, [
            item_record(ItemChange(
                item_id=name, op="put", title=name, text=SHELVES[category], categories=(category,), published_ms=1
            )) for name in names
        ])  # fmt: skip
        shop.home.log.append(Stream.USERS, [
            user_record(UserChange(user_id=user, op="put", gender=gender, age=age, location=location)) for user in users
        ])  # fmt: skip
        shop.home.log.append(Stream.EVENTS, [
            event_record(Event(f"{user}-{name}", user, Action.CLICK, LONG_AGO_MS + 1_000 * n + place, item_id=name))
            for place, user in enumerate(users) for n, name in enumerate(names)
        ])  # fmt: skip
    shop._worker.catch_up()
    assert train(shop.home, lambda *_: None, force=True).promoted
    with shop:
        yield shop


def categories(shop: Shop, n: int = 6, **asked: object) -> list[str]:
    """Give the categories of the first items shown."""
    return [item_id.partition("-")[0] for item_id in shop.shown(num_results=n, **asked)]


@pytest.mark.parametrize(
    ("profile", "category"),
    [
        ({"gender": "f"}, "crime"), ({"gender": "m"}, "science"), ({"age": 65}, "crime"), ({"age": 21}, "science"),
        ({"location": "Oslo"}, "crime"), ({"location": "Rome"}, "science"), ({"interests": ["Science"]}, "science"),
    ],
)  # fmt: skip
def test_a_profile_alone_leads_to_what_people_like_that_liked(
    trained: Shop, profile: dict[str, object], category: str
) -> None:
    name = f"new-{next(iter(profile.values()))}".replace("['Science']", "i")
    assert trained.client.put(f"/v1/users/{name}", json=profile).json()["visible"]
    told = trained.ask(user_id=name, num_results=3)
    assert [item["item_id"].partition("-")[0] for item in told["items"]] == [category] * 3
    assert told["degraded"] == []  # a profile is acquaintance enough


def test_where_the_user_is_now_counts_before_where_the_profile_says(trained: Shop) -> None:
    trained.client.put("/v1/users/travels", json={"location": "Rome"})
    assert categories(trained, 3, user_id="travels") == ["science"] * 3
    assert categories(trained, 3, user_id="travels", context={"location": "Oslo"}) == ["crime"] * 3


def test_a_group_that_nobody_knows_changes_nothing(trained: Shop) -> None:
    trained.client.put("/v1/users/rare", json={"gender": "x", "age": 101, "location": "Nowhere"})
    assert trained.shown(user_id="rare", num_results=6) == trained.shown(user_id="stranger", num_results=6)


def test_an_item_put_a_moment_ago_is_recommended_to_whom_it_suits_and_gone_when_deleted(trained: Shop) -> None:
    trained.client.post("/v1/users/fan/onboarding", json={"liked_item_ids": ["science-0", "science-1"]})
    new = {"title": "Comet", "text": "a star and its atom", "categories": ["Science"], "price": 5}
    assert trained.client.put("/v1/items/comet", json=new).json()["visible"]
    trained.client.put("/v1/items/alibi", json=new | {"text": "murder at night", "categories": ["Crime"]})
    trained.settle()
    assert "comet" in trained.shown(user_id="fan", num_results=12)  # of 20: before what is popular elsewhere
    for_fan = trained.shown(user_id="fan", num_results=20)
    assert for_fan.index("comet") < for_fan.index("alibi")  # as new, but nothing for this user
    why = trained.client.post("/v1/explain", json={"user_id": "fan", "item_id": "comet"}).json()
    assert why["proposed_by"] == ["content", "new_arrivals"]
    assert why["parts"]["arrival"] > 0
    assert "comet" in [
        item["item_id"] for item in trained.client.get("/v1/items/science-2/similar?num_results=20").json()["items"]
    ]
    like = [item["item_id"] for item in trained.client.get("/v1/items/comet/similar?num_results=5").json()["items"]]
    assert [name.partition("-")[0] for name in like] == ["science"] * 5
    for name in ("comet", "alibi"):
        trained.client.delete(f"/v1/items/{name}")
    trained.settle()
    assert "comet" not in trained.shown(user_id="fan", num_results=20)
    assert "comet" not in trained.client.get("/v1/items/science-2/similar?num_results=20").text


def test_of_two_equal_items_the_newer_one_stands_first(trained: Shop) -> None:
    trained.client.post("/v1/users/keen/onboarding", json={"liked_item_ids": ["crime-0", "crime-1"]})
    same = {"title": "Case", "text": "murder at night", "categories": ["Crime"]}
    trained.client.put("/v1/items/case-old", json=same | {"published_ms": LONG_AGO_MS})
    trained.client.put("/v1/items/case-new", json=same)
    trained.settle()
    shown = trained.shown(user_id="keen", num_results=20)
    assert shown.index("case-new") < shown.index("case-old")
    for name in ("case-old", "case-new"):
        trained.client.delete(f"/v1/items/{name}")


def counted(metrics: Metrics, kind: str) -> float:
    return metrics.cold.labels(kind)._value.get()


def test_answers_to_those_without_history_are_counted_as_full_or_short(trained: Shop, metrics: Metrics) -> None:
    full, short = counted(metrics, "full"), counted(metrics, "short")
    trained.client.put("/v1/users/only-profile", json={"age": 30})
    trained.ask(user_id="only-profile", num_results=4)
    trained.ask(user_id="never-heard-of", num_results=4)
    assert (counted(metrics, "full"), counted(metrics, "short")) == (full + 2, short)
    trained.ask(user_id="never-heard-of", num_results=400)  # more than there is
    assert (counted(metrics, "full"), counted(metrics, "short")) == (full + 2, short + 1)
    trained.ask(num_results=4)  # nobody in particular
    trained.ask(user_id="never-heard-of", num_results=4, personalize=False)
    trained.ask(user_id="past-Crime-0", num_results=4)  # has a history
    assert (counted(metrics, "full"), counted(metrics, "short")) == (full + 2, short + 1)
