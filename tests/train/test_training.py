"""Is a home trained, judged and put in force step by step, by one training at a time?"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

import worlds
from foryou.config import Config, Placement, Train
from foryou.domain.bundle import Gate
from foryou.domain.errors import Conflict, Invalid, NotFound
from foryou.domain.event import Event
from foryou.domain.item import ItemChange
from foryou.domain.log import Stream
from foryou.domain.slate import Slate
from foryou.ingest.codec import event_record, item_record, user_record
from foryou.simulate.world import World
from foryou.train import baselines, fit
from foryou.train.als import AlsSettings
from foryou.train.dataset import Interactions
from foryou.train.evaluate import Judgement
from foryou.train.local import Local
from foryou.wiring.home import Home
from foryou.wiring.lock import Lock
from foryou.wiring.models import models_of
from foryou.wiring.training import idle_parts, judge, release, train
from worlds import NOW_MS


def quiet(stage: str, done: int, total: int) -> None:
    """Hear of progress and say nothing."""


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Home]:
    home = worlds.home_in(tmp_path, train=Train(width=6, iterations=2, rankers=(), sequence_epochs=1))
    yield home
    home.close()


@pytest.fixture
def home(empty: Home) -> Home:
    """Give a home with a simulated world folded in."""
    for one in World(now_ms=NOW_MS, users=24, items=48, events=480).read():
        if isinstance(one, ItemChange):
            empty.log.append(Stream.ITEMS, [item_record(one)])
        elif isinstance(one, Event):
            empty.log.append(Stream.EVENTS, [event_record(one)])
        else:
            empty.log.append(Stream.USERS, [user_record(one)])
    worker = empty.worker()
    worker.lease()
    worker.catch_up()
    return empty


def test_a_training_publishes_a_bundle_and_puts_it_in_force(home: Home) -> None:
    told: list[str] = []
    done = train(home, lambda stage, a, b: told.append(stage))
    assert {"snapshot", "als", "choices", "rankers"} <= set(told)
    assert {"snapshot", "als", "item_to_item", "popularity", "choices", "rankers", "publish"} <= set(done.seconds)
    version = done.manifest.version
    assert [manifest.version for manifest in home.models.versions()] == [version]
    stored = home.models.load(version)
    assert stored.manifest.gate.verdict in ("pass", "warn")
    assert len(home.models.load_catalog(stored.manifest.catalog)) == 48
    held = home.models.release()
    assert held
    assert (held.generation, held.families) == (1, {"main": ((version, 1.0),)})
    assert held.reason == f"trained: {stored.manifest.gate.reason}"
    live = home.live()
    live.refresh()
    answer = live.arm_for("user-1").pipelines["home"].run([worlds.query("user-1", 5)])[0][0]
    assert (answer.bundle, len(answer.items)) == (version, 5)


def gated(verdict: str) -> Callable[..., Gate]:
    return lambda who, ours, popular, predictions: Gate(verdict, "said the test")


def test_a_bundle_that_the_gate_refuses_is_published_but_not_put_in_force(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "_gate", gated("refuse"))
    refused = train(home, quiet)
    assert not refused.promoted
    assert len(home.models.versions()) == 1
    assert home.models.release() is None
    forced = train(home, quiet, force=True)
    assert forced.promoted
    held = home.models.release()
    assert held
    assert held.families["main"][0][0] == forced.manifest.version


def test_a_training_for_later_is_not_put_in_force(home: Home) -> None:
    done = train(home, quiet, promote=False)
    assert (done.promoted, home.models.release()) == (False, None)
    assert release(home, done.manifest.version, "by hand").generation == 1
    assert release(home, done.manifest.version, "again").generation == 2


def test_the_graph_filter_is_trained_and_proposes_where_a_placement_has_a_quota_for_it(home: Home) -> None:
    plain = train(home, quiet, promote=False).manifest.version
    assert not [name for name in home.models.load(plain).arrays if name.startswith("graph")]
    assert models_of(home.models.load(plain)).graph == ()
    asked = replace(home, config=msgspec.structs.replace(home.config, placements={"home": Placement(graph=20)}))
    train(asked, quiet)
    live = asked.live()
    live.refresh()
    batch = live.arm_for("user-1").pipelines["home"].stages.hydrate([worlds.query("user-1", 5)])
    sources = {source.name: source for source in live.arm_for("user-1").pipelines["home"].stages.sources}
    slate = Slate({"graph": sources["graph"].places})
    sources["graph"].propose(batch, slate)
    assert (slate.item > 0).sum() == 20


def test_a_version_that_does_not_exist_is_not_put_in_force(empty: Home) -> None:
    with pytest.raises(NotFound, match="no-such-version"):
        release(empty, "no-such-version", "by hand")


def test_a_home_without_events_cannot_be_trained(empty: Home) -> None:
    with pytest.raises(NotFound, match="The log holds no events"):
        train(empty, quiet)
    with Lock(Path(empty.config.home) / "train.lock"):
        pass  # the failed training let go of it


def test_a_second_training_is_refused_until_the_first_ends(home: Home) -> None:
    path = Path(home.config.home) / "train.lock"
    with (
        Lock(path),
        pytest.raises(Conflict, match=rf"Another training holds {path}; wait until it ends"),
    ):
        train(home, quiet)
    with Lock(path):
        pass
    assert home.models.versions() == []


def test_the_lock_of_a_training_that_was_killed_is_free(tmp_path: Path) -> None:
    path = tmp_path / "train.lock"
    program = f"""
import os, pathlib
from foryou.wiring.lock import Lock
with Lock(pathlib.Path({str(path)!r})):
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    with Lock(path):
        assert path.exists()


def test_judging_runs_both_protocols_beside_tuned_baselines(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: tries[:1] for name, tries in baselines.candidates().items() if name in ("popularity", "ease")}
    monkeypatch.setattr(baselines, "candidates", lambda: few)
    done = judge(home, quiet)
    found = done.judgement
    assert found.protocol["events"] == 96
    assert found.protocol["fitted_on"] == 384
    assert set(found.pipeline) == {"plain", "served", "frozen"}
    assert set(found.baselines) == {"popularity", "ease"}
    assert 0 <= found.time_split["recall_at_10"] <= found.time_split["candidate_recall_at_1000"] <= 1
    assert found.comparisons["best_baseline"] in found.baselines
    assert found.rules["seen"] > 0
    assert found.sources["collaborative"] > 0
    for figures in found.pipeline.values():
        assert figures["ndcg_low"] <= figures["ndcg_at_10"] <= figures["ndcg_high"]
    assert done.seconds["judge"] > 0


def test_a_log_too_small_to_hold_any_back_is_not_judged(empty: Home) -> None:
    empty.log.append(Stream.ITEMS, [item_record(ItemChange(item_id="war-1", op="put"))])
    empty.log.append(Stream.EVENTS, [event_record(worlds.did("ann", "war-1"))])
    worker = empty.worker()
    worker.lease()
    worker.catch_up()
    with pytest.raises(Invalid, match="events: 1 are too few to hold any back; import more, at least a hundred"):
        judge(empty, quiet)


def test_parts_that_are_switched_on_and_never_contribute_are_named() -> None:
    everything = Judgement(
        sources={"collaborative": 3, "item_to_item": 1, "popular": 2, "exploration": 1},
        rules={"seen": 9, "category_cap": 1},
    )
    assert idle_parts(Config(), everything) == []
    some = Judgement(sources={"collaborative": 3, "popular": 2}, rules={"seen": 4})
    assert idle_parts(Config(), some) == ["item_to_item", "exploration", "category_cap"]
    off = Placement(item_to_item=0, explore_share=0.0, category_cap=0)
    assert idle_parts(msgspec.structs.replace(Config(), placements={"home": off}), some) == []


def test_a_warm_training_goes_on_from_the_vectors_in_force(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, bool]] = []
    solve = Local.factorise

    def factorise(self: Local, log: Interactions, how: AlsSettings, tell: Any, start: Any = None) -> Any:
        asked.append((how.iterations, start is not None))
        return solve(self, log, how, tell, start)

    monkeypatch.setattr(Local, "factorise", factorise)
    settings = msgspec.structs.replace(home.config.train, warm_iterations=1)
    warm = replace(home, config=msgspec.structs.replace(home.config, train=settings))
    train(warm, quiet)
    train(warm, quiet, force=True)
    assert asked == [(2, False), (2, False), (2, False), (1, True)]
