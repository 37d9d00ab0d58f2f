"""Are the ranker's logged inputs worked out again bit for bit, while everything moves on between the answers?"""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

import worlds
from foryou.api.answers import exposure
from foryou.cli import commands
from foryou.config import Config, Fold, Placement, Serve
from foryou.domain.bundle import ModelBundle
from foryou.domain.errors import NotFound
from foryou.domain.event import Action, Event
from foryou.domain.exposure import Exposure
from foryou.domain.item import ItemChange
from foryou.domain.log import Stream
from foryou.domain.records import UserChange
from foryou.domain.release import Release
from foryou.ingest.codec import exposure_of, exposure_record, item_record, records_of, user_record
from foryou.serve.live import Live
from foryou.train import content
from foryou.wiring.home import Home
from foryou.wiring.models import FEATURES, PRIORS
from foryou.wiring.past import entries
from foryou.wiring.skew import measure
from worlds import GENRES, MINUTE_MS, NOW_MS, query

ANSWERS, K, USERS = 500, 20, 40
KINDS = (Action.VIEW, Action.LIKE, Action.DISLIKE, Action.PURCHASE, Action.IMPRESSION, Action.HIDE, Action.CLICK)


def quiet(*_: object) -> None:
    """Hear of progress and say nothing."""


def trained(version: str) -> ModelBundle:
    plain = worlds.bundle(version, **PRIORS | {"popularity": 0.02})
    learned = content.fit(worlds.catalog(), np.ones(61, np.float32), content.ContentSettings(width=8))
    return ModelBundle(plain.manifest, dict(plain.arrays) | learned)


def home_in(folder: Path, share: float) -> Home:
    home = worlds.home_in(
        folder, serve=Serve(log_inputs_share=share), fold=Fold(lease_ms=10**9),
        placements={"home": Placement(new_arrivals=20, explore_share=0.2)},
    )  # fmt: skip
    home.models.publish_catalog(worlds.catalog())
    for version in ("v1", "v2"):
        home.models.publish(trained(version))
    home.models.replace_release(Release(1, {"main": (("v1", 1.0),)}, NOW_MS), 0)
    return home


class Days:
    """Two processes that answer in turn, and all that happens meanwhile."""

    def __init__(self, home: Home) -> None:
        self.home, self.random = home, np.random.default_rng(11)
        self.lives: list[Live] = [home.live(), home.live()]
        self.worker = home.worker()
        self.worker.lease()
        self.step = 0

    def item(self) -> str:
        new = [f"new-{n}" for n in range(self.step // 4)]
        return str(self.random.choice([*(f"{genre}-{n}" for genre in GENRES for n in range(1, 16)), *new]))

    def event(self) -> Event:
        user, kind = f"u{self.random.integers(USERS)}", self.random.integers(20)
        at_ms = self.home.clock.now_ms() - int(self.random.integers(0, 9 * MINUTE_MS))
        name = f"e{self.step}:{self.random.integers(2**40)}"
        more = {"context": {"device": "tv", "category": "war"}} if kind % 3 == 0 else {}
        if kind == 19:
            return Event(name, user, Action.SEARCH, at_ms, query="love 3")
        if kind == 18:
            action = Action.ALIAS if self.random.random() < 0.5 else Action.FORGET
            return Event(name, user, action, at_ms, query=f"guest-{self.random.integers(9)}")
        return Event(name, user, KINDS[kind % len(KINDS)], at_ms, self.item(), at_ms, **more)

    def happen(self) -> None:
        """Let events, profiles and items arrive; what was appended before is folded, or not yet."""
        self.home.clock.at_ms += 20 * 60_000
        log, random = self.home.log, self.random
        events = [self.event() for _ in range(random.integers(1, 9))]
        log.append(Stream.EVENTS, [
            record for event in events for stream, record in records_of(event) if stream is Stream.EVENTS
        ])  # fmt: skip
        change = UserChange(user_id=f"u{random.integers(USERS)}", op="patch", age=int(random.integers(1, 90)),
                            interests=(str(random.choice(GENRES)),))  # fmt: skip
        log.append(Stream.USERS, [user_record(change)])
        if self.step % 4 == 0:
            self.home.clock.at_ms += 1
            new = ItemChange(item_id=f"new-{self.step // 4}", op="put", title=f"{random.choice(GENRES)} again",
                             categories=(str(random.choice(GENRES)),), price=float(random.integers(1, 50)),
                             received_ms=self.home.clock.now_ms())  # fmt: skip
            old = ItemChange(item_id=self.item(), op="patch", price=float(random.integers(1, 50)))
            log.append(Stream.ITEMS, [item_record(new), item_record(old)])
        if random.random() < 0.7:
            self.worker.catch_up()

    def answer(self, live: Live) -> Exposure:
        self.step += 1
        user = f"u{self.random.integers(USERS)}" if self.random.random() < 0.95 else "stranger"
        context = ({}, {"search": "war"}, {"category": "crime", "device": "tv"})[self.step % 3]
        asked = query(user, K, self.step, self.home.clock.now_ms(), explain=self.step % 2 == 0, **context)
        answer = live.arm_for(user).pipelines["home"].run([asked])[0][0]
        return exposure(f"r{self.step}", "home", asked, answer)

    def live(self, answers: int) -> None:
        while self.step < answers:
            self.happen()
            if self.step == answers // 2:
                self.home.models.replace_release(Release(2, {"main": (("v2", 1.0),)}, NOW_MS), 1)
            live = self.lives[int(self.random.integers(2))]
            live.refresh()
            told = [self.answer(live) for _ in range(2)]
            self.home.log.append(Stream.EXPOSURES, [exposure_record(one) for one in told])


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = home_in(tmp_path, share=1.0)
    yield made
    made.close()


@pytest.mark.parametrize("answers", [100, pytest.param(ANSWERS, marks=pytest.mark.long)])
def test_vectors_are_worked_out_again_bit_for_bit(home: Home, answers: int) -> None:
    Days(home).live(answers)
    found = measure(home, answers * K, quiet)
    assert found.examples == []
    assert not found.mismatches
    assert not found.passed_over
    assert (found.answers, found.vectors) == (answers, answers * K)


def test_only_the_share_that_is_drawn_is_logged_and_nothing_by_default(tmp_path: Path) -> None:
    assert Config().serve.log_inputs_share == 0
    home = home_in(tmp_path, share=0.3)
    days = Days(home)
    days.lives[0].refresh()
    told = [days.answer(days.lives[0]) for _ in range(100)]
    some = [one for one in told if one.inputs]
    assert 15 < len(some) < 45
    column, catalog = worlds.bundle().arrays["popularity"], worlds.catalog()
    for one in some:
        inputs = np.frombuffer(one.inputs, np.float32).reshape(len(one.items), len(FEATURES))
        popularity = inputs[:, FEATURES.index("popularity")]
        assert popularity.tolist() == [float(column[catalog.number(item)]) for item in one.items]
    plain = home_in(tmp_path / "plain", share=0.0)
    again = Days(plain)
    again.lives[0].refresh()
    assert [one.scores for one in told] == [again.answer(again.lives[0]).scores for _ in range(100)]
    with pytest.raises(NotFound, match=r"No exposure holds the ranker's inputs; set serve.log_inputs_share above 0"):
        measure(plain, 10, quiet)
    home.close()
    plain.close()


def damaged(one: Exposure, name: str, place: int) -> Exposure:
    """Give an exposure in which one input of one item is not what it was."""
    inputs = np.frombuffer(one.inputs, np.float32).reshape(len(one.items), len(FEATURES)).copy()
    inputs[place, FEATURES.index(name)] += 0.125
    return msgspec.structs.replace(one, inputs=inputs.tobytes(), recommendation_id="damaged")


def test_a_single_input_that_was_another_is_named_and_ends_the_command_with_3(home: Home) -> None:
    Days(home).live(8)
    logged = [exposure_of(entry.record.body) for entry in entries(
        home, Stream.EXPOSURES, home.log.ends(Stream.EXPOSURES))]  # fmt: skip
    other = [
        msgspec.structs.replace(logged[0], recommendation_id="other", schema="0"),
        msgspec.structs.replace(logged[0], recommendation_id="gone", bundle="v9"),
        msgspec.structs.replace(logged[0], recommendation_id="late", degraded=("deadline:rank",)),
        msgspec.structs.replace(logged[1], recommendation_id="odd", items=("nobody", *logged[1].items[1:])),
    ]
    home.log.append(Stream.EXPOSURES, [exposure_record(one) for one in [damaged(logged[3], "popularity", 5), *other]])
    found = measure(home, 10_000, quiet)
    assert found.mismatches == {"popularity": 1, "candidates": 1}
    assert found.passed_over == {"inputs of another release": 1, "NotFound": 1, "degraded": 1}
    (example,) = found.examples
    assert (example.recommendation_id, example.item_id) == ("damaged", logged[3].items[5])
    assert example.logged == pytest.approx(example.again + 0.125)
    assert measure(home, 1, quiet).answers == 1

    folder = Path(home.config.home)
    (folder / "foryou.toml").write_text("[placements.home]\nnew_arrivals = 20\nexplore_share = 0.2\n")
    ran = CliRunner().invoke(commands(), ["skew", "--json", "--home", str(folder)])
    assert ran.exit_code == 3
    assert json.loads(ran.stdout)["mismatches"] == {"popularity": 1, "candidates": 1}
    told = CliRunner().invoke(commands(), ["skew", "--home", str(folder)])
    assert "200 vectors of 10 answers compared" in told.output + told.stderr
    few = CliRunner().invoke(commands(), ["skew", "--home", str(folder), "--limit", "1"])
    assert few.exit_code == 0
    assert "0 mismatches" in few.output + few.stderr
