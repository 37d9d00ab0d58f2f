"""How do files get into a folder or a bucket and back, whole, checked and fit to be mapped?"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import IO, TYPE_CHECKING
from uuid import uuid4

import msgspec
import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, from_url

from foryou.domain.errors import Invalid, NotFound, Refused, Unavailable
from foryou.domain.ports import Sink

if TYPE_CHECKING:  # obstore has it for checkers only
    from obstore import Attributes, ObjectMeta
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Config

DIGEST_BYTES = 32
VERIFIED = "verified.json"
STAGED = "staged"

# A store that is away must be known to be within seconds, for those who go on with what they have; but a file may take
# minutes as long as bytes arrive.
CONNECT_S = 2
SILENT_S = 5
WHOLE_S = 3_600
TRIES_S = 5
WRITER = "writer"  # the attribute that tells who created an object

_Mark = tuple[int, int, int, str]  # size, mtime_ns, inode, checksum


@dataclass(frozen=True, slots=True)
class Bucket:
    """What an S3 URL does not say; empty = as the variables AWS_* say. Keys come from those alone."""

    endpoint: str = ""
    region: str = ""


class Objects:
    """Objects under a URL: `file:///home/models`, `s3://bucket/prefix`, whatever obstore knows.

    Without `cache` the URL must be of this machine: files are written and mapped in place, synced to the disk.
    With `cache`, a folder on a local disk, they are copied there before they are mapped: for buckets and network
    file systems. Files of one name never change, so a copy is never out of date.
    """

    def __init__(self, url: str, cache: Path | None = None, bucket: Bucket = Bucket()) -> None:
        self._url = url
        with self._reachable():
            self._store = _opened(url, bucket)
        folder = cache or (self._store.prefix if isinstance(self._store, LocalStore) else None)
        if folder is None:
            raise Invalid("cache", f"{url} is not on this machine, but arrays must be mapped", "name a local folder")
        self._folder = folder
        self._in_place = cache is None

    def create(self, name: str, body: bytes) -> bool:
        """Put a small object if there is none of this name: one of several racers gets True."""
        with self._reachable():
            if self._in_place:
                return self._create_here(name, body)
            mark: Attributes = {} if isinstance(self._store, LocalStore) else {WRITER: uuid4().hex}
            try:
                obstore.put(self._store, name, body, mode="create", attributes=mark)
            except AlreadyExistsError:  # perhaps by ourselves: of a put that is tried again the first answer was lost
                return bool(mark) and obstore.get(self._store, name).attributes.get(WRITER) == mark[WRITER]
            return True

    def _create_here(self, name: str, body: bytes) -> bool:
        # obstore's own put does not sync: after a power cut the name could be there without its bytes.
        path, staged = self._folder / name, self._folder / STAGED / uuid4().hex
        for folder in (path.parent, staged.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with staged.open("wb") as file:
            file.write(body)
            _sync(file)
        try:
            os.link(staged, path)
        except FileExistsError:
            return False
        finally:
            staged.unlink()
        self._sync_folders(path)
        return True

    def put(self, name: str, fill: Callable[[Sink], object]) -> str:
        """Put what `fill` writes, in pieces; gives its checksum. Nobody else may put an object of this name."""
        path = self._folder / name
        with self._reachable():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                sink = _Hashing(file)
                fill(sink)
                _sync(file)
            if self._in_place:
                self._sync_folders(path)
            else:
                obstore.put(self._store, name, path)
        return sink.digest.hexdigest()

    def replace(self, name: str, fill: Callable[[IO[bytes]], object]) -> None:
        """Put what `fill` writes in place of what is there, whole or not at all; no copy of it stays here."""
        staged = self._folder / STAGED / uuid4().hex
        with self._reachable():
            staged.parent.mkdir(parents=True, exist_ok=True)
            try:
                with staged.open("wb") as file:
                    fill(file)
                    _sync(file)
                if not self._in_place:
                    obstore.put(self._store, name, staged)
                    return
                path = self._folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(path)
                self._sync_folders(path)
            finally:
                staged.unlink(missing_ok=True)

    def get(self, name: str, what: str) -> bytes:
        """Give a small object. NotFound says that there is no `what`."""
        with self._reachable():
            try:
                return obstore.get(self._store, name).bytes().to_bytes()
            except FileNotFoundError as error:
                raise NotFound(f"there is no {what} in {self._url}; `foryou models list` shows what is") from error

    def keep(self, name: str, body: bytes) -> None:
        """Keep a copy of a small object, so that `kept` gives it when the store is away; nothing to do in place."""
        path = self._folder / name
        if self._in_place or self.kept(name) == body:
            return
        with suppress(OSError):  # a disk that is full is no reason to stop now
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, body)

    def kept(self, name: str) -> bytes | None:
        """Give the copy that this machine has of a small object; None = it has none."""
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            return None

    def kept_under(self, prefix: str) -> list[str]:
        """Give the names of the copies that this machine has below a prefix."""
        return [str(path.relative_to(self._folder)) for path in sorted((self._folder / prefix).glob("*"))]

    def under(self, prefix: str) -> "list[ObjectMeta]":
        """Give name, size and time of all objects below a prefix."""
        with self._reachable():
            return [meta for some in obstore.list(self._store, prefix) for meta in some]

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects and their local copies."""
        with self._reachable():
            if names:
                obstore.delete(self._store, names)
            if not self._in_place:
                for name in names:
                    (self._folder / name).unlink(missing_ok=True)

    def fetched(self, checksums: dict[str, str]) -> list[Path]:
        """Give files of this machine with the bytes of these objects (name -> checksum).

        Refused if one is missing or has other bytes. Hashing runs at 0.5 GB/s, which would cost each process seconds
        at its start; so what was checked once is remembered in VERIFIED by size, time and inode of the file, and
        checked again only when one of them differs.
        """
        with self._reachable():
            before = self._checked()
            checked = dict(before)
            for name, checksum in checksums.items():
                path = self._folder / name
                if not path.exists():
                    self._copy(name, path)
                if checked.get(name) != _mark(path, checksum):
                    self._check(path, checksum)
                    checked[name] = _mark(path, checksum)
            if checked != before:
                self._remember(checked)
        return [self._folder / name for name in checksums]

    def _copy(self, name: str, path: Path) -> None:
        staged = path.with_name(f"{path.name}.{uuid4().hex}")
        try:
            pieces = obstore.get(self._store, name).stream()
        except FileNotFoundError as error:
            raise Refused(f"{self._url} has no {name}, though the manifest names it; publish it anew") from error
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with staged.open("wb") as file:
                file.writelines(pieces)
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)

    def _check(self, path: Path, expected: str) -> None:
        with path.open("rb") as file:
            found = file_digest(file, _digest).hexdigest()
        if found == expected:
            return
        if not self._in_place:
            path.unlink()  # the next one copies it again: perhaps only the copy is damaged
        raise Refused(
            f"{path} is damaged: its checksum is {found}, the manifest says {expected}; promote another version and"
            " publish this one anew"
        )

    def _checked(self) -> dict[str, _Mark]:
        try:
            return msgspec.json.decode((self._folder / VERIFIED).read_bytes(), type=dict[str, _Mark])
        except (OSError, msgspec.DecodeError):
            return {}

    def _remember(self, checked: dict[str, _Mark]) -> None:
        kept = {name: mark for name, mark in checked.items() if (self._folder / name).exists()}
        with suppress(OSError):  # where it cannot be written, files are checked at every start
            _replace(self._folder / VERIFIED, msgspec.json.encode(kept))

    def _sync_folders(self, path: Path) -> None:
        for folder in path.parents:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if folder == self._folder:
                return

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            said = str(error).splitlines()[0]
            raise Unavailable(
                f"{self._url}: {said}; check that it is there and may be written, then try again"
            ) from error


def _opened(url: str, bucket: Bucket) -> "ObjectStore":
    if url.startswith("file:"):
        return from_url(url, mkdir=True, automatic_cleanup=True)
    if not url.startswith(("s3:", "s3a:")):
        return from_url(url)
    said: S3Config = {}
    if bucket.endpoint:
        said["endpoint"] = bucket.endpoint
    if bucket.region:
        said["region"] = bucket.region
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=CONNECT_S), "read_timeout": timedelta(seconds=SILENT_S),
        "timeout": timedelta(seconds=WHOLE_S), "allow_http": True,  # as the endpoint says
    }  # fmt: skip
    retry: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=TRIES_S)}
    return from_url(url, config=said, client_options=client, retry_config=retry)


def _replace(path: Path, body: bytes) -> None:
    """Give the file this content, whole or not at all."""
    staged = path.with_name(f"{path.name}.{uuid4().hex}")
    try:
        staged.write_bytes(body)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


class _Hashing:
    """A file that hashes what goes into it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = _digest()

    def write(self, data: bytes, /) -> int:
        self.digest.update(data)
        return self._file.write(data)


def _digest() -> blake2b:
    return blake2b(digest_size=DIGEST_BYTES)


def _mark(path: Path, checksum: str) -> _Mark:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino, checksum


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
