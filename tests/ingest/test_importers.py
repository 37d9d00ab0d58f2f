"""Does a layout give every good line as what it is, and name every bad one?"""

import csv
import io
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from msgspec import UNSET

from foryou.domain.clock import DAY_MS, ManualClock
from foryou.domain.errors import Invalid, Unavailable
from foryou.domain.event import Action, Event
from foryou.domain.item import ItemChange
from foryou.domain.records import UserChange
from foryou.ingest.importers import BadLine, detect
from foryou.ingest.importers.table import split_csv
from tries import tries

NOW_MS = 1_700_000_000_000
CLOCK = ManualClock(NOW_MS)
FLAGS = "|".join(["0"] * 19)


def read_with(folder: Path, name: str, line: bytes) -> list[BadLine]:
    """Append a line to a file of the folder; give the bad lines of the whole."""
    with (folder / name).open("ab") as file:
        file.write(line)
    return [thing for thing in detect(folder, CLOCK).read() if isinstance(thing, BadLine)]


def test_the_lines_of_movielens_100k_become_items_users_and_events(old: Path) -> None:
    things = list(detect(old, CLOCK).read())
    assert things[0] == ItemChange(
        item_id="1", op="put", title="Misérables, Les (1995)", text="Misérables, Les (1995)",
        categories=("Drama", "War"), published_ms=788_918_400_000,
    )  # fmt: skip
    assert isinstance(things[1], ItemChange)
    assert things[1].categories == ()
    assert things[1].published_ms == -1_354_060_800_000  # 4 February 1927
    assert things[2] == UserChange(
        user_id="7", op="put", age=24, gender="M", location="85711", attributes={"occupation": "technician"}
    )
    event = things[4]
    assert isinstance(event, Event)
    assert (event.user_id, event.item_id, event.action) == ("7", "1", Action.RATING)
    assert (event.value, event.unit) == (3.0, "stars")
    assert event.at_ms == event.received_ms == 881_250_949_000
    assert [type(thing).__name__ for thing in things] == ["ItemChange"] * 2 + ["UserChange"] * 2 + ["Event"] * 3


def test_the_lines_of_movielens_latest_become_items_with_tags_and_events(new: Path) -> None:
    items = [thing for thing in detect(new, CLOCK).read() if isinstance(thing, ItemChange)]
    title = "City of Lost Children, The (Cité) (1995)"
    assert items[0] == ItemChange(
        item_id="1", op="put", title=title, categories=("Adventure", "Drama"), published_ms=788_918_400_000,
        text=f"{title}, french film, dark", tags=("french film", "dark"),
    )  # fmt: skip
    assert items[1].title == '"Great Performances" Cats (1970)'
    assert items[1].categories == ()
    assert items[2].categories == ("Comedy",)
    assert items[2].published_ms == 157_766_400_000  # the first year of 1975-1979
    assert (items[3].published_ms, items[3].tags) == (UNSET, UNSET)


def test_an_item_of_1970_is_not_one_without_a_date(new: Path) -> None:
    items = [thing for thing in detect(new, CLOCK).read() if isinstance(thing, ItemChange)]
    assert items[1].published_ms == 1


def test_half_a_star_counts_as_the_one_that_the_scale_begins_with(new: Path) -> None:
    assert [thing.value for thing in detect(new, CLOCK).read() if isinstance(thing, Event)] == [1.0, 4.5]


def test_tags_are_optional(new: Path) -> None:
    (new / "tags.csv").unlink()
    assert not any(thing.tags for thing in detect(new, CLOCK).read() if isinstance(thing, ItemChange))


def test_the_genre_unknown_is_none(old: Path) -> None:
    (old / "u.item").write_text(f"1|unknown|||||1|{FLAGS[2:]}\n".replace("|||||", "||||"))
    assert [thing.categories for thing in detect(old, CLOCK).read() if isinstance(thing, ItemChange)] == [()]


def test_reading_is_lazy(old: Path) -> None:
    things = detect(old, CLOCK).read()
    next(things)
    (old / "u.data").unlink()
    with pytest.raises(Unavailable, match=r"u\.data cannot be read \(No such file.*see that it is there and readable"):
        list(things)


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(new: Path) -> None:
    before = list(detect(new, CLOCK).read())
    for file in new.iterdir():
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert list(detect(new, CLOCK).read()) == before


def test_blank_lines_are_passed_over(old: Path) -> None:
    before = list(detect(old, CLOCK).read())
    assert read_with(old, "u.data", b"\n  \n\r\n") == []
    assert list(detect(old, CLOCK).read()) == before


@pytest.mark.parametrize(
    ("present", "name"),
    [(["ml-100k", "ml-latest-small"], "ml-100k"), (["ml-latest-small"], "ml-latest")],
)
def test_a_parent_folder_is_recognised_by_the_data_sets_below(
    tmp_path: Path, old: Path, new: Path, present: list[str], name: str
) -> None:
    for folder in present:
        shutil.copytree(old if folder == "ml-100k" else new, tmp_path / "parent" / folder)
    assert detect(tmp_path / "parent", CLOCK).name == name


def test_a_folder_without_data_is_refused_with_what_was_looked_for_and_what_is_there(old: Path) -> None:
    (old / "u.user").unlink()
    with pytest.raises(
        Invalid, match=r"looked for u\.item, u\.user, u\.data .* or movies\.csv, ratings\.csv .*found u\.data, u\.item;"
    ):
        detect(old)


def test_what_is_found_is_not_listed_without_end(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="found nothing;"):
        detect(tmp_path)
    for number in range(12):
        (tmp_path / f"{number:02}.txt").touch()
    with pytest.raises(Invalid, match=r"found 00\.txt, .*09\.txt and 2 more; give the folder of a data set"):
        detect(tmp_path)


def test_a_file_or_a_missing_folder_is_refused(old: Path) -> None:
    with pytest.raises(Invalid, match=r"u\.data: is a file, looked for a folder with u\.item"):
        detect(old / "u.data")
    with pytest.raises(Invalid, match=r"nowhere: does not exist, looked for a folder with u\.item"):
        detect(old / "nowhere")


@pytest.mark.parametrize("name", ["movies.csv", "ratings.csv", "tags.csv"])
def test_a_csv_with_another_header_is_refused(new: Path, name: str) -> None:
    (new / name).write_text("a,b\n")
    with pytest.raises(Invalid, match=rf"{name}:1: the header is 'a,b', not '\w+Id,.*'; put that line first"):
        detect(new)


LONG_ID = "x" * 129
OLD_FAULTS = [
    ("u.data", b"7\t1\t3\n", "line", "has 3 fields where 4 belong", "write user_id, item_id, rating, timestamp"),
    ("u.data", b"\t1\t3\t881250949\n", "user_id", "is empty", "write an id"),
    ("u.data", b"7\t \t3\t881250949\n", "item_id", "is empty", "write an id"),
    ("u.data", f"{LONG_ID}\t1\t3\t881250949\n".encode(), "user_id", "has 129 bytes, more than the 128", "shorten it"),
    ("u.data", b"7\t1\tgood\t881250949\n", "rating", "is not a number", "write digits"),
    ("u.data", b"7\t1\tnan\t881250949\n", "rating", "is not a number", "write digits"),
    ("u.data", b"7\t1\t5.5\t881250949\n", "rating", "is outside 0.5..5", "a number of stars in that range"),
    ("u.data", b"7\t1\t0\t881250949\n", "rating", "is outside 0.5..5", "a number of stars in that range"),
    ("u.data", b"7\t1\t3\tnoon\n", "timestamp", "is not a number", "write digits"),
    ("u.data", b"7\t1\t3\t-5\n", "timestamp", "lies before 1990", "write seconds since 1970 UTC"),
    ("u.data", b"7\t1\t3\t1700086401\n", "timestamp", "more than a day in the future", "seconds, not ms"),
    ("u.data", b"7\t1\t3\t881250949\n", "line", "stands on line 1 already", "delete one of the two lines"),
    ("u.data", b"7\t1\t3.0\t881250949", "line", "stands on line 1 already", "delete one of the two lines"),
    ("u.data", b"7\t1\0\t3\t881250949\n", "line", "holds a NUL byte at place 4", "fetch it again"),
    ("u.data", b"7" * 70_000 + b"\n", "line", "is longer than 65,536 bytes", "see that lines end in newlines"),
    ("u.user", b"9|old|M|x|1\n", "age", "is not a number", "write digits"),
    ("u.user", b"9|121|M|x|1\n", "age", "is outside 0..120", "write the age in years"),
    ("u.user", b"9|50|M|" + b"x" * 1001 + b"|1\n", "occupation", "has 1,001 characters, more than 1,000", "shorten it"),
    ("u.user", b"8|50|M|x|1\n", "user_id", "stands on line 2 already", "delete one"),
    ("u.item", f"3|A|1 Jan 1995|||{FLAGS}\n".encode(), "release_date", "is not a date", "write it like 01-Jan-1995"),
    ("u.item", f"3|A|31-Feb-1995|||{FLAGS}\n".encode(), "release_date", "is not a date", "or leave it empty"),
    ("u.item", f"3|A||||{FLAGS[:-1]}2\n".encode(), "Western", "is neither 0 nor 1", "write 1 if the item has"),
    ("u.item", f"3|{'A' * 1001}||||{FLAGS}\n".encode(), "title", "has 1,001 characters", "shorten it"),
    ("u.item", f"2|A||||{FLAGS}\n".encode(), "item_id", "stands on line 2 already", "delete one"),
    ("u.item", f"3|A|||{FLAGS}\n".encode(), "line", "has 23 fields where 24 belong", "write item_id, title,"),
]
NEW_FAULTS = [
    (
        "movies.csv",
        b'5,"open quote,Drama\n',
        "line",
        "has a stray or open quote in field 2",
        'write each " in it as ""',
    ),
    ("movies.csv", b'5,a "stray" quote,Drama\n', "line", "has a stray or open quote in field 2", "put the field in"),
    ("movies.csv", b'5,"shut"early,Drama\n', "line", "has a stray or open quote in field 2", "put the field in"),
    (
        "movies.csv",
        b"5,Miss\xe9rables,Drama\n",
        "line",
        "holds byte 0xe9 at place 7, which is not utf-8",
        "save the file",
    ),
    ("movies.csv", b"5,Title, with comma,Drama\n", "line", "has 4 fields where 3 belong", "item_id, title, genres"),
    ("movies.csv", b"4,Again,Drama\n", "item_id", "stands on line 5 already", "delete one"),
    ("tags.csv", b"1,77,lost,1260759144\n", "item_id", "has no row in movies.csv", "add the row, or delete its tags"),
    ("tags.csv", b"1,1,dark,12\n", "timestamp", "lies before 1990", "write seconds"),
    ("ratings.csv", b"1,3,6,1260759144\n", "rating", "is outside 0.5..5", "in that range"),
]


@pytest.mark.parametrize(("name", "line", "field", "what", "mend"), OLD_FAULTS)
def test_a_bad_line_of_movielens_100k_is_named(
    old: Path, name: str, line: bytes, field: str, what: str, mend: str
) -> None:
    last = (old / name).read_bytes().count(b"\n") + 1
    (bad,) = read_with(old, name, line)
    assert (bad.file, bad.line, bad.field) == (name, last, field)
    assert what in bad.what
    assert mend in bad.mend


@pytest.mark.parametrize(("name", "line", "field", "what", "mend"), NEW_FAULTS)
def test_a_bad_line_of_movielens_latest_is_named(
    new: Path, name: str, line: bytes, field: str, what: str, mend: str
) -> None:
    last = (new / name).read_bytes().count(b"\n") + 1
    (bad,) = read_with(new, name, line)
    assert (bad.file, bad.line, bad.field) == (name, last, field)
    assert what in bad.what
    assert mend in bad.mend


@pytest.mark.parametrize("line", [line for name, line, *_ in OLD_FAULTS if name == "u.data" and line.endswith(b"\n")])
def test_the_lines_after_a_bad_one_are_read(old: Path, line: bytes) -> None:
    (old / "u.data").write_bytes(b"7\t1\t3\t881250949\n" + line + b"8\t1\t4\t881250999\n")
    things = [thing for thing in detect(old, CLOCK).read() if isinstance(thing, Event)]
    assert [event.user_id for event in things] == ["7", "8"]


def test_a_bad_line_reads_as_a_sentence_that_a_terminal_can_show(old: Path) -> None:
    (bad,) = read_with(old, "u.data", b"7\t1\t\x1b[31m" + b"9" * 90 + b"\t881250949\n")
    assert str(bad).startswith(r"u.data:4: rating '\x1b[31m999")
    assert str(bad).endswith("…' is not a number; write digits, such as 4 or 3.5")
    assert len(bad.value) < 90


def test_the_value_of_a_whole_line_goes_without_its_end(old: Path) -> None:
    (bad,) = read_with(old, "u.data", b"nonsense\r\n")
    assert bad.value == "nonsense"


def test_a_timestamp_of_tomorrow_is_taken(old: Path) -> None:
    assert read_with(old, "u.data", f"7\t1\t3\t{(NOW_MS + DAY_MS) // 1000}\n".encode()) == []


def test_the_same_rating_at_another_time_is_another_event(old: Path) -> None:
    assert read_with(old, "u.data", b"7\t1\t3\t881250950\n7\t1\t4\t881250949\n") == []


@given(
    st.binary(max_size=300)
    | st.lists(
        st.lists(
            st.sampled_from([b"7", b"8", b"1", b"4.5", b"9", b"-1", b"881250949", b"", b"\0", b"\xff", b'"', b"\r"]),
            min_size=3, max_size=5,
        ).map(b"\t".join),
        max_size=8,
    ).map(b"\n".join)
)  # fmt: skip
@tries(100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_lie_in_u_data_every_line_is_an_event_or_a_bad_line(old: Path, content: bytes) -> None:
    (old / "u.data").write_bytes(content)
    things = [thing for thing in detect(old, CLOCK).read() if not isinstance(thing, ItemChange | UserChange)]
    assert all(isinstance(thing, Event | BadLine) for thing in things)
    assert len(things) == sum(bool(line.strip()) for line in content.split(b"\n"))


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), min_size=1, max_size=5))
@tries(50)
def test_csv_fields_are_split_as_the_standard_library_joins_them(fields: list[str]) -> None:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    assert split_csv(line.getvalue()) == fields
