"""Does every query get an answer when parts of the way fail or the time is over, and does the answer say so?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

import worlds
from foryou.config import Placement
from foryou.domain.errors import Incomplete, Unavailable
from foryou.domain.records import UserRecord
from foryou.domain.slate import Answer, Query, QueryBatch, Slate
from foryou.observe.metrics import Metrics
from foryou.serve import pipeline as module
from foryou.serve.pipeline import Pipeline, Stages
from worlds import Shop, did, genre_of, query, shown

HOME = Placement()
BROKEN = (Unavailable("the disk is gone"), ValueError("shapes"), KeyError("name"), ZeroDivisionError(), RuntimeError())


@dataclass
class Broken:
    """A stage of any kind that raises."""

    name: str
    error: Exception
    essential: bool = False
    places: int = 5
    always: bool = False

    def __call__(self, *_: object) -> Any:
        raise self.error

    propose = apply = score = represent = __call__


def broken_stage(stages: Stages, name: str, error: Exception) -> Stages:
    """Give the stages with the one of this name raising."""
    changed: dict[str, object] = {}
    for group in ("sources", "filters", "adjusters"):
        one_by_one = getattr(stages, group)
        changed[group] = tuple(
            Broken(one.name, error, getattr(one, "essential", False), getattr(one, "places", 0))
            if one.name == name else one
            for one in one_by_one
        )  # fmt: skip
    if name == "rank":
        changed["ranker"] = Broken(name, error)
    if name in ("hydrate", "represent", "explain"):
        changed[name] = Broken(name, error)
    return replace(stages, **changed)


STAGES = ("hydrate", "represent", "collaborative", "item_to_item", "popular", "seen", "rank", "explain",
          "category_cap", "exploration")  # fmt: skip


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
def test_a_stage_that_raises_is_left_out_and_named(shop: Shop, name: str, error: Exception) -> None:
    shop.change("war-9", status="sold out")
    shop.pipeline = Pipeline(broken_stage(shop.made(HOME).stages, name, error), "v1")
    answers, trace = shop.run(query("ann", 10), query("bob", 10), query("nobody", 10))
    for answer in answers:
        assert name in answer.degraded
        assert len(answer.items) == 10 or (name, answer.offset) == ("popular", -1)  # nobody else knows strangers
        assert "war-9" not in shown(answer)
        assert np.isfinite([item.score for item in answer.items]).all()
    assert name in trace.fallbacks
    assert trace.errors == [f"{name}: {error!r}"]
    assert name in [stage for stage, _, _ in trace.stages]


def test_without_user_vectors_the_other_inputs_still_rank(shop: Shop) -> None:
    shop.pipeline = Pipeline(broken_stage(shop.pipeline.stages, "represent", ValueError()), "v1")
    blind = Shop(model=worlds.bundle(collaborative=0.0))
    blind.feed(*(did("ann", f"war-{n}", n) for n in (1, 2, 3)))
    found, expected = shop.ask("ann", 10, asked="love-2"), blind.ask("ann", 10, asked="love-2")
    assert shown(found) == shown(expected)
    assert {genre_of(item) for item in shown(found)} == {"war"}
    assert found.verdict
    assert found.verdict.inputs["collaborative"] == 0
    assert all("collaborative" not in item.found_by for item in found.items)


def test_when_ranking_fails_the_priors_of_the_sources_decide(shop: Shop) -> None:
    placement = Placement(collaborative=30, item_to_item=0, popular=0, category_cap=0, explore_share=0.0)
    shop.pipeline = Pipeline(broken_stage(shop.made(placement).stages, "rank", ValueError()), "v1")
    answer = shop.ask("ann", 10)
    assert {genre_of(item) for item in shown(answer)} == {"war"}
    assert answer.items[0].score > answer.items[9].score > 0


def test_when_the_store_does_not_answer_everybody_is_a_stranger(shop: Shop) -> None:
    shop.pipeline = Pipeline(broken_stage(shop.pipeline.stages, "hydrate", Unavailable("gone")), "v1")
    answer = shop.ask("ann", 5)
    assert answer.degraded == ("hydrate", "unknown_user")
    assert shown(answer) == shown(shop.ask("nobody", 5))


def test_users_whose_shard_is_away_are_strangers_and_the_others_of_the_batch_are_not(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, read = shop.ask("bob", 5), shop.store.read

    def without_ann(users: Sequence[str]) -> list[UserRecord | None]:
        missing = [place for place, user in enumerate(users) if user == "ann"]
        raise Incomplete("shard 3 is away", [None if user == "ann" else read([user])[0] for user in users], missing)

    monkeypatch.setattr(shop.store, "read", without_ann)
    registry = CollectorRegistry()
    answers, trace = shop.run(query("ann", 5), query("bob", 5), query("nobody", 5))
    Metrics(registry).trace(trace, 3)
    assert [answer.degraded for answer in answers] == [("hydrate", "unknown_user"), (), ("unknown_user",)]
    assert shown(answers[1]) == shown(expected)
    assert registry.get_sample_value("foryou_fallbacks_total", {"stage": "hydrate"}) == 1


def test_what_is_unavailable_is_not_shown_even_when_everything_else_fails(shop: Shop) -> None:
    for item_id in ("war-1", "war-4", "love-1"):
        shop.change(item_id, status="sold out")
    stages = shop.made(HOME).stages
    for name in (*(name for name in STAGES if name not in ("popular", "hydrate")), "hydrate"):
        stages = broken_stage(stages, name, ValueError(name))
    shop.pipeline = Pipeline(stages, "v1")
    answer = shop.ask("ann", 60)
    assert not set(shown(answer)) & {"war-1", "war-4", "love-1"}
    assert len(answer.items) == 57
    assert set(STAGES) - {"popular"} <= set(answer.degraded)


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
def test_when_nobody_can_say_what_is_available_nothing_is_shown(shop: Shop, error: Exception) -> None:
    shop.pipeline = Pipeline(broken_stage(shop.pipeline.stages, "unavailable", error), "v1")
    with pytest.raises(type(error)):
        shop.ask("ann")


def test_an_answer_after_a_failed_one_is_as_if_nothing_had_happened(shop: Shop) -> None:
    before = shop.ask("ann")
    stages = shop.pipeline.stages
    shop.pipeline.stages = broken_stage(stages, "unavailable", ValueError())
    with pytest.raises(ValueError):
        shop.ask("ann")
    shop.pipeline.stages = stages
    assert shop.ask("ann").items == before.items


class FakeTime(SimpleNamespace):
    """A perf_counter that stands still until a stage moves it."""

    now = 100.0

    def perf_counter(self) -> float:
        return self.now


@dataclass
class Slow:
    """A source after which `seconds` have passed."""

    source: Any
    clock: FakeTime
    seconds: float
    name: str = field(init=False)
    places: int = field(init=False)
    always: bool = field(init=False)

    def __post_init__(self) -> None:
        self.name, self.places, self.always = self.source.name, self.source.places, self.source.always

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        self.source.propose(batch, slate)
        self.clock.now += self.seconds


def slow(shop: Shop, monkeypatch: pytest.MonkeyPatch, name: str) -> Callable[[Query], Answer]:
    """Give a way to ask with 10 ms of time where this source takes 20."""
    clock = FakeTime()
    monkeypatch.setattr(module, "time", clock)
    stages = shop.made(HOME).stages
    sources = tuple(Slow(one, clock, 0.02 * (one.name == name)) for one in stages.sources)
    shop.pipeline = Pipeline(replace(stages, sources=sources), "v1")

    def ask(one: Query) -> Answer:
        clock.now = 100.0
        return shop.run(one, deadline=100.01)[0][0]

    return ask


def test_within_its_time_an_answer_lacks_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert slow(shop, monkeypatch, "none")(query("ann")).degraded == ()


def test_once_the_time_is_over_optional_stages_are_skipped_and_declared(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.change("war-4", status="deleted")
    answer = slow(shop, monkeypatch, "collaborative")(query("ann", 10))
    late = (
        "item_to_item", "content", "new_arrivals", "due", "asked", "seen", "rank", "editorial_places", "category_cap",
        "exploration", "explain",
    )  # fmt: skip
    assert answer.degraded == tuple(f"deadline:{name}" for name in late)
    assert len(answer.items) == 10
    assert "war-4" not in shown(answer)
    assert {item.reason.code for item in answer.items} == {"unexplained"}
    scores = [item.score for item in answer.items]
    assert scores == sorted(scores, reverse=True), "the priors of the sources decide"


def test_with_no_time_at_all_everybody_gets_what_is_popular(shop: Shop) -> None:
    shop.change("love-1", status="sold out")
    answer = shop.run(query("bob", 10, asked="war-5"), deadline=0.0)[0][0]
    assert len(answer.items) == 10
    assert {item.found_by for item in answer.items} == {("popular",)}
    assert "love-1" not in shown(answer)
    assert {"deadline:represent", "deadline:collaborative", "deadline:rank"} <= set(answer.degraded)
    assert answer.verdict
    assert answer.verdict.inputs["collaborative"] == 0


def test_an_item_that_there_was_no_time_to_look_at_was_not_proposed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.pipeline = shop.made(Placement(collaborative=5, item_to_item=0, popular=0))
    stages, clock = shop.pipeline.stages, FakeTime()
    monkeypatch.setattr(module, "time", clock)
    sources = tuple(Slow(one, clock, 0.02 * (one.name == "collaborative")) for one in stages.sources)
    shop.pipeline = Pipeline(replace(stages, sources=sources), "v1")
    answer = shop.run(query("ann", 3, asked="love-14"), deadline=100.01)[0][0]
    assert len(answer.items) == 3
    assert answer.verdict
    assert (answer.verdict.outcome, answer.verdict.proposed_by) == ("not_proposed", ())
    assert answer.verdict.inputs["popularity"] > 0
