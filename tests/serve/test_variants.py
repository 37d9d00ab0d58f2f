"""Is what is shown shown in a variant, with the chance that is noted, the better one more often to whom it strikes?"""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import worlds
from foryou.bench.variants import measured_variants
from foryou.domain import catalog as catalogs
from foryou.domain.catalog import Catalog
from foryou.domain.clock import DAY_MS
from foryou.domain.event import Action, Event, hash64
from foryou.domain.exposure import Exposure
from foryou.domain.item import Item, ItemChange, Variant
from foryou.domain.records import EXPECTED_UNIT, Core, Firsts, Tallies
from foryou.domain.slate import Query
from foryou.domain.variants import Dressed, key_of, mark_of, marked, unmarked
from foryou.features.dressed import PRIOR, PRIOR_SEGMENT, dressed, strikes
from foryou.features.fold import fold, fold_parts
from foryou.features.tallied import shown_tallies
from foryou.serve.variants import FLOOR, chances, segment_of
from foryou.stores.models_objects import ObjectModels
from tries import tries
from worlds import NOW_MS, Shop, query

TWO = (Variant("calm", "A calm film", "https://pictures.example/calm.png"), Variant("wild"))
DAY = NOW_MS // DAY_MS
SEGMENT = segment_of(query("ann"), Core())


def varied(*item_ids: str) -> Catalog:
    """Give the films, some of them with two variants."""
    films = [replace_of(one) if one.item_id in item_ids else one for one in worlds.films()]
    return catalogs.build(films, "films", {})


def replace_of(one: Item) -> Item:
    return Item(item_id=one.item_id, title=one.title, categories=one.categories, published_ms=1, variants=TWO)


def known(counts: dict[str, tuple[int, float]], item: str = "war-1", day: int = DAY) -> Tallies:
    """Give tallies of the variants of an item: name -> clicks and those that were expected."""
    keys = np.array([key_of(item, name) for name in counts], np.uint64)
    days = np.full(len(keys), day, np.int32)
    taken = np.array([taken for taken, _ in counts.values()], np.int64)
    hoped = np.array([round(expected * EXPECTED_UNIT) for _, expected in counts.values()], np.int64)
    return Tallies({"variant_taken": Firsts(days, keys, taken), "variant_expected": Firsts(days, keys, hoped)}, {}, {})


def worn(shop: Shop, seed: int, user: str = "ann", **more: object) -> dict[str, str]:
    return {one.item_id: one.worn.variant for one in shop.ask(user, 20, seed=seed, **more).items if one.worn}


def test_only_items_with_variants_wear_one_and_without_any_the_stage_is_not_there() -> None:
    shop = Shop(of=varied("war-1", "love-1"))
    answer, trace = shop.run(query("ann", 20))
    assert "variants" in [name for name, *_ in trace.stages]
    found = {one.item_id: one.worn for one in answer[0].items if one.worn}
    assert set(found) == {"war-1", "love-1"}
    for one in found.values():
        assert (unmarked(one.variant), one.title, one.image) in (
            ("calm", "A calm film", "https://pictures.example/calm.png"),
            ("wild", "War 1", ""), ("wild", "Love 1", ""),
        )  # fmt: skip
        assert one.propensity == pytest.approx(0.5, abs=0.01)
    plain, trace = Shop().run(query("ann", 20))
    assert "variants" not in [name for name, *_ in trace.stages]
    assert all(one.worn is None for one in plain[0].items)
    assert [one.item_id for one in plain[0].items] == [one.item_id for one in answer[0].items]


def test_the_chance_that_is_noted_is_the_frequency_and_the_same_seed_draws_the_same() -> None:
    shop = Shop(of=varied("war-1"))
    shop.tried = replace(shop.tried, dressed=dressed(known({"calm": (30, 20.0), "wild": (20, 20.0)}), NOW_MS))
    noted, drawn = dict[str, float](), Counter[str]()
    for start in range(0, 1_500, 50):
        for answer in shop.run(*[query("ann", 20, seed=start + n) for n in range(50)])[0]:
            one = next(item.worn for item in answer.items if item.item_id == "war-1")
            assert one is not None
            assert noted.setdefault(one.variant, one.propensity) == one.propensity
            drawn[one.variant] += 1
    assert sum(noted.values()) == pytest.approx(1.0)
    for variant, count in drawn.items():
        assert count / 1_500 == pytest.approx(noted[variant], abs=0.035)
    assert worn(shop, 7) == worn(shop, 7)


def test_whom_a_variant_strikes_is_shown_it_and_others_are_shown_the_other() -> None:
    device = segment_of(query("ann", device="tv"), Core())
    other = segment_of(query("ann", device="phone"), Core())
    counts = {
        "calm": (100, 100.0), "wild": (100, 100.0),
        marked("calm", device): (80, 50.0), marked("wild", device): (20, 50.0),
        marked("calm", other): (20, 50.0), marked("wild", other): (80, 50.0),
    }  # fmt: skip
    shop = Shop(of=varied("war-1"))
    shop.tried = replace(shop.tried, dressed=dressed(known(counts), NOW_MS))
    for said, wanted in (("tv", "calm"), ("phone", "wild")):
        found = Counter(unmarked(worn(shop, seed, device=said)["war-1"]) for seed in range(60))
        assert found[wanted] >= 55


def test_a_choice_that_fails_leaves_the_answer_as_it_is() -> None:
    shop = Shop(of=varied("war-1"))
    shop.pipeline.stages = replace(shop.pipeline.stages, dress=lambda *_: 1 // 0)
    answer = shop.ask("ann", 20)
    assert len(answer.items) == 20
    assert "variants" in answer.degraded


def test_segments_are_told_apart_by_gender_age_and_device() -> None:
    core = Core(age=30, gender="F", device="tv")
    assert segment_of(query("ann"), core) == "F/1/tv"
    assert segment_of(Query("ann", 1, NOW_MS, 0, device="phone"), core) == "F/1/phone"
    assert segment_of(query("ann"), Core()) == "//"
    assert segment_of(query("ann"), Core(age=25)) == "/1/"


@tries(60)
@given(st.text(max_size=20), st.text(max_size=20))
def test_a_variant_says_its_name_and_hides_the_segment(name: str, segment: str) -> None:
    assert unmarked(marked(name, segment)) == name
    assert unmarked("calm") == unmarked("") == unmarked("a.b") == ""


def test_posteriors_are_those_of_the_plain_words() -> None:
    one = np.array([[3.0, 9.0]])
    mean, deviation = strikes(one, np.array([[6.0, 6.0]]), one / 3, np.array([[2.0, 2.0]]), np.ones((1, 2), np.bool_))
    item = (12 + PRIOR) / (12 + PRIOR)
    for place, (taken, own) in enumerate(((3, 1), (9, 3))):
        rate = (PRIOR + taken) / (PRIOR / item + 6)
        shape = PRIOR_SEGMENT + own
        assert mean[0, place] == pytest.approx(np.log(shape / (PRIOR_SEGMENT / rate + 2)) - 1 / (2 * shape), abs=1e-5)
        assert deviation[0, place] == pytest.approx(np.sqrt(1 / shape + 1 / (2 * shape**2)), abs=1e-5)


def test_no_variant_is_ever_without_a_chance_and_items_of_any_number_of_variants_stand_together() -> None:
    three = (*TWO, Variant("third"))
    counts = {"calm": (500, 50.0), "wild": (1, 50.0)}
    found = chances([("war-1", TWO), ("love-1", three)], [mark_of(SEGMENT)] * 2, dressed(known(counts), NOW_MS))
    assert found.shape == (2, 3)
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert found[0, 1] == pytest.approx(FLOOR / 2, rel=0.01)
    assert found[0, 2] == 0
    assert found[1] == pytest.approx(1 / 3, abs=0.01)


def test_counts_fade_and_what_is_unknown_is_nothing() -> None:
    then = dressed(known({"calm": (8, 4.0)}), NOW_MS)
    later = dressed(known({"calm": (8, 4.0)}), NOW_MS + 30 * DAY_MS)
    key = np.array([key_of("war-1", "calm"), key_of("war-1", "never")], np.uint64)
    assert [one.tolist() for one in then.of(key)] == [[8.0, 0.0], [4.0, 0.0]]
    assert [one.tolist() for one in later.of(key)] == [[4.0, 0.0], [2.0, 0.0]]
    assert Dressed().of(key)[0].tolist() == [0.0, 0.0]


def test_events_count_for_the_variant_that_they_name_once_per_user_and_in_pieces_as_at_once() -> None:
    said = marked("calm", SEGMENT)

    def clicked(user: str, number: int, variant: str, cause: str = "r") -> Event:
        context = {"variant": variant}
        return Event(f"{user}{number}", user, Action.CLICK, NOW_MS + number, "war-1", NOW_MS + number,
                     recommendation_id=cause, context=context)  # fmt: skip

    events = [
        clicked("ann", 1, said), clicked("ann", 2, said), clicked("bob", 3, said), clicked("cem", 4, said, ""),
        clicked("dan", 5, "calm"), clicked("eve", 6, ""),
    ]  # fmt: skip
    whole = fold({}, events, range(6))
    wanted = {(DAY, key_of("war-1", "calm")): 2, (DAY, key_of("war-1", said)): 2}
    assert whole.tallies["variant_taken"] == wanted
    first = fold({}, events[:1], [0])
    second = fold(first.records, events[1:], range(1, 6))
    total = Counter(first.tallies["variant_taken"]) + Counter(second.tallies["variant_taken"])
    assert dict(total) == wanted
    parts = fold_parts({}, [(events[:2], [0, 1]), (events[2:], [0, 1, 2, 3])])
    assert [part.tallies["variant_taken"][DAY, key_of("war-1", said)] for part in parts] == [1, 1]


def test_answers_count_what_was_expected_of_their_variants() -> None:
    from_answer = worlds_exposure(("war-1", "love-1", "war-2"), (marked("calm", SEGMENT), "", "settled"))
    found = shown_tallies([from_answer])
    hoped = found["expected"][DAY, key_of_item("war-1")]
    assert found["variant_expected"] == {
        (DAY, key_of("war-1", "calm")): hoped, (DAY, key_of("war-1", marked("calm", SEGMENT))): hoped
    }  # fmt: skip
    assert "variant_expected" not in shown_tallies([worlds_exposure(("war-1",), ())])


def key_of_item(item_id: str) -> int:
    return hash64(item_id)


def worlds_exposure(items: tuple[str, ...], variants: tuple[str, ...]) -> Exposure:
    none, ones = (0.0,) * len(items), (1.0,) * len(items)
    sources = ("popular",) * len(items)
    return Exposure("r", "ann", NOW_MS, "home", "main", "v1", 1, 0, items, none, sources, ones, variants=variants)


def test_a_catalog_keeps_variants_when_it_is_stored_and_follows_their_changes(tmp_path: Path) -> None:
    models = ObjectModels(tmp_path.as_uri())
    models.publish_catalog(varied("war-1", "crime-15"))
    found = models.load_catalog("films")
    assert found.variants.of(found.number("war-1")) == found.variants.of(found.number("crime-15")) == TWO
    assert found.variants.of(found.number("love-1")) == ()
    changes = [
        ItemChange(item_id="war-1", op="put", title="War 1"),
        ItemChange(item_id="love-1", op="patch", variants=TWO[:1]),
        ItemChange(item_id="new", op="put", variants=TWO), ItemChange(item_id="crime-15", op="patch", title="Other"),
    ]  # fmt: skip
    later = found.extended(changes, {})
    assert [later.variants.of(later.number(name)) for name in ("war-1", "love-1", "new", "crime-15")] == [
        (), TWO[:1], TWO, TWO
    ]  # fmt: skip
    assert found.variants.of(found.number("war-1")) == TWO, "the old view stays as it is"
    models.publish_catalog(worlds.catalog("plain"))
    plain = models.load_catalog("plain")
    assert not plain.variants
    assert not plain.extended([ItemChange(item_id="x", op="put")], {}).variants


def test_choosing_variants_pays_and_segments_pay_more() -> None:
    found = measured_variants(1, 1, 4, lambda *_: None)
    assert found["ratio"]["thompson"] < 0.75
    assert found["ratio_last_third"]["thompson"] < found["ratio"]["thompson"]
    assert found["clicks_gained"]["thompson"] > 0.05
