"""Does an item that was put with variants come out in one, is that logged with its chance, and does a click count?"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from called import Caller, called
from shop import Shop

from foryou.domain.exposure import Exposure
from foryou.domain.log import Stream
from foryou.domain.records import EXPECTED_UNIT
from foryou.domain.variants import key_of, unmarked
from foryou.features.tallied import USUAL
from foryou.ingest.codec import exposure_of
from foryou.observe.metrics import Metrics
from foryou.v1 import foryou_pb2 as pb
from foryou.wiring.past import reproduce

RED, BLUE = {"name": "red", "title": "A red rake", "image": "https://pictures.example/red.png"}, {"name": "blue"}


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory, metrics: Metrics) -> Iterator[Caller]:
    """A shop whose rake, the most popular item, has two variants."""
    with called(tmp_path_factory.mktemp("varied"), metrics) as opened:
        answer = opened.shop.client.patch("/v1/items/rake", json={"variants": [RED, BLUE]})
        assert answer.status_code == 200, answer.text
        opened.shop.settle()
        yield opened


def rake(answer: dict[str, Any]) -> dict[str, Any]:
    return next(item for item in answer["items"] if item["item_id"] == "rake")


def logged(shop: Shop, name: str) -> Exposure:
    """Give an answer as it was logged, as soon as it is."""
    for _ in range(1_000):
        for partition, end in shop.home.log.ends(Stream.EXPOSURES).items():
            for entry in shop.home.log.read(Stream.EXPOSURES, partition, -1, end + 1):
                if entry.record.record_id == name:
                    return exposure_of(entry.record.body)
        shop.service._parts.exposures._stop.wait(0.02)
    raise AssertionError("the answer was never logged")


def test_the_document_holds_the_variants_and_other_items_say_nothing_of_them(caller: Caller) -> None:
    assert caller.shop.client.get("/v1/items/rake").json()["variants"] == [RED, BLUE]
    shown = caller.shop.ask(user_id="ann")["items"]
    assert [item["item_id"] for item in shown if "variant" in item] == ["rake"]
    assert {"image"} & set().union(*(item for item in shown if item["item_id"] != "rake")) == set()


def test_both_variants_are_shown_logged_with_their_chance_and_found_again(caller: Caller) -> None:
    seen = dict[str, dict[str, Any]]()
    for n in range(20):
        answer = caller.shop.ask(user_id=f"looker-{n}")
        seen[unmarked(rake(answer)["variant"])] = answer
    assert set(seen) == {"red", "blue"}
    red, blue = rake(seen["red"]), rake(seen["blue"])
    assert (red["title"], red["image"]) == ("A red rake", "https://pictures.example/red.png")
    assert (blue["title"], blue["image"]) == ("Rake", "")
    name = seen["red"]["recommendation_id"]
    told = logged(caller.shop, name)
    place = told.items.index("rake")
    assert told.variants[place] == red["variant"]
    assert told.variant_propensities[place] == pytest.approx(0.5, abs=0.01)
    assert {said for at, said in enumerate(told.variants) if at != place} == {""}
    assert reproduce(caller.shop.home, name, lambda *_: None).same


def test_a_click_that_gives_the_variant_back_counts_for_it_exactly_once(caller: Caller) -> None:
    shop = caller.shop
    answer = shop.ask(user_id="bea", context={"device": "tv"})
    variant = rake(answer)["variant"]
    click = {
        "user_id": "bea", "action": "click", "item_id": "rake", "event_id": "bea-clicks",
        "recommendation_id": answer["recommendation_id"], "context": {"variant": variant},
    }  # fmt: skip
    logged(shop, answer["recommendation_id"])
    shop.tell(click)
    shop.tell(click, {**click, "event_id": "bea-clicks-again"})
    tallies = shop.home.features.tallies()
    taken, expected = (
        dict(zip(found.item.tolist(), found.count.tolist(), strict=True))
        for found in (tallies.of("variant_taken"), tallies.of("variant_expected"))
    )
    assert taken == {key_of("rake", variant): 1, key_of("rake", unmarked(variant)): 1}
    assert expected[key_of("rake", variant)] == round(USUAL * EXPECTED_UNIT), "bea's own segment: one look, first place"
    known = shop.service._parts.live.arm_for("bea").view.tried.dressed
    assert key_of("rake", variant) in known.key.tolist()


def test_grpc_gives_variant_title_and_image(caller: Caller) -> None:
    found = dict[str, Any]()
    for n in range(20):
        answer = caller.recommender.Recommend(pb.RecommendRequest(user_id=f"grpc-{n}"))
        for item in answer.items:
            if item.item_id == "rake":
                found[unmarked(item.variant)] = item
            else:
                assert (item.variant, item.image) == ("", "")
    assert (found["red"].title, found["red"].image) == ("A red rake", "https://pictures.example/red.png")
    assert (found["blue"].title, found["blue"].image) == ("Rake", "")


def test_strangers_whose_answers_are_not_logged_see_a_variant_that_no_click_counts_for(caller: Caller) -> None:
    shop = caller.shop
    said = {rake(shop.client.get("/v1/recommendations").json())["variant"] for _ in range(3)}
    assert said <= {"red", "blue"}
    before = shop.home.features.tallies().of("variant_taken").count.sum()
    shop.tell({
        "user_id": "stranger", "action": "click", "item_id": "rake", "recommendation_id": "x" * 32,
        "context": {"variant": said.pop()},
    })  # fmt: skip
    assert shop.home.features.tallies().of("variant_taken").count.sum() == before


@pytest.mark.parametrize(
    ("variants", "where"),
    [
        ([RED, RED], "variants/1/name"), ([{"name": ""}], "variants/0/name"), ([{"title": "x"}], "variants/0/name"),
        ([{"name": "a", "colour": "b"}], "variants/0/colour"), ([{"name": str(n)} for n in range(21)], "variants"),
    ],
)  # fmt: skip
def test_what_is_no_variant_is_told_with_the_field(caller: Caller, variants: list[Any], where: str) -> None:
    answer = caller.shop.client.patch("/v1/items/cup", json={"variants": variants})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == f"/{where}"


def test_variants_go_when_the_item_is_put_without_them(shop: Shop) -> None:
    for body in ({"title": "Cup", "variants": [BLUE]}, {"title": "Cup"}):
        assert shop.client.put("/v1/items/cup", json=body).status_code == 200
        shop.settle()
        shown = next(item for item in shop.ask(user_id="ann")["items"] if item["item_id"] == "cup")
        assert ("variant" in shown) == ("variants" in body)
    assert msgspec.json.decode(shop.client.get("/v1/items/cup").content)["title"] == "Cup"
