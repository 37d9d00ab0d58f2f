"""The whole sentence in one process: an event comes in, is folded, trained, asked for, shown, and is an event again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from foryou import config
from foryou.api.answers import exposure
from foryou.domain.event import Action, Event, hash64
from foryou.domain.log import Stream
from foryou.domain.slate import Answer, Query
from foryou.ingest.codec import exposure_record
from foryou.ingest.collector import Collector
from foryou.ingest.importers import run
from foryou.simulate.world import World
from foryou.train.evaluate import Judgement
from foryou.wiring import past, training
from foryou.wiring.home import Home, open_home


def quiet(*_: object) -> None:
    """Report progress to nobody."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = open_home(
        config.load(
            tmp_path_factory.mktemp("loop"),
            {},
            train={"width": 16, "iterations": 5, "rankers": [], "sequence_epochs": 2},
        )
    )
    run(World(now_ms=home.clock.now_ms(), users=80, items=200, events=2_400), home.log, quiet)
    fold(home)
    assert training.train(home, quiet).promoted
    yield home
    home.close()


def fold(home: Home) -> None:
    worker = home.worker()
    worker.lease()
    worker.catch_up()
    worker.release()


def ask(home: Home, user: str, name: str = "r1", **wanted: object) -> Answer:
    live = home.live()
    live.refresh()
    query = Query(user, 20, home.clock.now_ms(), hash64(f"{user}:{name}"), **wanted)  # type: ignore[arg-type]
    answer = live.arm_for(user).pipelines["home"].run([query])[0][0]
    home.log.append(Stream.EXPOSURES, [exposure_record(exposure(name, "home", query, answer))])
    return answer


def items(answer: Answer) -> list[str]:
    return [item.item_id for item in answer.items]


def test_a_like_changes_the_next_answer_and_is_named_as_the_reason(trained: Home) -> None:
    before = ask(trained, "newcomer", "before")
    liked = before.items[0].item_id
    Collector(trained.log, trained.clock).collect([Event("like-1", "newcomer", Action.LIKE, 0, liked)])
    fold(trained)
    after = ask(trained, "newcomer", "after")
    assert "unknown_user" in before.degraded
    assert "unknown_user" not in after.degraded
    assert liked not in items(after)
    assert any(item.source == "collaborative" for item in after.items)
    assert any(item.reason.because == (liked,) for item in after.items)


def test_an_old_answer_is_reproduced_bit_for_bit_after_the_world_has_moved_on(trained: Home) -> None:
    user = next(iter(World(now_ms=trained.clock.now_ms(), users=80, items=200, events=2_400).tastes()))
    shown = ask(trained, user, "then")
    Collector(trained.log, trained.clock).collect([Event("later", user, Action.LIKE, 0, items(shown)[0])])
    fold(trained)
    assert items(ask(trained, user, "now")) != items(shown)
    again = past.reproduce(trained, "then", quiet)
    assert again.same
    assert again.items == tuple(items(shown))


def test_one_click_can_be_followed_from_accepted_to_the_answer_that_knew_it(trained: Home) -> None:
    Collector(trained.log, trained.clock).collect([Event("traced", "walker", Action.LIKE, 0, "1")])
    fold(trained)
    ask(trained, "walker", "walked")
    _, hops = past.follow(trained, "traced")
    assert [hop.name for hop in hops] == ["accepted", "durable", "visible", "answered"]
    assert [hop.since_ms for hop in hops] == sorted(hop.since_ms for hop in hops)


def test_refolding_gives_the_records_that_were_there(trained: Home) -> None:
    users = [entry.record.key for entry in trained.log.read(Stream.EVENTS, 0, -1, 500)]
    before = trained.features.read(users)
    fresh = trained.features.begin_generation()
    from foryou.ingest.worker import Worker

    worker = Worker(trained.log, fresh, trained.items)
    worker.lease()
    worker.catch_up()
    worker.release()
    fresh.switch_generation()
    fresh.close()
    after = trained.features.read(users)
    assert [record and record.core for record in before] == [record and record.core for record in after]
    assert all((a.history == b.history).all() for a, b in zip(before, after, strict=True) if a and b)


def test_rolling_back_is_one_more_release(trained: Home) -> None:
    first = trained.models.release()
    assert first is not None
    training.train(trained, quiet)
    second = trained.models.release()
    assert second is not None
    training.release(trained, first.families["main"][0][0], "rolled back")
    third = trained.models.release()
    assert third is not None
    assert third.generation == first.generation + 2
    assert ask(trained, "anybody", "rolled").bundle == first.families["main"][0][0]


@pytest.fixture(scope="module")
def judgement(trained: Home) -> Judgement:
    return training.judge(trained, quiet).judgement


def test_evaluation_judges_the_served_pipeline_beside_tuned_baselines(trained: Home, judgement: Judgement) -> None:
    judged = judgement
    assert judged.pipeline["plain"]["ndcg_at_10"] > judged.baselines["popularity"]["ndcg_at_10"]
    assert set(judged.baselines) == {"popularity", "item_knn", "ease", "ease_last_20", "als_fold_in"}
    assert judged.comparisons["live_vs_frozen"]["ratio"] > 0
    met = judged.slices.get("new_users", {}).get("popularity", 0) > 0  # without a hit there is no ratio
    assert ("new_users_vs_popularity" in judged.comparisons) == met
    assert training.idle_parts(trained.config, judged) == []
    assert 0 < judged.time_split["candidate_recall_at_1000"] <= 1


def test_a_part_that_never_contributes_is_named(trained: Home, judgement: Judgement) -> None:
    sources = {name: count for name, count in judgement.sources.items() if name != "popular"}
    judged = replace(judgement, sources=sources, rules=judgement.rules | {"category_cap": 0})
    assert training.idle_parts(trained.config, judged) == ["popular", "category_cap"]


def test_the_home_of_an_empty_log_says_so(tmp_path: Path) -> None:
    home = open_home(config.load(tmp_path, {}))
    from foryou.domain.errors import NotFound

    with pytest.raises(NotFound, match="The log holds no events; import a data set"):
        training.train(home, quiet)
    assert items(ask(home, "nobody")) == []
    home.close()
