"""Is data found where it should be, and is a download safe and whole?"""

import io
import shutil
import socket
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from foryou.domain.errors import ForyouError, Invalid, Refused, Unavailable
from foryou.ingest import data
from foryou.ingest.data import Found, download, find
from foryou.ingest.importers import detect

WHOLE = -1  # Content-Length is that of the body


class Publisher:
    """A web server on this machine that offers one file, at `url`, and says that it has `length` bytes."""

    def __init__(self) -> None:
        self.body, self.length, self.asked = b"", WHOLE, 0
        publisher = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked += 1
                self.send_response(200 if publisher.body else 404)
                if publisher.length:
                    length = len(publisher.body) if publisher.length == WHOLE else publisher.length
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(publisher.body)

            def log_message(self, *_words: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/ml-latest-small.zip"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("no_proxy", "*")
    publisher = Publisher()
    yield publisher
    publisher.close()


def quiet(_step: str, _done: int, _total: int) -> None:
    """Hear no progress."""


def zipped(files: dict[str, bytes], mode: int = 0o644) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            file.writestr(entry, content)
    return archive.getvalue()


@pytest.fixture
def archive(new: Path) -> bytes:
    """Give the small data set as its publisher would pack it."""
    return zipped(
        {"ml-latest-small/": b""} | {f"ml-latest-small/{file.name}": file.read_bytes() for file in new.iterdir()}
    )


def never(_folder: Path) -> Path:
    raise AssertionError("nothing must be downloaded")


def test_data_that_was_asked_for_comes_first(old: Path, new: Path, tmp_path: Path) -> None:
    assert find(new, tmp_path, old, fetch=never) == Found(new, f"Data: {new}, as --data says.")


def test_configured_data_comes_second(old: Path, tmp_path: Path) -> None:
    assert find(None, tmp_path, old, fetch=never) == Found(old, f"Data: {old}, as FORYOU_DATA says.")


def test_data_beside_the_project_comes_third(old: Path, tmp_path: Path) -> None:
    beside = tmp_path / "shared" / "data"
    shutil.copytree(old, beside / "ml-100k")
    (tmp_path / "project").mkdir()
    found = find(None, tmp_path / "home", root=tmp_path / "project", fetch=never)
    assert found == Found(beside, f"Data: {beside}, found beside the project.")


def test_an_earlier_download_comes_fourth(new: Path, tmp_path: Path) -> None:
    shutil.copytree(new, tmp_path / "data" / "ml-latest-small")
    found = find(None, tmp_path, root=tmp_path / "project", fetch=never)
    assert found == Found(tmp_path / "data", f"Data: {tmp_path / 'data'}, downloaded earlier.")


def test_a_download_comes_fifth_and_is_used_again(archive: bytes, publisher: Publisher, tmp_path: Path) -> None:
    publisher.body = archive
    fetch = partial(download, on_progress=quiet, url=publisher.url)
    found = find(None, tmp_path, fetch=fetch)
    assert found.path == tmp_path / "data"
    assert found.how == f"Data: {found.path}, MovieLens latest-small, downloaded from its publisher."
    assert "downloaded earlier" in find(None, tmp_path, fetch=fetch).how
    assert publisher.asked == 1


def test_without_any_data_a_world_is_simulated_and_the_reason_said(publisher: Publisher, tmp_path: Path) -> None:
    assert find(None, tmp_path) == Found(
        None, "Data: a simulated world, as no data set was found and none was to be downloaded."
    )
    for body, reason in ((b"", "HTTP Error 404"), (b"no archive", "The archive is damaged")):
        publisher.body = body
        found = find(None, tmp_path, fetch=partial(download, on_progress=quiet, url=publisher.url))
        assert found.path is None
        assert found.how.startswith("Data: a simulated world, as no data set was found and none could be downloaded (")
        assert reason in found.how


@pytest.mark.parametrize("source", ["--data", "FORYOU_DATA"])
def test_data_that_was_asked_for_is_never_replaced(old: Path, tmp_path: Path, source: str) -> None:
    (old / "u.user").unlink()
    asked, configured = (old, None) if source == "--data" else (None, old)
    with pytest.raises(Invalid, match=f"^{source}={old}: looked for .*found u.data, u.item; give the folder of a data"):
        find(asked, tmp_path, configured, fetch=never)


def test_a_download_is_whole_and_leaves_nothing_else(
    archive: bytes, publisher: Publisher, tmp_path: Path, new: Path
) -> None:
    publisher.body = archive
    told: list[tuple[str, int, int]] = []
    folder = download(tmp_path / "a" / "b", lambda step, done, total: told.append((step, done, total)), publisher.url)
    assert [place.name for place in folder.iterdir()] == ["ml-latest-small"]
    for file in new.iterdir():
        assert (folder / "ml-latest-small" / file.name).read_bytes() == file.read_bytes()
    assert detect(folder).name == "ml-latest"
    assert told[-1] == ("download", len(archive), len(archive))


def test_a_download_of_unknown_length_is_taken(archive: bytes, publisher: Publisher, tmp_path: Path) -> None:
    publisher.body, publisher.length = archive, 0
    assert detect(download(tmp_path / "data", quiet, publisher.url)).name == "ml-latest"


def refused(publisher: Publisher, folder: Path, error: type[ForyouError], match: str) -> None:
    """See the download fail with this message and leave nothing behind."""
    with pytest.raises(error, match=match):
        download(folder, quiet, publisher.url)
    assert list(folder.iterdir()) == []


def test_a_download_that_breaks_off_is_given_up(archive: bytes, publisher: Publisher, tmp_path: Path) -> None:
    publisher.body, publisher.length = archive, len(archive) + 1
    match = rf"broke off after {len(archive):,} of {len(archive) + 1:,} bytes; try again later, or give --data"
    refused(publisher, tmp_path / "data", Unavailable, match)


def test_a_publisher_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(
            Unavailable, match=rf"^{url} could not be downloaded .*see to the network or the disk, or give"
        ):
            download(tmp_path, quiet, url)


@pytest.mark.parametrize("announced", [WHOLE, 0])
def test_an_archive_that_is_too_large_is_refused(
    archive: bytes, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, announced: int
) -> None:
    monkeypatch.setattr(data, "MAX_BYTES", 100)
    publisher.body, publisher.length = archive, announced
    refused(publisher, tmp_path / "data", Refused, f"has {len(archive):,} bytes or more, over 100; give --data instead")


def test_an_archive_that_unpacks_to_too_much_is_refused(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "MAX_BYTES", 1_000)
    publisher.body = zipped({"ml-latest-small/ratings.csv": b"0" * 4_001})
    refused(
        publisher, tmp_path / "data", Refused, "The archive unpacks to 4,001 bytes, over 4,000; give --data instead"
    )


@pytest.mark.parametrize(
    "name", ["ml-latest-small/../../evil", "/etc/evil", "evil", "ml-latest-small/a/b", "a\\b", "."]
)
def test_an_archive_that_reaches_out_of_its_folder_is_refused(publisher: Publisher, tmp_path: Path, name: str) -> None:
    publisher.body = zipped({"ml-latest-small/ratings.csv": b"", name: b"evil"})
    refused(
        publisher, tmp_path / "data", Refused, r"The archive holds '.*', which is no file of ml-latest-small/; give"
    )
    assert not (tmp_path / "evil").exists()


def test_an_archive_with_a_link_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    publisher.body = zipped({"ml-latest-small/ratings.csv": b"/etc/passwd"}, stat.S_IFLNK | 0o777)
    refused(publisher, tmp_path / "data", Refused, "The archive holds 'ml-latest-small/ratings.csv', which is no file")


def test_an_archive_without_the_data_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    publisher.body = zipped({"ml-latest-small/README.txt": b"sorry"})
    refused(publisher, tmp_path / "data", Refused, r"holds no MovieLens data \(movies.csv, ratings.csv\); give --data")


def test_a_damaged_archive_is_refused_or_gives_the_right_files(
    archive: bytes, publisher: Publisher, tmp_path: Path, new: Path
) -> None:
    outcomes: set[str] = set()
    for place in range(0, len(archive), 41):
        damaged = bytearray(archive)
        damaged[place] ^= 0xFF
        publisher.body = bytes(damaged)
        folder = tmp_path / str(place)
        try:
            download(folder, quiet, publisher.url)
        except (Refused, Unavailable) as error:
            outcomes.add(type(error).__name__)
            assert list(folder.iterdir()) == []
        else:
            outcomes.add("whole")
            for name in ("ratings.csv", "movies.csv"):
                assert (folder / "ml-latest-small" / name).read_bytes() == (new / name).read_bytes()
    assert {"Refused", "whole"} <= outcomes
    publisher.body = b"PK no archive"
    refused(publisher, tmp_path / "none", Refused, r"The archive is damaged \(.*\); download it again, or give --data")


def test_what_another_process_has_placed_meanwhile_is_kept(
    archive: bytes, publisher: Publisher, tmp_path: Path, new: Path
) -> None:
    publisher.body = archive
    shutil.copytree(new, tmp_path / "ml-latest-small")
    (tmp_path / "ml-latest-small" / "mine.txt").touch()
    download(tmp_path, quiet, publisher.url)
    assert (tmp_path / "ml-latest-small" / "mine.txt").exists()


def test_a_folder_that_is_in_the_way_is_named(archive: bytes, publisher: Publisher, tmp_path: Path) -> None:
    publisher.body = archive
    (tmp_path / "ml-latest-small").mkdir()
    (tmp_path / "ml-latest-small" / "mine.txt").touch()
    with pytest.raises(Unavailable, match=r"could not be downloaded into .*not empty.*see to the network or the disk"):
        download(tmp_path, quiet, publisher.url)


def test_the_real_data_is_found_beside_the_project(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    shared = real_data("ml-100k").parent
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "data").symlink_to(shared)
    found = find(None, tmp_path / "home", root=tmp_path / "project", fetch=never)
    assert found.path == tmp_path / "shared" / "data"
    assert detect(found.path).name == "ml-100k"
