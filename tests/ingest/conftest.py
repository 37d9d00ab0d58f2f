"""What do the tests of imports share? Two small data sets, and a log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from foryou.domain.clock import ManualClock
from foryou.stores.log_sqlite import SqliteLog

FLAGS = "|".join(["0"] * 19)
DRAMA_WAR = "|".join(str(int(place in (8, 17))) for place in range(19))
OLD = {
    "u.item": f"1|Misérables, Les (1995)|01-Jan-1995||http://a/b|{DRAMA_WAR}\n"
    f"2|Metropolis (1927)|4-Feb-1927|||{FLAGS}\n",
    "u.user": "7|24|M|technician|85711\n8|53|F|other|T8H1N\n",
    "u.data": "7\t1\t3\t881250949\n8\t2\t5\t881250900\n7\t2\t1\t881250950\n",
}
NEW = {
    "movies.csv": "movieId,title,genres\n"
    '1,"City of Lost Children, The (Cité) (1995)",Adventure|Drama\n'
    '2,"""Great Performances"" Cats (1970)",(no genres listed)\n'
    "3,Fawlty Towers (1975-1979),Comedy|Comedy\n"
    "4,Stranger Things,Drama\n",
    "ratings.csv": "userId,movieId,rating,timestamp\n1,1,0.5,1260759144\n1,2,4.5,1260759100\n",
    "tags.csv": "userId,movieId,tag,timestamp\n"
    "1,1,Dark,1260759144\n2,1,FRENCH  film,1260759145\n3,1,french film,1260759146\n",
}


def written(folder: Path, files: dict[str, str], encoding: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode(encoding))
    return folder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return written(tmp_path / "old", OLD, "latin-1")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return written(tmp_path / "new", NEW, "utf-8")


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that stands in November 2023."""
    return ManualClock(1_700_000_000_000)


@pytest.fixture
def log(tmp_path: Path, clock: ManualClock) -> Iterator[SqliteLog]:
    log = SqliteLog(tmp_path / "log", clock)
    yield log
    log.close()
