"""What do the files of a model store do beyond its port?"""

import os
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from foryou.domain.errors import Invalid, Refused
from foryou.services.s3 import BUCKET, REGION
from foryou.stores import objects
from foryou.stores.objects import VERIFIED, Bucket, Objects
from proxy import Proxy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a folder with 100%"


def put(store: Objects, name: str, body: bytes) -> str:
    return store.put(name, lambda sink: sink.write(body))


def test_a_bucket_needs_a_local_folder_to_map_from() -> None:
    with pytest.raises(
        Invalid, match="cache: memory:/// is not on this machine, but arrays must be mapped; name a local"
    ):
        Objects("memory:///")


def test_a_local_file_is_mapped_where_it_lies_and_a_cached_one_from_its_copy(folder: Path, tmp_path: Path) -> None:
    here, cached = Objects(folder.as_uri()), Objects(folder.as_uri(), tmp_path / "cache")
    checksum = put(here, "a/b", b"body")
    assert here.fetched({"a/b": checksum}) == [folder / "a/b"]
    assert cached.fetched({"a/b": checksum}) == [tmp_path / "cache/a/b"]
    assert (tmp_path / "cache/a/b").read_bytes() == b"body"


def test_what_was_put_through_a_cache_need_not_be_copied_back(folder: Path, tmp_path: Path) -> None:
    cached = Objects(folder.as_uri(), tmp_path / "cache")
    checksum = put(cached, "a/b", b"body")
    assert (folder / "a/b").read_bytes() == b"body"
    (folder / "a/b").unlink()
    assert cached.fetched({"a/b": checksum}) == [tmp_path / "cache/a/b"]


def test_a_file_is_hashed_once_and_again_when_it_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    digest = objects.file_digest
    monkeypatch.setattr(objects, "file_digest", lambda file, make: hashed.append(file.name) or digest(file, make))
    store = Objects(folder.as_uri())
    checksums = {name: put(store, name, name.encode()) for name in ("a", "b")}
    store.fetched(checksums)
    assert len(hashed) == 2
    Objects(folder.as_uri()).fetched(checksums)
    assert len(hashed) == 2
    (folder / "a").write_bytes(b"z")
    os.utime(folder / "a", (1, 1))
    with pytest.raises(Refused, match="a is damaged"):
        store.fetched(checksums)
    assert len(hashed) == 3


def test_a_list_of_checked_files_that_cannot_be_read_or_written_costs_time_only(folder: Path) -> None:
    store = Objects(folder.as_uri())
    checksums = {"a": put(store, "a", b"body")}
    (folder / VERIFIED).write_bytes(b"not JSON")
    assert store.fetched(checksums) == [folder / "a"]
    assert list(msgspec.json.decode((folder / VERIFIED).read_bytes())) == ["a"]
    (folder / VERIFIED).unlink()
    (folder / VERIFIED).mkdir()
    assert store.fetched(checksums) == [folder / "a"]
    assert sorted(path.name for path in folder.iterdir()) == ["a", VERIFIED]


def test_files_that_are_gone_are_forgotten(folder: Path) -> None:
    store = Objects(folder.as_uri())
    checksums = {name: put(store, name, b"body") for name in ("a", "b")}
    store.fetched(checksums)
    store.delete(["a"])
    store.fetched({"c": put(store, "c", b"body")})
    assert set(msgspec.json.decode((folder / VERIFIED).read_bytes())) == {"b", "c"}


def test_a_damaged_copy_is_refused_once_and_copied_anew(folder: Path, tmp_path: Path) -> None:
    checksum = put(Objects(folder.as_uri()), "a", b"body")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/a").write_bytes(b"damaged on its way")
    cached = Objects(folder.as_uri(), tmp_path / "cache")
    with pytest.raises(Refused, match=f"cache/a is damaged: its checksum is .*, the manifest says {checksum}"):
        cached.fetched({"a": checksum})
    assert cached.fetched({"a": checksum})[0].read_bytes() == b"body"


def test_deleting_takes_copies_and_empty_folders_along(folder: Path, tmp_path: Path) -> None:
    cached = Objects(folder.as_uri(), tmp_path / "cache")
    put(cached, "bundles/v1/a", b"body")
    cached.delete(["bundles/v1/a"])
    cached.delete([])
    assert not (tmp_path / "cache/bundles/v1/a").exists()
    assert not (folder / "bundles").exists()


def test_a_created_object_leaves_nothing_staged(folder: Path) -> None:
    store = Objects(folder.as_uri())
    assert [store.create("a", b"1"), store.create("a", b"2")] == [True, False]
    assert store.get("a", "object") == b"1"
    assert [meta["path"] for meta in store.under("")] == ["a"]


def test_who_does_not_hear_that_an_object_was_created_still_created_it(
    services: Callable[[str], str], tmp_path: Path
) -> None:
    with closing(Proxy(services("s3"))) as proxy:
        place = f"s3://{BUCKET}/{tmp_path.name}-lost"
        mine = Objects(place, tmp_path / "mine", Bucket(proxy.url, REGION))
        theirs = Objects(place, tmp_path / "theirs", Bucket(services("s3"), REGION))
        proxy.starve(0)  # the request passes, the answer does not
        mend = threading.Timer(0.05, proxy.mend)
        mend.start()
        assert mine.create("release", b"mine")
        mend.join()
        assert not theirs.create("release", b"mine")
