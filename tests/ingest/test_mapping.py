"""Does a mapping turn any table into items, users and events, and say where it or a row is wrong?"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from msgspec import UNSET

from foryou.domain.clock import DAY_MS, ManualClock
from foryou.domain.errors import Invalid, Unavailable
from foryou.domain.event import Action, Event
from foryou.domain.item import ItemChange
from foryou.domain.log import Stream
from foryou.domain.records import UserChange
from foryou.ingest.codec import event_of
from foryou.ingest.importers import BadLine, detect, run
from foryou.ingest.importers.layout import Line, Skipped
from foryou.ingest.importers.mapping import mapped, named, parse, shipped
from foryou.ingest.importers.mapping.schema import FIELDS, Kind, Options, Where
from foryou.stores.log_sqlite import SqliteLog

ROOT = Path(__file__).resolve().parents[2]
CLOCK = ManualClock(1_700_000_000_000)
EVENTS = """
[[events]]
files = "log.csv"
action = "view"
user_id = "who"
item_id = "what"
at_ms = { column = "at", unit = "s" }
"""
LOG = "who,what,at\nann,1,1600000000\nbob,2,1600000001\n"


def read(folder: Path, toml: str) -> list[Line]:
    """Give everything that a mapping makes of a folder."""
    return list(mapped(folder, parse(toml, "own.toml", "own"), CLOCK).read())


def wrote(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


def only(things: list[Line], kind: type) -> list[Any]:
    return [thing for thing in things if isinstance(thing, kind)]


def test_a_csv_becomes_events(tmp_path: Path) -> None:
    events = read(wrote(tmp_path, log_csv=LOG), EVENTS)
    assert [type(one) for one in events] == [Event, Event]
    first = events[0]
    assert isinstance(first, Event)
    assert (first.user_id, first.item_id, first.action) == ("ann", "1", Action.VIEW)
    assert first.at_ms == first.received_ms == 1_600_000_000_000


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv.gz", "tsv"])
def test_every_format_gives_the_same_events(tmp_path: Path, form: str) -> None:
    wanted = read(wrote(tmp_path, log_csv=LOG), EVENTS)
    rows = [{"who": "ann", "what": 1, "at": 1_600_000_000}, {"who": "bob", "what": 2, "at": 1_600_000_001}]
    path = tmp_path / f"log.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif form == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    elif form == "tsv":
        path.write_text(LOG.replace(",", "\t"))
    else:
        path.write_bytes(gzip.compress(LOG.encode()))
    assert read(tmp_path, EVENTS.replace("log.csv", path.name)) == wanted


def test_a_table_of_a_frame_with_gaps_and_times_of_its_own_is_read(tmp_path: Path) -> None:
    at = datetime(2020, 5, 1, 12, tzinfo=UTC)
    frame = pl.DataFrame({"who": ["ann", "bob"], "what": [31.0, None], "at": [at, at]})
    frame.write_parquet(tmp_path / "log.parquet")
    good, bad = read(tmp_path, EVENTS.replace("log.csv", "log.parquet"))
    assert isinstance(good, Event)
    assert (good.item_id, good.at_ms) == ("31", int(at.timestamp()) * 1_000)
    assert isinstance(bad, BadLine)
    assert (bad.line, bad.field, bad.what) == (2, "what", "is empty")


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("s", "1600000000"), ("ms", "1600000000000"), ("us", "1600000000000000"), ("ns", "1600000000000000000"),
        ("iso", "2020-09-13T12:26:40Z"), ("iso", "2020-09-13 14:26:40+02:00"),
        ("%d.%m.%Y %H:%M:%S", "13.09.2020 12:26:40"),
    ],
)  # fmt: skip
def test_a_time_has_the_unit_that_the_mapping_says(tmp_path: Path, unit: str, text: str) -> None:
    wrote(tmp_path, log_csv=f"who,what,at\nann,1,{text}\n")
    (event,) = read(tmp_path, EVENTS.replace('"s"', f'"{unit}"'))
    assert isinstance(event, Event)
    assert event.at_ms == 1_600_000_000_000


@pytest.mark.parametrize(
    ("row", "field", "what", "mend"),
    [
        ("ann,1,yesterday", "at", "is not a number", "write digits"),
        ("ann,1,5", "at", "lies before 1990", "another unit"),
        ("ann,1,1600000000000", "at", "lies beyond all years when read as s", '"ms"'),
        ("ann,1,2600000000", "at", "lies more than a day in the future", '"ms"'),
        ("ann,,1600000000", "what", "is empty", "id of 1 to 128 bytes"),
        (",1,1600000000", "who", "is empty", "leave the row out with skip"),
        (f"{'x' * 129},1,1600000000", "who", "is 129 bytes, limit 128", "shorter"),
        ("ann,1", "line", "has 2 fields where 3 belong", "write who, what, at"),
        ('"ann,1,1600000000', "line", "has an open quote", "close it"),
        ('"ann"x,1,1600000000', "line", "has bad quoting", "write each"),
        ("an\0n,1,1600000000", "line", "holds a NUL byte at place 3", "damaged"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_and_the_rest_goes_through(
    tmp_path: Path, row: str, field: str, what: str, mend: str
) -> None:
    things = read(wrote(tmp_path, log_csv=LOG + row + "\nzoe,9,1600000002\n"), EVENTS)
    assert [one.user_id for one in only(things, Event)] == ["ann", "bob", "zoe"]
    (bad,) = only(things, BadLine)
    assert (bad.file, bad.line, bad.field) == ("log.csv", 4, field)
    assert what in bad.what
    assert mend in bad.mend


def test_a_quoted_field_may_hold_line_ends_and_an_open_one_does_not_eat_the_file(tmp_path: Path) -> None:
    toml = '[[items]]\nfiles = "shop.csv"\nitem_id = "id"\ntext = "about"\n'
    good = 'id,about\n1,"two\nlines, and ""quotes"""\n'
    items = only(read(wrote(tmp_path, shop_csv=good + "2,plain\n"), toml), ItemChange)
    assert [(one.item_id, one.text) for one in items] == [("1", 'two\nlines, and "quotes"'), ("2", "plain")]
    things = read(wrote(tmp_path, shop_csv=good + '3,"open\n' + "".join(f"{n},x\n" for n in range(4, 300))), toml)
    assert len(only(things, ItemChange)) == 297
    assert [bad.line for bad in only(things, BadLine)] == [4]


def test_items_take_lists_prices_a_year_from_the_title_and_attributes(tmp_path: Path) -> None:
    row = '7,"Alien (1979)",Horror|Sci-Fi|Horror,"1.299,50 €",red,none\n'
    wrote(tmp_path, shop_csv="id,title,kinds,price,colour,maker\n" + row)
    toml = r"""
    [[items]]
    files = "shop.csv"
    null = ["", "none"]
    item_id = { column = "id", prefix = "film:" }
    title = "title"
    categories = { column = "kinds", separator = "|" }
    price = { column = "price", pattern = '[\d.,]+', decimal = "," }
    brand = { column = "maker", default = "unknown" }
    published_ms = { column = "title", pattern = '\((\d{4})\)', unit = "year" }
    attributes = { colour = "colour", shop = { value = "A" } }
    """
    assert read(tmp_path, toml) == [
        ItemChange(
            item_id="film:7", op="put", title="Alien (1979)", categories=("Horror", "Sci-Fi"), price=1299.5,
            brand="unknown", published_ms=283_996_800_000, attributes={"colour": "red", "shop": "A"},
        )
    ]  # fmt: skip


def test_users_are_read(tmp_path: Path) -> None:
    wrote(tmp_path, people_csv="id,age,job\n1,33,cook\n2,200,cook\n")
    toml = '[[users]]\nfiles = "people.csv"\nuser_id = "id"\nage = "age"\nattributes = { job = "job" }\n'
    bad, user = read(tmp_path, toml)
    assert user == UserChange(user_id="1", op="put", age=33, attributes={"job": "cook"})
    assert isinstance(bad, BadLine)
    assert (bad.line, bad.what) == (3, "is outside 0..150")


def test_an_action_comes_from_a_column_and_fields_that_it_does_not_have_are_left_out(tmp_path: Path) -> None:
    wrote(tmp_path, log_csv="who,did,ref,at\na,pageview,1,1600000000\na,find,tea,1600000001\na,logout,,1600000002\n")
    toml = """
    [[events]]
    files = "log.csv"
    action = { column = "did", values = { pageview = "view", find = "search", logout = "skip" } }
    user_id = "who"
    item_id = "ref"
    query = "ref"
    at_ms = { column = "at", unit = "s" }
    """
    view, search, left = read(tmp_path, toml)
    assert isinstance(view, Event)
    assert isinstance(search, Event)
    assert (view.action, view.item_id, view.query) == (Action.VIEW, "1", "")
    assert (search.action, search.item_id, search.query) == (Action.SEARCH, "", "tea")
    assert isinstance(left, Skipped)
    wrote(tmp_path, log_csv="who,did,ref,at\na,dance,1,1600000000\na,,1,1600000000\n")
    unknown, empty = only(read(tmp_path, toml), BadLine)
    assert (unknown.field, unknown.value, unknown.what) == ("did", "dance", "is no action that the mapping knows")
    assert (empty.field, empty.what) == ("did", "is empty")


def test_a_rating_of_another_scale_is_brought_to_ours(tmp_path: Path) -> None:
    wrote(tmp_path, log_csv="who,what,at,score\na,1,1600000000,0\na,1,1600000001,10\na,1,1600000002,11\n")
    toml = EVENTS.replace('"view"', '"rating"') + 'value = { column = "score", scale = [0, 10] }\n'
    things = read(tmp_path, toml)
    assert [(one.value, one.unit) for one in only(things, Event)] == [(1.0, "stars"), (5.0, "stars")]
    assert [bad.what for bad in only(things, BadLine)] == ["is outside the scale 0..10"]


def test_lists_become_rows_and_a_place_in_a_list_a_position(tmp_path: Path) -> None:
    wrote(tmp_path, log_csv="who,what,at,shown\na,y,1600000000,x|y\na,q,1600000001,\n")
    each = EVENTS.replace('"view"', '"impression"').replace('"what"', '"shown"') + 'position = "@index"\n'
    shown = only(read(tmp_path, each + 'each = { columns = ["shown"] }\n'), Event)
    assert [(one.item_id, one.position) for one in shown] == [("x", 0), ("y", 1)]
    place = EVENTS + 'position = { column = "what", index_in = "shown" }\n'
    assert [one.position for one in only(read(tmp_path, place), Event)] == [1, -1]


def test_rows_are_chosen_by_where_and_skip(tmp_path: Path) -> None:
    wrote(tmp_path, log_csv=LOG + "bot,3,1600000003\n")
    kept = only(read(tmp_path, EVENTS + 'skip = { who = ["bot"] }\nwhere = { what = ["2", "3"] }\n'), Event)
    assert [one.user_id for one in kept] == ["bob"]


@pytest.mark.parametrize(
    ("repeats", "titles"), [("first", ["a"]), ("last", ["b"]), ("merge", ["a"]), ("reject", ["a"])]
)
def test_an_item_that_stands_twice_is_taken_as_the_mapping_says(
    tmp_path: Path, repeats: str, titles: list[str]
) -> None:
    wrote(tmp_path, shop_csv="id,title,kind\n1,a,X\n1,b,Y\n")
    toml = (
        f'[[items]]\nfiles = "shop.csv"\nrepeats = "{repeats}"\nitem_id = "id"\ntitle = "title"\ncategories = "kind"\n'
    )
    things = read(tmp_path, toml)
    assert [one.title for one in only(things, ItemChange)] == titles
    assert [bad.what for bad in only(things, BadLine)] == ["stands on line 2 already"] * (repeats == "reject")
    if repeats == "merge":
        assert only(things, ItemChange)[0].categories == ("X", "Y")


def test_words_that_many_rows_say_of_an_item_come_first(tmp_path: Path) -> None:
    wrote(tmp_path, tags_csv="id,tag\n1,Dark\n1,FRENCH  film\n1,french film\n")
    toml = '[[items]]\nfiles = "tags.csv"\nrepeats = "merge"\nitem_id = "id"\n'
    (item,) = read(tmp_path, toml + 'categories = { column = "tag", lower = true }\n')
    assert isinstance(item, ItemChange)
    assert item.categories == ("french film", "dark")


def test_json_may_be_nested(tmp_path: Path) -> None:
    row = {"who": {"id": "a"}, "what": 5, "at": 1_600_000_000, "ctx": {"dev": "tv"}}
    wrote(tmp_path, log_jsonl=json.dumps(row) + '\n[1]\n{"open\n')
    toml = EVENTS.replace("log.csv", "log.jsonl").replace('"who"', '"who.id"') + 'context = { device = "ctx.dev" }\n'
    event, *bad = read(tmp_path, toml)
    assert isinstance(event, Event)
    assert (event.user_id, event.item_id, event.context) == ("a", "5", {"device": "tv"})
    assert [one.line for one in only(bad, BadLine)] == [2, 3]
    assert [one.what[:20] for one in only(bad, BadLine)] == ["is not a JSON object", "is not JSON (Input d"]


def test_a_csv_without_a_header_and_with_long_separators_is_read(tmp_path: Path) -> None:
    wrote(tmp_path, log_dat="ann::1::1600000000\nbob::2::1600000001\n")
    toml = EVENTS.replace("log.csv", "log.dat") + 'separator = "::"\nheader = false\ncolumns = ["who", "what", "at"]\n'
    assert read(tmp_path, toml) == read(wrote(tmp_path, log_csv=LOG), EVENTS)


def test_importing_twice_adds_nothing_and_equal_rows_are_one_event(tmp_path: Path, log: SqliteLog) -> None:
    wrote(tmp_path, log_csv=LOG + "bob,2,1600000001\n")
    layout = mapped(tmp_path, parse(EVENTS, "own.toml", "own"), CLOCK)
    first = run(layout, log, lambda *_: None)
    assert (first.events, first.stored, first.repeats, first.rejected) == (3, 2, 1, 0)
    second = run(layout, log, lambda *_: None)
    assert (second.stored, second.repeats) == (0, 3)


def test_columns_that_tell_events_apart_make_two_of_them(tmp_path: Path, log: SqliteLog) -> None:
    wrote(tmp_path, log_csv="who,what,at,step\na,1,1600000000,1\na,1,1600000000,2\n")
    layout = mapped(tmp_path, parse(EVENTS + 'id = ["who", "step"]\n', "own.toml", "own"), CLOCK)
    assert run(layout, log, lambda *_: None).stored == 2


def test_events_of_many_files_are_stored_in_the_order_of_time(tmp_path: Path, log: SqliteLog) -> None:
    for part in range(3):
        rows = "".join(f"u,{n},{1_600_000_000 + (n * 7919 + part) % 1000}\n" for n in range(50))
        (tmp_path / f"log-{part}.csv").write_text("who,what,at\n" + rows)
    run(mapped(tmp_path, parse(EVENTS.replace("log.csv", "log-*.csv"), "own.toml", "own"), CLOCK), log, lambda *_: None)
    for place in range(log.partitions()):
        times = [event_of(entry.record.body).at_ms for entry in log.read(Stream.EVENTS, place, -1, 1_000)]
        assert times == sorted(times)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (EVENTS + 'colour = "x"\n', r"own.toml:8: \[\[events\]\] number 1: colour is no key of \[\[events\]\]"),
        (EVENTS.replace("unit =", "units ="), "own.toml:7: .*units is no key of at_ms; did you mean unit"),
        (EVENTS.replace('"s"', '"fortnight"'), "own.toml:7: .*unknown unit 'fortnight'; write one of s, ms"),
        (EVENTS.replace('"view"', '"viev"'), "own.toml:4: .*action is 'viev', which is no action; did you mean view"),
        (EVENTS.replace("files", "flies"), "flies is no key|files is missing"),
        (EVENTS.replace('user_id = "who"\n', ""), "own.toml:2: .*user_id is missing; write user_id"),
        (EVENTS.replace('item_id = "what"\n', ""), "item_id is missing; name the column with the item"),
        (EVENTS.replace('"view"', '"search"'), "query is missing, and there are searches"),
        (EVENTS.replace('"view"', '"rating"'), "value is missing; name the column with the rating"),
        (EVENTS.replace('"view"', '"forget"'), "action is alias or forget"),
        (EVENTS.replace('"who"', "7"), "own.toml:5: .*user_id is 7; write"),
        (EVENTS.replace('"who"', '{ column = "a", value = "b" }'), "needs exactly one of column, columns and value"),
        (EVENTS.replace('"who"', '{ column = "a", pattern = "(" }'), "has a pattern that is none"),
        (EVENTS.replace('"who"', '{ column = "a", unit = "s" }'), "has unit 's' and is no time"),
        (EVENTS.replace('"who"', '{ column = "a", scale = [5, 1] }'), r"has the scale \[5.0, 1.0\]"),
        (EVENTS.replace('"who"', '{ column = "a", values = { x = "view" } }'), "has values or other and is no action"),
        (EVENTS.replace('"who"', '{ column = "a", index_in = "b" }'), "has index_in and is no whole number"),
        (EVENTS.replace('"who"', '{ column = "a", default = "" }'), "user_id has a default that is wrong: is empty"),
        (EVENTS.replace('"view"', '{ column = "a", values = { x = "vue" } }'), "names 'vue', which is no action"),
        (EVENTS.replace('"log.csv"', '""'), "files names no file"),
        (EVENTS.replace('"log.csv"', '"../log.csv"'), "leaves the folder"),
        (EVENTS + 'encoding = "klingon"\n', "encoding is the unknown 'klingon'"),
        (EVENTS + 'encoding = "utf-16"\n', "encoding 'utf-16' is not read"),
        (EVENTS + "separator = '\"'\n", "separator is '\"'"),
        (EVENTS + "header = false\n", "columns is missing, and there is no header"),
        (EVENTS + "each = { columns = [] }\n", "each names no columns"),
        (EVENTS + 'repeats = "merge"\n', "repeats is for items and users"),
        (EVENTS + 'format = "xml"\n', "format cannot be used: Invalid enum value 'xml'"),
        (EVENTS + 'context = "device"\n', "context is not a table"),
        ('[[items]]\nfiles = "a.csv"\nitem_id = "a"\nid = ["a"]\n', "id is for events"),
        ('[events]\nfiles = "a.csv"\n', r"events is not a list of tables; write \[\[events\]\]"),
        ("[[evnts]]\n", "own.toml:1: evnts is no key of a mapping; did you mean events"),
        ('name = ""\n' + EVENTS, "name is ''; give a text"),
        ('name = "x"\n', "maps nothing; write at least one"),
        ("a = \n", "own.toml: is not TOML: .*line 1"),
        ("# " + "x" * 1_000_000, "has 1,000,002 characters, more than 1,000,000"),
    ],
)  # fmt: skip
def test_a_mapping_that_is_wrong_is_refused_with_line_and_key(toml: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        parse(toml, "own.toml", "own")


def test_files_that_do_not_fit_the_mapping_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="does not exist; give a folder or a file"):
        read(tmp_path / "no", EVENTS)
    with pytest.raises(Invalid, match=r"number 1 of the mapping own looks for log\.csv, found nothing; mend files"):
        read(tmp_path, EVENTS)
    assert read(tmp_path, EVENTS + "optional = true\n") == []
    with pytest.raises(Invalid, match=r"log\.csv:1: has no column what; its columns are who, at; mend the mapping"):
        read(wrote(tmp_path, log_csv="who,at\n"), EVENTS)
    with pytest.raises(Invalid, match=r"names the column 'who' twice; give each column a name of its own"):
        read(wrote(tmp_path, log_csv="who,who,what,at\n"), EVENTS)
    (tmp_path / "log.csv").write_bytes(b"\xff,b\n")
    with pytest.raises(Invalid, match=r"log\.csv:1: the header holds byte 0xff, which is not utf-8; say the right"):
        read(tmp_path, EVENTS)
    (tmp_path / "log.bin").write_bytes(b"")
    with pytest.raises(Invalid, match=r"does not say what it is; say format"):
        read(tmp_path, EVENTS.replace("log.csv", "log.bin"))
    (tmp_path / "log.parquet").write_bytes(b"PAR1 no PAR1")
    with pytest.raises(Unavailable, match=r"log\.parquet cannot be read as Parquet .*; fetch it again"):
        read(tmp_path, EVENTS.replace("log.csv", "log.parquet"))
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(LOG.encode())[:-9])
    with pytest.raises(Unavailable, match=r"log\.csv\.gz cannot be read"):
        read(tmp_path, EVENTS.replace("log.csv", "log.csv.gz"))


def test_a_mapping_is_named_by_file_or_by_the_name_of_a_shipped_one(tmp_path: Path) -> None:
    assert set(shipped()) >= {"trivago", "ml-latest"}
    assert named("trivago").name == "trivago"
    own = tmp_path / "own.toml"
    own.write_text(EVENTS)
    assert named(str(own)).name == "own"
    with pytest.raises(Invalid, match=r"is no file, and no mapping of that name .* there are ml-latest, trivago"):
        named("trivia")
    own.write_bytes(b"\xff")
    with pytest.raises(Invalid, match="is not UTF-8"):
        named(str(own))
    own.write_bytes(b"#" * 4_000_001)
    with pytest.raises(Invalid, match="has 4,000,001 bytes, more than 4,000,000"):
        named(str(own))


def test_every_field_of_an_item_can_be_mapped() -> None:
    fields = {one.name for one in msgspec.structs.fields(ItemChange)} - {"op", "variants"}
    assert set(FIELDS["items"]) == fields
    assert FIELDS["items"]["published_ms"] is Kind.TIME
    assert FIELDS["items"]["attributes"] is Kind.MAP


def test_an_item_says_only_what_its_row_says(tmp_path: Path) -> None:
    (item,) = read(
        wrote(tmp_path, shop_csv="id,title\n1,\n"), '[[items]]\nfiles = "shop.csv"\nitem_id = "id"\ntitle = "title"\n'
    )
    assert isinstance(item, ItemChange)
    assert item.title is UNSET


def test_an_event_of_tomorrow_is_let_in_and_one_of_next_week_is_not(tmp_path: Path) -> None:
    now_s = CLOCK.now_ms() // 1_000
    wrote(tmp_path, log_csv=f"who,what,at\na,1,{now_s + 3_600}\na,1,{now_s + 7 * DAY_MS // 1_000}\n")
    assert [type(one) for one in read(tmp_path, EVENTS)] == [Event, BadLine]


def test_the_shipped_mapping_of_movielens_gives_what_its_importer_gives(new: Path) -> None:
    theirs = list(detect(new, CLOCK).read())
    ours = list(mapped(new, named("ml-latest"), CLOCK).read())
    for kind in (ItemChange, Event):
        assert len(only(ours, kind)) == len(only(theirs, kind)) > 1
    for a, b in zip(only(theirs, ItemChange), only(ours, ItemChange), strict=True):
        assert (a.item_id, a.title, a.categories, a.published_ms) == (
            b.item_id,
            b.title,
            b.categories or (),
            b.published_ms,
        )
    assert only(ours, ItemChange)[0].tags == ("french film", "dark")
    for a, b in zip(only(theirs, Event), only(ours, Event), strict=True):
        assert (a.user_id, a.item_id, a.at_ms, a.value) == (b.user_id, b.item_id, b.at_ms, max(b.value, 1.0))


def test_movielens_latest_small_comes_in_by_its_mapping(real_data: Callable[[str], Path], log: SqliteLog) -> None:
    report = run(mapped(real_data("ml-latest-small"), named("ml-latest"), CLOCK), log, lambda *_: None)
    assert (report.events, report.users, report.items) == (100_004, 671, 9_125)
    assert (report.stored, report.rejected, report.orphans, report.skipped) == (109_129, 0, 0, 0)


def test_an_hour_of_trivago_comes_in_by_its_mapping(
    real_data: Callable[[str], Path], tmp_path: Path, log: SqliteLog
) -> None:
    (source,) = real_data("trivago").glob("*.parquet*")
    some = pl.read_parquet(source).head(3_000)
    some.write_parquet(tmp_path / "log.parquet")
    does, clicks = some["action_type"], some.filter(pl.col("action_type") == "clickout item")
    shown = int(clicks["impressions"].str.split("|").list.len().sum())
    left = int((does.is_in(["filter selection", "change of sort order"]) | (some["reference"] == "unknown")).sum())
    things = list(mapped(tmp_path, named("trivago"), CLOCK).read())
    assert not only(things, BadLine)
    acts = Counter(one.action for one in only(things, Event))
    assert acts[Action.IMPRESSION] == shown
    assert acts[Action.CLICK] == len(clicks)
    assert acts[Action.SEARCH] == int(does.is_in(["search for poi", "search for destination"]).sum())
    assert acts.total() == shown + len(some) - left
    placed = [one.position for one in only(things, Event) if one.action is Action.CLICK]
    assert sum(place >= 0 for place in placed) > 0.99 * len(placed)
    report = run(mapped(tmp_path, named("trivago"), CLOCK), log, lambda *_: None)
    assert (report.repeats, report.rejected, report.orphans) == (0, 0, 0)


def test_the_worked_example_of_the_documents_works(tmp_path: Path) -> None:
    parts = re.findall(r"```\w*\n(.*?)```", (ROOT / "docs" / "data.md").read_text(encoding="utf-8"), re.DOTALL)
    orders, catalog, toml = parts[1:4]
    (tmp_path / "orders-2024.csv").write_text(orders)
    (tmp_path / "catalog.jsonl").write_text(catalog)
    item, view, buy, left = read(tmp_path, toml)
    assert item == ItemChange(
        item_id="B-204", op="put", title="Kettle (2023)", categories=("Kitchen", "Tea"), brand="Ono", price=39.9,
        published_ms=1_672_531_200_000,
    )  # fmt: skip
    assert isinstance(view, Event)
    assert isinstance(buy, Event)
    assert (view.action, view.value, buy.action, buy.value) == (Action.VIEW, None, Action.PURCHASE, 39.9)
    assert isinstance(left, Skipped)


def test_every_key_of_a_mapping_stands_in_the_documents() -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    fields = {name for table in FIELDS.values() for name in table} - {"received_ms"}
    for key in (*Options.__struct_fields__, *Where.__struct_fields__, *fields, *shipped()):
        assert f"`{key}`" in text or f"`{key} =" in text or f"{key} = " in text, f"write about {key} in docs/data.md"
