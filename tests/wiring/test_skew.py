"""Are the ranker's logged inputs worked out again bit for bit, while everything moves on between the answers?"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import worlds
from foryou.api.service import exposure
from foryou.config import Fold, Placement, Serve
from foryou.domain.bundle import ModelBundle
from foryou.domain.event import Action, Event
from foryou.domain.exposure import Exposure
from foryou.domain.item import ItemChange
from foryou.domain.log import Stream
from foryou.domain.records import UserChange
from foryou.domain.release import Release
from foryou.ingest.codec import exposure_record, item_record, records_of, user_record
from foryou.serve.live import Live
from foryou.train import content
from foryou.wiring.home import Home
from foryou.wiring.models import PRIORS
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


def test_ten_thousand_vectors_are_worked_out_again_bit_for_bit(home: Home) -> None:
    Days(home).live(ANSWERS)
    found = measure(home, ANSWERS * K, quiet)
    assert found.examples == []
    assert not found.mismatches
    assert not found.passed_over
    assert (found.answers, found.vectors) == (ANSWERS, ANSWERS * K)
