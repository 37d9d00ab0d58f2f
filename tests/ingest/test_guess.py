"""Is a guessed mapping one that works, and is what is not sure said?"""

import json
from pathlib import Path

import polars as pl
import pytest

from foryou.domain.clock import ManualClock
from foryou.domain.errors import Invalid
from foryou.domain.event import Action, Event
from foryou.domain.item import ItemChange
from foryou.domain.records import UserChange
from foryou.ingest.importers import BadLine
from foryou.ingest.importers.layout import Line
from foryou.ingest.importers.mapping import Guess, guess, mapped, parse

CLOCK = ManualClock(1_700_000_000_000)


def proposed(path: Path) -> tuple[Guess, list[Line]]:
    """Guess, and read the files by what was guessed."""
    found = guess(path, CLOCK)
    things = list(mapped(path, parse(found.toml, "guessed.toml", "guessed"), CLOCK).read())
    assert not [one for one in things if isinstance(one, BadLine)]
    return found, things


def test_ratings_are_found_by_name_and_time(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,1029,3.0,1260759179\n")
    found, (event, _) = proposed(path)
    assert found.unsure == []
    assert isinstance(event, Event)
    assert (event.user_id, event.item_id, event.action, event.value) == ("1", "31", Action.RATING, 2.5)
    assert event.at_ms == 1_260_759_144_000


def test_action_words_of_a_shop_are_translated(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    words = ["page_view", "addToCart", "Purchased", "thumbs_up", "heartbeat", "search"]
    path.write_text("".join(
        json.dumps({"visitorid": n, "event_type": word, "product_id": f"p{n}", "created_at": "2023-01-02T03:04:05Z",
                    "device": "tv", "keyword": "tea"}) + "\n"
        for n, word in enumerate(words)
    ))  # fmt: skip
    found, things = proposed(path)
    events = [one for one in things if isinstance(one, Event)]
    assert [one.action for one in events] == [
        Action.VIEW, Action.ADD_TO_CART, Action.PURCHASE, Action.LIKE, Action.SEARCH,
    ]  # fmt: skip
    assert events[-1].query == "tea"
    assert events[0].context == {"device": "tv"}
    assert any("'heartbeat' is left out" in doubt for doubt in found.unsure)


@pytest.mark.parametrize(
    ("at", "unit"),
    [
        (1_600_000_000, "s"), (1_600_000_000_000, "ms"), ("2020-09-13 12:26:40", "iso"),
        ("13/09/2020 12:26:40", "%d/%m/%Y %H:%M:%S"),
    ],
)  # fmt: skip
def test_the_unit_of_a_time_is_seen_in_its_values(tmp_path: Path, at: object, unit: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"uid;sku;when\na;b;{at}\n")
    found, (event,) = proposed(path)
    assert found.tree["events"][0]["at_ms"]["unit"] == unit
    assert isinstance(event, Event)
    assert event.at_ms == 1_600_000_000_000


def test_a_scale_of_ten_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,book,score,date\na,b,9,2020-01-01\na,c,2,2020-01-02\n")
    found, things = proposed(path)
    assert found.tree["events"][0]["value"] == {"column": "score", "scale": [0.0, 10]}
    assert [one.value for one in things if isinstance(one, Event)] == [4.6, 1.8]


def test_items_with_lists_prices_and_gaps_are_found(tmp_path: Path) -> None:
    path = tmp_path / "products.parquet"
    pl.DataFrame({
        "product_id": [1, 2], "product_name": ["Tea", "Cup"], "genres": ["a|b", "b"], "price": ["$3.50", "NULL"],
        "brand": ["X", "NULL"], "description": ["good", "red"],
    }).write_parquet(path)  # fmt: skip
    _, (tea, cup) = proposed(path)
    assert isinstance(tea, ItemChange)
    assert isinstance(cup, ItemChange)
    assert (tea.item_id, tea.title, tea.categories, tea.price, tea.brand) == ("1", "Tea", ("a", "b"), 3.5, "X")
    assert not cup.price


def test_users_are_found(tmp_path: Path) -> None:
    path = tmp_path / "people.tsv"
    path.write_text("user_id\tage\tsex\tcity\tjob\n1\t30\tF\tRome\tcook\n2\t31\tM\tRome\tpilot\n")
    _, (user, _) = proposed(path)
    assert user == UserChange(user_id="1", op="put", age=30, gender="F", location="Rome", attributes={"job": "cook"})


def test_the_files_of_a_folder_become_tables_of_one_mapping(new: Path) -> None:
    (new / "tags.csv").unlink()
    (new / "README.txt").write_text("hello")
    (new / "links.csv").write_text("movieId,imdbId\n1,2\n")
    found, things = proposed(new)
    assert [len(found.tree[kind]) for kind in ("items", "events")] == [1, 1]
    assert sum(isinstance(one, ItemChange) for one in things) == 4
    assert any("links.csv: says nothing about its items" in doubt for doubt in found.unsure)


def test_what_could_not_be_guessed_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item\na,b\n")
    found = guess(path, CLOCK)
    assert 'at_ms = { column = "TODO", unit = "s" }  # TODO' in found.toml
    assert found.toml.startswith(
        "# log.csv: no column names an action; every row is taken as a view\n# log.csv: no column"
    )
    assert any("no column looks like a time" in doubt for doubt in found.unsure)
    with pytest.raises(Invalid, match="has no column TODO; its columns are user, item"):
        proposed(path)


def test_where_there_is_nothing_to_guess_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="does not exist; name a CSV, JSONL or Parquet file"):
        guess(tmp_path / "no", CLOCK)
    with pytest.raises(Invalid, match="holds no CSV, JSONL or Parquet file; file names end with"):
        guess(tmp_path, CLOCK)
    (tmp_path / "a.csv").write_text("user,item\n")
    with pytest.raises(Invalid, match="has no rows to guess from; give a file with a header"):
        guess(tmp_path / "a.csv", CLOCK)
