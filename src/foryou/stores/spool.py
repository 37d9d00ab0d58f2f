"""Where do records wait while their log is away? In files of one process, each append synced; kill -9 takes none.

A frame is one append: size, checksum and count, then msgpack. Frames stand in segments; a segment is deleted once all
of it has been taken, so after a kill some of its frames are there again: what is sent twice has the same ids.
"""

import fcntl
import os
import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from struct import Struct

import msgspec

from foryou.domain.errors import Unavailable
from foryou.domain.log import Record, Stream
from foryou.domain.ports import TimeSource

SEGMENT_BYTES = 8_388_608
TAKEN = 2_000  # records at a time, about
ENDING, DAMAGED = ".spool", ".damaged"
_HEAD = Struct(">III")  # bytes of the body, its CRC32, its records


class _Frame(msgspec.Struct, array_like=True, frozen=True):
    at_ms: int
    stream: Stream
    records: list[tuple[str, str, bytes]]  # key, record id, body


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Frame)


@dataclass(slots=True)
class _Segment:
    """One file: whole frames until `size`, of which those before `taken` are not needed any more."""

    path: Path
    size: int = 0
    taken: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one stream, oldest first, and the place behind them. `at_ms`: when the first one came."""

    stream: Stream
    records: list[Record]
    at_ms: int
    until: int


class Spool:
    """A queue of appends on the disk, up to `limit_bytes`. Any thread writes, one takes.

    Processes may share a folder: each has the first place in it that no living process has, and takes over what is
    left in such places.
    """

    def __init__(self, folder: Path, limit_bytes: int, clock: TimeSource) -> None:
        self._limit, self._clock = limit_bytes, clock
        self._lock, self._sync_lock = threading.Lock(), threading.Lock()
        self._written = self._synced = 0  # bytes of this process, ever
        self._file = -1
        self._place, self._held = _claimed(folder)
        self._segments = _scanned(_left(folder, self._place))
        self.records = sum(segment.records for segment in self._segments)
        self.bytes = sum(segment.size for segment in self._segments)
        self.oldest_ms = self._clock.now_ms() if self.records else 0
        self.damaged = 0  # segments that were set aside

    def write(self, stream: Stream, records: Sequence[Record], share: float = 1.0) -> int:
        """Queue an append; gives the ticket for `sync`. Raises Unavailable beyond this share of the limit."""
        at_ms = self._clock.now_ms()
        body = _encoder.encode(_Frame(at_ms, stream, [(one.key, one.record_id, one.body) for one in records]))
        frame = _HEAD.pack(len(body), zlib.crc32(body), len(records)) + body
        with self._lock:
            if self.bytes + len(frame) > (limit := self._limit * share):
                raise Unavailable(
                    f"The log is away and {self.bytes / 1e6:,.1f} MB wait for it, limit {limit / 1e6:,.1f} MB; mend the"
                    " log, or raise stores.spool_mb"
                )
            segment = self._current()
            self._append(segment, frame)
            segment.size += len(frame)
            segment.records += len(records)
            self.oldest_ms = self.oldest_ms or at_ms
            self.bytes += len(frame)
            self.records += len(records)
            self._written += len(frame)
            return self._written

    def sync(self, ticket: int) -> None:
        """Return when the append is on the disk. Those that wait at the same moment share one sync."""
        with self._sync_lock:
            if self._synced >= ticket:
                return
            with self._lock:
                written, file = self._written, os.dup(self._file) if self._file >= 0 else -1
            if file >= 0:
                try:
                    os.fdatasync(file)
                finally:
                    os.close(file)
            self._synced = written

    def peek(self) -> Batch | None:
        """Give the oldest records of one stream, None = empty. What is damaged is set aside, with all behind it."""
        while True:
            with self._lock:
                segment = next(iter(self._segments), None)
            if segment is None:
                return None
            batch = _read(segment)
            if batch is not None:
                self.oldest_ms = batch.at_ms
                return batch
            self.set_aside()

    def drop(self, batch: Batch) -> None:
        """Forget the records that `peek` gave: they are elsewhere now."""
        with self._lock:
            segment = self._segments[0]
            self._forget(segment, batch.until - segment.taken, len(batch.records))
            segment.taken = batch.until
            if segment.taken == segment.size:
                self._end(segment)
                segment.path.unlink()

    def set_aside(self) -> None:
        """Keep the oldest segment under another name, for somebody to look at, and go on behind it."""
        with self._lock:
            segment = self._segments[0]
            self._forget(segment, segment.size - segment.taken, segment.records)
            self._end(segment)
            segment.path.rename(segment.path.with_suffix(DAMAGED))
            self.damaged += 1

    def close(self) -> None:
        """Let go; what waits is taken over by the next process."""
        with self._lock:
            self._roll()
            os.close(self._held)

    def _forget(self, segment: _Segment, size: int, records: int) -> None:
        segment.records -= records
        self.bytes -= size
        self.records -= records
        if not self.records:
            self.oldest_ms = 0

    def _end(self, segment: _Segment) -> None:
        if self._file >= 0 and segment is self._segments[-1]:
            self._roll()
        self._segments.remove(segment)

    def _current(self) -> _Segment:
        """Give the segment to write to, a new one where the last one is full or of another process."""
        if self._file >= 0 and self._segments[-1].size >= SEGMENT_BYTES:
            self._roll()
        if self._file < 0:
            path = self._place / f"{time.time_ns():020}-{os.getpid()}{ENDING}"
            try:
                _synced_file(path)
                self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
            except OSError as error:
                raise _refused(path, error) from error
            self._segments.append(_Segment(path))
        return self._segments[-1]

    def _roll(self) -> None:
        if self._file >= 0:
            os.fdatasync(self._file)
            os.close(self._file)
            self._file = -1

    def _append(self, segment: _Segment, frame: bytes) -> None:
        try:
            if (done := os.write(self._file, frame)) < len(frame):
                os.write(self._file, frame[done:])
            if os.fstat(self._file).st_size != segment.size + len(frame):
                raise OSError("the file is shorter than what was written")
        except OSError as error:
            os.ftruncate(self._file, segment.size)
            raise _refused(segment.path, error) from error


def _refused(path: Path, error: OSError) -> Unavailable:
    return Unavailable(f"The log is away and {path} cannot be written ({error}); free some space, or mend the log")


def _claimed(folder: Path) -> tuple[Path, int]:
    """Give the first place that no other process has, and its lock, which goes with this process."""
    for number in count():
        place = folder / str(number)
        place.mkdir(parents=True, exist_ok=True)
        held = _locked(place)
        if held >= 0:
            return place, held
    raise AssertionError("count() has no end")


def _locked(place: Path) -> int:
    held = os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        return -1
    return held


def _left(folder: Path, own: Path) -> list[Path]:
    """Give the segments that are in our place, after moving those there that nobody has; oldest first."""
    for place in folder.iterdir():
        if place != own and any(place.glob(f"*{ENDING}")) and (held := _locked(place)) >= 0:
            for path in place.glob(f"*{ENDING}"):
                path.rename(own / path.name)
            os.close(held)
    _synced_folder(own)
    return sorted(own.glob(f"*{ENDING}"))


def _scanned(paths: Sequence[Path]) -> list[_Segment]:
    """Give the segments that processes left; those without a whole frame are deleted."""
    found = [_scan(path) for path in paths]
    for one in found:
        if not one.size:
            one.path.unlink()
    return [one for one in found if one.size]


def _scan(path: Path) -> _Segment:
    """Give a segment without the frame at its end that was being written when its process was killed."""
    found, whole = _Segment(path), path.stat().st_size
    with path.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            size, _, records = _HEAD.unpack(head)
            end = file.seek(size, os.SEEK_CUR)
            if not size or end > whole:
                break
            found.size = end
            found.records += records
    return found


def _read(segment: _Segment) -> Batch | None:
    """Give the next records of a segment; None = the next frame is damaged."""
    records: list[Record] = []
    first: _Frame | None = None
    with segment.path.open("rb") as file:
        until = file.seek(segment.taken)
        while until < segment.size and len(records) < TAKEN:
            size, checksum, _ = _HEAD.unpack(file.read(_HEAD.size))
            body = file.read(size)
            if zlib.crc32(body) != checksum:
                break
            frame = _decoder.decode(body)
            first = first or frame
            if frame.stream is not first.stream:
                break
            records += [Record(*fields) for fields in frame.records]
            until = file.tell()
    return Batch(first.stream, records, first.at_ms, until) if first else None


def _synced_file(path: Path) -> None:
    """Make an empty file whose name survives a power cut."""
    path.touch(0o600, exist_ok=False)
    _synced_folder(path.parent)


def _synced_folder(folder: Path) -> None:
    """Make names in a folder survive a power cut."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
