"""Is a page made of rows that fit the user, without an item twice, and does each row earn its clicks?"""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from shop import Shop

from foryou.domain.exposure import Exposure
from foryou.domain.log import Stream
from foryou.ingest.codec import exposure_of
from foryou.observe.metrics import Metrics
from foryou.wiring.past import reproduce

GENRES = ("War", "Love", "Space", "Crime")


@pytest.fixture(scope="module")
def cinema(tmp_path_factory: pytest.TempPathFactory, metrics: Metrics) -> Iterator[Shop]:
    """Give the shop with forty films that arrived after its training; those of war trend."""
    with Shop(tmp_path_factory.mktemp("cinema"), metrics) as opened:
        for n in range(40):
            genre = GENRES[n % 4]
            film = {"title": f"{genre} {n}", "categories": [genre], "published_ms": 1 if n < 20 else 0}
            assert opened.client.put(f"/v1/items/film-{n}", json=film).json()["visible"]
        opened.settle()
        opened.tell(*(
            {"user_id": f"u{n}", "action": "click", "item_id": f"film-{4 * (n % 9)}"} for n in range(30)
        ), {"user_id": "ann", "action": "purchase", "item_id": "dune"},
            {"user_id": "ann", "action": "like", "item_id": "film-2"},
            {"user_id": "ann", "action": "like", "item_id": "film-6"})  # fmt: skip
        yield opened


def page(shop: Shop, path: str = "home", **asked: Any) -> dict[str, Any]:
    answer = shop.client.get(f"/v1/pages/{path}", params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    found: dict[str, Any] = answer.json()
    return found


def kinds(found: dict[str, Any]) -> list[str]:
    return [row["kind"] for row in found["rows"]]


def of_kind(found: dict[str, Any], kind: str) -> dict[str, Any]:
    row: dict[str, Any] = next(row for row in found["rows"] if row["kind"] == kind)
    return row


def ids(row: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in row["items"]]


def test_a_page_begins_with_what_is_picked_for_the_user_and_has_no_item_twice(cinema: Shop) -> None:
    found = page(cinema, user_id="ann", num_results=4)
    assert kinds(found)[0] == "for_you"
    assert found["rows"][0]["title"] == "Picked for you"
    everything = [item_id for row in found["rows"] for item_id in ids(row)]
    assert len(everything) == len(set(everything))
    assert not {"dune", "film-2", "film-6"} & set(everything)
    assert {"category", "trending", "new"} <= set(kinds(found))
    assert found["degraded"] == []


def test_rows_hold_what_their_titles_say(cinema: Shop) -> None:
    found = page(cinema, user_id="ann", num_results=3, num_rows=20)
    for row in found["rows"]:
        if row["kind"] == "category":
            genre = row["title"].removeprefix("More in ")
            documents = [cinema.client.get(f"/v1/items/{item_id}").json() for item_id in ids(row)]
            assert all(genre in one["categories"] for one in documents)
    assert all(int(item_id.removeprefix("film-")) % 4 == 0 for item_id in ids(of_kind(found, "trending")))
    assert all(int(item_id.removeprefix("film-")) >= 20 for item_id in ids(of_kind(found, "new")))


def test_a_row_names_the_action_that_it_comes_from(shop: Shop) -> None:
    shop.tell({"user_id": "ann", "action": "purchase", "item_id": "teapot"})
    found = page(shop, user_id="ann", num_results=1, num_rows=3)
    row = of_kind(found, "because")
    assert row["reason"] == {"code": "history", "text": "Because you bought Teapot", "because": ["teapot"]}
    assert row["title"] == row["reason"]["text"]
    assert (ids(found["rows"][0]), ids(row)) == (["cup"], ["lamp"])  # cup stands above, so it is not said again


def test_pages_differ_from_user_to_user(cinema: Shop) -> None:
    cinema.tell(*({"user_id": "bob", "action": "like", "item_id": f"film-{n}"} for n in (1, 5, 9)))
    ann, bob = (page(cinema, user_id=name, num_results=3) for name in ("ann", "bob"))
    assert ids(ann["rows"][0]) != ids(bob["rows"][0])
    assert [row["title"] for row in ann["rows"]] != [row["title"] for row in bob["rows"]]


def test_a_stranger_gets_a_page_and_is_told_so(cinema: Shop) -> None:
    found = page(cinema, user_id="nobody we know", num_results=3)
    assert found["degraded"] == ["unknown_user"]
    assert len(found["rows"]) > 3
    assert page(cinema, num_results=3)["degraded"] == []


def test_titles_are_in_the_language_of_the_answer(cinema: Shop) -> None:
    assert page(cinema, user_id="ann", language="de")["rows"][0]["title"] == "Für dich ausgesucht"
    said = cinema.client.get("/v1/pages/home?user_id=ann", headers={"accept-language": "fr"}).json()
    assert said["rows"][0]["title"] == "Choisis pour vous"


def test_a_filter_holds_in_every_row(cinema: Shop) -> None:
    found = page(cinema, user_id="ann", num_results=3, filter='not category = "War"')
    everything = [item_id for row in found["rows"] for item_id in ids(row)]
    assert everything
    films = [int(item_id.removeprefix("film-")) for item_id in everything if item_id.startswith("film-")]
    assert all(number % 4 for number in films)
    assert "More in War" not in [row["title"] for row in found["rows"]]


def test_the_number_of_rows_and_of_their_items_is_that_asked_for(cinema: Shop) -> None:
    found = page(cinema, user_id="ann", num_rows=2, num_results=5)
    assert [len(row["items"]) for row in found["rows"]] == [5, 5]


def test_a_page_past_its_deadline_says_so_and_has_one_row_at_least(cinema: Shop) -> None:
    found = page(cinema, user_id="ann", deadline_ms=1)
    assert kinds(found) == ["for_you"]
    assert "deadline:rows" in found["degraded"]
    assert found["rows"][0]["items"]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("nowhere", "/placement"), ("home?num_rows=21", "/num_rows"), ("home?num_results=51", "/num_results"),
        ("home?filter=price", "/filter"), ("home?cursor=x", "/cursor"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(cinema: Shop, path: str, pointer: str) -> None:
    answer = cinema.client.get(f"/v1/pages/{path}")
    assert answer.status_code == 400
    assert [part["pointer"] for part in answer.json()["errors"]] == [pointer]


def exposed(shop: Shop, names: set[str]) -> list[Exposure]:
    """Give these answers as the log remembers them, once all are there."""
    found: list[Exposure] = []
    for _ in range(500):
        found = [
            one
            for partition, end in shop.home.log.ends(Stream.EXPOSURES).items()
            for entry in shop.home.log.read(Stream.EXPOSURES, partition, -1, end + 1)
            if (one := exposure_of(entry.record.body)).recommendation_id in names
        ]
        if len(found) == len(names):
            break
        time.sleep(0.02)
    return found


def test_every_row_is_remembered_and_can_be_replayed(cinema: Shop) -> None:
    found = page(cinema, user_id="ann", num_results=3)
    rows = {row["recommendation_id"]: row for row in found["rows"]}
    remembered = exposed(cinema, set(rows))
    assert {one.row for one in remembered} >= {"for_you", "category", "trending", "new"}
    for one in remembered:
        assert list(one.items) == ids(rows[one.recommendation_id])
        assert one.row == rows[one.recommendation_id]["kind"]
        assert reproduce(cinema.home, one.recommendation_id, lambda *_: None).same


def test_an_answer_of_a_feed_can_be_replayed(cinema: Shop) -> None:
    first = cinema.ask(user_id="ann", num_results=5)
    second = cinema.ask(user_id="ann", num_results=5, cursor=first["next_cursor"])
    (one,) = exposed(cinema, {second["recommendation_id"]})
    assert len(one.fed) == 20
    assert reproduce(cinema.home, one.recommendation_id, lambda *_: None).same


def test_the_discoveries_of_the_week_are_the_same_when_asked_again_and_are_remembered(cinema: Shop) -> None:
    path = "/v1/users/ann/discover"
    first, second = (cinema.client.get(path, params={"num_results": 5}).json() for _ in range(2))
    assert ids(first) == ids(second)
    assert not {"dune", "film-2", "film-6"} & set(ids(first))
    (one,) = exposed(cinema, {first["recommendation_id"]})
    assert (one.row, list(one.items)) == ("discover", ids(first))
    assert reproduce(cinema.home, one.recommendation_id, lambda *_: None).same
    assert page(cinema, user_id="ann", num_results=2, num_rows=20)["rows"][-1]["kind"] == "discover"
