"""Does a replay through two bundles say what would change, and nothing where nothing would?"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import worlds
from foryou.api.answers import exposure
from foryou.cli import commands
from foryou.config import Placement
from foryou.domain.errors import Invalid, NotFound
from foryou.domain.item import ItemChange
from foryou.domain.log import Stream
from foryou.ingest.codec import event_record, exposure_record, item_record
from foryou.wiring.diff import diff
from foryou.wiring.home import Home
from worlds import did, query

PLACEMENTS = {"home": Placement(category_cap=0, explore_share=0.0, new_arrivals=0)}


def quiet(*_: object) -> None:
    """Hear of progress and say nothing."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Give a home with one bundle, the same again, and one that likes what is unpopular."""
    made = worlds.home_in(tmp_path, placements=PLACEMENTS)
    films = [ItemChange(item_id=one.item_id, op="put", title=one.title, categories=one.categories, published_ms=1)
             for one in worlds.films()]  # fmt: skip
    made.log.append(Stream.ITEMS, [item_record(one) for one in films])
    worker = made.worker()
    worker.lease()
    worker.catch_up()
    made.models.publish_catalog(worlds.catalog())
    made.models.publish(worlds.bundle("v1"))
    made.models.publish(worlds.bundle("again"))
    made.models.publish(worlds.bundle("other", popularity=-5.0, item_to_item=0.0, collaborative=0.0))
    made.models.replace_release(worlds.release("v1", 1), 0)
    made.log.append(Stream.EVENTS, [event_record(did("ann", f"war-{n}", n)) for n in (1, 2, 3)])
    worker.catch_up()
    worker.release()
    live = made.live()
    live.refresh()
    for user in ("ann", "bob", "cem"):
        for n in range(2):
            one = query(user, seed=n)
            answer = live.arm_for(user).pipelines["home"].run([one])[0][0]
            made.log.append(Stream.EXPOSURES, [exposure_record(exposure(f"{user}{n}", "home", one, answer))])
    yield made
    made.close()


def test_the_same_bundle_under_another_name_changes_nothing(home: Home) -> None:
    found = diff(home, "v1", "again", 100, quiet)
    assert (found.requests, found.passed_over) == (6, 0)
    assert (found.overlap, found.same, found.shift, found.examples) == (1.0, 1.0, 0.0, [])
    assert {name: one.requests for name, one in found.segments.items()} == {"all others": 2, "new users": 4}
    assert all(one.score_a == one.score_b for one in found.segments.values())


def test_the_bundle_that_answered_gives_what_was_logged(home: Home) -> None:
    found = diff(home, "v1", "other", 100, quiet)
    assert found.overlap < 0.5
    assert found.shift > 0
    first = found.examples[0]
    assert not {*first.only_a} & {*first.only_b}
    assert {one.user_id for one in found.examples} == {"ann", "bob", "cem"}
    back = diff(home, "other", "v1", 100, quiet)
    assert (back.overlap, back.shift) == (found.overlap, found.shift)
    assert back.examples[0].only_a == first.only_b


def test_only_the_newest_queries_are_asked(home: Home) -> None:
    assert diff(home, "v1", "other", 2, quiet).requests == 2


def test_what_there_is_not_is_named(home: Home, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="v1 is the same bundle"):
        diff(home, "v1", "v1", 10, quiet)
    with pytest.raises(NotFound, match="never-heard-of"):
        diff(home, "v1", "never-heard-of", 10, quiet)
    empty = worlds.home_in(tmp_path / "empty")
    for version in ("v1", "v2"):
        empty.models.publish(worlds.bundle(version))
    with pytest.raises(NotFound, match="No answer to a user was logged"):
        diff(empty, "v1", "v2", 10, quiet)
    empty.close()


def test_the_command_says_it_to_people_and_machines(home: Home) -> None:
    folder = str(home.config.home)
    told = CliRunner().invoke(commands(), ["diff", "v1", "other", "--home", folder])
    assert told.exit_code == 0, told.output
    assert "items in common" in " ".join(told.output.split())
    said = CliRunner().invoke(commands(), ["diff", "v1", "other", "--requests", "4", "--json", "--home", folder])
    assert json.loads(said.output)["requests"] == 4
