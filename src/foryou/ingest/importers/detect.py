"""Which data set lies in this folder?"""

from pathlib import Path

from foryou.domain.clock import Clock
from foryou.domain.errors import Invalid
from foryou.domain.ports import TimeSource
from foryou.ingest.importers import movielens_100k, movielens_latest
from foryou.ingest.importers.layout import Layout
from foryou.ingest.importers.movielens_100k import MovieLens100K
from foryou.ingest.importers.movielens_latest import MovieLensLatest
from foryou.ingest.importers.table import lines

FOLDERS = ("ml-100k", "ml-latest-small")  # looked into below the folder, the preferred one first
_LOOKED_FOR = (
    f"{', '.join(movielens_100k.FILES)} (MovieLens 100K) or "
    f"{', '.join(movielens_latest.HEADERS)} (MovieLens latest), there or in {' or '.join(FOLDERS)} below it"
)
_WALL = Clock()
_NAMED = 10  # files that a message lists


def detect(folder: Path, clock: TimeSource = _WALL) -> Layout:
    """Give the layout of the files in the folder, else of those in ml-100k or ml-latest-small below it.

    The clock says what lies in the future: it is that of the wall even where the demo runs on the data's time.
    Raises Invalid if there is none, naming what was looked for and what is there; Unavailable if a file cannot be
    read.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise Invalid(str(folder), f"{what}, looked for a folder with {_LOOKED_FOR}", "give the folder of a data set")
    for place in (folder, *(folder / name for name in FOLDERS)):
        if all((place / name).is_file() for name in movielens_100k.FILES):
            return MovieLens100K(place, clock)
        if all((place / name).is_file() for name in movielens_latest.HEADERS):
            _check_headers(place)
            return MovieLensLatest(place, clock)
    raise Invalid(str(folder), f"looked for {_LOOKED_FOR}, found {_found(folder)}", "give the folder of a data set")


def _check_headers(place: Path) -> None:
    for name, wanted in (movielens_latest.HEADERS | movielens_latest.OPTIONAL_HEADERS).items():
        if name in movielens_latest.OPTIONAL_HEADERS and not (place / name).is_file():
            continue
        _, raw = next(lines(place / name), (0, b""))
        first = raw.decode("utf-8-sig", "replace").rstrip("\r\n")
        if [field.strip('"') for field in first.split(",")] != wanted:
            raise Invalid(
                f"{place / name}:1", f"the header is {first[:100]!r}, not {','.join(wanted)!r}", "put that line first"
            )


def _found(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more if names else "nothing"
