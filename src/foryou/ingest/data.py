"""Where does the demo's data come from? From where you say, else from beside the project, else from its publisher."""

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.request import urlopen

from foryou.domain.errors import Invalid, Refused, Unavailable
from foryou.ingest.importers import detect
from foryou.ingest.importers.movielens_latest import HEADERS

URL = "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip"
PATIENCE_S = 10  # for connecting, and for each piece of the answer
MAX_BYTES = 64 << 20  # of the archive (it has about 1 MB), and four times that unpacked
_UNPACKED = 4  # times MAX_BYTES
_FOLDER = "ml-latest-small"
_PIECE_BYTES = 65_536

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Found:
    """Where data lies (None: nowhere, simulate a world) and a sentence that says how that was found."""

    path: Path | None
    how: str


def find(
    path: Path | None,
    folder: Path,
    configured: Path | None = None,
    root: Path | None = None,
    fetch: Callable[[Path], Path] | None = None,
) -> Found:
    """Find data: `path` (--data), else `configured` ($FORYOU_DATA), else ../shared/data of `root`, else a download.

    `folder` is the home: a download lies in its `data`, and one from an earlier run is used again. `fetch` downloads
    into that folder (`download`, bound to a progress bar); without it nothing is. Where all fails, `how` says why.
    Raises Invalid if `path` or `configured` was given and no data set lies there: what was asked for is not replaced.
    """
    for given, source in ((path, "--data"), (configured, "FORYOU_DATA")):
        if given is not None:
            _insist(given, source)
            return Found(given, f"Data: {given}, as {source} says.")
    beside = root.resolve().parent / "shared" / "data" if root is not None else None
    if beside is not None and _is_data(beside):
        return Found(beside, f"Data: {beside}, found beside the project.")
    kept = folder / "data"
    if _is_data(kept):
        return Found(kept, f"Data: {kept}, downloaded earlier.")
    if fetch is None:
        return Found(None, "Data: a simulated world, as no data set was found and none was to be downloaded.")
    try:
        fetched = fetch(kept)
    except (Unavailable, Refused) as error:
        return Found(None, f"Data: a simulated world, as no data set was found and none could be downloaded ({error}).")
    return Found(fetched, f"Data: {fetched}, MovieLens latest-small, downloaded from its publisher.")


def download(folder: Path, on_progress: Progress, url: str = URL) -> Path:
    """Download MovieLens latest-small into the folder, whole or not at all; give the folder.

    `on_progress("download", bytes, total)`, total 0 = not known.
    Raises Unavailable if the publisher or the disk fails, Refused if the archive is too large, damaged or unsafe.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as partial:
            archive = Path(partial) / "archive.zip"
            _receive(url, archive, on_progress)
            made = Path(partial) / _FOLDER
            _unpack(archive, made)
            if not _is_data(made):
                raise Refused(f"{url} holds no MovieLens data ({', '.join(HEADERS)}); give --data instead")
            _place(made, folder / _FOLDER)
    except (OSError, HTTPException) as error:
        raise Unavailable(
            f"{url} could not be downloaded into {folder} ({error}); see to the network or the disk, or give --data"
        ) from error
    return folder


def _insist(folder: Path, source: str) -> None:
    try:
        detect(folder)
    except Invalid as error:
        raise Invalid(f"{source}={error.where}", error.what, error.mend) from error


def _is_data(folder: Path) -> bool:
    try:
        detect(folder)
    except (Invalid, Unavailable):
        return False
    return True


def _receive(url: str, archive: Path, on_progress: Progress) -> None:
    with urlopen(url, timeout=PATIENCE_S) as answer, archive.open("wb") as file:
        length = answer.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else 0
        done = 0
        while piece := answer.read(_PIECE_BYTES):
            done += len(piece)
            if max(done, total) > MAX_BYTES:
                raise Refused(f"{url} has {max(done, total):,} bytes or more, over {MAX_BYTES:,}; give --data instead")
            file.write(piece)
            on_progress("download", done, total)
    if done < total:
        raise Unavailable(f"{url} broke off after {done:,} of {total:,} bytes; try again later, or give --data")


def _unpack(archive: Path, target: Path) -> None:
    """Unpack the files of the one folder that is wanted, after a look at every name and size."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            entries = zipped.infolist()
            for entry in entries:
                _check(entry)
            if (size := sum(entry.file_size for entry in entries)) > MAX_BYTES * _UNPACKED:
                raise Refused(
                    f"The archive unpacks to {size:,} bytes, over {MAX_BYTES * _UNPACKED:,}; give --data instead"
                )
            target.mkdir()
            for entry in entries:
                if not entry.is_dir():
                    with zipped.open(entry) as packed, (target / PurePosixPath(entry.filename).name).open("xb") as file:
                        shutil.copyfileobj(packed, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise Refused(f"The archive is damaged ({error}); download it again, or give --data") from error


def _check(entry: zipfile.ZipInfo) -> None:
    name = PurePosixPath(entry.filename)
    inside = (
        len(name.parts) <= 2 and name.parts[:1] == (_FOLDER,) and ".." not in name.parts and "\\" not in entry.filename
    )
    if not inside or stat.S_ISLNK(entry.external_attr >> 16):
        raise Refused(f"The archive holds {entry.filename!r}, which is no file of {_FOLDER}/; give --data instead")


def _place(made: Path, target: Path) -> None:
    """Move the folder into place at once; where another process was faster, keep what it has placed."""
    try:
        made.rename(target)
    except OSError:
        if not _is_data(target):
            raise
