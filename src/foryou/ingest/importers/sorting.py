"""How are more events sorted than fit into memory? In pieces on the disk, merged while they are read."""

import heapq
import struct
import tempfile
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import IO, Any

import msgspec

from foryou.domain.errors import Unavailable
from foryou.domain.event import Event

HELD = 200_000  # events in memory: about 100 MB
_BUFFER = 1 << 16
_length = struct.Struct("<I")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Event)


class Sorted:
    """Events put in one by one come out by the key; those with equal keys in the order in which they came in.

    Use it as a context: what lies on the disk is gone at its end. Raises Unavailable if the disk fails.
    """

    def __init__(self, key: Callable[[Event], Any], held: int = HELD) -> None:
        self._key, self._held = key, held
        self._some: list[Event] = []
        self._pieces: list[IO[bytes]] = []
        self._count = 0

    def __enter__(self) -> "Sorted":
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let go of the pieces."""
        for piece in self._pieces:
            piece.close()

    def __len__(self) -> int:
        """Give how many were put in."""
        return self._count

    def add(self, event: Event) -> None:
        """Put one in."""
        self._some.append(event)
        self._count += 1
        if len(self._some) >= self._held:
            self._spill()

    def __iter__(self) -> Iterator[Event]:
        """Give all of them in order; once."""
        self._some.sort(key=self._key)
        return heapq.merge(*(_events(piece) for piece in self._pieces), self._some, key=self._key)

    def _spill(self) -> None:
        self._some.sort(key=self._key)
        try:
            piece = tempfile.TemporaryFile(buffering=_BUFFER)  # noqa: SIM115 - closed by __exit__
            self._pieces.append(piece)
            for event in self._some:
                body = _encoder.encode(event)
                piece.write(_length.pack(len(body)))
                piece.write(body)
            piece.seek(0)
        except OSError as error:
            raise Unavailable(
                f"Events could not be sorted in {tempfile.gettempdir()} ({error.strerror}); make room there, or name "
                "another folder in TMPDIR"
            ) from error
        self._some = []


def _events(piece: IO[bytes]) -> Iterator[Event]:
    while head := piece.read(_length.size):
        yield _decoder.decode(piece.read(_length.unpack(head)[0]))
