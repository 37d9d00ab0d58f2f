"""Do all engines make equal tables of the same Parquet, and vectors that know who belongs together?"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from foryou.config import Config, Train
from foryou.domain.archive import State
from foryou.domain.clock import DAY_MS, HOUR_MS, ManualClock
from foryou.domain.errors import Unavailable
from foryou.domain.event import Action, Event
from foryou.domain.log import Stream
from foryou.domain.tables import Tables, Wanted
from foryou.ingest.archive import archive
from foryou.ingest.codec import event_of, records_of
from foryou.services.install import program
from foryou.stores.archive_objects import ObjectArchive
from foryou.stores.log_sqlite import SqliteLog
from foryou.train.als import AlsSettings
from foryou.train.dataset import Interactions
from foryou.train.local import Local
from foryou.wiring import engines
from foryou.wiring.engines import Computes, wanted
from servers import absent
from worlds import NOW_MS

pytestmark = pytest.mark.xdist_group("drills")  # one session, and not beside drills: it takes both cores
MINUTE_MS = 60_000


def quiet(*_: int) -> None:
    """Hear of progress and say nothing."""


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Computes]:
    """Give Spark on this machine, started once for all tests of this file; absent without pyspark or Java."""
    try:
        program("java", "openjdk-17-jre-headless", lambda said: None)
    except Unavailable as error:
        absent(f"no Java for Spark: {error}")
    config = Config(home=str(tmp_path_factory.mktemp("spark")), train=Train(spark_memory_mb=1_024, spark_partitions=3))
    try:
        engine = engines.spark(config)
    except Unavailable as error:
        absent(str(error))
    with closing(engine):
        yield engine


@pytest.fixture(params=["local", "spark"])
def engine(request: pytest.FixtureRequest) -> Computes:
    return Local() if request.param == "local" else request.getfixturevalue("spark")


def events() -> list[Event]:
    """Give a log with everything that tables look at, drawn with a seed: guests, sessions, bots, nonsense."""
    random = np.random.default_rng(11)
    actions, values = (Action.VIEW, Action.RATING, Action.IMPRESSION, Action.PURCHASE), (None, 1.0, 4.5)
    found = [
        Event(
            f"e{n}", f"user-{random.zipf(1.3) % 60} ü", actions[random.integers(4)],
            NOW_MS - int(random.integers(0, 20 * DAY_MS)), f"item-{random.integers(0, 40)}",
            value=values[random.integers(3)], session_id="s1" if n % 2 else "",
            context={"device": "phone"} if n % 3 == 0 else {},
        )
        for n in range(2_000)
    ]  # fmt: skip
    found += [Event(f"f{n}", "fast", Action.VIEW, NOW_MS - HOUR_MS + 90 * n, f"item-{n % 7}") for n in range(300)]
    found += [Event(f"r{n}", "even", Action.VIEW, NOW_MS - DAY_MS + MINUTE_MS * n, f"item-{n % 9}") for n in range(130)]
    found += [Event(f"w{n}", "one", Action.LIKE, NOW_MS - n * n * 7_000, "item-1") for n in range(140)]
    found += [Event(f"twin{n}", "user-1 ü", Action.VIEW, NOW_MS - 77, "item-2") for n in range(9)]
    found += [
        Event("seconds", "user-2 ü", Action.VIEW, 1_700_000_000, "item-2"),
        Event("none", "user-2 ü", Action.VIEW, NOW_MS),
        Event("ahead", "user-3 ü", Action.VIEW, NOW_MS + 400 * DAY_MS, "item-3"),
        Event("nan", "user-3 ü", Action.RATING, NOW_MS, "item-3", value=float("nan")),
        Event("inf", "user-3 ü", Action.RATING, NOW_MS, "item-4", value=float("-inf")),
        Event("a1", "user-4 ü", Action.ALIAS, NOW_MS - 50, query="user-5 ü"),
        Event("a2", "user-4 ü", Action.ALIAS, NOW_MS - 20, query="user-6 ü"),
        Event("gone", "user-7 ü", Action.FORGET, NOW_MS),
    ]  # fmt: skip
    return found


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> tuple[ObjectArchive, State]:
    folder, clock = tmp_path_factory.mktemp("archive"), ManualClock(NOW_MS)
    with closing(SqliteLog(folder / "log", clock)) as log:
        for n, some in enumerate(events()[first : first + 100] for first in range(0, len(events()), 100)):
            clock.at_ms = NOW_MS + n * 2 * DAY_MS
            for stream in (Stream.EVENTS, Stream.USERS):
                log.append(stream, [record for event in some for its, record in records_of(event) if its is stream])
        assert log.ends(Stream.USERS)
        store = ObjectArchive((folder / "archive").as_uri())
        return store, archive(log, store, event_of, quiet, 400)


def made(engine: Computes, archived: tuple[ObjectArchive, State], home: Path, **train: Any) -> Tables:
    asked: Wanted = wanted(*archived, Config(home=str(home), train=Train(**train)))
    return engine.tables(asked, quiet)


def read(path: Path) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(one) for one in (sorted(path.glob("*.parquet")) if path.is_dir() else [path])])


ASKED: list[dict[str, Any]] = [
    {"window_days": 0}, {"window_days": 30}, {"window_days": 0, "sample": 0.4}, {"window_days": 0, "clean": "off"},
]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_spark_makes_the_tables_that_this_machine_makes(
    archived: tuple[ObjectArchive, State], spark: Computes, tmp_path: Path, asked: dict[str, Any]
) -> None:
    ours, theirs = made(Local(), archived, tmp_path / "a", **asked), made(spark, archived, tmp_path / "b", **asked)
    table, other = read(ours.interactions), read(theirs.interactions)
    assert len(table) > 200
    kinds = dict(table.schema)
    assert other.select(table.columns).cast(kinds).equals(table)  # type: ignore[arg-type]
    assert read(theirs.users).equals(read(ours.users))
    assert theirs.cleaned == ours.cleaned
    assert bool(ours.cleaned) == (asked.get("clean") != "off")


def test_tables_are_in_order_and_a_second_run_replaces_them(
    engine: Computes, archived: tuple[ObjectArchive, State], tmp_path: Path
) -> None:
    first = read(made(engine, archived, tmp_path, window_days=0).interactions)
    assert first.equals(first.sort("at_ms", "event_id"))
    found = made(engine, archived, tmp_path, window_days=0, sample=0.3)
    assert len(read(found.interactions)) < len(first)
    assert sorted(one.name for one in found.interactions.parent.glob("*.parquet")) == [
        "snapshot.parquet",
        "users.parquet",
    ]


def test_vectors_join_the_items_that_one_kind_of_user_likes(engine: Computes) -> None:
    """Users of two kinds, each with its own ten items: the world of implicit's checkerboard."""
    random = np.random.default_rng(4)
    kind = np.repeat(np.arange(60) % 2, 8).astype(np.int32)
    user = np.repeat(np.arange(60, dtype=np.int32), 8)
    item = np.concatenate([random.choice(10, 8, replace=False) for _ in range(60)]).astype(np.int32) + 1 + 10 * kind
    rows = len(user)
    log = Interactions(
        user, item, np.arange(rows), np.ones(rows, np.float32), np.ones(rows, np.uint8),
        np.full(rows, np.nan, np.float32),
        [f"e{n}" for n in range(rows)], [f"u{n}" for n in range(60)], 21,
    )  # fmt: skip
    how = AlsSettings(width=8, iterations=8, unobserved=0.2, regularisation=3.0, power=0.0)
    vectors = engine.factorise(log, how, quiet)
    assert (vectors.shape, vectors.dtype) == ((22, 8), np.float32)
    assert not vectors[[0, 21]].any()
    turned = vectors[1:21] / np.linalg.norm(vectors[1:21], axis=1, keepdims=True)
    alike = turned @ turned.T
    assert alike[:10, :10].min() > alike[:10, 10:].max() + 0.3
    assert engine.factorise(log, replace(how, iterations=8), quiet).tolist() == vectors.tolist()
